//! Those who come to the wrong door, who take their time, and who come in crowds.

use super::{
    Authority, Files, Guest, dial, hello, listener, port, tls_listener, trusting, with_door,
};
use mqtt_broker::ListenerState;
use mqtt_broker::config::{Duration, ListenerKind};
use mqtt_io::Connector;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

fn door(broker: &mqtt_broker::Broker) -> ListenerState {
    let listeners = broker.listeners().into_iter();
    let mut doors = listeners.filter(|listener| listener.name.ends_with(":door"));
    doors.next().unwrap()
}

/// All that comes back for `bytes`, up to the end.
fn answer(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    tcp.set_read_timeout(Some(super::PATIENCE)).unwrap();
    tcp.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A connection that is reset has ended, too.
    match tcp.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    answer
}

#[test]
fn plain_mqtt_at_a_tls_port_learns_nothing() {
    let (files, authority) = (Files::new(), Authority::new("servers"));
    let (server, _) = with_door(tls_listener(ListenerKind::Ssl, &files, &authority));
    let answer = answer(port(server.broker(), "ssl:door"), &hello("x"));
    // At most an alert of TLS.
    assert!(
        answer.is_empty() || answer[0] == 0x15 && answer.len() == 7,
        "{answer:?}"
    );
    server.wait_until("failed", |broker| door(broker).handshakes_failed == 1);
    server.wait_for_connections(0);
}

#[test]
fn tls_at_a_plain_port_learns_nothing() {
    let (server, _) = with_door(listener(ListenerKind::Tcp));
    let port = port(server.broker(), "tcp:door");
    server.block_on(async {
        let url = format!("mqtts://localhost:{port}");
        let tls = trusting(&Authority::new("servers")).build().unwrap();
        assert!(dial(&url, &Connector::new().tls(tls)).await.is_err());
    });
    assert_eq!(answer(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a browser of some age, with words\r\n\r\n"), b"");
    server.wait_for_connections(0);
}

#[test]
fn who_says_nothing_has_only_the_time_of_a_handshake() {
    let (files, authority) = (Files::new(), Authority::new("servers"));
    for kind in [ListenerKind::Ssl, ListenerKind::Ws, ListenerKind::Wss] {
        let mut slow = match kind.has_tls() {
            true => tls_listener(kind, &files, &authority),
            false => listener(kind),
        };
        slow.tls.handshake_timeout = Duration::from_millis(200);
        slow.websocket.handshake_timeout = Duration::from_millis(200);
        let (server, _) = with_door(slow);
        let port = port(server.broker(), &format!("{kind}:door"));
        let begun: &[u8] = match kind.has_tls() {
            // A record that announces more than comes.
            true => &[0x16, 3, 1, 2, 0, 1, 0],
            false => b"GET /mqtt HTTP/1.1\r\nHost",
        };
        assert_eq!(answer(port, begun), b"", "{kind}");
        server.wait_until("late", |broker| door(broker).handshakes_late == 1);
        server.wait_for_connections(0);
    }
}

#[test]
fn half_open_handshakes_keep_nobody_out_for_long() {
    let (files, authority) = (Files::new(), Authority::new("servers"));
    let mut narrow = tls_listener(ListenerKind::Ssl, &files, &authority);
    narrow.tls.max_handshakes = 4;
    let (server, _) = with_door(narrow);
    let tls_port = port(server.broker(), "ssl:door");
    let crowd: Vec<_> = (0..12)
        .map(|_| TcpStream::connect(("127.0.0.1", tls_port)).unwrap())
        .collect();
    server.wait_until("a full house", |broker| door(broker).handshakes_now == 4);
    let tcp = format!("mqtt://127.0.0.1:{}", port(server.broker(), "tcp:listen-1"));
    let url = format!("mqtts://localhost:{tls_port}");
    let connector = Connector::new().tls(trusting(&authority).build().unwrap());
    server.block_on(async {
        // Plain clients do not notice.
        let mut plain = Guest::connect(&tcp, &Connector::new(), "plain").await;
        assert!(plain.is_alive().await);
        // Others that have something to say get in when the oldest have had their time.
        let mut guest = Guest::connect(&url, &connector, "guest").await;
        assert!(guest.is_alive().await && plain.is_alive().await);
    });
    let state = door(server.broker());
    assert!(state.handshakes_dropped >= 8, "{state:?}");
    assert!(server.broker().totals().limits["handshakes"] >= 8);
    drop(crowd);
}

#[test]
fn a_shutdown_does_not_wait_for_handshakes() {
    let (files, authority) = (Files::new(), Authority::new("servers"));
    let (server, _) = with_door(tls_listener(ListenerKind::Wss, &files, &authority));
    let port = port(server.broker(), "wss:door");
    let mut silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    server.wait_until("begun", |broker| door(broker).handshakes_now == 1);
    let begun = std::time::Instant::now();
    server.shutdown();
    assert!(begun.elapsed() < std::time::Duration::from_secs(4));
    assert_eq!(silent.read(&mut [0; 8]).unwrap_or_default(), 0);
}
