//! The PROXY protocol as a listener takes it.

use super::{Guest, Guests, dial, listener, port, with_door};
use crate::kit::Server;
use mqtt_broker::config::{CertificateField, Listener, ListenerKind};
use mqtt_io::{Connector, Stream};
use tokio::io::AsyncWriteExt;

fn behind(proxy: &str, change: impl FnOnce(&mut Listener)) -> (Server, Guests, String) {
    let mut listener = listener(ListenerKind::Tcp);
    listener.proxy_protocol = true;
    listener.trusted_proxies = vec![proxy.parse().unwrap()];
    change(&mut listener);
    let (server, guests) = with_door(listener);
    let url = format!("mqtt://127.0.0.1:{}", port(server.broker(), "tcp:door"));
    (server, guests, url)
}

/// A client behind a proxy that writes this header.
async fn forwarded(url: &str, header: &[u8]) -> Guest {
    let mut guest = dial(url, &Connector::new()).await.unwrap();
    guest.stream.write_all(header).await.unwrap();
    guest
}

/// Whether the connection ends without an answer to CONNECT.
async fn is_refused(url: &str, header: &[u8]) -> bool {
    let mut guest = forwarded(url, header).await;
    let stream: &mut Stream = &mut guest.stream;
    let _ = stream.write_all(&super::hello("x")).await;
    guest.receive().await.is_none()
}

#[test]
fn the_address_behind_the_proxy_is_the_clients() {
    let (server, guests, url) = behind("127.0.0.0/8", |_| {});
    server.block_on(async {
        let mut guest = forwarded(&url, b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 1883\r\n").await;
        assert_eq!(guest.hello("x").await, [0x20, 2, 0, 0]);
        guest.subscribe("t").await;
        assert_eq!(guests.last().peer, "192.0.2.7:4711".parse().unwrap());
        assert!(is_refused(&url, b"").await, "without a header");
    });
}

#[test]
fn nobody_else_is_believed() {
    let (server, _, url) = behind("10.0.0.0/8", |_| {});
    let header = b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 1883\r\n";
    server.block_on(async {
        assert!(is_refused(&url, header).await);
    });
}

#[test]
fn rules_and_limits_hold_for_the_address_behind() {
    let (server, _, url) = behind("127.0.0.0/8", |listener| {
        listener.access_rules = vec!["allow 192.0.2.0/24".parse().unwrap()];
    });
    server.block_on(async {
        let outside = b"PROXY TCP4 198.51.100.1 127.0.0.1 4711 1883\r\n";
        assert!(is_refused(&url, outside).await);
        let inside = b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 1883\r\n";
        assert!(!is_refused(&url, inside).await);
    });
}

#[test]
fn a_name_that_the_proxy_vouches_for_can_be_the_user() {
    let (server, guests, url) = behind("127.0.0.0/8", |listener| {
        listener.peer_cert_as_username = Some(CertificateField::Cn);
    });
    // Version 2, a stream of IPv4, with the TLS of the client: it showed a certificate, which was good.
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x1E".to_vec();
    header.extend([192, 0, 2, 7, 127, 0, 0, 1, 0x12, 0x34, 0x07, 0x5B]);
    header.extend([0x20, 0, 15, 0x07, 0, 0, 0, 0, 0x22, 0, 7]);
    header.extend(b"meter-7");
    server.block_on(async {
        let mut guest = forwarded(&url, &header).await;
        assert_eq!(guest.hello("x").await, [0x20, 2, 0, 0]);
        guest.subscribe("t").await;
    });
    assert_eq!(guests.last().username.as_deref(), Some("meter-7"));
}
