//! mqtt-client against Mosquitto; `cargo xtask interop` names the program to the tests.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod broker;
// The beginning of the name tells xtask which program the tests need.
#[path = "../it/client/mod.rs"]
mod client_with_mosquitto;
