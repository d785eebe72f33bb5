//! mqtt-client against a scripted server.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod closing;
mod handshake;
mod keep_alive;
mod publishing;
mod receiving;
mod server;
mod subscribing;
