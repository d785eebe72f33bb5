//! `mqtt bench`: flags to a fleet, the fleet to a report.

mod fleet;
mod output;

use std::{ffi::OsString, path::Path, process::ExitCode, sync::Arc, thread};

use mqtt_bench::{FleetError, FleetReport, ScenarioFile, Stop as StopFleet, Verdict, run_fleet};
use tokio::{runtime, sync::oneshot};

use crate::{
    args::{BenchArgs, BenchCommand, Command, FleetArgs, parse},
    exit::{self, Failure},
    signals::{Signals, Stop},
};
use output::Output;

/// Runs the command.
pub(crate) fn run(args: &BenchArgs) -> Result<ExitCode, Failure> {
    let signals = Watch::start()?;
    let scenario = fleet_args(&args.command).output.scenario.as_deref();
    let Some(file) = scenario else {
        let output = Output::new(args, None)?;
        return run_one(args, &output, &signals);
    };
    let mut worst = ExitCode::SUCCESS;
    for (name, args) in steps(file)? {
        let output = Output::new(&args, Some(name))?;
        let code = run_one(&args, &output, &signals)?;
        if code != ExitCode::SUCCESS {
            worst = code;
        }
        if signals.stopped().is_some() {
            break;
        }
    }
    Ok(worst)
}

/// What the clients of a command have in common.
fn fleet_args(command: &BenchCommand) -> &FleetArgs {
    match command {
        BenchCommand::Conn(args) => &args.fleet,
        BenchCommand::Pub(args) => &args.fleet,
        BenchCommand::Sub(args) => &args.fleet,
        BenchCommand::All(args) => &args.fleet,
    }
}

fn run_one(args: &BenchArgs, output: &Output, signals: &Watch) -> Result<ExitCode, Failure> {
    let fleet = fleet::describe(&args.command)?;
    let report = run_fleet(fleet, &signals.stop, |progress| output.progress(progress));
    output.end_progress();
    let report = report.map_err(|error| match error {
        FleetError::Settings(_) => Failure::usage(error),
        _ => Failure::run_time(error),
    })?;
    output.report(&report)?;
    Ok(match signals.stopped() {
        Some(stop) => stop.exit_code(),
        None => exit_code(&report),
    })
}

fn exit_code(report: &FleetReport) -> ExitCode {
    match report.verdict() {
        Verdict::Clean => ExitCode::SUCCESS,
        Verdict::MessagesLost => ExitCode::from(exit::MESSAGES_LOST),
        _ => ExitCode::from(exit::RUN_TIME),
    }
}

/// The runs of a scenario: its flags, and then those of the command line.
fn steps(file: &Path) -> Result<Vec<(String, BenchArgs)>, Failure> {
    let wrong = |text: String| Failure::usage(format_args!("{}: {text}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let scenario = ScenarioFile::parse(&text).map_err(|error| wrong(error.to_string()))?;
    let mut words = std::env::args_os();
    let front: Vec<OsString> = words.by_ref().take(3).collect();
    let rest: Vec<OsString> = words.collect();
    let steps = scenario.steps.into_iter().map(|step| {
        let mut words = front.clone();
        if let (Some(command), Some(place)) = (&step.command, words.last_mut()) {
            *place = command.into();
        }
        let flags = step.flags.iter();
        words.extend(flags.map(|(key, value)| format!("--{key}={value}").into()));
        words.extend(rest.iter().cloned());
        match parse(words) {
            Ok(Command::Bench(args)) => Ok((step.name, *args)),
            Ok(_) => Err(wrong(format!("{}: no command of bench", step.name))),
            Err(outcome) => {
                let line = outcome.err().map(Failure::into_line).unwrap_or_default();
                Err(wrong(format!("{}: {line}", step.name)))
            }
        }
    });
    steps.collect()
}

/// Signals while fleets run: the first asks for the end in order, the second for one at once.
struct Watch {
    stop: Arc<StopFleet>,
    first: Arc<std::sync::OnceLock<Stop>>,
}

impl Watch {
    fn start() -> Result<Self, Failure> {
        let watch = Self {
            stop: Arc::default(),
            first: Arc::default(),
        };
        let (stop, first) = (Arc::clone(&watch.stop), Arc::clone(&watch.first));
        let (ready, is_ready) = oneshot::channel();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(Failure::no_runtime(error)))),
            };
            runtime.block_on(async {
                let mut signals = match Signals::new() {
                    Ok(signals) => signals,
                    Err(error) => return drop(ready.send(Err(Failure::no_signals(error)))),
                };
                // Whoever started this waits for it.
                let _ = ready.send(Ok(()));
                loop {
                    let signal = signals.next().await;
                    let _ = first.set(signal);
                    stop.ask();
                }
            });
        });
        is_ready
            .blocking_recv()
            .unwrap_or_else(|_| Err(Failure::run_time("the thread for signals has ended")))?;
        Ok(watch)
    }

    fn stopped(&self) -> Option<Stop> {
        self.first.get().copied()
    }
}
