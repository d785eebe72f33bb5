//! Unix sockets as a listener.
#![cfg(unix)]

use super::{Files, Guest, with_door};
use mqtt_broker::config::{Bind, Listener, ListenerKind};
use mqtt_broker::{AllowAll, Broker, Config};
use mqtt_io::Connector;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn the_socket_has_its_mode_and_goes_with_the_broker() {
    let files = Files::new();
    let path = files.path("mqtt.sock");
    // As a broker leaves it that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut listener = Listener::new(ListenerKind::Unix);
    listener.bind = Bind::Path(path.clone());
    listener.mode = 0o600;
    let (server, _) = with_door(listener);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let url = format!("unix://{}", path.display());
    server.block_on(async {
        let mut guest = Guest::connect(&url, &Connector::new(), "local").await;
        assert!(guest.is_alive().await);
    });
    server.shutdown();
    assert!(!path.exists());
}

#[test]
fn what_is_no_socket_is_not_replaced() {
    let files = Files::new();
    let path = files.write("notes.txt", "mine");
    let mut listener = Listener::new(ListenerKind::Unix);
    listener.bind = Bind::Path(path.clone());
    let config = Config {
        listeners: [("unix:door".to_owned(), listener)].into(),
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let started = runtime.block_on(Broker::builder().config(config).access(AllowAll).start());
    let line = started.map(drop).unwrap_err().to_string();
    assert!(
        line.ends_with("notes.txt: there is a file that is not a socket"),
        "{line}"
    );
    assert_eq!(std::fs::read_to_string(path).unwrap(), "mine");
}

#[test]
fn a_socket_gets_other_rights_and_another_name_while_it_is_listened_on() {
    let files = Files::new();
    let (before, after) = (files.path("before.sock"), files.path("after.sock"));
    let at = |name: &str, path: &std::path::Path, mode| {
        let mut listener = Listener::new(ListenerKind::Unix);
        listener.bind = Bind::Path(path.to_owned());
        listener.mode = mode;
        Config {
            listeners: [(name.to_owned(), listener)].into(),
            ..Config::default()
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mode_of = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    runtime.block_on(async {
        let builder = Broker::builder().config(at("unix:a", &before, 0o600));
        let broker = builder.access(AllowAll).start().await.unwrap();
        let url = format!("unix://{}", before.display());
        let mut guest = Guest::connect(&url, &Connector::new(), "local").await;
        let report = broker.reload(at("unix:a", &before, 0o660)).await.unwrap();
        assert_eq!((report.failed.len(), mode_of(&before)), (0, 0o660));
        let report = broker.reload(at("unix:a", &after, 0o640)).await.unwrap();
        assert_eq!((report.failed.len(), mode_of(&after)), (0, 0o640));
        assert!(!before.exists());
        assert!(guest.is_alive().await, "it keeps its clients");
        let report = broker.reload(at("unix:b", &after, 0o600)).await.unwrap();
        assert_eq!((report.failed.len(), report.listener_closed), (0, 1));
        assert_eq!(mode_of(&after), 0o600);
        assert_eq!(guest.receive().await, None);
        broker.shutdown().await;
    });
}
