//! The built-in authentication, as a table: who comes in where, and with which answer who does not.

use crate::kit::{Client, Hello, Server, V5, V311};
use mqtt_access::{HashForm, StoredPassword};
use mqtt_broker::Rate;
use mqtt_broker::config::{
    Authenticator, AuthenticatorKind, CertificateName, Config, Duration, UserId,
};
use mqtt_codec::ProtocolVersion;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Bad User Name or Password.
const BAD: u8 = 0x86;
/// Not authorized.
const NOT_AUTHORIZED: u8 = 0x87;

/// A folder with password files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A file with these users.
    fn file(&self, name: &str, users: &[(&str, &str, HashForm)]) -> PathBuf {
        let lines = users.iter().map(|(user, password, form)| {
            let hash = StoredPassword::hashed(password.as_bytes(), *form).unwrap();
            format!("{user}:{hash}\n")
        });
        let path = self.0.path().join(name);
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        path
    }
}

fn file(name: &str, path: &Path, user_id: UserId) -> Authenticator {
    Authenticator {
        name: name.to_owned(),
        enable: true,
        kind: AuthenticatorKind::File {
            path: path.to_owned(),
            user_id,
        },
    }
}

fn database(bootstrap_file: Option<PathBuf>) -> Authenticator {
    Authenticator {
        name: "database".to_owned(),
        enable: true,
        kind: AuthenticatorKind::BuiltInDatabase {
            bootstrap_file,
            user_id: UserId::Username,
        },
    }
}

fn server(change: impl FnOnce(&mut Config)) -> Server {
    Server::built(change, |builder| builder)
}

fn hello<'a>(
    version: ProtocolVersion,
    username: Option<&'a str>,
    password: Option<&'a str>,
) -> Hello<'a> {
    Hello {
        username,
        password: password.map(str::as_bytes),
        ..Hello::new(version, "c")
    }
}

fn ask(server: &Server, username: Option<&str>, password: Option<&str>) -> u8 {
    hello(V5, username, password).ask(server).1.reason
}

/// The user the broker takes a client for.
fn name_of(server: &Server, client_id: &str) -> Option<String> {
    let view = server.broker().manager().client(client_id).unwrap();
    view.client.unwrap().username.clone().map(Into::into)
}

#[test]
fn without_authentication_everybody_on_this_machine_comes_in() {
    let server = server(|_| {});
    for (username, password) in [(None, None), (Some("x"), None), (Some("x"), Some("y"))] {
        assert_eq!(ask(&server, username, password), 0);
    }
}

#[test]
fn the_first_that_knows_the_user_decides() {
    let folder = Folder::new();
    let first = folder.file("1", &[("alice", "one", HashForm::Argon2id)]);
    let second = folder.file(
        "2",
        &[
            ("alice", "two", HashForm::Pbkdf2Sha512),
            ("bob", "three", HashForm::Pbkdf2Sha512),
        ],
    );
    let server = server(|config| {
        config.authentication = vec![
            file("first", &first, UserId::Username),
            file("second", &second, UserId::Username),
        ];
        config.authentication_settings.max_failures = None;
    });
    for (username, password, reason) in [
        (Some("alice"), Some("one"), 0),
        (Some("alice"), Some("one"), 0),
        (Some("alice"), Some("two"), BAD),
        (Some("alice"), None, BAD),
        (Some("alice"), Some(""), BAD),
        (Some("Alice"), Some("one"), BAD),
        (Some("bob"), Some("three"), 0),
        (Some("bob"), Some("one"), BAD),
        (Some("carol"), Some("one"), BAD),
        (Some("carol"), None, BAD),
        (Some(""), Some(""), BAD),
        (None, Some("one"), BAD),
        (None, None, NOT_AUTHORIZED),
    ] {
        assert_eq!(
            ask(&server, username, password),
            reason,
            "{username:?} {password:?}"
        );
    }
    let (_, welcome) = hello(V311, Some("carol"), Some("x")).ask(&server);
    assert_eq!(welcome.bytes, [0x20, 2, 0, 4]);
    let counts = server.broker().guard().unwrap().counts();
    assert_eq!((counts.accepted, counts.anonymous), (3, 0));
    assert_eq!((counts.refused, counts.proven, counts.proofs), (11, 1, 2));
}

#[test]
fn a_refusal_says_nothing_in_words() {
    let folder = Folder::new();
    let users = folder.file("1", &[("alice", "one", HashForm::Pbkdf2Sha512)]);
    let server = server(|config| {
        config.authentication = vec![file("first", &users, UserId::Username)];
    });
    let refused = [Some("alice"), Some("nobody")].map(|username| {
        let (_, welcome) = hello(V5, username, Some("wrong")).ask(&server);
        welcome.bytes
    });
    assert_eq!(refused[0], refused[1]);
}

#[test]
fn listeners_ask_whom_they_name() {
    let folder = Folder::new();
    let people = folder.file("1", &[("alice", "one", HashForm::Pbkdf2Sha512)]);
    let things = folder.file("2", &[("c", "two", HashForm::Pbkdf2Sha512)]);
    type Change = fn(&mut Config);
    let cases: [(&str, Change, u8, u8, u8); 6] = [
        ("all", |_| {}, 0, 0, NOT_AUTHORIZED),
        (
            "people",
            |config| name(config, &["people"]),
            0,
            BAD,
            NOT_AUTHORIZED,
        ),
        (
            "things",
            |config| name(config, &["things"]),
            BAD,
            0,
            NOT_AUTHORIZED,
        ),
        ("none", |config| name(config, &[]), 0, 0, 0),
        ("not asked", |config| enable(config, false), 0, 0, 0),
        ("anonymous", |config| config.allow_anonymous = true, 0, 0, 0),
    ];
    for (what, change, person, thing, nobody) in cases {
        let server = server(|config| {
            config.authentication = vec![
                file("people", &people, UserId::Username),
                file("things", &things, UserId::ClientId),
            ];
            change(config);
        });
        let of = |username, password| ask(&server, username, password);
        assert_eq!(of(Some("alice"), Some("one")), person, "{what}: alice");
        assert_eq!(of(None, Some("two")), thing, "{what}: c");
        let hello = Hello::new(V5, "other");
        assert_eq!(hello.ask(&server).1.reason, nobody, "{what}: nobody");
    }
}

fn name(config: &mut Config, names: &[&str]) {
    for listener in config.listeners.values_mut() {
        listener.authenticators = Some(names.iter().map(|name| (*name).to_owned()).collect());
    }
}

fn enable(config: &mut Config, enable: bool) {
    for listener in config.listeners.values_mut() {
        listener.enable_authn = enable;
    }
}

#[test]
fn who_is_not_asked_has_no_name() {
    let folder = Folder::new();
    let users = folder.file("1", &[("root", "one", HashForm::Pbkdf2Sha512)]);
    let server = server(|config| {
        config.authentication = vec![file("users", &users, UserId::Username)];
        enable(config, false);
    });
    let _client = hello(V5, Some("root"), None).connect(&server);
    assert_eq!(name_of(&server, "c"), None);
}

#[test]
fn a_certificate_is_asked_for_and_a_client_without_one_stays_out() {
    let server = server(|config| {
        config.authentication = vec![Authenticator {
            name: "certificate".to_owned(),
            enable: true,
            kind: AuthenticatorKind::Certificate {
                username: CertificateName::CommonName,
            },
        }];
    });
    assert_eq!(ask(&server, Some("x"), Some("y")), BAD);
    assert_eq!(ask(&server, None, None), NOT_AUTHORIZED);
}

#[test]
fn users_change_while_the_broker_runs_and_are_kept() {
    let folder = Folder::new();
    let bootstrap = folder.file("1", &[("bob", "one", HashForm::Pbkdf2Sha512)]);
    let data_dir = folder.0.path().join("data");
    let started = || {
        server(|config| {
            config.node.data_dir = Some(data_dir.clone());
            config.authentication = vec![database(Some(bootstrap.clone()))];
        })
    };
    let server = started();
    let guard = server.broker().guard().unwrap();
    assert_eq!(ask(&server, Some("bob"), Some("one")), 0);
    guard.users().set_password("bob", b"two").unwrap();
    assert_eq!(ask(&server, Some("bob"), Some("one")), BAD);
    assert_eq!(ask(&server, Some("bob"), Some("two")), 0);
    guard.users().add("alice", b"three", false).unwrap();
    assert_eq!(ask(&server, Some("alice"), Some("three")), 0);
    guard.users().delete("bob").unwrap();
    assert_eq!(ask(&server, Some("bob"), Some("two")), BAD);
    server.shutdown();
    let server = started();
    assert_eq!(ask(&server, Some("bob"), Some("one")), BAD);
    assert_eq!(ask(&server, Some("alice"), Some("three")), 0);
}

/// The clients connected that would not be let in again.
fn invalid(server: &Server, clients: &[&str]) -> Vec<String> {
    let guard = server.broker().guard().unwrap();
    let client = |id: &&&str| {
        let client = server.broker().manager().client(id).unwrap();
        !guard.still_valid(&client.client.unwrap())
    };
    clients
        .iter()
        .filter(client)
        .map(|id| (*id).to_owned())
        .collect()
}

#[test]
fn it_is_known_who_would_not_be_let_in_again() {
    let folder = Folder::new();
    let users = ["alice", "bob", "carol"].map(|user| (user, "one", HashForm::Pbkdf2Sha512));
    let path = folder.file("1", &users);
    let mut config = Config::default();
    let server = server(|given| {
        given.authentication = vec![file("users", &path, UserId::Username)];
        config = given.clone();
    });
    let _clients: Vec<Client> = users
        .iter()
        .map(|(user, password, _)| {
            let hello = Hello {
                username: Some(user),
                password: Some(password.as_bytes()),
                ..Hello::new(V5, user)
            };
            hello.connect(&server)
        })
        .collect();
    let all = ["alice", "bob", "carol"];
    let guard = server.broker().guard().unwrap();
    assert_eq!(invalid(&server, &all), [""; 0]);
    let old = std::fs::read_to_string(&path).unwrap();
    folder.file("1", &[("bob", "two", HashForm::Pbkdf2Sha512)]);
    let new = std::fs::read_to_string(&path).unwrap();
    let alice: Vec<_> = old.lines().take(1).collect();
    std::fs::write(&path, format!("{}\n{new}", alice[0])).unwrap();
    guard.reload(&config).unwrap();
    assert_eq!(invalid(&server, &all), ["bob", "carol"]);
    std::fs::write(&path, "no colon").unwrap();
    let error = guard.reload(&config).unwrap_err().to_string();
    assert!(error.contains("line 1: no colon"), "{error}");
    assert_eq!(invalid(&server, &all), ["bob", "carol"]);
    enable(&mut config, false);
    config.authentication.clear();
    guard.reload(&config).unwrap();
    assert_eq!(ask(&server, None, None), 0);
}

#[test]
fn failures_from_an_address_are_limited_and_proofs_are_not() {
    let folder = Folder::new();
    let users = folder.file(
        "1",
        &[
            ("alice", "one", HashForm::Pbkdf2Sha512),
            ("bob", "two", HashForm::Pbkdf2Sha512),
        ],
    );
    let server = server(|config| {
        config.authentication = vec![file("users", &users, UserId::Username)];
        config.authentication_settings.max_failures = Some(Rate {
            count: 2,
            per: std::time::Duration::from_secs(3600),
        });
    });
    assert_eq!(ask(&server, Some("alice"), Some("one")), 0);
    for _ in 0..2 {
        assert_eq!(ask(&server, Some("alice"), Some("x")), BAD);
    }
    // Connection rate exceeded, and Server unavailable before v5: not even the right password is checked.
    for (username, password) in [("alice", "x"), ("bob", "two"), ("nobody", "x")] {
        assert_eq!(ask(&server, Some(username), Some(password)), 0x9F);
    }
    let (_, welcome) = hello(V311, Some("bob"), Some("two")).ask(&server);
    assert_eq!(welcome.bytes, [0x20, 2, 0, 3]);
    assert_eq!(ask(&server, Some("alice"), Some("one")), 0);
    assert_eq!(server.broker().guard().unwrap().counts().limited, 4);
}

#[test]
fn more_than_may_wait_are_told_that_the_server_is_busy() {
    let folder = Folder::new();
    let users = folder.file("1", &[("alice", "one", HashForm::Argon2id)]);
    let server = server(|config| {
        config.authentication = vec![file("users", &users, UserId::Username)];
        let settings = &mut config.authentication_settings;
        settings.password_threads = Some(1);
        settings.max_password_queue = 1;
        settings.max_failures = None;
        settings.proof_ttl = Duration::from_secs(0);
    });
    let mut clients: Vec<_> = (0..20)
        .map(|_| hello(V5, Some("alice"), Some("wrong")).send(&server))
        .collect();
    let reasons: Vec<_> = clients
        .iter_mut()
        .map(|client| client.welcome().reason)
        .collect();
    assert!(
        reasons.iter().all(|reason| matches!(*reason, BAD | 0x89)),
        "{reasons:?}"
    );
    let busy = reasons.iter().filter(|reason| **reason == 0x89).count();
    let counts = server.broker().guard().unwrap().counts();
    assert!(busy > 0 && counts.busy == busy as u64, "{reasons:?}");
    assert_eq!(ask(&server, Some("alice"), Some("one")), 0);
}
