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
mod log;
mod passwd;
mod payload;
mod plan;
mod print;
mod publish;
mod signals;
mod store;
mod subscribe;
mod torture;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;

fn main() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        Err(error) => args::explain(&error),
    };
    outcome.unwrap_or_else(exit::Failure::report)
}

fn run(command: Command) -> Result<ExitCode, exit::Failure> {
    match command {
        Command::Broker(args) => broker::run(args),
        #[cfg(unix)]
        Command::Ctl(args) => ctl::run(args),
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
