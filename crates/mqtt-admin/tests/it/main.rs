//! A running broker, seen through its admin channel.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod channel;
mod kit;
mod requests;
