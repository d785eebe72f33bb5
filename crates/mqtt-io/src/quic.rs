//! QUIC: one bidirectional stream for a Network Connection, as EMQX and NanoSDK have it.

mod client;
mod error;
mod listener;
mod stream;

pub(crate) use client::connect;
pub use error::QuicError;
pub use listener::{QuicHandshake, QuicListener};
pub use stream::QuicStream;

use quinn::{IdleTimeout, TransportConfig, VarInt};
use std::time::Duration;

/// What both ends name in the handshake (ALPN).
const PROTOCOL: &[u8] = b"mqtt";

/// Bytes of a connection that have come and are not read yet, and those that are sent and not confirmed.
const WINDOW: u32 = 512 * 1024;

/// A connection that is silent for so long is gone, unit: ms. It is longer than any Keep Alive, one and a half times
/// 65,535 s, because that is what decides; it is there so that nothing stays for ever.
const IDLE_MS: u32 = 100_000_000;

/// The code a connection is closed with when all is well, as a socket is.
const NO_ERROR: VarInt = VarInt::from_u32(0);

/// What holds for both ends.
fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(u64::from(WINDOW))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS))));
    transport
}

/// How often a client makes itself heard, so that what lies between keeps the way open: home routers forget it after
/// half a minute.
const CLIENT_PING: Duration = Duration::from_secs(25);
