//! Keys of authentication.

use super::*;

#[test]
fn an_authenticator_is_named_once_and_needs_what_it_needs() {
    let file = "[[authentication]]\nmechanism = \"password_based\"\nbackend = \"file\"\n";
    let whole = format!("{file}path = \"users\"\n");
    let check = |text: &str| Config::from_toml(text, "t")?.check();
    check(&whole).unwrap();
    for (text, line) in [
        (
            file.to_owned(),
            "t:1: `authentication[0].path` is missing, it must be the path of a file, as a string",
        ),
        (
            "[[authentication]]\nmechanism = \"password\"".to_owned(),
            "t:2: `authentication[0].mechanism` is `\"password\"`, it must be \"password_based\" or \"jwt\" or \"scram\" or \"certificate\"",
        ),
        (
            whole.repeat(2),
            "two authenticators are called `password_based:file`: give each of `[[authentication]]` a `name` of its own",
        ),
        (
            format!("listeners.tcp.default.authenticators = [\"x\"]\n{whole}"),
            "listener `tcp:default` names `x` among its `authenticators`, and no `[[authentication]]` has that `name`",
        ),
    ] {
        assert_eq!(check(&text).unwrap_err().to_string(), line, "{text}");
    }
}

#[test]
fn a_listener_that_asks_who_clients_are_may_be_reached() {
    let file = "[[authentication]]\nmechanism = \"password_based\"\nbackend = \"file\"\npath = \"u\"\nname = \"u\"\n";
    for (listener, is_fine) in [
        ("", true),
        ("authenticators = [\"u\"]\n", true),
        ("authenticators = []\n", false),
        ("enable_authn = false\n", false),
        ("enable_authn = false\nallow_anonymous = true\n", true),
        ("authenticators = []\nallow_anonymous = false\n", false),
    ] {
        let text = format!("[listeners.tcp.default]\nbind = 1883\n{listener}{file}");
        let config = Config::from_toml(&text, "t").unwrap();
        assert_eq!(config.check().is_ok(), is_fine, "{text}");
        let is_open = listener.contains("allow_anonymous = true");
        let text = format!("{text}enable = false\n");
        let config = Config::from_toml(&text, "t").unwrap();
        assert_eq!(config.check().is_ok(), is_open, "{text}");
    }
}

#[test]
fn keys_of_services_and_tokens_reach_their_fields() {
    let text = r#"
[[authentication]]
mechanism = "password_based"
backend = "http"
method = "get"
url = "https://auth.example.com/${clientid}"
headers = { X-Key = "secret" }
body = { u = "${username}" }
request_timeout = "1s"
pool_size = 2
cache_ttl = "3s"
cacertfile = "ca.pem"

[[authentication]]
mechanism = "jwt"
secret = "c2VjcmV0"
secret_base64_encoded = true
public_key = "key.pem"
jwks_file = "keys.json"
endpoint = "http://localhost/keys"
cacertfile = "ca.pem"
refresh_interval = "20s"
from = "username"
verify_claims = { aud = "mqtt" }
username_claim = "who"
acl_claim_name = "rules"
leeway = "4s"
disconnect_after_expire = false

[[authentication]]
mechanism = "scram"
backend = "built_in_database"

[[authentication]]
mechanism = "certificate"
username = "san"
"#;
    let config = Config::from_toml(text, "t").unwrap();
    let one = |text: &str, value: &str| BTreeMap::from([(text.to_owned(), value.to_owned())]);
    let kinds: Vec<_> = config.authentication.iter().map(|one| &one.kind).collect();
    let expected = [
        &AuthenticatorKind::Http(Box::new(HttpService {
            method: HttpMethod::Get,
            url: Some("https://auth.example.com/${clientid}".to_owned()),
            headers: BTreeMap::from([("x-key".to_owned(), Secret::new("secret"))]),
            body: one("u", "${username}"),
            request_timeout: Duration::from_secs(1),
            pool_size: 2,
            cache_ttl: Duration::from_secs(3),
            cacertfile: Some("ca.pem".into()),
        })),
        &AuthenticatorKind::Jwt(Box::new(Jwt {
            secret: Some(Secret::new("c2VjcmV0")),
            secret_base64_encoded: true,
            public_key: Some("key.pem".into()),
            jwks_file: Some("keys.json".into()),
            endpoint: Some("http://localhost/keys".to_owned()),
            cacertfile: Some("ca.pem".into()),
            refresh_interval: Duration::from_secs(20),
            from: TokenFrom::Username,
            verify_claims: one("aud", "mqtt"),
            username_claim: "who".to_owned(),
            acl_claim_name: "rules".to_owned(),
            leeway: Duration::from_secs(4),
            disconnect_after_expire: false,
        })),
        &AuthenticatorKind::Scram,
        &AuthenticatorKind::Certificate {
            username: CertificateName::AlternativeName,
        },
    ];
    assert_eq!(kinds, expected);
    let names: Vec<_> = config.authentication.iter().map(|one| &*one.name).collect();
    assert_eq!(
        names,
        [
            "password_based:http",
            "jwt",
            "scram:built_in_database",
            "certificate"
        ]
    );
}

#[test]
fn keys_of_databases_reach_their_fields() {
    let text = r#"
[[authentication]]
mechanism = "password_based"
backend = "postgresql"
server = "[2001:db8::1]:5433"
database = "mqtt"
username = "reader"
password = "x"
query = "SELECT ${username}"
request_timeout = "1s"
pool_size = 2
ssl = { enable = true, cacertfile = "ca.pem" }
password_hash_algorithm = { name = "pbkdf2", mac_fun = "sha384", iterations = 5 }

[[authentication]]
mechanism = "password_based"
backend = "redis"
server = "db"
database = 4
cmd = "HGET ${username} password"
password_hash_algorithm = { name = "sha", salt_position = "suffix" }
"#;
    let config = Config::from_toml(text, "t").unwrap();
    let kinds: Vec<_> = config.authentication.iter().map(|one| &one.kind).collect();
    let address = |host: &str, port| ServerAddress {
        host: host.to_owned(),
        port,
    };
    let expected = [
        &AuthenticatorKind::PostgreSql(Box::new(PostgreSql {
            server: DatabaseServer {
                server: Some(address("2001:db8::1", Some(5433))),
                username: Some("reader".to_owned()),
                password: Some(Secret::new("x")),
                request_timeout: Duration::from_secs(1),
                pool_size: 2,
                tls: true,
                cacertfile: Some("ca.pem".into()),
            },
            hashing: PasswordHashing {
                name: HashName::Pbkdf2,
                mac_fun: Some(MacName::Sha384),
                iterations: Some(5),
                ..PasswordHashing::default()
            },
            database: Some("mqtt".to_owned()),
            query: Some("SELECT ${username}".to_owned()),
        })),
        &AuthenticatorKind::Redis(Box::new(Redis {
            server: DatabaseServer {
                server: Some(address("db", None)),
                ..DatabaseServer::default()
            },
            hashing: PasswordHashing {
                name: HashName::Sha,
                salt_position: SaltPlace::Suffix,
                ..PasswordHashing::default()
            },
            database: 4,
            cmd: Some("HGET ${username} password".to_owned()),
        })),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_database_is_on_one_server() {
    let read = |server: &str| {
        let text = format!(
            "[[authentication]]\nmechanism = \"password_based\"\nbackend = \"redis\"\nserver = \"{server}\""
        );
        let config = Config::from_toml(&text, "t").ok()?;
        match &config.authentication.first()?.kind {
            AuthenticatorKind::Redis(redis) => redis.server.server.clone(),
            _ => None,
        }
    };
    for (text, host, port) in [
        ("db", "db", None),
        ("db:6379", "db", Some(6379)),
        ("::1", "::1", None),
        ("[::1]", "::1", None),
        ("[::1]:5", "::1", Some(5)),
        ("/run/postgresql", "/run/postgresql", None),
    ] {
        let found = read(text).unwrap();
        assert_eq!((&*found.host, found.port), (host, port), "{text}");
        assert_eq!(read(&found.to_string()), Some(found), "{text}");
    }
    for text in [
        "", "a b", "a:0", "a:65536", "a:x", "a:", "a,b", "u@h", "[::1", "[::1]x", ":5",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

/// A secret is named by where it is, and never shown.
#[test]
fn secrets_are_found_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "from a file\r\n").unwrap();
    let secret = |written: &str| -> Result<_, ConfigError> {
        let text = format!("[[authentication]]\nmechanism = \"jwt\"\nsecret = {written}\n");
        let config = Config::from_toml(&text, "t")?;
        assert!(!format!("{config:?}").contains("written"));
        match config.authentication.into_iter().next().map(|one| one.kind) {
            Some(AuthenticatorKind::Jwt(jwt)) => Ok(jwt.secret),
            other => panic!("{other:?}"),
        }
    };
    let file = format!("\"file://{}\"", path.display());
    for (written, found) in [
        ("\"written\"", "written".to_owned()),
        (&file, "from a file".to_owned()),
        ("\"env:CARGO_PKG_NAME\"", env!("CARGO_PKG_NAME").to_owned()),
    ] {
        let is = secret(written)
            .unwrap()
            .map(|secret| secret.expose().to_owned());
        assert_eq!(is, Some(found), "{written}");
    }
    for written in [
        "\"\"",
        "\"env:NO_SUCH_VARIABLE_HERE\"",
        "\"file:///no/such/file/here\"",
        "77_777",
    ] {
        let error = secret(written).unwrap_err().to_string();
        assert!(
            error.starts_with("t:3: `authentication[0].secret` is of type "),
            "{error}"
        );
        assert!(!error.contains("77"), "{error}");
    }
}
