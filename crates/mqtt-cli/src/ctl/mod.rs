//! `mqtt ctl`: asks a running broker through the socket in its data directory.

mod clients;
mod people;
mod print;
mod refusals;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use mqtt_admin::{
    CallError, Client, Counters, FaultKind, ReloadEntry, Request, SOCKET_FILE, Status,
};

use crate::{
    args::{CtlArgs, CtlCommand},
    exit::Failure,
    plan::report_text,
};
use print::{Table, duration};

/// A connection, and how answers are to be printed.
pub(crate) struct Ctl {
    client: Client,
    is_json: bool,
}

/// Runs the command.
pub(crate) fn run(args: CtlArgs) -> Result<ExitCode, Failure> {
    let socket = match args.socket {
        Some(path) => path,
        None => socket_in(args.data_dir)?,
    };
    let mut ctl = Ctl::connect(&socket, args.json)?;
    match args.command {
        CtlCommand::Status => ctl.status(),
        CtlCommand::Clients { command } => ctl.clients(command),
        CtlCommand::Subscriptions { client_id } => ctl.subscriptions(client_id),
        CtlCommand::Bans { command } => ctl.bans(command),
        CtlCommand::Users { command } => ctl.users(command),
        CtlCommand::Refusals {
            reference: Some(reference),
            ..
        } => ctl.refusal(reference),
        CtlCommand::Refusals {
            client_id, limit, ..
        } => ctl.refusals(client_id, limit),
        CtlCommand::Reload => ctl.reload(),
        CtlCommand::Plan { file } => ctl.plan(&file),
        CtlCommand::Counters => ctl.counters(),
        CtlCommand::Metrics => ctl.metrics(),
        CtlCommand::LogLevel { level } => ctl.log_level(level),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn socket_in(data_dir: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let dir = match data_dir {
        Some(dir) => dir,
        None => crate::broker::default_data_dir()?,
    };
    Ok(dir.join(SOCKET_FILE))
}

/// What the broker did not do is told in its words.
fn failure(error: CallError) -> Failure {
    match error {
        CallError::Refused(fault) if fault.kind == FaultKind::Invalid => Failure::usage(fault),
        error => Failure::run_time(error),
    }
}

impl Ctl {
    /// Connects to the socket of a broker.
    pub(crate) fn connect(socket: &Path, is_json: bool) -> Result<Self, Failure> {
        let client = Client::connect(socket).map_err(failure)?;
        Ok(Self { client, is_json })
    }

    fn status(&mut self) -> Result<(), Failure> {
        if self.is_json {
            return self.pass_on(&Request::Status);
        }
        let status: Status = self.client.ask(&Request::Status).map_err(failure)?;
        let mut table = Table::new(&[]);
        let rows = [
            ("node", status.node),
            ("version", status.version),
            ("process", status.pid.to_string()),
            ("uptime", duration(status.uptime_s)),
            ("connections", status.connections.to_string()),
            ("sessions", status.sessions.to_string()),
            ("subscriptions", status.subscriptions.to_string()),
            ("retained messages", status.retained.to_string()),
        ];
        for (name, value) in rows {
            table.row([name.to_owned(), value]);
        }
        say(&table.to_string());
        Ok(())
    }

    fn reload(&mut self) -> Result<(), Failure> {
        if self.is_json {
            return self.pass_on(&Request::Reload);
        }
        let report: ReloadEntry = self.client.ask(&Request::Reload).map_err(failure)?;
        say(&report_text(&report));
        Ok(())
    }

    /// What `file` would change.
    pub(crate) fn plan(&mut self, file: &Path) -> Result<(), Failure> {
        let text = fs::read_to_string(file).map_err(|error| {
            let file = file.display();
            Failure::usage(format_args!(
                "cannot read the configuration {file}: {error}"
            ))
        })?;
        let origin = file.display().to_string();
        let request = Request::Plan { origin, text };
        if self.is_json {
            return self.pass_on(&request);
        }
        let report: ReloadEntry = self.client.ask(&request).map_err(failure)?;
        say(&report_text(&report));
        Ok(())
    }

    fn counters(&mut self) -> Result<(), Failure> {
        if self.is_json {
            return self.pass_on(&Request::Counters);
        }
        let counters: Counters = self.client.ask(&Request::Counters).map_err(failure)?;
        let mut table = Table::new(&[]);
        for (name, number) in counters.0 {
            table.row([name, number.to_string()]);
        }
        say(&table.to_string());
        Ok(())
    }

    fn metrics(&mut self) -> Result<(), Failure> {
        let page: String = self.client.ask(&Request::Metrics).map_err(failure)?;
        say(&page);
        Ok(())
    }

    fn log_level(&mut self, level: Option<String>) -> Result<(), Failure> {
        match level {
            Some(level) => self.done(&Request::SetLogLevel { level }, "the log level is changed"),
            None if self.is_json => self.pass_on(&Request::LogLevel),
            None => {
                let level: String = self.client.ask(&Request::LogLevel).map_err(failure)?;
                say(&format!("{level}\n"));
                Ok(())
            }
        }
    }

    /// Asks for something to be done, and says that it is.
    fn done(&mut self, request: &Request, words: &str) -> Result<(), Failure> {
        if self.is_json {
            return self.pass_on(request);
        }
        self.client.call(request).map_err(failure)?;
        say(&format!("{words}\n"));
        Ok(())
    }

    /// Prints the answer as it is.
    fn pass_on(&mut self, request: &Request) -> Result<(), Failure> {
        let answer = self.client.call(request).map_err(failure)?;
        say(&format!("{answer}\n"));
        Ok(())
    }
}

/// A reader that went away, as `head` does, is no failure of ours.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
