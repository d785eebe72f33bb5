//! Runs the built `mqtt` and looks at what it prints and how it ends.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod access;
mod address;
mod bench;
mod broker;
mod certs;
#[cfg(unix)]
mod ctl;
mod decode;
mod help;
mod import;
#[cfg(unix)]
mod log;
mod messages;
mod mosquitto_flags;
mod mosquitto_pub;
mod passwd;
mod process;
mod profiles;
mod reaching;
mod record;
mod refusals;
mod retained;
mod schemas;
mod server;
mod sim;
mod spy;
mod store;
mod subscribing;
mod test;
mod torture;
#[cfg(unix)]
mod tui;
mod usage;
