//! `WsAcceptor`: the server's side of the WebSocket handshake.

use super::server_stream::ServerStream;
use super::{SUBPROTOCOL, WsError, WsStream};
use crate::Stream;
use crate::endpoint::WS_PATH;
use std::fmt::Write as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::machine::TryParse as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::header::{
    HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL,
};
use tokio_tungstenite::tungstenite::{Error, error::ProtocolError};

/// The longest message taken from a client when nothing is set, in bytes.
const MESSAGE_LEN_MAX: usize = 1024 * 1024;

/// Bytes of a request that are looked at.
const REQUEST_LEN_MAX: usize = 16 * 1024;

/// What clients of MQTT 3.1 call the subprotocol.
const SUBPROTOCOL_31: &str = "mqttv3.1";

/// The server's side of the WebSocket handshake: which requests become a connection.
///
/// A client has to offer the subprotocol `mqtt` and to ask for a path that is served; a page of a browser has to be from
/// an allowed origin, if origins are limited. Anything else is answered with an HTTP status and a line of text.
#[derive(Clone, Debug)]
#[must_use]
pub struct WsAcceptor {
    paths: Vec<Box<str>>,
    origins: Vec<Box<str>>,
    needs_origin: bool,
    needs_subprotocol: bool,
    message_len_max: usize,
}

/// What a client has asked for.
#[derive(Clone, Debug)]
pub struct WsRequest {
    target: Box<str>,
    headers: HeaderMap,
}

impl WsRequest {
    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// All headers of this name that are text, in their order.
    pub fn header_values(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        let values = name.map(|name| self.headers.get_all(name).iter().collect::<Vec<_>>());
        let values = values.into_iter().flatten();
        values.filter_map(|value| value.to_str().ok())
    }

    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        self.headers.get(name)?.to_str().ok()
    }
}

impl Default for WsAcceptor {
    fn default() -> Self {
        Self::new()
    }
}

impl WsAcceptor {
    /// Serves `/mqtt` to pages of every origin, with messages of 1 MiB at most.
    pub fn new() -> Self {
        Self {
            paths: vec![WS_PATH.into()],
            origins: Vec::new(),
            needs_origin: false,
            needs_subprotocol: true,
            message_len_max: MESSAGE_LEN_MAX,
        }
    }

    /// Serves these paths and no others; a query behind one is none of its business.
    pub fn paths<P: Into<Box<str>>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.paths = paths.into_iter().map(Into::into).collect();
        self
    }

    /// Serves pages of these origins (`https://example.com`) and no others; programs, which send none, are served.
    pub fn origins<O: Into<Box<str>>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Refuses requests without an origin, too: those of programs.
    pub const fn needs_origin(mut self) -> Self {
        self.needs_origin = true;
        self
    }

    /// Serves clients that offer no subprotocol at all, which v5 [MQTT-6.0.0-3] does not allow them; one that offers only
    /// others is refused all the same.
    pub const fn subprotocol_may_be_missing(mut self) -> Self {
        self.needs_subprotocol = false;
        self
    }

    /// Sets the longest message that is taken, in bytes, all its frames together.
    pub const fn message_len_max(mut self, bytes: usize) -> Self {
        self.message_len_max = bytes;
        self
    }

    /// Answers the handshake on a connection that has come in.
    ///
    /// It has no time limit of its own: a client may send its request as slowly as its owner allows; headers are limited
    /// to what the library takes.
    ///
    /// # Errors
    /// The request was refused, which the client has been told, or was none.
    pub async fn accept(&self, mut stream: Stream) -> Result<(Stream, WsRequest), WsError> {
        let read = read_request(&mut stream).await;
        let checked = read.and_then(|(request, rest)| {
            let path = request.uri().path();
            if !self.paths.iter().any(|served| **served == *path) {
                return Err(WsError::UnknownPath { path: path.into() });
            }
            let response = create_response(&request).map_err(WsError::of_request)?;
            let subprotocol = self.check(&request)?;
            Ok((request, rest, response, subprotocol))
        });
        let (request, rest, mut response, subprotocol) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                if let Some(answer) = refusal(&error) {
                    // The connection ends either way.
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
                return Err(error);
            }
        };
        if let Some(subprotocol) = subprotocol {
            let subprotocol = HeaderValue::from_static(subprotocol);
            response
                .headers_mut()
                .insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        let mut answer = Vec::new();
        write_response(&mut answer, &response).map_err(WsError::of_handshake)?;
        stream.write_all(&answer).await?;
        stream.flush().await?;
        let ws = ServerStream::new(stream, rest, self.message_len_max);
        let request = WsRequest {
            target: target(&request).into(),
            headers: request.headers().clone(),
        };
        Ok((Stream::Ws(Box::new(WsStream::server(ws))), request))
    }

    /// The subprotocol to agree on, or what is wrong with the request.
    fn check(&self, request: &Request) -> Result<Option<&'static str>, WsError> {
        let origin = request.headers().get(ORIGIN);
        let is_allowed = match origin {
            None => !self.needs_origin,
            Some(origin) => {
                let mut allowed = self.origins.iter();
                self.origins.is_empty()
                    || allowed
                        .any(|allowed| origin.as_bytes().eq_ignore_ascii_case(allowed.as_bytes()))
            }
        };
        if !is_allowed {
            let origin = origin.map_or(&b""[..], |origin| origin.as_bytes());
            return Err(WsError::Origin {
                origin: String::from_utf8_lossy(origin).into(),
            });
        }
        let mut offered = request
            .headers()
            .get_all(SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(',').map(str::trim))
            .peekable();
        if offered.peek().is_none() && !self.needs_subprotocol {
            return Ok(None);
        }
        let mut fallback = None;
        offered
            .find_map(|name| match name {
                SUBPROTOCOL => Some(SUBPROTOCOL),
                SUBPROTOCOL_31 => {
                    fallback = Some(SUBPROTOCOL_31);
                    None
                }
                _ => None,
            })
            .or(fallback)
            .map(Some)
            .ok_or(WsError::SubprotocolMissing)
    }
}

/// The request and what came behind it.
async fn read_request(stream: &mut Stream) -> Result<(Request, Vec<u8>), WsError> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(WsError::Ended);
        }
        let parsed = Request::try_parse(&bytes).map_err(WsError::of_request)?;
        if let Some((len, request)) = parsed {
            let rest = bytes.split_off(len.min(bytes.len()));
            return Ok((request, rest));
        }
        if bytes.len() >= REQUEST_LEN_MAX {
            return Err(WsError::RequestTooLong);
        }
    }
}

fn target(request: &Request) -> &str {
    let target = request.uri().path_and_query();
    target.map_or("/", |target| target.as_str())
}

/// What the client is told, in HTTP; nothing if it speaks none.
fn refusal(error: &WsError) -> Option<String> {
    let (status, header, text) = match error {
        WsError::UnknownPath { .. } => ("404 Not Found", "", "no MQTT on this path\n"),
        WsError::Origin { .. } => ("403 Forbidden", "", "pages of this origin are not served\n"),
        WsError::SubprotocolMissing => (
            "400 Bad Request",
            "",
            "the WebSocket subprotocol mqtt is required\n",
        ),
        WsError::NoUpgrade => (
            "426 Upgrade Required",
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            "this is MQTT over WebSocket, and not for a browser's address line\n",
        ),
        WsError::RequestTooLong => ("431 Request Header Fields Too Large", "", ""),
        WsError::Handshake { .. } => ("400 Bad Request", "", ""),
        _ => return None,
    };
    let mut answer = format!("HTTP/1.1 {status}\r\n{header}");
    // Writing to a `String` cannot fail.
    let _ = write!(
        answer,
        "Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    Some(answer)
}

impl WsError {
    /// What is wrong with a request, at the server.
    fn of_request(error: Error) -> Self {
        match error {
            Error::Protocol(
                ProtocolError::WrongHttpMethod
                | ProtocolError::MissingConnectionUpgradeHeader
                | ProtocolError::MissingUpgradeWebSocketHeader
                | ProtocolError::MissingSecWebSocketVersionHeader
                | ProtocolError::MissingSecWebSocketKey,
            ) => Self::NoUpgrade,
            Error::Protocol(ProtocolError::HttparseError(_)) => Self::NotHttp,
            Error::Capacity(_) => Self::RequestTooLong,
            error => Self::of_handshake(error),
        }
    }
}
