//! `cargo xtask bench broker`: our broker under load, beside others, run by run.

mod contender;
mod options;
mod summary;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mqtt_bench::{Measurement, Phases, Scenario, Target, Transport, raise_open_files_limit};

use crate::report::say;
use crate::workspace::cargo;
pub(crate) use contender::address_in;
use contender::serve_relay;
pub(crate) use contender::{Broker, Contender};
use options::{Options, Peer};
use summary::Summary;

/// Runs the scenarios against every contender in turn, each run on a freshly started broker, and
/// prints medians.
///
/// `args` are the words after `cargo xtask bench broker`.
///
/// # Errors
/// When an argument is wrong, a broker cannot be found or built, or the JSON cannot be written. A
/// run that fails is a note in the result and no error, unless every run failed.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let Some(options) = crate::bench::options::<Options>(args)? else {
        return Ok(());
    };
    if options.serve_relay {
        return serve_relay(options.relay_certificates.as_deref());
    }
    if cfg!(debug_assertions) {
        // An unoptimised generator would be what is measured.
        let words = [
            "run",
            "--quiet",
            "--release",
            "--package",
            "xtask",
            "--",
            "bench",
            "broker",
        ];
        return cargo(&root()?).args(words).args(args).show();
    }
    raise_open_files_limit();
    let scenarios = options.scenarios()?;
    let contenders = contenders(&options)?;
    let summary = measure(&options, &scenarios, &contenders);
    summary.print();
    if let Some(path) = &options.json {
        summary.write_json(path)?;
    }
    if summary.has_figures() {
        Ok(())
    } else {
        Err("no run gave figures".to_owned())
    }
}

/// Scenario by scenario, run by run, contender by contender: what disturbs the machine disturbs all.
fn measure(options: &Options, scenarios: &[Scenario], contenders: &[Contender]) -> Summary {
    let phases = Phases {
        measured: options.measured(),
        ..Phases::default()
    };
    let names = contenders
        .iter()
        .map(|contender| contender.name().to_owned())
        .collect();
    let mut summary = Summary::new(names, options.runs, phases.measured);
    for scenario in scenarios {
        for run in 1..=options.runs {
            for (index, contender) in contenders.iter().enumerate() {
                if !contender.serves(scenario) {
                    continue;
                }
                let result = measure_once(contender, scenario, &phases);
                say(&progress_line(scenario, run, contender, &result));
                summary.add(scenario.name, index, result);
            }
        }
    }
    summary
}

fn measure_once(
    contender: &Contender,
    scenario: &Scenario,
    phases: &Phases,
) -> Result<Measurement, String> {
    let broker = contender.start()?;
    let target = Target {
        address: broker.address,
        pid: Some(broker.pid()),
        transport: contender.transport(),
    };
    let result = mqtt_bench::run(scenario, &target, phases);
    result.map_err(|error| match broker.last_words() {
        Some(words) => format!("{error} (the broker's log ends: {words})"),
        None => error.to_string(),
    })
}

fn progress_line(
    scenario: &Scenario,
    run: usize,
    contender: &Contender,
    result: &Result<Measurement, String>,
) -> String {
    let outcome = match result {
        Ok(measurement) => {
            let figures = measurement
                .figures
                .iter()
                .take(3)
                .map(|figure| format!("{} {}", figure.name, summary::short(figure.value)));
            figures.collect::<Vec<_>>().join(", ")
        }
        Err(error) => format!("failed: {error}"),
    };
    format!(
        "{:<12} run {run}  {:<12} {outcome}",
        scenario.name,
        contender.name()
    )
}

/// Ours first: the others are compared with the first.
fn contenders(options: &Options) -> Result<Vec<Contender>, String> {
    let mut contenders = Vec::new();
    if !options.without_ours {
        let program = match &options.broker_bin {
            Some(program) => program.clone(),
            None => build_ours()?,
        };
        for variant in options.variants() {
            let arguments = [options.broker_arg.clone(), variant.arguments].concat();
            let over = options.transports().map(|transport| {
                Contender::ours(
                    variant.name.clone(),
                    program.clone(),
                    arguments.clone(),
                    variant.environment.clone(),
                    transport,
                )
            });
            contenders.extend(over);
        }
    }
    for peer in &options.vs {
        match peer {
            Peer::Mosquitto => contenders.push(Contender::mosquitto(false)?),
            Peer::MosquittoPersistent => contenders.push(Contender::mosquitto(true)?),
            Peer::Relay => {
                // It speaks no WebSocket.
                let spoken = options.transports().filter(|over| *over != Transport::Ws);
                contenders.extend(spoken.map(Contender::Relay));
            }
        }
    }
    if contenders.is_empty() {
        Err("nothing to measure".to_owned())
    } else {
        Ok(contenders)
    }
}

/// Builds the `mqtt` program beside this one.
pub(crate) fn build_ours() -> Result<PathBuf, String> {
    cargo(&root()?)
        .args(["build", "--quiet", "--release", "--package", "mqtt-cli"])
        .show()?;
    let this = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let program = this.with_file_name(format!("mqtt{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("{} is missing", program.display()))
    }
}

/// The folder of the workspace.
pub(crate) fn root() -> Result<PathBuf, String> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    above
        .map(Path::to_path_buf)
        .ok_or_else(|| "xtask has no folder above it".to_owned())
}

/// How long a broker may take until it accepts connections.
const START_MAX: Duration = Duration::from_secs(20);
