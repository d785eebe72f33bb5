//! mqtt-io over real sockets.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod connector;
mod loopback;
