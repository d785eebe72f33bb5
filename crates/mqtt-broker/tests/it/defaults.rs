//! The defaults of docs/security.md, each as what somebody who has no right can do: nothing.

use crate::kit::{Client, Hello, Last, Post, QOS0, QOS1, Server, V5, V31, V311};
use mqtt_access::{HashForm, StoredPassword};
use mqtt_broker::Config;
use mqtt_broker::config::{
    Authenticator, AuthenticatorKind, Bind, ConfigError, Listener, ListenerKind, UserId,
};
use mqtt_codec::PacketType;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;

/// Every kind of listener that other machines could reach.
const KINDS: [ListenerKind; 5] = [
    ListenerKind::Tcp,
    ListenerKind::Ssl,
    ListenerKind::Ws,
    ListenerKind::Wss,
    ListenerKind::Quic,
];

/// A file with the user `alice`, whose password is `right`.
fn people() -> (TempDir, Authenticator) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("users");
    let hash = StoredPassword::hashed(b"right", HashForm::Pbkdf2Sha512).unwrap();
    std::fs::write(&path, format!("alice:{hash}\n")).unwrap();
    let people = Authenticator {
        name: "people".to_owned(),
        enable: true,
        kind: AuthenticatorKind::File {
            path,
            user_id: UserId::Username,
        },
    };
    (dir, people)
}

/// A broker that asks who clients are, and has something to hide.
fn closed() -> (TempDir, Server, Client) {
    let (dir, people) = people();
    let server = Server::built(
        |config| {
            config.authentication = vec![people];
            config.authentication_settings.max_failures = None;
        },
        |b| b,
    );
    let alice = Hello {
        username: Some("alice"),
        password: Some(b"right"),
        ..Hello::new(V5, "alice")
    };
    let mut alice = alice.connect(&server);
    alice.retain("secret", "kept", QOS1);
    alice.subscribe("#", QOS1);
    assert_eq!(alice.message().text(), ("secret", "kept"));
    (dir, server, alice)
}

#[test]
fn nobody_else_reaches_a_broker_that_nobody_configured() {
    let config = Config::default();
    assert_eq!(config.listeners.len(), 1);
    assert!(
        config
            .listeners
            .values()
            .all(|listener| listener.bind.is_loopback() && listener.kind == ListenerKind::Tcp)
    );
    assert!(!config.allow_anonymous);
    config.check().unwrap();
    for text in [
        "[listeners.tcp.x]",
        "[listeners.ws.x]",
        "mqtt.max_inflight = 1",
    ] {
        let config = Config::from_toml(text, "t").unwrap();
        let mut binds = config.listeners.values().map(|listener| &listener.bind);
        assert!(binds.all(|bind| bind.is_loopback()), "{text}");
    }
}

/// One that others can reach, where nobody is asked, stops the start; each way out is one that is written down.
#[test]
fn a_listener_is_not_open_by_mistake() {
    let (_dir, people) = people();
    let open = |kind, address: &str| {
        let mut listener = Listener::new(kind);
        let address: SocketAddr = address.parse().unwrap();
        listener.bind = Bind::Address(address);
        if kind.has_tls() {
            // The files are looked at when the listener is opened.
            listener.tls.certfile = Some(PathBuf::from("server.pem"));
            listener.tls.keyfile = Some(PathBuf::from("server.key"));
        }
        let mut config = Config::default();
        config.listeners.insert(format!("{kind}:x"), listener);
        config
    };
    let is_open = |config: &Config| matches!(config.check(), Err(ConfigError::OpenToAnyone { .. }));
    for kind in KINDS {
        for address in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[2001:db8::1]:1"] {
            let mut config = open(kind, address);
            let name = format!("{kind}:x");
            assert!(is_open(&config), "{kind} {address}");
            config.authentication = vec![people.clone()];
            assert!(!is_open(&config), "{kind} {address}: somebody is asked");
            let listener = config.listeners.get_mut(&name).unwrap();
            listener.enable_authn = false;
            assert!(is_open(&config), "{kind} {address}: not here");
            let listener = config.listeners.get_mut(&name).unwrap();
            (listener.enable_authn, listener.authenticators) = (true, Some(Vec::new()));
            assert!(is_open(&config), "{kind} {address}: nobody of them");
            let listener = config.listeners.get_mut(&name).unwrap();
            listener.authenticators = None;
            config.authentication[0].enable = false;
            assert!(is_open(&config), "{kind} {address}: switched off");
            config.allow_anonymous = true;
            assert!(!is_open(&config), "{kind} {address}: said");
            let listener = config.listeners.get_mut(&name).unwrap();
            listener.allow_anonymous = Some(false);
            assert!(is_open(&config), "{kind} {address}: and taken back here");
        }
    }
}

/// What the configuration does not know might be what was to close something.
#[test]
fn what_nobody_knows_does_not_start() {
    for text in [
        "[listeners.udp.x]",
        "[listeners.http.x]",
        "[listeners.TCP.x]",
        "[listener.tcp.x]",
        "[listeners.tcp.x]\nallow_anonymus = false",
        "[listeners.tcp.x]\nenable_auth = true",
        "allow_anonymous = \"no\"",
        "[[authentication]]\nmechanism = \"none\"",
        "[[authentication]]\nmechanism = \"password_based\"\nbackend = \"plain\"",
        "[[authorization.sources]]\ntype = \"files\"\npath = \"x\"",
        "[[authorization.rules]]\npermission = \"forbid\"",
        "[[authorization.rules]]\npermission = \"deny\"\ntopic = [\"a\"]",
        "[[authorization.rules]]\npermission = \"deny\"\naction = \"read\"",
        "authorization.no_match = \"ignore\"",
        "[listeners.tcp.x]\naccess_rules = [\"forbid all\"]",
    ] {
        assert!(Config::from_toml(text, "t").is_err(), "{text}");
    }
}

/// Each packet that a client may send, as the first: no answer, no trace.
#[test]
fn before_connect_nothing_has_an_effect() {
    let (_dir, server, mut alice) = closed();
    let old: [&[u8]; 7] = [
        b"\x31\x04\0\x01xy",
        b"\x82\x06\0\x01\0\x01#\0",
        b"\xa2\x05\0\x01\0\x01#",
        b"\x40\x02\0\x01",
        b"\x62\x02\0\x01",
        b"\xc0\0",
        b"\xe0\0",
    ];
    let v5: [&[u8]; 4] = [
        b"\x31\x05\0\x01x\0y",
        b"\x82\x07\0\x01\0\0\x01#\0",
        b"\xe0\x02\x04\0",
        b"\xf0\x02\x19\0",
    ];
    for bytes in old.iter().chain(&v5) {
        let mut stranger = Client::open(&server, V5);
        stranger.send_bytes(bytes);
        stranger.expect_close();
    }
    // Nor do bytes that are no packet.
    for bytes in [
        &b"\0"[..],
        b"\xff\xff\xff\xff\xff",
        b"\x10\x00",
        b"\x20\x02\x00\x00",
    ] {
        let mut stranger = Client::open(&server, V5);
        stranger.send_bytes(bytes);
        stranger.expect_close();
    }
    server.wait_for_connections(1);
    alice.expect_nothing();
    let sizes = server.broker().sizes();
    assert_eq!((sizes.sessions, sizes.retained), (1, 1));
}

/// A stranger says all at once: CONNECT with a will, a message to be retained, a subscription to everything. All that
/// comes back is the refusal, in as many bytes as it takes; nobody gets anything, and nothing is kept.
#[test]
fn a_refused_client_leaves_no_trace_and_learns_nothing() {
    let (_dir, server, mut alice) = closed();
    for (version, connack) in [
        (V31, &[0x20, 2, 0, 5][..]),
        (V311, &[0x20, 2, 0, 5]),
        (V5, &[0x20, 3, 0, 0x87, 0]),
    ] {
        let hello = Hello {
            will: Some(Last {
                retain: true,
                ..Last::new("will")
            }),
            ..Hello::lasting(version, "stranger")
        };
        let mut stranger = Client::open(&server, version);
        let rest: &[u8] = match version {
            V5 => b"\x31\x05\0\x01x\0y\x82\x07\0\x01\0\0\x01#\x01",
            _ => b"\x31\x04\0\x01xy\x82\x06\0\x01\0\x01#\x01",
        };
        stranger.send_bytes(&[&hello.bytes()[..], rest].concat());
        assert_eq!(stranger.receive().bytes(), connack, "{version:?}");
        stranger.expect_close();
    }
    server.wait_for_connections(1);
    alice.expect_nothing();
    let sizes = server.broker().sizes();
    assert_eq!((sizes.sessions, sizes.retained), (1, 1));
    assert!(server.broker().manager().client("stranger").is_none());
}

/// Who cannot prove anything does not end the session of somebody else by its Client Identifier.
#[test]
fn a_session_is_not_taken_over_by_its_name() {
    let (_dir, server, mut alice) = closed();
    for (username, password) in [
        (None, None),
        (Some("alice"), None),
        (Some("alice"), Some(&b"wrong"[..])),
    ] {
        let (_, welcome) = Hello {
            username,
            password,
            clean_start: true,
            ..Hello::new(V5, "alice")
        }
        .ask(&server);
        assert_ne!(welcome.reason, 0, "{username:?}");
    }
    alice.ping();
    alice.publish_1("t", "still here");
    assert_eq!(alice.message().text(), ("t", "still here"));
}

/// What the broker says of itself is said by nobody else, whatever the rules are.
#[test]
fn nobody_publishes_as_the_broker() {
    let server = Server::built(|_| {}, |b| b);
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("$SYS/forged/#", QOS0);
    let mut client = Client::connect(&server, V5, "c");
    let post = Post {
        qos: QOS1,
        retain: true,
        ..Post::new("$SYS/forged/x", b"y")
    };
    client.post(&post);
    assert!(client.expect_ack(PacketType::PubAck, 1) >= 0x80);
    let mut old = Client::connect(&server, V311, "old");
    old.post(&post);
    old.expect_close();
    for version in [V311, V5] {
        let (_, welcome) = Hello {
            will: Some(Last::new("$SYS/forged/x")),
            ..Hello::new(version, "will")
        }
        .ask(&server);
        assert_ne!(welcome.reason, 0);
    }
    watcher.expect_nothing();
    assert_eq!(server.broker().sizes().retained, 0);
}

/// `#` and `+/..` do not bring what begins with `$`: who wants the broker's statistics has to ask for them by name, so
/// that a rule can be about them. Spec: v5 §4.7.2.
#[test]
fn statistics_are_not_part_of_everything() {
    let server = Server::built(|_| {}, |b| b);
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("#", QOS0);
    client.subscribe("+/#", QOS0);
    client.expect_nothing();
    client.subscribe("$SYS/#", QOS0);
    let message = client.message();
    assert!(message.text().0.starts_with("$SYS/"), "{message:?}");
}
