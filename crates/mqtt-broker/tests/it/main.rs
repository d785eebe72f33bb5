//! The broker, seen through a socket.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod kit;

mod access;
mod aliases;
mod connect;
mod flows;
mod log;
mod malformed;
mod properties;
mod retained;
mod shared;
mod subscribe;
mod takeover;
mod will;
