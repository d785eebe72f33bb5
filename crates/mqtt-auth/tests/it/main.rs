//! mqtt-auth: both ends with each other, and with ends that cheat.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod scram;
