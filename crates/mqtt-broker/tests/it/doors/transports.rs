//! Messages over every transport.

use super::{Authority, Files, Guest, Guests, listener, port, publish, tls_listener, trusting};
use crate::kit::Server;
use mqtt_broker::MemoryLog;
use mqtt_broker::config::{Bind, Listener, ListenerKind};
use mqtt_io::Connector;

/// Covers: v5 [MQTT-4.2-1].
#[test]
fn messages_go_from_every_transport_to_every_other() {
    let (files, authority) = (Files::new(), Authority::new("test"));
    let socket = files.path("mqtt.sock");
    let change = |config: &mut mqtt_broker::Config| {
        config.listeners.clear();
        for kind in [ListenerKind::Tcp, ListenerKind::Ws] {
            config.listeners.insert(format!("{kind}:x"), listener(kind));
        }
        for kind in [ListenerKind::Ssl, ListenerKind::Wss] {
            let listener = tls_listener(kind, &files, &authority);
            config.listeners.insert(format!("{kind}:x"), listener);
        }
        let mut unix = Listener::new(ListenerKind::Unix);
        unix.bind = Bind::Path(socket.clone());
        config.listeners.insert("unix:x".to_owned(), unix);
    };
    let guests = Guests::default();
    let server = Server::of(change, guests.clone(), MemoryLog);
    let port = |name: &str| port(server.broker(), name);
    let urls = [
        format!("mqtt://127.0.0.1:{}", port("tcp:x")),
        format!("mqtts://localhost:{}", port("ssl:x")),
        format!("ws://127.0.0.1:{}/mqtt", port("ws:x")),
        format!("wss://localhost:{}/mqtt", port("wss:x")),
        format!("unix://{}", socket.display()),
    ];
    let connector = Connector::new().tls(trusting(&authority).build().unwrap());
    server.block_on(async {
        let mut clients = Vec::new();
        for (nth, url) in urls.iter().enumerate() {
            let mut client = Guest::connect(url, &connector, &format!("c{nth}")).await;
            client.subscribe("all/#").await;
            let kind = ["tcp", "ssl", "ws", "wss", "unix"][nth];
            let known = guests.last();
            assert_eq!(*known.listener, *format!("{kind}:x"));
            assert!(known.peer.ip().is_loopback());
            assert_eq!(known.certificate, None);
            clients.push(client);
        }
        // The larger one is in many records and frames.
        for len in [3, 300_000] {
            let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
            for from in 0..clients.len() {
                clients[from].publish("all/x", &payload).await;
                for client in &mut clients {
                    assert_eq!(client.receive().await.unwrap(), publish("all/x", &payload));
                }
            }
        }
        for client in &mut clients {
            assert!(client.is_alive().await);
        }
        for listener in server.broker().listeners() {
            let counted = (listener.connections, listener.handshakes_failed);
            assert_eq!(counted, (1, 0), "{listener:?}");
        }
    });
}

#[test]
fn a_limit_of_one_listener_leaves_the_others_alone() {
    let mut only_one = listener(ListenerKind::Ws);
    only_one.max_connections = Some(1);
    let (server, _) = super::with_door(only_one);
    let url = format!("ws://127.0.0.1:{}/mqtt", port(server.broker(), "ws:door"));
    let tcp = format!("mqtt://127.0.0.1:{}", port(server.broker(), "tcp:listen-1"));
    let connector = Connector::new();
    server.block_on(async {
        let mut first = Guest::connect(&url, &connector, "first").await;
        assert!(super::dial(&url, &connector).await.is_err());
        let mut other = Guest::connect(&tcp, &connector, "other").await;
        assert!(first.is_alive().await && other.is_alive().await);
    });
    assert_eq!(server.broker().totals().limits["listener_connections"], 1);
}

#[test]
fn addresses_that_no_rule_allows_are_turned_away() {
    let mut guarded = listener(ListenerKind::Tcp);
    guarded.access_rules = vec!["allow 10.0.0.0/8".parse().unwrap()];
    let (server, _) = super::with_door(guarded);
    let url = format!("mqtt://127.0.0.1:{}", port(server.broker(), "tcp:door"));
    server.block_on(async {
        let mut refused = super::dial(&url, &Connector::new()).await.unwrap();
        let _ = tokio::io::AsyncWriteExt::write_all(&mut refused.stream, &super::hello("x")).await;
        assert_eq!(refused.receive().await, None);
    });
    let listeners = server.broker().listeners();
    let door = listeners.iter().find(|one| *one.name == *"tcp:door");
    assert_eq!(door.unwrap().refused_by_rules, 1);
}
