//! The `mqtt` command: reads its arguments, calls a library, prints.

#![forbid(unsafe_code)]

mod access;
mod args;
mod broker;
mod certs;
mod connection;
#[cfg(unix)]
mod ctl;
mod decode;
mod exit;
mod import;
mod log;
mod mosquitto;
mod passwd;
mod payload;
mod plan;
mod print;
mod publish;
mod signals;
mod store;
mod subscribe;
mod surroundings;
mod torture;

use std::{path::Path, process::ExitCode};

use args::{Cli, Command, MosquittoCli};
use clap::Parser;

fn main() -> ExitCode {
    let outcome = match is_called("mosquitto") {
        true => match MosquittoCli::try_parse() {
            Ok(cli) => mosquitto::run(&cli.args),
            Err(error) => args::explain(&error),
        },
        false => match Cli::try_parse() {
            Ok(cli) => run(cli.command),
            Err(error) => args::explain(&error),
        },
    };
    outcome.unwrap_or_else(exit::Failure::report)
}

/// Whether the program was started under this name, by a link or a copy.
fn is_called(name: &str) -> bool {
    let called = std::env::args_os().next();
    called.is_some_and(|called| {
        Path::new(&called)
            .file_stem()
            .is_some_and(|stem| stem == name)
    })
}

fn run(command: Command) -> Result<ExitCode, exit::Failure> {
    match command {
        Command::Broker(args) => broker::run(args),
        #[cfg(unix)]
        Command::Ctl(args) => ctl::run(args),
        Command::Import(args) => import::run(&args),
        Command::Mosquitto(args) => mosquitto::run(&args),
        Command::Pub(args) => publish::run(args),
        Command::Sub(args) => subscribe::run(args),
        Command::Decode(args) => decode::run(&args),
        Command::Store(args) => store::run(args.command),
        Command::Certs(args) => certs::run(&args.command),
        Command::Access(args) => access::run(&args.command),
        Command::Passwd(args) => passwd::run(&args),
        Command::Torture(args) => torture::run(&args),
    }
}
