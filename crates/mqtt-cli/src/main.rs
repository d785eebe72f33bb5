//! The `mqtt` command: reads its arguments, calls a library, prints.

#![forbid(unsafe_code)]

mod access;
mod args;
mod bench;
mod broker;
mod certs;
mod completions;
mod connection;
#[cfg(unix)]
mod ctl;
mod decode;
mod exit;
mod help;
mod import;
mod log;
mod mosquitto;
mod multicall;
mod passwd;
mod payload;
mod plan;
mod print;
mod progress;
mod publish;
mod record;
mod replay;
mod request;
mod retained;
mod signals;
mod sim;
mod spy;
mod store;
mod subscribe;
mod surroundings;
mod terminal;
mod test;
mod torture;
mod trace;
mod tui;

use std::{ffi::OsString, path::Path, process::ExitCode};

use args::{Command, MosquittoCli};
use clap::Parser;
use multicall::Program;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if let Some((program, words)) = Program::called(&words) {
        return program.run(words);
    }
    let outcome = match is_called(&words, "mosquitto") {
        true => match MosquittoCli::try_parse_from(words) {
            Ok(cli) => mosquitto::run(&cli.args),
            Err(error) => args::explain(&error),
        },
        false => match args::parse(words) {
            Ok(command) => run(command),
            Err(outcome) => outcome,
        },
    };
    outcome.unwrap_or_else(exit::Failure::report)
}

/// Whether the program was started under this name, by a link or a copy.
fn is_called(words: &[OsString], name: &str) -> bool {
    let called = words.first().map(Path::new).and_then(Path::file_stem);
    called.is_some_and(|stem| stem == name)
}

fn run(command: Command) -> Result<ExitCode, exit::Failure> {
    match command {
        Command::Broker(args) => broker::run(args),
        #[cfg(unix)]
        Command::Ctl(args) => ctl::run(args),
        Command::Import(args) => import::run(&args),
        Command::Mosquitto(args) => mosquitto::run(&args),
        Command::Pub(args) => publish::run(*args),
        Command::Sub(args) => subscribe::run(*args),
        Command::Bench(args) => bench::run(&args),
        Command::Sim(args) => sim::run(args),
        Command::Test(args) => test::run(args),
        Command::Tui(args) => tui::run(args),
        Command::Rr(args) => request::run(*args),
        Command::Decode(args) => decode::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Help(args) => help::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Retained(args) => retained::run(args.command),
        Command::Spy(args) => spy::run(*args),
        Command::Store(args) => store::run(args.command),
        Command::Certs(args) => certs::run(&args.command),
        Command::Access(args) => access::run(&args.command),
        Command::Passwd(args) => passwd::run(&args),
        Command::Torture(args) => torture::run(&args),
    }
}
