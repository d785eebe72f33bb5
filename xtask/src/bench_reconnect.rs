//! `cargo xtask bench reconnect`: how long clients with argon2id passwords take to come back, and what others notice.

mod crowd;
mod pair;
mod wire;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use clap::{Parser, ValueEnum};
use mqtt_bench::ProcessUsage;

use crate::bench_restart::{Folder, Started, build};
use crate::report::say;
use wire::PASSWORD;

/// How long the pair is watched without anything else.
const QUIET: Duration = Duration::from_secs(3);

/// By how much the clients that come back give way to broker and pair, where both want the same core.
const NICENESS: &str = "15";

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench reconnect",
    about = "Connects clients with argon2id passwords, cuts all their connections, and measures until all are back and what a pair of others notices",
    no_binary_name = true
)]
struct Options {
    /// Clients, each a user of its own
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// Connections that are under way together
    #[arg(long, default_value_t = 256)]
    at_once: usize,
    /// Seconds over which the clients spread their coming back, in half of the runs
    #[arg(long, default_value_t = 20)]
    over: u64,
    /// Times that all connections are cut, for each way of coming back
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Measure this `mqtt` program, and build nothing of the broker
    #[arg(long, value_name = "PATH")]
    broker_bin: Option<PathBuf>,
    /// What this process is: part of a measurement that another one makes
    #[arg(long, hide = true, requires = "address")]
    role: Option<Role>,
    #[arg(long, hide = true)]
    address: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    Crowd,
    Pair,
}

/// Connects, cuts and connects again.
///
/// `args` are the words after `cargo xtask bench reconnect`.
///
/// # Errors
/// When an argument is wrong, something cannot be built, or a client is refused for good.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let Some(options) = crate::bench::options::<Options>(args)? else {
        return Ok(());
    };
    let _files = mqtt_bench::raise_open_files_limit();
    match (options.role, options.address) {
        (Some(Role::Crowd), Some(address)) => crowd::run(address, options.clients, options.at_once),
        (Some(Role::Pair), Some(address)) => pair::run(address, options.clients),
        _ => measure(&options),
    }
}

fn measure(options: &Options) -> Result<(), String> {
    let program = match &options.broker_bin {
        Some(program) => program.clone(),
        None => build(&crate::bench_broker::root()?)?,
    };
    let name = format!("mqtt-reconnect-{}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    fs::create_dir(&folder.0).map_err(|error| format!("{}: {error}", folder.0.display()))?;
    let users = folder.0.join("users");
    write_users(&program, &users, options.clients)?;
    let data = folder.0.join("data");
    let flag = users.display().to_string();
    let started = Started::of(&program, &data, &["--password-file", &flag])?;
    let usage = || ProcessUsage::of(started.pid());

    let mut pair = Part::start(options, Role::Pair, started.address())?;
    // Answered once they are connected.
    pair.ask("take")?;
    thread::sleep(QUIET);
    say(&format!("pair alone: {}", pair.ask("take")?));
    let mut crowd = Part::start(options, Role::Crowd, started.address())?;
    let cpu = usage();
    let took = crowd.ask("connect 0")?;
    let clients = options.clients;
    say(&format!(
        "{clients} clients in, each password checked: {took}{}; pair: {}",
        cpu_since(cpu, usage()),
        pair.ask("take")?,
    ));
    for over in [0, options.over] {
        let way = match over {
            0 => "at once".to_owned(),
            over => format!("over {over} s"),
        };
        for run in 1..=options.runs {
            crowd.ask("cut")?;
            // The broker sees them off, which is not what is measured; then the pair is alone.
            thread::sleep(QUIET);
            pair.ask("take")?;
            thread::sleep(QUIET);
            let alone = pair.ask("take")?;
            let cpu = usage();
            let took = crowd.ask(&format!("connect {over}"))?;
            say(&format!(
                "back {way}, run {run}: {took}{}; pair: {}; alone before: {alone}",
                cpu_since(cpu, usage()),
                pair.ask("take")?,
            ));
        }
    }
    Ok(())
}

/// A process of its own, which does what it is told line by line; killed when dropped.
struct Part {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Part {
    fn start(options: &Options, role: Role, address: SocketAddr) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{role:?}: {error}");
        let own = std::env::current_exe().map_err(failed)?;
        let role_name = format!("{role:?}").to_lowercase();
        let spawn = |mut command: Command| {
            command.args(["bench", "reconnect", "--role", &role_name]);
            command.args(["--address", &address.to_string()]);
            command.args(["--clients", &options.clients.to_string()]);
            command.args(["--at-once", &options.at_once.to_string()]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            command.spawn()
        };
        let mut child = match role {
            Role::Pair => spawn(Command::new(&own)),
            Role::Crowd => {
                let mut nice = Command::new("nice");
                nice.args(["-n", NICENESS]).arg(&own);
                spawn(nice).or_else(|_| spawn(Command::new(&own)))
            }
        }
        .map_err(failed)?;
        let input = child.stdin.take().ok_or("no standard input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        Ok(Self {
            child,
            input,
            output,
        })
    }

    /// What it answers.
    fn ask(&mut self, words: &str) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("{words}: {error}");
        writeln!(self.input, "{words}").map_err(failed)?;
        let mut line = String::new();
        match self.output.read_line(&mut line).map_err(failed)? {
            0 => Err(format!("{words}: it has ended")),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One hash, made by the program itself, for all users.
fn write_users(program: &Path, path: &Path, clients: usize) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let status = Command::new(program)
        .args(["passwd", "-c", "-b"])
        .arg(path)
        .args(["u", PASSWORD])
        .stderr(Stdio::null())
        .status();
    if !status.map_err(|error| said(&error))?.success() {
        return Err(said(&"mqtt passwd has failed"));
    }
    let text = fs::read_to_string(path).map_err(|error| said(&error))?;
    let (_, hash) = text.trim().split_once(':').ok_or("no hash")?;
    // The pair are users, too.
    let lines: String = (0..clients + 2)
        .map(|nth| format!("u{nth}:{hash}\n"))
        .collect();
    fs::write(path, lines).map_err(|error| said(&error))
}

fn cpu_since(before: Option<ProcessUsage>, now: Option<ProcessUsage>) -> String {
    match (before, now) {
        (Some(before), Some(now)) => {
            let cpu = now.cpu.saturating_sub(before.cpu);
            format!(", CPU of the broker {:.2} s", cpu.as_secs_f64())
        }
        _ => String::new(),
    }
}
