//! `cargo xtask bench restart`: how long a broker takes until it serves again what it has kept.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;

use crate::report::say;
use crate::workspace::cargo;

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(300);

/// What is kept, and how often it is started.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench restart",
    about = "Measures the time from the start of our broker to the CONNACK of a session it has kept",
    no_binary_name = true
)]
struct Options {
    /// Sessions, all of them away
    #[arg(long, default_value_t = 100_000)]
    sessions: u64,
    /// Messages that wait, for each session in turn
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Retained messages
    #[arg(long, default_value_t = 100_000)]
    retained: u64,
    /// Bytes of each message that waits
    #[arg(long, default_value_t = 256)]
    payload: u64,
    /// Starts, each after a kill and with files that are not in the page cache
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Measure this `mqtt` program, and build nothing of the broker
    #[arg(long, value_name = "PATH")]
    broker_bin: Option<PathBuf>,
    /// A new directory below which everything is kept, on the disk that is meant
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The directory of a measurement, removed when dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

/// A started broker, killed when dropped.
pub(crate) struct Started {
    child: Child,
    address: SocketAddr,
}

/// Fills a store, and starts a broker on it again and again.
///
/// `args` are the words after `cargo xtask bench restart`.
///
/// # Errors
/// When an argument is wrong, something cannot be built, or a broker does not serve in time.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let Some(options) = crate::bench::options::<Options>(args)? else {
        return Ok(());
    };
    let root = crate::bench_broker::root()?;
    let program = match &options.broker_bin {
        Some(program) => program.clone(),
        None => build(&root)?,
    };
    let name = format!("mqtt-restart-{}", std::process::id());
    let path = options.dir.clone();
    let folder = Folder(path.unwrap_or_else(|| std::env::temp_dir().join(name)));
    fs::create_dir(&folder.0).map_err(|error| format!("{}: {error}", folder.0.display()))?;
    let numbers = [
        options.sessions,
        options.messages,
        options.retained,
        options.payload,
    ];
    cargo(&root)
        .args(["run", "--quiet", "--release", "--package", "mqtt-store"])
        .args(["--example", "fill", "--"])
        .arg(&folder.0)
        .args(numbers.map(|number| number.to_string()))
        .show()?;
    let [sessions, messages, retained, payload] = numbers;
    say(&format!(
        "{sessions} sessions, {messages} messages of {payload} bytes that wait, {retained} retained"
    ));
    for run in 1..=options.runs {
        let is_cold = drop_from_cache(&folder.0);
        let started_at = Instant::now();
        let started = Started::of(&program, &folder.0, &[])?;
        let ready = started_at.elapsed();
        let session_present = connect(started.address)?;
        let connected = started_at.elapsed();
        let resident = resident_mb(started.child.id())
            .map_or_else(String::new, |mb| format!(", {mb} MB resident"));
        say(&format!(
            "run {run}: listens after {:.2} s, CONNACK after {:.2} s, session present {session_present}, page cache {}{resident}",
            ready.as_secs_f64(),
            connected.as_secs_f64(),
            if is_cold { "cold" } else { "warm" },
        ));
    }
    Ok(())
}

pub(crate) fn build(root: &Path) -> Result<PathBuf, String> {
    cargo(root)
        .args(["build", "--quiet", "--release", "--package", "mqtt-cli"])
        .show()?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let name = format!("mqtt{}", std::env::consts::EXE_SUFFIX);
    Ok(target.join("release").join(name))
}

impl Started {
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn of(program: &Path, folder: &Path, flags: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.args(["broker", "--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(folder).args(flags).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let failed = |error| format!("{}: {error}", program.display());
        let child = command.spawn().map_err(failed)?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut started = Self { child, address };
        let stdout = started.child.stdout.take().ok_or("no standard output")?;
        let end = Instant::now() + START_MAX;
        let mut lines = BufReader::new(stdout).lines();
        while let Some(Ok(line)) = lines.next() {
            started.address = crate::bench_broker::address_in(&line).unwrap_or(started.address);
            if line.trim() == "ready" {
                // What it prints from now on goes nowhere, but must not be refused.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(started);
            }
            if Instant::now() > end {
                break;
            }
        }
        Err("the broker did not say that it is ready".to_owned())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies where such files are expected.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// Connects as the first session; whether it was there.
fn connect(address: SocketAddr) -> Result<bool, String> {
    let failed = |error| format!("connecting to {address}: {error}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(START_MAX)).map_err(failed)?;
    // CONNECT of 3.1.1 without Clean Session, as `s-1`.
    stream
        .write_all(b"\x10\x0F\x00\x04MQTT\x04\x00\x00\x00\x00\x03s-1")
        .map_err(failed)?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).map_err(failed)?;
    match connack {
        [0x20, 2, present, 0] => Ok(present == 1),
        other => Err(format!("no CONNACK that accepts: {other:?}")),
    }
}

/// Has the system forget what it has read of all files; `false` where there is no telling it.
fn drop_from_cache(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    let mut is_dropped = true;
    for entry in entries.flatten() {
        let path = entry.path();
        is_dropped &= match path.is_dir() {
            true => drop_from_cache(&path),
            false => drop_file(&path),
        };
    }
    is_dropped
}

/// GNU `dd` does so when it is to read nothing of a file without keeping it; what is not written yet stays.
fn drop_file(path: &Path) -> bool {
    let synced = fs::File::open(path).and_then(|file| file.sync_all());
    let mut word = std::ffi::OsString::from("if=");
    word.push(path);
    let dd = Command::new("dd")
        .arg(word)
        .args(["iflag=nocache", "count=0", "status=none"])
        .stderr(Stdio::null())
        .status();
    synced.is_ok() && dd.is_ok_and(|status| status.success())
}

/// The memory of a process; on Linux only. Unit: MB.
fn resident_mb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kb: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kb / 1024)
}
