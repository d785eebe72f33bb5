//! mqtt-client against a scripted server.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod answering;
mod authenticating;
mod blocking;
mod closing;
mod dialing;
mod handshake;
mod keep_alive;
mod mocking;
mod net;
mod others_defects;
mod power_cuts;
mod publishing;
mod queueing;
mod receiving;
mod reconnecting;
mod requesting;
mod resuming;
mod server;
mod storing;
mod subscribing;
