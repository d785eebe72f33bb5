//! The built-in authentication with tokens, and with SCRAM-SHA-256.

use crate::kit::{Client, Hello, Server, V5, V311};
use data_encoding::BASE64URL_NOPAD;
use mqtt_auth::{ClientAuth, ScramSha256Client};
use mqtt_broker::config::{Authenticator, AuthenticatorKind, Jwt, Secret, TokenFrom};
use mqtt_codec::{Auth, Packet, Properties, Property, PropertyList, ReasonCode};
use ring::hmac;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SECRET: &str = "a secret of thirty-two bytes, and more";
const BAD: u8 = 0x86;

fn token_of(secret: &str, claims: &Value) -> String {
    let parts = [json!({"alg": "HS256"}), claims.clone()];
    let [header, claims] = parts.map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
    let signed = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = BASE64URL_NOPAD.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

fn token(claims: &Value) -> String {
    token_of(SECRET, claims)
}

fn now_s() -> u64 {
    std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs()
}

fn server(change: impl FnOnce(&mut Jwt)) -> Server {
    let mut jwt = Jwt {
        secret: Some(Secret::new(SECRET)),
        ..Jwt::default()
    };
    change(&mut jwt);
    with(AuthenticatorKind::Jwt(Box::new(jwt)))
}

fn with(kind: AuthenticatorKind) -> Server {
    Server::built(
        |config| {
            config.authentication = vec![Authenticator {
                name: "one".to_owned(),
                enable: true,
                kind,
            }];
            config.authentication_settings.max_failures = None;
        },
        |builder| builder,
    )
}

fn ask(server: &Server, username: Option<&str>, password: &str) -> u8 {
    let hello = Hello {
        username,
        password: Some(password.as_bytes()),
        ..Hello::new(V5, "c")
    };
    hello.ask(server).1.reason
}

#[test]
fn a_token_is_good_or_it_is_not() {
    let server = server(|_| {});
    let (past, later) = (now_s() - 600, now_s() + 600);
    for (password, reason) in [
        (token(&json!({})), 0),
        (token(&json!({"exp": later, "nbf": past, "iat": past})), 0),
        (token(&json!({"exp": past})), BAD),
        (token(&json!({"nbf": later})), BAD),
        (token(&json!({"acl": "all"})), BAD),
        (
            token_of("another secret of thirty-two bytes", &json!({})),
            BAD,
        ),
        (
            token(&json!({})).replace("eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJub25lIn0"),
            BAD,
        ),
        ("secret".to_owned(), BAD),
        ("a.b.c".to_owned(), BAD),
    ] {
        assert_eq!(ask(&server, Some("bob"), &password), reason, "{password}");
    }
}

#[test]
fn claims_are_compared_with_what_the_client_says() {
    let server = server(|jwt| {
        jwt.verify_claims = BTreeMap::from([
            ("id".to_owned(), "${clientid}".to_owned()),
            ("name".to_owned(), "${username}".to_owned()),
        ]);
    });
    for (claims, username, reason) in [
        (json!({"id": "c", "name": "bob"}), Some("bob"), 0),
        (json!({"id": ["a", "c"], "name": "bob"}), Some("bob"), 0),
        (json!({"id": "d", "name": "bob"}), Some("bob"), BAD),
        (json!({"id": "c", "name": "bob"}), Some("alice"), BAD),
        (json!({"id": "c", "name": ""}), None, BAD),
        (json!({"id": "c"}), Some("bob"), BAD),
    ] {
        let reason_now = ask(&server, username, &token(&claims));
        assert_eq!(reason_now, reason, "{claims} {username:?}");
    }
}

/// A user name that a token does not confirm must not meet rules made for who has it.
#[test]
fn the_name_is_what_the_token_confirms() {
    type Change = fn(&mut Jwt);
    let cases: [(Change, Value, Option<&str>); 4] = [
        (|_| {}, json!({}), None),
        (|_| {}, json!({"sub": "alice"}), Some("alice")),
        (
            |jwt| jwt.username_claim = "who".to_owned(),
            json!({"sub": "x", "who": "carol"}),
            Some("carol"),
        ),
        (
            |jwt| jwt.verify_claims = BTreeMap::from([("n".to_owned(), "${username}".to_owned())]),
            json!({"n": "root", "sub": "x"}),
            Some("root"),
        ),
    ];
    for (change, claims, name) in cases {
        let server = server(change);
        let token = token(&claims);
        let hello = Hello {
            username: Some("root"),
            password: Some(token.as_bytes()),
            ..Hello::new(V5, "c")
        };
        let _client = hello.connect(&server);
        let client = server
            .broker()
            .manager()
            .client("c")
            .unwrap()
            .client
            .unwrap();
        assert_eq!(client.username.as_deref(), name, "{claims}");
    }
}

#[test]
fn a_token_may_stand_in_the_user_name() {
    let server = server(|jwt| jwt.from = TokenFrom::Username);
    assert_eq!(ask(&server, Some(&token(&json!({}))), ""), 0);
    assert_eq!(ask(&server, Some("bob"), &token(&json!({}))), BAD);
}

#[test]
fn what_a_token_says_of_a_client_is_known() {
    let server = server(|_| {});
    let claims =
        json!({"is_superuser": true, "client_attrs": {"floor": "3"}, "acl": {"pub": ["a"]}});
    let token = token(&claims);
    let hello = Hello {
        password: Some(token.as_bytes()),
        username: Some(""),
        ..Hello::new(V5, "c")
    };
    let _client = hello.connect(&server);
    let client = server
        .broker()
        .manager()
        .client("c")
        .unwrap()
        .client
        .unwrap();
    assert!(client.superuser);
    assert_eq!(client.attribute("floor"), Some("3"));
    assert_eq!(client.rules.as_ref().unwrap().rules().len(), 1);
}

#[test]
fn a_client_goes_when_its_token_expires_unless_it_may_stay() {
    for (disconnects, version) in [(true, V5), (true, V311), (false, V5)] {
        let server = server(|jwt| jwt.disconnect_after_expire = disconnects);
        let token = token(&json!({"exp": now_s() + 2}));
        let hello = Hello {
            password: Some(token.as_bytes()),
            username: Some(""),
            ..Hello::new(version, "c")
        };
        let mut client = hello.connect(&server);
        match (disconnects, version) {
            (true, V5) => client.expect_disconnect(ReasonCode::NOT_AUTHORIZED),
            (true, _) => client.expect_close(),
            (false, _) => {
                let client = server
                    .broker()
                    .manager()
                    .client("c")
                    .unwrap()
                    .client
                    .unwrap();
                assert_eq!(client.identity.as_ref().unwrap().expires_at_s, None);
            }
        }
    }
}

#[cfg(feature = "http")]
#[test]
fn keys_are_fetched_and_kept_while_they_cannot_be() {
    use crate::kit::Service;
    let set = |secret: &str| {
        let k = BASE64URL_NOPAD.encode(secret.as_bytes());
        json!({"keys": [{"kty": "oct", "k": k}]}).to_string()
    };
    let service = Service::start(500, "");
    let server = server(|jwt| {
        jwt.secret = None;
        jwt.endpoint = Some(service.url("/keys"));
    });
    let password = token(&json!({}));
    assert_eq!(ask(&server, None, &password), 0x88);
    service.say(200, &set(SECRET));
    server.wait_until("keys", |_| {
        let hello = Hello {
            username: Some(""),
            password: Some(password.as_bytes()),
            ..Hello::new(V5, "c")
        };
        hello.ask(&server).1.reason == 0
    });
    service.say(500, "");
    assert_eq!(ask(&server, None, &password), 0);
    assert!(service.asked()[0].head.starts_with("GET /keys "));
}

fn say(client: &mut Client, reason: ReasonCode, data: &[u8]) {
    let set = [
        Property::AuthenticationMethod("SCRAM-SHA-256"),
        Property::AuthenticationData(data),
    ];
    let list = PropertyList::new(&set);
    client.send(&Packet::Auth(Auth {
        reason,
        properties: Properties::from(&list),
    }));
}

/// What AUTH brings, if that comes next.
fn told(client: &mut Client) -> Vec<u8> {
    let received = client.receive();
    let Ok(Packet::Auth(auth)) = received.packet() else {
        panic!("not an AUTH: {received:?}");
    };
    auth.properties
        .authentication_data()
        .unwrap_or_default()
        .to_vec()
}

/// The Reason Code of CONNACK for a client that authenticates with SCRAM.
fn scram(server: &Server, username: &str, password: &str) -> (Client, u8) {
    let mut auth = ScramSha256Client::new(username, password);
    let first = auth.first().unwrap();
    let properties = [
        Property::AuthenticationMethod("SCRAM-SHA-256"),
        Property::AuthenticationData(&first),
    ];
    let hello = Hello {
        properties: &properties,
        ..Hello::new(V5, "c")
    };
    let mut client = hello.send(server);
    let challenge = told(&mut client);
    let proof = auth.next(&challenge).unwrap();
    say(&mut client, ReasonCode::CONTINUE_AUTHENTICATION, &proof);
    let reason = client.welcome().reason;
    (client, reason)
}

/// Covers: v5 [MQTT-4.12.0-2].
#[test]
fn v5_scram_proves_a_user_of_the_database() {
    let server = with(AuthenticatorKind::Scram);
    let users = server.broker().guard().unwrap().users().clone();
    users.add("bob", b"one", false).unwrap();
    let (mut client, reason) = scram(&server, "bob", "one");
    assert_eq!(reason, 0);
    let info = server
        .broker()
        .manager()
        .client("c")
        .unwrap()
        .client
        .unwrap();
    assert_eq!(info.username.as_deref(), Some("bob"));
    let guard = server.broker().guard().unwrap();
    assert!(guard.still_valid(&info));
    // Once more, and then as somebody else.
    users.add("alice", b"two", false).unwrap();
    let mut again = ScramSha256Client::new("bob", "one");
    say(
        &mut client,
        ReasonCode::RE_AUTHENTICATE,
        &again.first().unwrap(),
    );
    let proof = again.next(&told(&mut client)).unwrap();
    say(&mut client, ReasonCode::CONTINUE_AUTHENTICATION, &proof);
    again.finish(Some(&told(&mut client))).unwrap();
    let mut other = ScramSha256Client::new("alice", "two");
    say(
        &mut client,
        ReasonCode::RE_AUTHENTICATE,
        &other.first().unwrap(),
    );
    client.expect_disconnect(ReasonCode::NOT_AUTHORIZED);
    users.set_password("bob", b"three").unwrap();
    assert!(!guard.still_valid(&info));
    for (username, password, expected) in [
        ("bob", "one", 0x87),
        ("bob", "three", 0),
        ("nobody", "one", 0x87),
    ] {
        assert_eq!(scram(&server, username, password).1, expected, "{username}");
    }
    // There is no other way in.
    assert_eq!(ask(&server, Some("bob"), "three"), BAD);
}
