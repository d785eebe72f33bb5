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
