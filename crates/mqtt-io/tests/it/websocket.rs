//! WebSocket: our client and our server with each other, and each with a scripted other end.

mod scripted;

use mqtt_io::{
    Connector, DialError, Endpoint, Listener, Stream, WsAcceptor, WsError, WsOptions, WsRequest,
};
use scripted::{
    BINARY, BINARY_TO_BE_CONTINUED, CLOSE, CONTINUED_AND_ENDED, OFFER, PING, PONG, Scripted, TEXT,
    agree, header, masked, raw_request, read_client_frame, read_head, switching, unmasked,
};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Our server, which accepts one client.
struct Server {
    port: u16,
    accepted: JoinHandle<Result<(Stream, WsRequest), WsError>>,
}

impl Server {
    fn new(acceptor: WsAcceptor) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            acceptor.accept(stream).await
        });
        Self { port, accepted }
    }

    /// Our client on it.
    async fn connect(&self, path: &str, options: WsOptions) -> Result<Stream, DialError> {
        let endpoint = Endpoint::parse(&format!("ws://127.0.0.1:{}{path}", self.port)).unwrap();
        Connector::new().websocket(options).connect(&endpoint).await
    }

    /// A client that writes its own request and frames.
    async fn raw(&self, headers: &str) -> (TcpStream, String) {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        raw_request(tcp, "/mqtt", headers).await
    }
}

async fn read(stream: &mut Stream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn bytes_go_both_ways_in_any_portions() {
    let server = Server::new(WsAcceptor::new());
    let near = server.connect("", WsOptions::new()).await.unwrap();
    let (far, request) = server.accepted.await.unwrap().unwrap();
    assert_eq!(request.target(), "/mqtt");
    assert!(near.peer_addr().is_ok() && far.peer_addr().is_ok());
    let sent: Vec<u8> = (0..300_000u32).map(|at| (at % 251) as u8).collect();
    let (mut near_read, mut near_write) = split(near);
    let (mut far_read, mut far_write) = split(far);
    let to_send = sent.clone();
    let writer = tokio::spawn(async move {
        for part in to_send.chunks(7_001) {
            near_write.write_all(part).await.unwrap();
        }
        near_write.flush().await.unwrap();
        near_write
    });
    let echo = tokio::spawn(async move {
        // Small reads cut frames in two.
        let mut chunk = [0; 999];
        loop {
            let len = far_read.read(&mut chunk).await.unwrap();
            if len == 0 {
                break;
            }
            far_write.write_all(&chunk[..len]).await.unwrap();
            far_write.flush().await.unwrap();
        }
        let _ = far_write.shutdown().await;
    });
    let mut got = vec![0; sent.len()];
    near_read.read_exact(&mut got).await.unwrap();
    assert!(got == sent);
    let mut near_write = writer.await.unwrap();
    near_write.shutdown().await.unwrap();
    assert_eq!(near_read.read(&mut [0]).await.unwrap(), 0);
    echo.await.unwrap();
}

#[tokio::test]
async fn an_orderly_end_is_an_end_of_both_directions() {
    let server = Server::new(WsAcceptor::new());
    let mut near = server.connect("", WsOptions::new()).await.unwrap();
    let (mut far, _) = server.accepted.await.unwrap().unwrap();
    near.write_all(b"last").await.unwrap();
    near.shutdown().await.unwrap();
    assert_eq!(read(&mut far, 4).await, b"last");
    assert_eq!(far.read(&mut [0; 9]).await.unwrap(), 0);
    far.shutdown().await.unwrap();
    drop(far);
    assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 0);
    let error = near.write_all(b"more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

/// Covers: v5 [MQTT-6.0.0-3], v3.1.1 [MQTT-6.0.0-3].
#[tokio::test]
async fn the_request_offers_mqtt_and_has_what_was_set() {
    let server = Scripted::new().await;
    let options = WsOptions::new()
        .header("Authorization", "Bearer abc")
        .unwrap()
        .header("X-Trace", "7")
        .unwrap()
        .path("/ws?tenant=7")
        .unwrap();
    assert!(!format!("{options:?}").contains("abc"), "{options:?}");
    let connector = Connector::new().websocket(options);
    let (near, (_, request)) =
        tokio::join!(connector.connect(&server.endpoint), server.answer(agree));
    near.unwrap();
    assert!(
        request.starts_with("GET /ws?tenant=7 HTTP/1.1\r\n"),
        "{request}"
    );
    let port = server.endpoint.port();
    for (name, value) in [
        ("Sec-WebSocket-Protocol", "mqtt"),
        ("Authorization", "Bearer abc"),
        ("X-Trace", "7"),
        ("Host", &format!("127.0.0.1:{port}")),
    ] {
        assert_eq!(header(&request, name).as_deref(), Some(value), "{request}");
    }
}

#[test]
fn headers_of_the_handshake_cannot_be_set() {
    for (name, value) in [
        ("Upgrade", "h2"),
        ("sec-websocket-protocol", "x"),
        ("a b", "x"),
        ("X", "a\nb"),
    ] {
        let error = WsOptions::new().header(name, value).unwrap_err();
        assert!(matches!(error, WsError::Header { .. }), "{name}");
    }
    assert!(WsOptions::new().path("/a b").is_err());
}

/// Covers: v5 [MQTT-6.0.0-4], v3.1.1 [MQTT-6.0.0-4].
#[tokio::test]
async fn a_server_that_does_not_agree_to_mqtt_is_refused() {
    for more in ["", "Sec-WebSocket-Protocol: chat\r\n"] {
        let server = Scripted::new().await;
        let (error, said) = server.refused(|key| switching(key, more)).await;
        assert!(matches!(error, WsError::Subprotocol), "{error:?}");
        assert!(
            said.contains("does not speak the subprotocol mqtt"),
            "{said}"
        );
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn an_answer_that_opens_nothing_is_explained() {
    for (answer, expected, is_retryable) in [
        (
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "the server answered 404 Not Found",
            false,
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\n\r\n",
            "the server answered 401 Unauthorized",
            false,
        ),
        (
            "HTTP/1.1 503 Busy\r\n\r\n",
            "the server answered 503 Service Unavailable",
            true,
        ),
        (
            "HTTP/1.1 301 Moved\r\nLocation: wss://b/x\r\n\r\n",
            "the server answered 301 Moved Permanently, go to wss://b/x",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\n",
            "the server answered 200 OK",
            false,
        ),
        (
            "\x20\x02\0\x01 is a CONNACK\r\n\r\n",
            "the other end does not speak HTTP on this port",
            false,
        ),
    ] {
        let server = Scripted::new().await;
        let (error, said) = server.refused(|_| answer.to_owned()).await;
        assert!(said.ends_with(expected), "{said}");
        assert_eq!(error.is_retryable(), is_retryable, "{said}");
    }
    let server = Scripted::new().await;
    let wrong_key = |_: &str| agree("bm90IHRoZSBrZXk=");
    let (error, _) = server.refused(wrong_key).await;
    assert!(matches!(error, WsError::Handshake { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_closes_in_the_handshake_is_explained() {
    let server = Scripted::new().await;
    let connector = Connector::new();
    let close = async {
        let (mut tcp, _) = server.listener.accept().await.unwrap();
        read_head(&mut tcp).await;
    };
    let (near, ()) = tokio::join!(connector.connect(&server.endpoint), close);
    assert!(
        near.unwrap_err()
            .to_string()
            .contains("ended in the handshake")
    );
}

/// Covers: v5 [MQTT-6.0.0-2], v3.1.1 [MQTT-6.0.0-2].
#[tokio::test]
async fn borders_of_frames_and_messages_say_nothing() {
    let (mut near, mut far, _) = Scripted::new().await.open().await;
    // One packet over two messages, with an empty one between; two packets in one; one in fragments.
    let mut frames = unmasked(BINARY, &[0xC0]);
    frames.extend(unmasked(BINARY, &[]));
    frames.extend(unmasked(BINARY, &[0x00, 0xD0, 0x00, 0xD0]));
    frames.extend(unmasked(BINARY_TO_BE_CONTINUED, &[0x00]));
    frames.extend(unmasked(PING, b"in between"));
    frames.extend(unmasked(CONTINUED_AND_ENDED, &[0xE0, 0x00]));
    let reader = tokio::spawn(async move {
        let got = read(&mut near, 8).await;
        (near, got)
    });
    for byte in frames {
        far.write_all(&[byte]).await.unwrap();
    }
    let (_near, got) = reader.await.unwrap();
    assert_eq!(got, [0xC0, 0, 0xD0, 0, 0xD0, 0, 0xE0, 0]);
    // The Ping that came in between is answered by then.
    assert_eq!(
        read_client_frame(&mut far).await,
        (PONG, b"in between".to_vec())
    );
}

/// Covers: v5 [MQTT-6.0.0-1], v3.1.1 [MQTT-6.0.0-1].
#[tokio::test]
async fn what_is_written_leaves_in_binary_frames() {
    use std::io::IoSlice;
    let (mut near, mut far, _) = Scripted::new().await.open().await;
    near.write_all(&[0xC0, 0x00]).await.unwrap();
    near.flush().await.unwrap();
    assert_eq!(
        read_client_frame(&mut far).await,
        (BINARY, vec![0xC0, 0x00])
    );
    // Pieces that are written together share a frame.
    let slices = [
        IoSlice::new(&[0x30, 3, 0, 1]),
        IoSlice::new(b"t"),
        IoSlice::new(&[0xC0, 0]),
    ];
    assert!(AsyncWrite::is_write_vectored(&near));
    assert_eq!(near.write_vectored(&slices).await.unwrap(), 7);
    near.flush().await.unwrap();
    assert_eq!(
        read_client_frame(&mut far).await,
        (BINARY, vec![0x30, 3, 0, 1, b't', 0xC0, 0])
    );
    near.shutdown().await.unwrap();
    assert_eq!(read_client_frame(&mut far).await.0, CLOSE);
}

/// Covers: v5 [MQTT-6.0.0-1], v3.1.1 [MQTT-6.0.0-1].
#[tokio::test]
async fn a_text_frame_ends_the_connection() {
    // At the client.
    let (mut near, mut far, _) = Scripted::new().await.open().await;
    far.write_all(&unmasked(TEXT, b"hello")).await.unwrap();
    let error = near.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("text frame"), "{error}");
    let (first, payload) = read_client_frame(&mut far).await;
    // 1003, "unsupported data".
    assert_eq!((first, &payload[..2]), (CLOSE, &[0x03, 0xEB][..]));
    assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
    near.shutdown().await.unwrap();

    // At the server.
    let server = Server::new(WsAcceptor::new());
    let (mut raw, _) = server.raw(OFFER).await;
    let (mut far, _) = server.accepted.await.unwrap().unwrap();
    raw.write_all(&masked(TEXT, b"hello")).await.unwrap();
    // As the broker reads: all that is there.
    let error = far.read(&mut [0; 64]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    drop(far);
    let mut close = Vec::new();
    raw.read_to_end(&mut close).await.unwrap();
    assert_eq!((close[0], &close[2..4]), (CLOSE, &[0x03, 0xEB][..]));
}

#[tokio::test]
async fn a_frame_over_the_limit_ends_the_connection_before_its_memory_is_taken() {
    let server = Server::new(WsAcceptor::new().message_len_max(1000));
    let (mut raw, _) = server.raw(OFFER).await;
    let (mut far, _) = server.accepted.await.unwrap().unwrap();
    // Announces 16 TiB.
    raw.write_all(&[BINARY, 0xFF, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let error = far.read_u8().await.unwrap_err();
    assert!(error.to_string().contains("over the limit"), "{error}");
    drop(far);
    let mut close = Vec::new();
    raw.read_to_end(&mut close).await.unwrap();
    // 1009, "message too big".
    assert_eq!((close[0], &close[2..4]), (CLOSE, &[0x03, 0xF1][..]));
}

#[tokio::test]
async fn a_frame_of_a_client_without_mask_is_refused() {
    let server = Server::new(WsAcceptor::new());
    let (mut raw, _) = server.raw(OFFER).await;
    let (mut far, _) = server.accepted.await.unwrap().unwrap();
    raw.write_all(&unmasked(BINARY, &[0xC0, 0])).await.unwrap();
    assert_eq!(
        far.read_u8().await.unwrap_err().kind(),
        ErrorKind::InvalidData
    );
}

#[tokio::test]
async fn a_connection_that_is_cut_just_ends() {
    let (mut near, mut far, _) = Scripted::new().await.open().await;
    far.write_all(&unmasked(BINARY, b"last")).await.unwrap();
    drop(far);
    let mut got = Vec::new();
    near.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"last");
}

/// Covers: v5 [MQTT-6.0.0-4], v3.1.1 [MQTT-6.0.0-4].
#[tokio::test]
async fn the_server_agrees_to_mqtt_among_others() {
    for (offer, agreed) in [
        ("Sec-WebSocket-Protocol: mqtt\r\n", "mqtt"),
        ("Sec-WebSocket-Protocol: mqttv3.1, mqtt\r\n", "mqtt"),
        (
            "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: mqtt\r\n",
            "mqtt",
        ),
        ("Sec-WebSocket-Protocol: mqttv3.1\r\n", "mqttv3.1"),
    ] {
        let server = Server::new(WsAcceptor::new());
        let (_raw, answer) = server.raw(offer).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert_eq!(
            header(&answer, "Sec-WebSocket-Protocol").as_deref(),
            Some(agreed)
        );
        assert!(server.accepted.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn requests_the_server_does_not_serve_are_answered() {
    let limited = WsAcceptor::new().origins(["https://example.com"]);
    for (acceptor, path, headers, status) in [
        (WsAcceptor::new(), "/other", OFFER.to_owned(), "404"),
        (WsAcceptor::new(), "/mqtt", String::new(), "400"),
        (
            WsAcceptor::new(),
            "/mqtt",
            "Sec-WebSocket-Protocol: chat\r\n".to_owned(),
            "400",
        ),
        (
            limited.clone(),
            "/mqtt",
            format!("{OFFER}Origin: https://evil.example\r\n"),
            "403",
        ),
    ] {
        let server = Server::new(acceptor);
        let tcp = TcpStream::connect(("127.0.0.1", server.port))
            .await
            .unwrap();
        let (_tcp, answer) = raw_request(tcp, path, &headers).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(server.accepted.await.unwrap().is_err());
    }
    for headers in [
        OFFER.to_owned(),
        format!("{OFFER}Origin: https://example.com\r\n"),
    ] {
        let server = Server::new(limited.clone());
        let (_raw, answer) = server.raw(&headers).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    }
}

#[tokio::test]
async fn the_server_tells_what_was_asked_for() {
    let server = Server::new(WsAcceptor::new().paths(["/a", "/b"]));
    let options = WsOptions::new()
        .header("X-Forwarded-For", "192.0.2.1")
        .unwrap();
    let _near = server.connect("/b?x=1", options).await.unwrap();
    let (_, request) = server.accepted.await.unwrap().unwrap();
    assert_eq!(request.target(), "/b?x=1");
    assert_eq!(request.header("x-forwarded-for"), Some("192.0.2.1"));
    assert_eq!(request.header("origin"), None);
}

#[tokio::test]
async fn our_client_understands_our_refusal() {
    let server = Server::new(WsAcceptor::new());
    let error = server
        .connect("/other", WsOptions::new())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the server answered 404 Not Found"),
        "{error}"
    );
    let error = server.accepted.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "\"/other\" is not served");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn wss_is_websocket_inside_tls() {
    use crate::certificates::Authority;
    use mqtt_io::{TlsAcceptor, TlsOptions};
    use std::sync::Arc;
    let authority = Authority::new("Test CA");
    let config = authority.server("localhost").server_config(None);
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = tls.accept(stream).await.unwrap();
        let (mut stream, _) = WsAcceptor::new().accept(stream).await.unwrap();
        let got = read(&mut stream, 5).await;
        stream.write_all(&got).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read(&mut [0]).await;
    });
    let endpoint = Endpoint::parse(&format!("wss://localhost:{port}/mqtt")).unwrap();
    let options = TlsOptions::new().ca_pem(authority.pem()).unwrap();
    let connector = Connector::new().tls(options.build().unwrap());
    let mut near = connector.connect(&endpoint).await.unwrap();
    near.write_all(b"there").await.unwrap();
    near.flush().await.unwrap();
    let mut got = Vec::new();
    near.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"there");
    drop(near);
    server.await.unwrap();
}
