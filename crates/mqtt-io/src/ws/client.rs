//! Opening a WebSocket.

use super::client_stream::ClientStream;
use super::{SUBPROTOCOL, WsError, WsStream, config};
use crate::endpoint::request_target;
use crate::{Endpoint, Stream};
use std::fmt;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::http::header::{
    CONNECTION, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tokio_tungstenite::tungstenite::http::{HeaderMap, Request};

/// The longest message taken from a server when nothing is set, in bytes: there may be many packets in one.
const MESSAGE_LEN_MAX: usize = 16 * 1024 * 1024;

/// What the handshake itself needs.
const RESERVED: [HeaderName; 5] = [
    CONNECTION,
    UPGRADE,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    SEC_WEBSOCKET_PROTOCOL,
];

/// What a server is asked for when a WebSocket is opened.
///
/// ```
/// # fn example() -> Result<(), mqtt_io::WsError> {
/// use mqtt_io::{Connector, WsOptions};
///
/// let options = WsOptions::new().header("Authorization", "Bearer abc")?.path("/mqtt?tenant=7")?;
/// let connector = Connector::new().websocket(options);
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
#[derive(Clone)]
#[must_use]
pub struct WsOptions {
    headers: HeaderMap,
    path: Option<Box<str>>,
    message_len_max: usize,
}

impl Default for WsOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl WsOptions {
    /// No headers but those the handshake needs, the path of the address, and messages of 16 MiB at most.
    pub fn new() -> Self {
        Self {
            headers: HeaderMap::new(),
            path: None,
            message_len_max: MESSAGE_LEN_MAX,
        }
    }

    /// Adds a header to the request; one of the same name is replaced. `Debug` does not show values, but the library's
    /// own log at the level `trace` shows the whole request.
    ///
    /// # Errors
    /// Name or value cannot be sent, or the handshake needs the header itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, WsError> {
        let unfit = || WsError::Header { name: name.into() };
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
        if RESERVED.contains(&parsed) {
            return Err(unfit());
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| unfit())?;
        value.set_sensitive(true);
        self.headers.insert(parsed, value);
        Ok(self)
    }

    /// Asks for this path and query, whatever the address says.
    ///
    /// # Errors
    /// There is a character in it that is written percent-encoded.
    pub fn path(mut self, path: &str) -> Result<Self, WsError> {
        self.path = Some(request_target(path)?);
        Ok(self)
    }

    /// Sets the longest message that is taken, in bytes; it is held in memory before the first packet of it is read.
    pub const fn message_len_max(mut self, bytes: usize) -> Self {
        self.message_len_max = bytes;
        self
    }

    fn request(&self, endpoint: &Endpoint) -> Result<Request<()>, WsError> {
        let path = self.path.as_deref().unwrap_or(endpoint.path());
        let authority = endpoint.authority();
        let is_default_port = endpoint.scheme().default_port() == Some(endpoint.port());
        let host = match authority.rsplit_once(':') {
            Some((host, _)) if is_default_port => host,
            _ => &authority,
        };
        let request = Request::get(format!("ws://{authority}{path}"))
            .header(HOST, host)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, generate_key())
            .header(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        let mut request = request.body(()).map_err(|_| WsError::Target {
            target: path.into(),
        })?;
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }
}

impl fmt::Debug for WsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("WsOptions")
            .field("headers", &names)
            .field("path", &self.path)
            .field("message_len_max", &self.message_len_max)
            .finish()
    }
}

/// Opens a WebSocket over a connection that is there.
pub(crate) async fn connect(
    stream: Stream,
    endpoint: &Endpoint,
    options: &WsOptions,
) -> Result<Stream, WsError> {
    let request = options.request(endpoint)?;
    let config = config(options.message_len_max);
    let opened = client_async_with_config(request, stream, Some(config)).await;
    let (ws, _) = opened.map_err(WsError::of_handshake)?;
    Ok(Stream::Ws(Box::new(WsStream::client(ClientStream::new(
        ws,
    )))))
}
