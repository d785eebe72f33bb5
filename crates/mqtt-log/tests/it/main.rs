//! Tests of the log as its users see it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod real;
