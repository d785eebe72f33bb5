//! `mqtt completions`: what a shell has to know to complete commands and flags.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::{
    args::{self, CompletionsArgs},
    exit::Failure,
};

/// Runs the command.
pub(crate) fn run(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    let mut command = args::command();
    clap_complete::generate(args.shell, &mut command, "mqtt", &mut script);
    let mut out = io::stdout();
    match out.write_all(&script).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::run_time(
            format_args!("cannot write to stdout: {error}"),
        )),
        // A reader that went away, as `head` does, is no failure.
        _ => Ok(ExitCode::SUCCESS),
    }
}
