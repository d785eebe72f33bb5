//! What a message costs in mqtt-client, in other clients and on a bare socket, each in a process of its own.
#![forbid(unsafe_code)]

mod client;
mod cpu;
mod floor;
mod generator;
mod ours;
#[cfg(feature = "paho")]
mod paho;
mod rumqtt;
mod runs;
mod summary;

use clap::{Parser, Subcommand};
use std::error::Error;

/// Everything here ends the program with a message when it fails.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

#[derive(Parser)]
#[command(
    name = "client-bench",
    about = "Measures MQTT clients against one broker"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every client in turn and print a table
    Compare(runs::Options),
    /// Be one client; started by `compare`
    Client(client::Work),
}

fn main() -> Result<(), Failure> {
    match Arguments::parse().command {
        Command::Compare(options) => runs::run(&options),
        Command::Client(work) => client::run(&work),
    }
}
