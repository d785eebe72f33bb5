//! The server's side of a Network Connection: what it says, and what it makes of what the client says.
//!
//! [`ServerHandshake`] is a Network Connection until CONNACK, [`ServerConnection`] after it; [`ServerSession`]
//! outlives it. The decisions are the caller's: events ask, methods answer. Output is encoded to the end of a buffer
//! of the caller; the only clock is an argument.

mod connack;
mod connection;
mod error;
mod event;
mod handshake;
mod input;
mod offer;
mod output;
mod session;

pub use connection::{Closed, ServerConnection};
pub use error::ServerError;
pub use event::{EncodedPublish, RequestToken, ServerEvent};
pub use handshake::{Acceptance, Accepted, HandshakeEvent, NotAccepted, ServerHandshake};
pub use offer::ServerOffer;
pub use session::{ServerSession, SessionStep};
