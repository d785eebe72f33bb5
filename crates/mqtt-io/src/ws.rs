//! WebSocket: MQTT in binary frames, as browsers and firewalls want it. Spec: v5 §6, v3.1.1 §6.

mod acceptor;
mod client;
mod client_stream;
mod error;
mod frames;
mod server_stream;
mod stream;

pub use acceptor::{WsAcceptor, WsRequest};
pub use client::WsOptions;
pub(crate) use client::connect;
pub use error::WsError;
pub use stream::WsStream;

use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// The subprotocol both ends agree on. Spec: v5 [MQTT-6.0.0-3], [MQTT-6.0.0-4].
const SUBPROTOCOL: &str = "mqtt";

/// Bytes of frames that wait for a write of their own accord; a flush writes less, too.
const WRITE_BUFFER_LEN: usize = 16 * 1024;

/// Bytes read at a time.
const READ_BUFFER_LEN: usize = 16 * 1024;

/// Bounds of a client's WebSocket; of a message in bytes.
fn config(message_len_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_LEN)
        .write_buffer_size(WRITE_BUFFER_LEN)
        .max_message_size(Some(message_len_max))
        .max_frame_size(Some(message_len_max))
}
