//! QUIC: our client and our server with each other.

use crate::certificates::{Authority, Signed};
use mqtt_io::rustls::ServerConfig;
use mqtt_io::{
    ClientCertificates, Connector, DialError, Endpoint, Proxy, QuicError, QuicListener, Scheme,
    Stream, TlsIdentity, TlsOptions, TlsServerOptions, TlsVersion,
};
use std::fs;
use std::time::Duration;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// What a server is made of, with a certificate for `localhost` of this authority.
fn options(signed: &Signed) -> TlsServerOptions {
    let folder = tempdir().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    fs::write(&certificate, signed.certificate.pem()).unwrap();
    fs::write(&key, signed.key.serialize_pem()).unwrap();
    let identity = TlsIdentity::certificate_file(certificate).unwrap();
    TlsServerOptions::new().identity(identity.key_file(key).unwrap())
}

fn tls(signed: &Signed) -> ServerConfig {
    options(signed).build_config().unwrap()
}

fn listen(tls: ServerConfig) -> (QuicListener, Endpoint) {
    let listener = QuicListener::bind("127.0.0.1:0".parse().unwrap(), tls).unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = Endpoint::new(Scheme::Quic, "127.0.0.1", Some(port)).unwrap();
    (listener, endpoint)
}

/// Takes one client.
fn accept(listener: QuicListener) -> JoinHandle<Result<(Stream, QuicListener), QuicError>> {
    tokio::spawn(async move {
        let handshake = listener.accept().await.unwrap();
        Ok((handshake.accept().await?, listener))
    })
}

fn client(authority: &Authority) -> TlsOptions {
    let options = TlsOptions::new().server_name("localhost").unwrap();
    options.ca_pem(authority.pem()).unwrap()
}

async fn connect(tls: TlsOptions, endpoint: &Endpoint) -> Result<Stream, DialError> {
    let connector = Connector::new().tls(tls.build().unwrap());
    connector
        .connect_within(endpoint, Duration::from_secs(20))
        .await
}

async fn read_all(stream: &mut Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn bytes_go_both_ways_and_an_end_is_an_end() {
    let authority = Authority::new("a");
    let (listener, endpoint) = listen(tls(&authority.server("localhost")));
    let port = endpoint.port();
    let accepted = accept(listener);
    let mut near = connect(client(&authority), &endpoint).await.unwrap();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let from_near = sent.clone();
    let near = tokio::spawn(async move {
        near.write_all(&from_near).await.unwrap();
        near.shutdown().await.unwrap();
        (read_all(&mut near).await, near)
    });
    let (mut far, listener) = accepted.await.unwrap().unwrap();
    assert!(far.peer_addr().unwrap().ip().is_loopback() && !far.can_move());
    assert!(far.peer_certificate().is_none());
    assert_eq!(read_all(&mut far).await, sent);
    far.write_all(b"and back").await.unwrap();
    far.shutdown().await.unwrap();
    let (back, near) = near.await.unwrap();
    assert_eq!(back, b"and back");
    assert_eq!(near.peer_addr().unwrap().port(), port);
    drop((far, near));
    listener.close();
    listener.wait_idle().await;
}

#[tokio::test]
async fn what_was_written_before_a_drop_arrives() {
    let authority = Authority::new("a");
    let (listener, endpoint) = listen(tls(&authority.server("localhost")));
    let accepted = accept(listener);
    let mut near = connect(client(&authority), &endpoint).await.unwrap();
    near.write_all(b"first").await.unwrap();
    let (mut far, _listener) = accepted.await.unwrap().unwrap();
    let mut first = [0; 5];
    far.read_exact(&mut first).await.unwrap();
    far.write_all(&[7; 100_000]).await.unwrap();
    drop(far);
    assert_eq!(read_all(&mut near).await, [7; 100_000]);
    // A server that is gone without a word would be an error.
    assert_eq!(near.read(&mut first).await.unwrap(), 0);
}

#[tokio::test]
async fn a_clients_certificate_is_seen() {
    let authority = Authority::new("a");
    let folder = tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, authority.pem()).unwrap();
    let options = options(&authority.server("localhost"))
        .client_certificates(ClientCertificates::Required)
        .client_ca_file(ca)
        .unwrap();
    let (listener, endpoint) = listen(options.build_config().unwrap());
    let accepted = accept(listener);
    let shown = authority.client("meter-7");
    let tls = client(&authority)
        .identity_pem(shown.certificate.pem(), shown.key.serialize_pem())
        .unwrap();
    let mut near = connect(tls, &endpoint).await.unwrap();
    near.write_all(b"x").await.unwrap();
    let (far, listener) = accepted.await.unwrap().unwrap();
    let certificate = far.peer_certificate().unwrap();
    assert_eq!(certificate.common_name.as_deref(), Some("meter-7"));

    // Without one it is told so, at the latest when it reads.
    let refused = accept(listener);
    let error = match connect(client(&authority), &endpoint).await {
        Err(error) => error.to_string(),
        Ok(mut near) => {
            let _ = near.write_all(b"x").await;
            near.read(&mut [0]).await.unwrap_err().to_string()
        }
    };
    assert!(error.contains("certificate"), "{error}");
    let error = refused.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no certificates"), "{error}");
}

#[tokio::test]
async fn certificates_that_are_not_good_are_named() {
    let authority = Authority::new("a");
    let other = Authority::new("b");
    let cases = [
        (authority.expired_server("localhost"), "expired"),
        (other.server("localhost"), "UnknownIssuer"),
        (authority.server("elsewhere"), "not valid for name"),
    ];
    for (signed, expected) in cases {
        let (listener, endpoint) = listen(tls(&signed));
        let refused = accept(listener);
        let error = connect(client(&authority), &endpoint).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.is_retryable());
        assert!(matches!(
            refused.await.unwrap().unwrap_err(),
            QuicError::Refused { .. }
        ));
    }
}

#[tokio::test]
async fn another_protocol_is_refused() {
    let authority = Authority::new("a");
    let (listener, endpoint) = listen(tls(&authority.server("localhost")));
    let refused = accept(listener);
    let error = connect(client(&authority).alpn(["h3"]), &endpoint)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
    assert!(refused.await.unwrap().is_err());
}

#[tokio::test]
async fn a_certificate_is_replaced_under_a_connection() {
    let authority = Authority::new("a");
    let (listener, endpoint) = listen(tls(&authority.server("localhost")));
    let accepted = accept(listener);
    let mut before = connect(client(&authority), &endpoint).await.unwrap();
    before.write_all(b"x").await.unwrap();
    let (mut far, listener) = accepted.await.unwrap().unwrap();
    let next = Authority::new("b");
    listener.set_tls(tls(&next.server("localhost"))).unwrap();
    let accepted = accept(listener);
    let mut after = connect(client(&next), &endpoint).await.unwrap();
    after.write_all(b"x").await.unwrap();
    let (_, _listener) = accepted.await.unwrap().unwrap();
    far.write_all(b"still here").await.unwrap();
    far.shutdown().await.unwrap();
    assert_eq!(read_all(&mut before).await, b"still here");
}

#[tokio::test]
async fn proof_of_an_address_costs_a_round_trip() {
    let authority = Authority::new("a");
    let (listener, endpoint) = listen(tls(&authority.server("localhost")));
    let accepted = tokio::spawn(async move {
        let first = listener.accept().await.unwrap();
        assert!(!first.is_address_proved());
        first.demand_proof();
        let again = listener.accept().await.unwrap();
        assert!(again.is_address_proved() && again.peer_addr().ip().is_loopback());
        (again.accept().await.unwrap(), listener)
    });
    let mut near = connect(client(&authority), &endpoint).await.unwrap();
    near.write_all(b"x").await.unwrap();
    accepted.await.unwrap();
}

#[tokio::test]
async fn who_is_refused_hears_of_it_at_once() {
    let authority = Authority::new("a");
    let (listener, endpoint) = listen(tls(&authority.server("localhost")));
    let server = tokio::spawn(async move {
        listener.accept().await.unwrap().refuse();
        listener
    });
    let error = connect(client(&authority), &endpoint).await.unwrap_err();
    assert!(
        matches!(
            error,
            DialError::Quic {
                source: QuicError::Closed { .. },
                ..
            }
        ),
        "{error}"
    );
    assert!(error.is_retryable());
    server.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_had_is_said_before_anything_is_opened() {
    let authority = Authority::new("a");
    let options = options(&authority.server("localhost")).versions([TlsVersion::Tls12]);
    let old = options.build_config().unwrap();
    let error = QuicListener::bind("127.0.0.1:0".parse().unwrap(), old).unwrap_err();
    assert!(matches!(error, QuicError::NeedsTls13), "{error}");
    let endpoint = Endpoint::parse("quic://127.0.0.1:1").unwrap();
    let connector = Connector::new().tls(client(&authority).build().unwrap());
    let connector = connector.proxy(Proxy::parse("socks5://127.0.0.1:1").unwrap());
    let error = connector.connect(&endpoint).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "QUIC with 127.0.0.1: no proxy forwards QUIC"
    );
}

#[tokio::test]
async fn nobody_there_is_told_by_the_time_limit() {
    let authority = Authority::new("a");
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let endpoint = Endpoint::new(Scheme::Quic, "127.0.0.1", Some(port)).unwrap();
    let connector = Connector::new().tls(client(&authority).build().unwrap());
    let limit = Duration::from_millis(50);
    let error = connector
        .connect_within(&endpoint, limit)
        .await
        .unwrap_err();
    let expected = "no connection within 50ms: still in the QUIC handshake, for which nothing has answered by UDP";
    assert_eq!(error.to_string(), expected);
}
