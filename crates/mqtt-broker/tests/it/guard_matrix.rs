//! Every mechanism of authentication against everything a client may say of itself, as a table.

use crate::kit::{Hello, Server, V5, V31, V311};
use data_encoding::BASE64URL_NOPAD;
use mqtt_access::{HashForm, StoredPassword};
use mqtt_broker::config::{
    Authenticator, AuthenticatorKind, CertificateName, Jwt, Secret, TokenFrom, UserId,
};
use ring::hmac;
use std::path::PathBuf;

/// Bad User Name or Password.
const BAD: u8 = 0x86;
/// Not authorized.
const OUT: u8 = 0x87;
/// What tokens are signed with.
const SECRET: &str = "a secret of thirty-two bytes, and more";

/// What a client says: its User Name and its password.
type Says<'a> = (Option<&'a str>, Option<&'a [u8]>);

fn one(kind: AuthenticatorKind) -> Authenticator {
    Authenticator {
        name: "one".to_owned(),
        enable: true,
        kind,
    }
}

fn server(kinds: Vec<AuthenticatorKind>) -> Server {
    let server = Server::built(
        |config| {
            config.authentication = kinds.into_iter().map(one).collect();
            for (nth, one) in config.authentication.iter_mut().enumerate() {
                one.name = format!("{nth}");
            }
            config.authentication_settings.max_failures = None;
        },
        |builder| builder,
    );
    let users = server.broker().guard().unwrap().users().clone();
    users.add("dora", b"right", false).unwrap();
    server
}

fn token() -> String {
    let [header, claims] = [r#"{"alg":"HS256"}"#, r#"{"sub":"tom"}"#]
        .map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
    let signed = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = BASE64URL_NOPAD.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

/// The answer in all versions that can say it: the Reason Code of v5, of which the others have their own number.
fn answer(server: &Server, (username, password): Says<'_>) -> u8 {
    let ask = |version| {
        let hello = Hello {
            username,
            password,
            ..Hello::new(version, "c")
        };
        hello.ask(server).1
    };
    let reason = ask(V5).reason;
    if username.is_some() || password.is_none() {
        let expected = match reason {
            0 => 0,
            BAD => 4,
            OUT => 5,
            other => panic!("{other:#x}"),
        };
        for version in [V31, V311] {
            assert_eq!(ask(version).bytes, [0x20, 2, 0, expected], "{version:?}");
        }
    }
    reason
}

#[test]
fn each_mechanism_takes_what_it_knows_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, user: &str| -> PathBuf {
        let path = dir.path().join(name);
        let hash = StoredPassword::hashed(b"right", HashForm::Pbkdf2Sha512).unwrap();
        std::fs::write(&path, format!("{user}:{hash}\n")).unwrap();
        path
    };
    let of_file = |path, user_id| AuthenticatorKind::File { path, user_id };
    let database = |bootstrap_file| AuthenticatorKind::BuiltInDatabase {
        bootstrap_file,
        user_id: UserId::Username,
    };
    let jwt = |from| {
        AuthenticatorKind::Jwt(Box::new(Jwt {
            secret: Some(Secret::new(SECRET)),
            from,
            ..Jwt::default()
        }))
    };
    let certificate = AuthenticatorKind::Certificate {
        username: CertificateName::CommonName,
    };
    let token = token();
    let cut = format!("{}.{}", token.rsplit_once('.').unwrap().0, "AAAA");
    let says: [Says<'_>; 13] = [
        (None, None),
        (None, Some(b"right")),
        (None, Some(token.as_bytes())),
        (Some(""), None),
        (Some(""), Some(b"")),
        (Some("alice"), None),
        (Some("alice"), Some(b"")),
        (Some("alice"), Some(b"wrong")),
        (Some("alice"), Some(b"right")),
        (Some("dora"), Some(b"right")),
        (Some("alice"), Some(token.as_bytes())),
        (Some("alice"), Some(cut.as_bytes())),
        (Some(&token), None),
    ];
    let rows: [(&str, Vec<AuthenticatorKind>, [u8; 13]); 8] = [
        (
            "a file",
            vec![of_file(file("1", "alice"), UserId::Username)],
            [
                OUT, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 0, BAD, BAD, BAD, BAD,
            ],
        ),
        (
            "a file of Client Identifiers",
            vec![of_file(file("2", "c"), UserId::ClientId)],
            [BAD, 0, BAD, BAD, BAD, BAD, BAD, BAD, 0, 0, BAD, BAD, BAD],
        ),
        (
            "the database",
            vec![database(None)],
            [
                OUT, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 0, BAD, BAD, BAD,
            ],
        ),
        (
            "tokens",
            vec![jwt(TokenFrom::Password)],
            [OUT, BAD, 0, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 0, BAD, BAD],
        ),
        (
            "tokens in the User Name",
            vec![jwt(TokenFrom::Username)],
            [
                OUT, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 0,
            ],
        ),
        (
            "SCRAM",
            vec![AuthenticatorKind::Scram],
            [
                OUT, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
            ],
        ),
        (
            "a certificate, and none is shown",
            vec![certificate.clone()],
            [
                OUT, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
            ],
        ),
        (
            "all of them",
            vec![
                certificate,
                AuthenticatorKind::Scram,
                jwt(TokenFrom::Password),
                of_file(file("3", "alice"), UserId::Username),
                database(None),
            ],
            [OUT, BAD, 0, BAD, BAD, BAD, BAD, BAD, 0, 0, 0, BAD, BAD],
        ),
    ];
    for (mechanism, kinds, expected) in rows {
        let server = server(kinds);
        for (said, reason) in says.into_iter().zip(expected) {
            assert_eq!(answer(&server, said), reason, "{mechanism}: {said:?}");
        }
    }
}
