//! `cargo xtask bench generator`: what `mqtt bench` costs itself, and whether the times it tells are true.

mod capture;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use mqtt_bench::{ProcessUsage, Transport};
use serde_json::Value;

use crate::bench_broker::{Broker, Contender, build_ours};
use crate::report::say;
use capture::{Capture, Quantiles};

/// The part of a broker's capacity at which times are compared.
const LOAD_PERCENT: u64 = 80;
/// A broker keeps up with a rate when half its messages take less than this, in microseconds.
const KEEPS_UP_US: f64 = 5_000.0;
/// By how much times may differ, in percent.
const DIFFERENCE_MAX: f64 = 10.0;
/// Messages per processor second that a receiver takes at least.
const RECEIVED_MIN: f64 = 1e6;
/// The part of a broker's processor time per message that the generator may need.
const COST_MAX: f64 = 0.25;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench generator",
    about = "Measures `mqtt bench`: connections, messages received per core, cost beside a broker's, and its times beside a capture's",
    no_binary_name = true
)]
struct Options {
    /// What to measure
    #[arg(long, value_delimiter = ',', default_values = ["connections", "receive", "cost", "latency"])]
    only: Vec<Part>,
    /// The `mqtt` program [default: built]
    #[arg(long, value_name = "PATH")]
    bin: Option<PathBuf>,
    /// Our broker, if it is another program than --bin
    #[arg(long, value_name = "PATH")]
    broker_bin: Option<PathBuf>,
    /// The broker of `cost` and `latency`
    #[arg(long, default_value = "mosquitto")]
    broker: Kind,
    /// Clients of `connections`
    #[arg(long, default_value_t = 15_000)]
    clients: u32,
    /// Pairs of `cost` and `latency`
    #[arg(long, default_value_t = 10)]
    pairs: u32,
    /// QoS of `cost` and `latency`
    #[arg(long, default_value_t = 0)]
    qos: u8,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Times each is repeated
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Messages per second of `latency` in place of 80 % of the capacity
    #[arg(long)]
    rate: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Part {
    /// Many connections from one process
    Connections,
    /// Messages received per processor second, through our broker and through the copying relay
    Receive,
    /// Processor time per message beside the broker's
    Cost,
    /// Times beside those of a capture by tcpdump
    Latency,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Kind {
    Ours,
    Mosquitto,
    Relay,
}

/// Runs the parts that are asked for, and says which held.
///
/// `args` are the words after `cargo xtask bench generator`.
///
/// # Errors
/// When an argument is wrong, a program is missing, or something asked for did not hold.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let Some(options) = crate::bench::options::<Options>(args)? else {
        return Ok(());
    };
    let _files = mqtt_bench::raise_open_files_limit();
    let bin = match &options.bin {
        Some(bin) => bin.clone(),
        None => build_ours()?,
    };
    let setup = Setup { options, bin };
    let mut failed = Vec::new();
    for run in 1..=setup.options.runs {
        for part in setup.options.only.clone() {
            let outcome = match part {
                Part::Connections => setup.connections(),
                Part::Receive => setup.receive(),
                Part::Cost => setup.cost(),
                Part::Latency => setup.latency(),
            };
            let (held, line) = outcome.map_err(|error| format!("{part:?}: {error}"))?;
            let word = if held { "holds" } else { "does not hold" };
            say(&format!("run {run}  {part:?}: {line}: {word}"));
            if !held {
                failed.push(format!("{part:?} in run {run}"));
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("did not hold: {}", failed.join(", "))),
    }
}

struct Setup {
    options: Options,
    bin: PathBuf,
}

impl Setup {
    fn ours(&self) -> Contender {
        let program = self
            .options
            .broker_bin
            .as_ref()
            .unwrap_or(&self.bin)
            .clone();
        Contender::ours(
            "ours".to_owned(),
            program,
            Vec::new(),
            Vec::new(),
            Transport::Tcp,
        )
    }

    fn contender(&self) -> Result<Contender, String> {
        match self.options.broker {
            Kind::Ours => Ok(self.ours()),
            Kind::Mosquitto => Contender::mosquitto(false),
            Kind::Relay => Ok(Contender::Relay(Transport::Tcp)),
        }
    }

    fn connections(&self) -> Result<(bool, String), String> {
        let broker = self.ours().start()?;
        let clients = self.options.clients.to_string();
        let report = self.bench(&broker, &["conn", "-c", &clients, "--duration", "2"])?;
        let connected = number(&report, "/counts/ready")?;
        let rss = number(&report, "/rss_bytes").unwrap_or(0.0);
        Ok((
            connected >= f64::from(self.options.clients),
            format!(
                "{connected} of {clients} connected, {:.0}/s, {:.0} bytes of memory each",
                number(&report, "/connects_per_s")?,
                rss / connected.max(1.0),
            ),
        ))
    }

    /// A closed loop with our broker and with the relay. The processor time of sending is in it, too.
    fn receive(&self) -> Result<(bool, String), String> {
        let (mut held, mut lines) = (true, Vec::new());
        for (name, contender) in [
            ("ours", self.ours()),
            ("relay", Contender::Relay(Transport::Tcp)),
        ] {
            let broker = contender.start()?;
            let seconds = self.options.seconds.to_string();
            let flags = ["--rate", "max", "--warmup", "1", "--duration", &seconds];
            let report = self.bench(&broker, &self.pairs(&flags))?;
            let per_s = number(&report, "/received_per_s")?;
            let cores = number(&report, "/cores")?;
            let per_cpu_second = per_s / cores.max(1e-9);
            let timed = number(&report, "/delivering/count")?;
            held &= per_cpu_second >= RECEIVED_MIN && timed > 0.0;
            lines.push(format!(
                "{name} {:.2}M received per processor second ({:.2}M/s on {cores:.2} cores), {timed} timed, {} lost",
                per_cpu_second / 1e6,
                per_s / 1e6,
                number(&report, "/lost")?,
            ));
        }
        Ok((held, lines.join("; ")))
    }

    /// A closed loop: processor time of both sides per delivered message.
    fn cost(&self) -> Result<(bool, String), String> {
        let broker = self.contender()?.start()?;
        let before = ProcessUsage::of(broker.pid());
        let seconds = self.options.seconds.to_string();
        let report = self.bench(
            &broker,
            &self.pairs(&["--rate", "max", "-F", "128", "--duration", &seconds]),
        )?;
        let after = ProcessUsage::of(broker.pid());
        let (Some(before), Some(after)) = (before, after) else {
            return Err("the broker's processor time is not told here".to_owned());
        };
        let delivered = number(&report, "/counts/received")?.max(1.0);
        let theirs = (after.cpu - before.cpu).as_secs_f64() * 1e6 / delivered;
        // A delivered message is one sent and one received.
        let ours = number(&report, "/cpu_us_per_message")? * 2.0;
        let per_s = number(&report, "/received_per_s")?;
        let part = ours / theirs.max(1e-9);
        Ok((
            part <= COST_MAX,
            format!(
                "generator {ours:.2} us, broker {theirs:.2} us per delivered message ({per_s:.0}/s): {part:.3}"
            ),
        ))
    }

    /// An open loop at a part of the capacity, with a capture beside it.
    fn latency(&self) -> Result<(bool, String), String> {
        let contender = self.contender()?;
        let rate = match self.options.rate {
            Some(rate) => rate,
            None => self.capacity(&contender)? * LOAD_PERCENT / 100,
        };
        let broker = contender.start()?;
        let capture = Capture::start(broker.address.port())?;
        let (rate_text, seconds) = (rate.to_string(), self.options.seconds.to_string());
        let flags = [
            "--rate",
            &rate_text,
            "-F",
            "0",
            "--warmup",
            "0",
            "--duration",
            &seconds,
        ];
        let report = self.bench(&broker, &self.pairs(&flags))?;
        let captured = capture.end()?;
        let told = Quantiles {
            p50: number(&report, "/delivering/p50_us")?,
            p90: number(&report, "/delivering/p90_us")?,
            p99: number(&report, "/delivering/p99_us")?,
        };
        let [due, wire] = [captured.since_due()?, captured.on_the_wire()?];
        let differences = told.differences(&due);
        let held = differences
            .iter()
            .all(|percent| percent.abs() <= DIFFERENCE_MAX);
        let [d50, d90, d99] = differences;
        Ok((
            held,
            format!(
                "at {rate}/s {} messages, p50/p90/p99 in us: told {told}, captured {due} \
                 ({d50:+.1} %, {d90:+.1} %, {d99:+.1} %); from packet to packet {wire}; \
                 {} packets dropped by the capture, {} lost",
                captured.len(),
                captured.dropped,
                number(&report, "/lost")?,
            ),
        ))
    }

    /// The highest rate that the broker keeps up with while the same capture goes on, from a closed loop downwards.
    fn capacity(&self, contender: &Contender) -> Result<u64, String> {
        let broker = contender.start()?;
        let report = self.bench(
            &broker,
            &self.pairs(&["--rate", "max", "-F", "128", "--duration", "2"]),
        )?;
        drop(broker);
        let per_s = number(&report, "/received_per_s")?;
        let mut rate: u64 = format!("{per_s:.0}").parse().map_err(|_| "no rate")?;
        while rate > 100 {
            let broker = contender.start()?;
            let capture = Capture::start(broker.address.port())?;
            let text = rate.to_string();
            let report = self.bench(
                &broker,
                &self.pairs(&["--rate", &text, "-F", "0", "--duration", "2"]),
            )?;
            drop(capture);
            if number(&report, "/delivering/p50_us")? < KEEPS_UP_US {
                return Ok(rate);
            }
            rate = rate * LOAD_PERCENT / 100;
        }
        Err("no rate that the broker keeps up with".to_owned())
    }

    fn pairs(&self, flags: &[&str]) -> Vec<String> {
        let (pairs, qos) = (self.options.pairs.to_string(), self.options.qos.to_string());
        let all = [
            "all", "-c", &pairs, "-q", &qos, "-V", "4", "-t", "b/%i", "-s", "64",
        ];
        all.iter()
            .chain(flags)
            .map(|&flag| flag.to_owned())
            .collect()
    }

    fn start<S: AsRef<std::ffi::OsStr>>(
        &self,
        broker: &Broker,
        args: &[S],
    ) -> Result<Child, String> {
        let port = broker.address.port().to_string();
        let mut command = Command::new(&self.bin);
        command.arg("bench").args(args);
        command.args(["-h", "127.0.0.1", "-p", &port, "--json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
            .spawn()
            .map_err(|error| format!("{}: {error}", self.bin.display()))
    }

    fn bench<S: AsRef<std::ffi::OsStr>>(
        &self,
        broker: &Broker,
        args: &[S],
    ) -> Result<Value, String> {
        report_of(self.start(broker, args)?)
    }
}

fn report_of(child: Child) -> Result<Value, String> {
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .map_err(|error| format!("no report of mqtt bench ({}): {error}", output.status))
}

fn number(report: &Value, pointer: &str) -> Result<f64, String> {
    let found = report.pointer(pointer).and_then(Value::as_f64);
    found.ok_or_else(|| format!("the report has no {pointer}"))
}

/// How long a capture may take to begin.
const CAPTURE_START_MAX: Duration = Duration::from_secs(10);
