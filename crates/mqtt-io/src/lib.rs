//! Packet framing over byte streams, the queue of bytes for a socket, and the transports both ends use.
//!
//! On tokio, and without protocol rules: which packet may come when is the business of the layers above.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod connector;
mod endpoint;
mod listener;
mod read_chunk;
mod reader;
mod stream;
mod tcp;
mod write_queue;

pub use connector::{Attempt, Connector, DialError, Step};
pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use listener::Listener;
pub use mqtt_codec::{DecodeError, Frame};
pub use read_chunk::{READ_CHUNK_LEN, poll_read_chunk};
pub use reader::{Fed, PacketReader, Verdict};
pub use stream::{Stream, Transport};
pub use tcp::TcpOptions;
pub use write_queue::WriteQueue;
