//! A client, a proxy and a server over real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod filters;
mod flows;
mod link;
mod passing;
mod transports;
