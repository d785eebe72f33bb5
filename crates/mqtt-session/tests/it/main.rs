//! Tests of sessions as their owners see them: two ends against each other, and faults that others have had.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod aliases;
mod auth;
mod client;
mod embedded;
mod ends;
mod example;
mod fitting;
mod handshake;
mod held;
mod kit;
mod model;
mod pair;
mod regress;
mod regress_client;
mod room;
mod same;
mod server;
mod size;
mod will;
