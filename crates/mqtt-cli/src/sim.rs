//! `mqtt sim`: lets devices that are not there connect and publish.

use std::{
    fs,
    io::{self, BufWriter, IsTerminal as _, Write},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mqtt_client::Reconnect;
use mqtt_sim::{Fleet, Options, Scenario, Totals, What};

use crate::{args::SimArgs, connection, exit::Failure, signals::Signals};

/// What `--dry-run` prints when nothing else is said.
const DRY_RUN: Duration = Duration::from_secs(10);

/// Bytes of a scenario file; a longer one is none.
const FILE_LEN_MAX: u64 = 4 << 20;

/// Runs the command.
pub(crate) fn run(args: SimArgs) -> Result<ExitCode, Failure> {
    if args.list {
        return print(mqtt_sim::shipped().iter().map(|shipped| {
            let title = Scenario::parse(shipped.text).map(|scenario| scenario.title);
            format!("{:12} {}", shipped.name, title.unwrap_or_default())
        }));
    }
    let (name, text) = text(&args)?;
    if args.show {
        return print(text.lines().map(str::to_owned));
    }
    let wrong = |error| Failure::usage(format_args!("{name}: {error}"));
    let scenario = Scenario::parse(&text).map_err(wrong)?;
    let fleet = Fleet::new(&scenario, seed(&args), unix_ns(SystemTime::now())).map_err(wrong)?;
    if args.dry_run {
        let end = args.duration.map_or(DRY_RUN, |duration| duration.get());
        return print(lines(fleet, end));
    }
    if args.connection.id.is_some() {
        return Err(Failure::usage(
            "the scenario names the clients; -I puts a prefix before their names",
        ));
    }
    let (debug, quiet) = (args.connection.debug, args.connection.quiet);
    connection::run(debug, quiet, simulate(args, fleet))
}

/// Where the scenario comes from, and its text.
fn text(args: &SimArgs) -> Result<(String, String), Failure> {
    if let Some(shipped) = args.example {
        return Ok((shipped.name.to_owned(), shipped.text.to_owned()));
    }
    let Some(path) = &args.file else {
        return Err(Failure::usage("say a scenario: a FILE, or --example NAME"));
    };
    let shown = path.display();
    let cannot = |error: io::Error| Failure::usage(format_args!("cannot read {shown}: {error}"));
    let len = fs::metadata(path).map_err(cannot)?.len();
    if len > FILE_LEN_MAX {
        return Err(Failure::usage(format_args!(
            "{shown} has {len} bytes, a scenario at most {FILE_LEN_MAX}"
        )));
    }
    let text = fs::read_to_string(path).map_err(cannot)?;
    Ok((shown.to_string(), text))
}

async fn simulate(args: SimArgs, fleet: Fleet) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new().map_err(Failure::no_signals)?;
    let builder = connection::builder_of(&args.connection, Reconnect::new())?;
    let prefix = args.connection.id_prefix.clone().unwrap_or_default();
    let options = Options {
        speed: args.speed,
        duration: args.duration.map(|duration| duration.get()),
    };
    let devices = fleet.len();
    let shows_progress = io::stderr().is_terminal() && !args.connection.quiet;
    let mut stop = None;
    let stopped = async { stop = Some(signals.next().await) };
    let totals = mqtt_sim::run(
        fleet,
        options,
        |client_id| builder.clone().client_id(format!("{prefix}{client_id}")),
        stopped,
        |totals| {
            if shows_progress {
                // With stderr closed nobody looks.
                let _ = write!(io::stderr(), "\r{}\x1b[K", summary(devices, totals));
            }
        },
    );
    let totals = totals
        .await
        .map_err(|error| connection::not_connected(&args.connection, &error))?;
    if !args.connection.quiet {
        let start = if shows_progress { "\r" } else { "" };
        let _ = writeln!(io::stderr(), "{start}{}", summary(devices, &totals));
    }
    if totals.failed > 0 || totals.refused > 0 {
        return Err(Failure::run_time(format_args!(
            "{} messages were not published, {} connections not made",
            totals.failed, totals.refused
        )));
    }
    Ok(stop.map_or(ExitCode::SUCCESS, |stop| stop.exit_code()))
}

fn summary(devices: usize, totals: &Totals) -> String {
    let mut text = format!(
        "{devices} devices, {} connections, {} messages",
        totals.connections, totals.published
    );
    if totals.failed > 0 {
        text.push_str(&format!(", {} failed", totals.failed));
    }
    if totals.late > 0 {
        text.push_str(&format!(", {} late", totals.late));
    }
    text
}

/// What is published up to `end`, a line each.
fn lines(mut fleet: Fleet, end: Duration) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || {
        loop {
            let step = fleet.next_step().filter(|step| step.at <= end)?;
            let What::Publish(said) = step.what else {
                continue;
            };
            let line = serde_json::json!({
                "at_s": step.at.as_secs_f64(),
                "client_id": fleet.client_id(step.device),
                "topic": said.topic_name,
                "qos": said.qos,
                "retain": said.retain,
                "payload": String::from_utf8_lossy(&said.payload),
            });
            return Some(line.to_string());
        }
    })
}

fn print(mut lines: impl Iterator<Item = String>) -> Result<ExitCode, Failure> {
    let mut out = BufWriter::new(io::stdout());
    let printed = lines.try_for_each(|line| writeln!(out, "{line}"));
    match printed.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::run_time(
            format_args!("cannot write to stdout: {error}"),
        )),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn seed(args: &SimArgs) -> u64 {
    args.seed.unwrap_or_else(|| unix_ns(SystemTime::now()))
}

fn unix_ns(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
