//! What `mqtt bench` prints: a line each second, and the report.

use std::io::{ErrorKind, IsTerminal, Write};

use mqtt_bench::{FleetReport, MetricsServer, Progress, Verdict};

use crate::{
    args::{BenchArgs, BenchCommand, LogTo},
    exit::Failure,
};

/// Where and how things are printed.
pub(super) struct Output {
    command: &'static str,
    /// The name of a scenario's step.
    name: Option<String>,
    form: Form,
    lines: Lines,
    metrics: Option<MetricsServer>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Table,
    Json,
    Prometheus,
}

/// Lines while it runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lines {
    None,
    /// One that is written over.
    OneLine,
    Each,
}

impl Output {
    pub(super) fn new(args: &BenchArgs, name: Option<String>) -> Result<Self, Failure> {
        let output = &super::fleet_args(&args.command).output;
        let metrics = match output.restapi {
            None => None,
            Some(restapi) => {
                let started = MetricsServer::start(restapi.0);
                Some(started.map_err(|error| {
                    Failure::run_time(format_args!(
                        "cannot serve metrics on {}: {error}",
                        restapi.0
                    ))
                })?)
            }
        };
        if let Some(metrics) = &metrics {
            // With stderr closed nobody is left to tell.
            let _ = writeln!(
                std::io::stderr(),
                "metrics: http://{}/metrics",
                metrics.address()
            );
        }
        Ok(Self {
            command: match &args.command {
                BenchCommand::Conn(_) => "conn",
                BenchCommand::Pub(_) => "pub",
                BenchCommand::Sub(_) => "sub",
                BenchCommand::All(_) => "all",
            },
            name,
            form: match (output.json, output.prometheus && metrics.is_none()) {
                (true, _) => Form::Json,
                (false, true) => Form::Prometheus,
                (false, false) => Form::Table,
            },
            lines: match (
                output.log_to,
                output.progress,
                std::io::stderr().is_terminal(),
            ) {
                (LogTo::Null, ..) => Lines::None,
                (_, _, true) => Lines::OneLine,
                (_, true, false) => Lines::Each,
                (_, false, false) => Lines::None,
            },
            metrics,
        })
    }

    /// A second has passed.
    pub(super) fn progress(&self, progress: &Progress) {
        if let Some(metrics) = &self.metrics {
            metrics.show(progress.prometheus());
        }
        let line = line(progress);
        let mut err = std::io::stderr().lock();
        // With stderr closed nobody is left to tell.
        let _ = match self.lines {
            Lines::None => Ok(()),
            Lines::OneLine => write!(err, "\r\x1b[K{line}").and_then(|()| err.flush()),
            Lines::Each => writeln!(err, "{line}"),
        };
    }

    /// The last line makes room.
    pub(super) fn end_progress(&self) {
        if self.lines == Lines::OneLine {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    /// Prints what came out of it.
    pub(super) fn report(&self, report: &FleetReport) -> Result<(), Failure> {
        if let Some(metrics) = &self.metrics {
            metrics.show(report.prometheus());
        }
        let text = match self.form {
            Form::Json => self.json(report),
            Form::Prometheus => report.prometheus(),
            Form::Table => match &self.name {
                Some(name) => format!("== {name}\n{}\n", report.table()),
                None => report.table(),
            },
        };
        let mut out = std::io::stdout();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::run_time(
                format_args!("cannot write to stdout: {error}"),
            )),
            // A reader that went away is no failure of ours.
            _ => Ok(()),
        }
    }

    fn json(&self, report: &FleetReport) -> String {
        let verdict = match report.verdict() {
            Verdict::Clean => "clean",
            Verdict::MessagesLost => "messages lost",
            _ => "connections failed",
        };
        let mut object = serde_json::Map::new();
        object.insert("command".to_owned(), self.command.into());
        if let Some(name) = &self.name {
            object.insert("name".to_owned(), name.as_str().into());
        }
        object.insert("verdict".to_owned(), verdict.into());
        if let Ok(serde_json::Value::Object(report)) = serde_json::to_value(report) {
            object.extend(report);
        }
        format!("{}\n", serde_json::Value::Object(object))
    }
}

fn line(progress: &Progress) -> String {
    let (last, counts) = (&progress.last, &progress.counts);
    let per_s = |count: u64| {
        let millis = u64::try_from(progress.interval.as_millis()).unwrap_or(u64::MAX);
        count * 1000 / millis.max(1)
    };
    let mut line = format!(
        "{:>4} s  {} of {} clients",
        progress.elapsed.as_secs(),
        counts.ready,
        progress.clients
    );
    for (name, all, last) in [
        ("sent", counts.sent, last.sent),
        ("acked", counts.acknowledged, last.acknowledged),
        ("received", counts.received, last.received),
    ] {
        if all > 0 {
            line.push_str(&format!("  {name} {}/s", per_s(last)));
        }
    }
    let times = match progress.times.delivering.is_empty() {
        true => &progress.times.acknowledging,
        false => &progress.times.delivering,
    };
    if !times.is_empty() {
        let ms = |quantile: f64| {
            let us = times.value_at_quantile(quantile) / 1000;
            format!("{}.{:03}", us / 1000, us % 1000)
        };
        line.push_str(&format!("  p50 {} p99 {} ms", ms(0.5), ms(0.99)));
    }
    for (name, count) in [
        ("missing", counts.skipped),
        ("twice", counts.repeated),
        ("failed", counts.connect_failures),
        ("lost connections", counts.lost_connections),
    ] {
        if count > 0 {
            line.push_str(&format!("  {name} {count}"));
        }
    }
    line
}
