//! `mqtt test`: what a broker can do.

use std::{
    io::{self, Write},
    pin::pin,
    process::ExitCode,
};

use mqtt_client::Reconnect;
use mqtt_probe::{Ability, AbilitySettings, Verdict, abilities};
use serde_json::{Map, Value, json};

use crate::{
    args::TestArgs,
    connection::{self, interruption},
    exit::Failure,
};

/// Letters of the longest name.
const NAME_WIDTH: usize = 34;

/// Runs the command.
pub(crate) fn run(args: TestArgs) -> Result<ExitCode, Failure> {
    if args.connection.protocol_version.is_some() || args.connection.id.is_some() {
        return Err(Failure::usage(
            "every version is tried, with Client Identifiers of its own: leave out -V and -i",
        ));
    }
    let (debug, quiet) = (args.connection.debug, args.connection.quiet);
    connection::run(debug, quiet, test(args))
}

async fn test(args: TestArgs) -> Result<ExitCode, Failure> {
    let mut interruption = pin!(interruption(None)?);
    let builder = connection::builder_of(&args.connection, Reconnect::never())?;
    let settings = AbilitySettings {
        payload_len_max: usize::try_from(args.payload_max).unwrap_or(usize::MAX),
        patience: args.patience.get(),
    };
    let mut written = Ok(());
    let tested = abilities(
        || builder.clone(),
        settings,
        |ability| {
            if !args.json && written.is_ok() {
                written = writeln!(io::stdout(), "{}", line(ability));
            }
        },
    );
    let found = tokio::select! {
        code = &mut interruption => return Ok(code),
        found = tested => found,
    };
    let found = found.map_err(|error| connection::not_connected(&args.connection, &error))?;
    if args.json {
        let object: Map<String, Value> = found.iter().map(member).collect();
        written = writeln!(io::stdout(), "{}", Value::Object(object));
    }
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::run_time(
            format_args!("cannot write to stdout: {error}"),
        )),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn line(ability: &Ability) -> String {
    let verdict = match ability.verdict {
        Verdict::Yes => "yes",
        Verdict::No => "no",
    };
    let line = format!(
        "{:NAME_WIDTH$}  {verdict:3}  {}",
        ability.name, ability.detail
    );
    line.trim_end().to_owned()
}

fn member(ability: &Ability) -> (String, Value) {
    let is_so = ability.verdict == Verdict::Yes;
    let value = json!({ "is_so": is_so, "detail": ability.detail });
    (ability.name.clone(), value)
}
