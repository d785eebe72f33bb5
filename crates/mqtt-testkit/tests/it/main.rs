//! What belongs to no single crate: the examples of the main README, and client and broker, over a bad network too.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the README's examples print, and tests fail by panicking"
)]

mod broker;
mod client;
mod examples;
mod faults;
mod killed;
mod quic;
mod readme;
mod tls;
