//! The runs: a broker, and one client after the other.

use crate::Failure;
use crate::client::{Direction, Library, Taken, Work};
use crate::generator::Generator;
use crate::summary::{Case, Summary};
use std::env;
use std::io::{BufRead, BufReader, Write, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncBufReadExt;
use tokio::runtime::Builder;

/// What to compare.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The `mqtt` program whose broker all clients talk to
    #[arg(long)]
    broker: PathBuf,
    /// Clients, in order; all that were built when not given
    #[arg(long, value_delimiter = ',')]
    libraries: Vec<Library>,
    /// Directions
    #[arg(long, value_delimiter = ',', default_value = "publish,receive")]
    directions: Vec<Direction>,
    /// Levels of QoS
    #[arg(long, value_delimiter = ',', default_value = "0,1,2")]
    qos: Vec<u8>,
    /// Bytes in each payload
    #[arg(long, value_delimiter = ',', default_value = "64,4096")]
    payloads: Vec<usize>,
    /// Times each client runs in each case; medians count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Messages of QoS 1 and 2 under way
    #[arg(long, default_value_t = 100)]
    window: u16,
    /// Thousands of messages per run at QoS 0 and 64 bytes; half of that at QoS 1, a third at QoS 2, a quarter of each
    /// with longer payloads
    #[arg(long, default_value_t = 200)]
    thousands: u64,
}

/// The broker; ends with this value.
struct Broker {
    process: Child,
    addr: SocketAddr,
    _folder: TempDir,
}

impl Broker {
    fn start(options: &Options) -> Result<Self, Failure> {
        let folder = TempDir::new()?;
        let mut command = Command::new(&options.broker);
        command.args(["broker", "--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(folder.path()).stderr(Stdio::null());
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let addr = loop {
            let line = lines.next().ok_or("the broker ended")??;
            if let Some(addr) = line.strip_prefix("listening on ") {
                break addr.parse()?;
            }
        };
        std::thread::spawn(move || lines.count());
        Ok(Self {
            process,
            addr,
            _folder: folder,
        })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let mut libraries = options.libraries.clone();
    if libraries.is_empty() {
        libraries = vec![Library::Ours, Library::Rumqttc];
        libraries.extend(cfg!(feature = "paho").then_some(Library::Paho));
        libraries.push(Library::Floor);
    }
    let broker = Broker::start(options)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut summary = Summary::default();
    for case in cases(options) {
        for _ in 0..options.rounds {
            for &library in &libraries {
                let work = work(options, case, library, broker.addr);
                let taken = runtime.block_on(one_client(&work));
                let taken = taken.map_err(|error| format!("{library}, {case:?}: {error}"))?;
                summary.add(case, library, work.messages, taken);
            }
        }
        writeln!(stdout(), "{}", summary.lines_of(case))?;
    }
    write!(stdout(), "\n{summary}")?;
    Ok(())
}

fn cases(options: &Options) -> Vec<Case> {
    let mut cases = Vec::new();
    for &direction in &options.directions {
        for &payload in &options.payloads {
            for &qos in &options.qos {
                cases.push(Case {
                    direction,
                    payload,
                    qos,
                });
            }
        }
    }
    cases
}

fn work(options: &Options, case: Case, library: Library, broker: SocketAddr) -> Work {
    let thousands = options.thousands * 1000 / u64::from(case.qos + 1);
    let messages = if case.payload > 1000 {
        thousands / 4
    } else {
        thousands
    };
    Work {
        library,
        direction: case.direction,
        broker,
        qos: case.qos,
        payload: case.payload,
        // In whole windows, and whole reports of progress.
        messages: (messages / 1000).max(1) * 1000,
        window: options.window,
    }
}

/// Runs one client in a process of its own.
async fn one_client(work: &Work) -> Result<Taken, Failure> {
    let mut command = tokio::process::Command::new(env::current_exe()?);
    command.args(["client", "--library", &name_of(&work.library)]);
    command.args(["--direction", &name_of(&work.direction)]);
    command.args(["--broker", &work.broker.to_string()]);
    command.args(["--qos", &work.qos.to_string()]);
    command.args(["--payload", &work.payload.to_string()]);
    command.args(["--messages", &work.messages.to_string()]);
    command.args(["--window", &work.window.to_string()]);
    let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let lines = process.stdout.take().ok_or("no output")?;
    let mut lines = tokio::io::BufReader::new(lines).lines();
    let generator = Generator::connect(work).await?;
    let watch = async {
        let mut taken = None;
        while let Some(line) = lines.next_line().await? {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("received"), ..) => generator.go_on(),
                (Some("ready"), ..) => generator.begin(),
                (Some("taken"), Some(wall), Some(cpu)) => {
                    taken = Some(Taken {
                        wall: Duration::from_nanos(wall.parse()?),
                        cpu: Duration::from_nanos(cpu.parse()?),
                    });
                    break;
                }
                _ => return Err(format!("unexpected: {line}").into()),
            }
        }
        taken.ok_or_else(|| Failure::from("the client ended early"))
    };
    let taken = tokio::select! {
        taken = watch => taken?,
        error = generator.publish(work) => return Err(error),
    };
    process.wait().await?;
    Ok(taken)
}

fn name_of(value: &impl clap::ValueEnum) -> String {
    let name = value.to_possible_value();
    name.map(|name| name.get_name().to_owned())
        .unwrap_or_default()
}
