//! Brokers asked from outside.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod abilities;
mod broker;
mod retained;
