//! Ends of a WebSocket that write their own handshakes and frames.

use mqtt_io::{Connector, DialError, Endpoint, Scheme, Stream, WsError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Masks nothing, so that a frame of a client can be written as it reads.
pub(super) const NO_MASK: [u8; 4] = [0; 4];

/// Sends a request with these headers, and returns the answer's head.
pub(super) async fn raw_request(
    mut tcp: TcpStream,
    path: &str,
    headers: &str,
) -> (TcpStream, String) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut tcp).await;
    (tcp, head)
}

pub(super) async fn read_head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// A frame of a client.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap()];
    frame.extend(NO_MASK);
    frame.extend(payload);
    frame
}

/// A frame of a server, with up to 125 bytes.
pub(super) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, u8::try_from(payload.len()).unwrap()];
    frame.extend(payload);
    frame
}

pub(super) const BINARY: u8 = 0x82;
pub(super) const BINARY_TO_BE_CONTINUED: u8 = 0x02;
pub(super) const CONTINUED_AND_ENDED: u8 = 0x80;
pub(super) const TEXT: u8 = 0x81;
pub(super) const CLOSE: u8 = 0x88;
pub(super) const PING: u8 = 0x89;
pub(super) const PONG: u8 = 0x8A;
pub(super) const OFFER: &str = "Sec-WebSocket-Protocol: mqtt\r\n";

/// A server that answers the handshake and then does what it is told to.
pub(super) struct Scripted {
    pub(super) endpoint: Endpoint,
    pub(super) listener: TcpListener,
}

impl Scripted {
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint::new(Scheme::Ws, "127.0.0.1", Some(port)).unwrap();
        Self { endpoint, listener }
    }

    /// Takes the request, and answers what `answer` makes of the key it has to confirm.
    pub(super) async fn answer(&self, answer: impl FnOnce(&str) -> String) -> (TcpStream, String) {
        let (mut tcp, _) = self.listener.accept().await.unwrap();
        let request = read_head(&mut tcp).await;
        let key = header(&request, "Sec-WebSocket-Key").unwrap();
        let answer = answer(&derive_accept_key(key.as_bytes()));
        tcp.write_all(answer.as_bytes()).await.unwrap();
        (tcp, request)
    }

    /// Both ends of a connection, ours first, and the request.
    pub(super) async fn open(&self) -> (Stream, TcpStream, String) {
        let connector = Connector::new();
        let (near, (far, request)) =
            tokio::join!(connector.connect(&self.endpoint), self.answer(agree));
        (near.unwrap(), far, request)
    }

    /// Why our client refuses this answer.
    pub(super) async fn refused(&self, answer: impl FnOnce(&str) -> String) -> (WsError, String) {
        let connector = Connector::new();
        let (near, _) = tokio::join!(connector.connect(&self.endpoint), self.answer(answer));
        let error = near.unwrap_err();
        let said = error.to_string();
        match error {
            DialError::WebSocket { source, .. } => (source, said),
            _ => (WsError::Ended, said),
        }
    }
}

/// The answer of a server that opens the WebSocket.
pub(super) fn agree(key: &str) -> String {
    switching(key, OFFER)
}

pub(super) fn switching(key: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n{more}\r\n"
    )
}

pub(super) fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let (_, value) = lines.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    Some(value.to_owned())
}

/// The next frame of our client, unmasked: its first byte and its payload.
pub(super) async fn read_client_frame(tcp: &mut TcpStream) -> (u8, Vec<u8>) {
    let first = tcp.read_u8().await.unwrap();
    let len = tcp.read_u8().await.unwrap();
    assert!(len & 0x80 != 0, "a client masks");
    let len = match len & 0x7F {
        126 => usize::from(tcp.read_u16().await.unwrap()),
        len => usize::from(len),
    };
    let mut mask = [0; 4];
    tcp.read_exact(&mut mask).await.unwrap();
    let mut payload = vec![0; len];
    tcp.read_exact(&mut payload).await.unwrap();
    for (byte, mask) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
    (first, payload)
}
