//! What can be said on the command line.
//!
//! The letters are mosquitto's: `-h` is the host, so help is `--help` only.

mod access;
mod bench;
mod bench_values;
mod broker;
mod certs;
mod codecs;
mod connection;
#[cfg(unix)]
mod ctl;
mod decode;
mod help;
mod import;
mod levels;
mod message;
mod moment;
mod passwd;
mod printing;
mod profile;
mod profile_file;
mod property;
mod publish;
mod record;
mod request;
mod retained;
mod secret;
mod server;
mod sim;
mod spy;
mod store;
mod subscribe;
mod subscription;
mod test;
mod tls;
mod torture;
mod tui;
mod units;
mod will;
mod words;

use std::{ffi::OsString, io::Write, process::ExitCode};

use clap::{
    ArgAction, ArgMatches, CommandFactory, FromArgMatches,
    error::{ContextKind, ContextValue, ErrorKind},
};

pub(crate) use access::{AccessArgs, AccessCommand, ExplainArgs};
pub(crate) use bench::{
    ArrivalArg, BenchArgs, BenchCommand, FleetArgs, HeaderArgs, LoadArgs, TopicArgs,
};
pub(crate) use bench_values::{LogTo, RateArg};
pub(crate) use broker::{BrokerArgs, BrokerCommand, PlanArgs};
pub(crate) use certs::{CertsArgs, CertsCommand, MakeArgs};
pub(crate) use connection::ConnectionArgs;
#[cfg(unix)]
pub(crate) use ctl::{BannedArgs, BansCommand, ClientsCommand, CtlArgs, CtlCommand, UsersCommand};
pub(crate) use decode::{DecodeArgs, FormatArg};
pub(crate) use help::{CompletionsArgs, HelpArgs};
pub(crate) use import::{ImportArgs, ImportKind, MosquittoArgs, MosquittoCli};
pub(crate) use passwd::{HashArg, PasswdArgs};
pub(crate) use printing::PrintArgs;
#[cfg(test)]
pub(crate) use property::names as property_names;
pub(crate) use property::{ConnectProperties, PropertyCommand};
pub(crate) use publish::{PublishArgs, SourceArgs};
pub(crate) use record::{RecordArgs, ReplayArgs};
pub(crate) use request::RequestArgs;
pub(crate) use retained::{ClearArgs, GetArgs, ListArgs, RetainedArgs, RetainedCommand};
pub(crate) use server::{ServerArgs, ServerError};
pub(crate) use sim::SimArgs;
pub(crate) use spy::SpyArgs;
pub(crate) use store::{StoreArgs, StoreCommand};
pub(crate) use subscribe::SubscribeArgs;
pub(crate) use test::TestArgs;
pub(crate) use torture::TortureArgs;
pub(crate) use tui::TuiArgs;

use crate::exit::Failure;
use levels::Filled;
use words::{Behind, Words};

/// MQTT 3.1, 3.1.1 and 5.0: a broker and its tools in one program
#[derive(clap::Parser)]
#[command(
    name = "mqtt",
    bin_name = "mqtt",
    version,
    disable_help_flag = true,
    disable_help_subcommand = true,
    disable_version_flag = true,
    arg_required_else_help = true,
    subcommand_required = true
)]
struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    /// Print help
    #[arg(long, global = true, display_order = 1000, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// The commands.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Run a broker
    Broker(BrokerArgs),
    /// Look into a running broker of this machine and change it
    #[cfg(unix)]
    Ctl(CtlArgs),
    /// Take another broker's configuration and state over
    Import(ImportArgs),
    /// Run a mosquitto.conf, as the program does under the name `mosquitto`
    Mosquitto(MosquittoArgs),
    /// Publish messages
    Pub(Box<PublishArgs>),
    /// Subscribe to topics and print their messages
    Sub(Box<SubscribeArgs>),
    /// Record messages with their times
    Record(Box<RecordArgs>),
    /// Publish a recording again
    Replay(Box<ReplayArgs>),
    /// List, print and clear retained messages
    Retained(Box<RetainedArgs>),
    /// Load a broker with many clients, and measure it
    Bench(Box<BenchArgs>),
    /// Let devices that are not there connect and publish
    Sim(SimArgs),
    /// Try what a broker can do, and print it as a table
    Test(TestArgs),
    /// Look at topics and their messages in a screen of their own
    Tui(TuiArgs),
    /// Publish a request and print its response
    Rr(Box<RequestArgs>),
    /// Make certificates to develop with, and look at some
    Certs(CertsArgs),
    /// Ask who may do what, and why
    Access(AccessArgs),
    /// Print packets field by field, from bytes or from a capture
    Decode(DecodeArgs),
    /// Relay between clients and a broker, and show every packet
    Spy(Box<SpyArgs>),
    /// Make and change a file of users and their passwords
    Passwd(PasswdArgs),
    /// Look at what a broker that does not run has kept
    Store(StoreArgs),
    /// Kill a broker over and over and verify that it keeps what it has acknowledged
    Torture(TortureArgs),
    /// Print a script by which a shell completes commands and flags
    Completions(CompletionsArgs),
    /// Print help on a command, or on what commands are about
    Help(HelpArgs),
}

/// A program of Mosquitto's: the flags of one command without its name.
#[derive(clap::Parser)]
#[command(
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true
)]
struct Alone<A: clap::Args> {
    /// Its flags.
    #[command(flatten)]
    args: A,
    /// Print help
    #[arg(long, display_order = 1000, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// All commands with their flags, for those who tell about them.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Reads the words of `mqtt`, the program's name first; or says how the program ends instead.
pub(crate) fn parse(words: Vec<OsString>) -> Result<Command, Result<ExitCode, Failure>> {
    let mut command = Cli::command();
    command.build();
    let words = Words::read(&command, words, Behind::AFlagIsAFlag);
    let filled = levels::filled(&command, words, |name| std::env::var_os(name)).map_err(Err)?;
    let matches = matches_of(&mut command, filled)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| explain(&error))?;
    Ok(cli.command)
}

/// Reads the words of a program of Mosquitto's that has the flags of one of our commands.
pub(crate) fn parse_as<A: clap::Args>(
    name: &'static str,
    words: Vec<OsString>,
) -> Result<A, Result<ExitCode, Failure>> {
    let mut command = Alone::<A>::command()
        .name(name)
        .bin_name(name)
        .about(format!("{name}, as `mqtt` has it"))
        .version(concat!("version ", env!("CARGO_PKG_VERSION"), " of mqtt"));
    command.build();
    let words = Words::read(&command, words, Behind::Anything);
    words.check_groups(&command).map_err(Err)?;
    let dirs = directories::BaseDirs::new();
    let file = dirs.map(|dirs| dirs.config_dir().join(name));
    let filled = levels::filled_from(&command, words, file.as_deref()).map_err(Err)?;
    let matches = matches_of(&mut command, filled)?;
    let alone = Alone::<A>::from_arg_matches(&matches).map_err(|error| explain(&error))?;
    Ok(alone.args)
}

fn matches_of(
    command: &mut clap::Command,
    filled: Filled,
) -> Result<ArgMatches, Result<ExitCode, Failure>> {
    let matches = command.try_get_matches_from_mut(&filled.words);
    matches.map_err(|error| {
        explain(&error).map_err(|failure| match filled.place_of(&error.to_string()) {
            Some(place) => failure.with_hint(&format!("it comes from {place}")),
            None => failure,
        })
    })
}

/// Help and version are printed as they are; a mistake becomes one line.
pub(crate) fn explain(error: &clap::Error) -> Result<ExitCode, Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that went away, as `head` does, is no failure of ours.
            let _ = error.print();
            Ok(ExitCode::SUCCESS)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = write!(std::io::stderr(), "{error}");
            Ok(ExitCode::from(crate::exit::USAGE))
        }
        _ => {
            // The words of a property are one for clap.
            let mut text = error.to_string();
            if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
                // Which leaves out what separates them.
                let shown = value.replace(property::SEPARATOR, "");
                text = text.replace(&shown, &value.replace(property::SEPARATOR, " "));
            }
            Err(Failure::usage(one_line(&text)))
        }
    }
}

/// Joins what clap says before its usage text: the mistake, what it is about, and the tip.
fn one_line(text: &str) -> String {
    let lines = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:"));
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    let mut joined = String::new();
    for line in lines {
        let separator = match joined.as_bytes().last() {
            None => "",
            Some(b':') => " ",
            Some(_) => ", ",
        };
        joined.push_str(separator);
        joined.push_str(line.strip_prefix("error: ").unwrap_or(line));
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mistake_is_one_line() {
        assert_eq!(
            one_line(
                "error: these were not given:\n  --a\n  --b\n\n  tip: c\n\nUsage: mqtt\n\nFor more"
            ),
            "these were not given: --a, --b, tip: c"
        );
    }
}
