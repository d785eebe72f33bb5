//! `WsAcceptor`: the server's side of the WebSocket handshake.

use super::{SUBPROTOCOL, WsError, WsStream, config};
use crate::Stream;
use crate::endpoint::WS_PATH;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::{
    HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL,
};

/// The longest message taken from a client when nothing is set, in bytes.
const MESSAGE_LEN_MAX: usize = 1024 * 1024;

/// Bytes read at a time, which a silent connection holds, too.
const READ_BUFFER_LEN: usize = 4 * 1024;

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

    /// Sets the longest message that is taken, in bytes; memory for it is taken as soon as a client announces it.
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
    pub async fn accept(&self, stream: Stream) -> Result<(Stream, WsRequest), WsError> {
        let mut outcome = Err(WsError::Ended);
        let mut refusal = None;
        #[expect(
            clippy::result_large_err,
            reason = "the library's callback has this type"
        )]
        let answer = |request: &Request, mut response: Response| match self.check(request) {
            Ok(subprotocol) => {
                let subprotocol = HeaderValue::from_static(subprotocol);
                response
                    .headers_mut()
                    .insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
                outcome = Ok(WsRequest {
                    target: target(request).into(),
                    headers: request.headers().clone(),
                });
                Ok(response)
            }
            Err(error) => {
                let told = refuse(&error);
                refusal = Some(error);
                Err(told)
            }
        };
        let config = config(READ_BUFFER_LEN, self.message_len_max);
        let accepted = accept_hdr_async_with_config(stream, answer, Some(config)).await;
        match (accepted, refusal) {
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(WsError::of_handshake(error)),
            (Ok(ws), None) => Ok((Stream::Ws(Box::new(WsStream::new(ws))), outcome?)),
        }
    }

    /// The subprotocol to agree on, or what is wrong with the request.
    fn check(&self, request: &Request) -> Result<&'static str, WsError> {
        let path = request.uri().path();
        if !self.paths.iter().any(|served| **served == *path) {
            return Err(WsError::UnknownPath { path: path.into() });
        }
        if let Some(origin) = request.headers().get(ORIGIN)
            && !self.origins.is_empty()
        {
            let mut allowed = self.origins.iter();
            if !allowed.any(|allowed| origin.as_bytes() == allowed.as_bytes()) {
                return Err(WsError::Origin {
                    origin: String::from_utf8_lossy(origin.as_bytes()).into(),
                });
            }
        }
        let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
        let mut offered = offered
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(',').map(str::trim));
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
            .ok_or(WsError::SubprotocolMissing)
    }
}

fn target(request: &Request) -> &str {
    let target = request.uri().path_and_query();
    target.map_or("/", |target| target.as_str())
}

fn refuse(error: &WsError) -> ErrorResponse {
    let (status, text) = match error {
        WsError::UnknownPath { .. } => (StatusCode::NOT_FOUND, "no MQTT on this path\n"),
        WsError::Origin { .. } => (
            StatusCode::FORBIDDEN,
            "pages of this origin are not served\n",
        ),
        _ => (
            StatusCode::BAD_REQUEST,
            "the WebSocket subprotocol mqtt is required\n",
        ),
    };
    let mut response = ErrorResponse::new(Some(text.to_owned()));
    *response.status_mut() = status;
    response
}
