//! `cargo xtask bench reconnect`: how long clients with argon2id passwords take to come back, and what others notice.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use clap::Parser;
use mqtt_bench::ProcessUsage;

use crate::bench_restart::{Folder, Started, build};
use crate::report::say;

/// How long a client waits before it tries again, when the broker is busy.
const RETRY: Duration = Duration::from_millis(200);

/// Time between two messages of the pair.
const PAIR_EVERY: Duration = Duration::from_millis(5);

/// How long the pair is watched without anything else.
const QUIET: Duration = Duration::from_secs(3);

/// A password that all have; each user is checked all the same.
const PASSWORD: &str = "a password as good as any";

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench reconnect",
    about = "Connects clients with argon2id passwords, cuts all their connections at once, and measures until all are back",
    no_binary_name = true
)]
struct Options {
    /// Clients, each a user of its own
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// Threads that connect, each one client at a time
    #[arg(long, default_value_t = 256)]
    at_once: usize,
    /// Times that all connections are cut
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Measure this `mqtt` program, and build nothing of the broker
    #[arg(long, value_name = "PATH")]
    broker_bin: Option<PathBuf>,
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

    let pair = Pair::start(started.address(), options.clients)?;
    thread::sleep(QUIET);
    say(&format!("pair alone: {}", pair.take()));
    let cpu = usage();
    let (mut connected, took, tries) = connect_all(started.address(), &options)?;
    say(&format!(
        "{} clients in, each password checked: {:.1} s, {tries} tries{}; pair: {}",
        options.clients,
        took.as_secs_f64(),
        cpu_since(cpu, usage()),
        pair.take(),
    ));
    for run in 1..=options.runs {
        drop(connected);
        let _while_nobody_was_there = pair.take();
        let cpu = usage();
        let (again, took, tries) = connect_all(started.address(), &options)?;
        connected = again;
        say(&format!(
            "run {run}: all back after {:.2} s, {tries} tries{}; pair: {}",
            took.as_secs_f64(),
            cpu_since(cpu, usage()),
            pair.take(),
        ));
    }
    pair.stop()
}

/// One hash, made by the program itself, for all users.
fn write_users(program: &PathBuf, path: &PathBuf, clients: usize) -> Result<(), String> {
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

/// All clients, the time until the last was in, and how often they tried.
fn connect_all(
    address: SocketAddr,
    options: &Options,
) -> Result<(Vec<TcpStream>, Duration, u64), String> {
    let (next, tries) = (AtomicUsize::new(0), AtomicU64::new(0));
    let streams = Mutex::new(Vec::with_capacity(options.clients));
    let begun = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.at_once)
            .map(|_| {
                scope.spawn(|| -> Result<(), String> {
                    loop {
                        let nth = next.fetch_add(1, Ordering::Relaxed);
                        if nth >= options.clients {
                            return Ok(());
                        }
                        let stream = until_in(address, nth, &tries)?;
                        if let Ok(mut streams) = streams.lock() {
                            streams.push(stream);
                        }
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| "a thread panicked")?)
    })?;
    let took = begun.elapsed();
    let streams = streams.into_inner().map_err(|_| "a thread panicked")?;
    Ok((streams, took, tries.into_inner()))
}

/// Tries until it is in, as clients do; a refusal that is no passing one ends the measurement.
fn until_in(address: SocketAddr, nth: usize, tries: &AtomicU64) -> Result<TcpStream, String> {
    loop {
        tries.fetch_add(1, Ordering::Relaxed);
        match connect(address, nth) {
            Ok(stream) => return Ok(stream),
            Err(Refused::ForNow) => thread::sleep(RETRY),
            Err(Refused::For(cause)) => return Err(format!("client {nth}: {cause}")),
        }
    }
}

/// Why a client is not in.
enum Refused {
    /// Busy, or the connection was closed.
    ForNow,
    /// For good.
    For(String),
}

fn connect(address: SocketAddr, nth: usize) -> Result<TcpStream, Refused> {
    let passing = |_| Refused::ForNow;
    let mut stream = TcpStream::connect(address).map_err(passing)?;
    let name = format!("u{nth}");
    // 3.1.1, Clean Session, User Name and Password.
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0xC2, 0, 0];
    for text in [name.as_str(), name.as_str(), PASSWORD] {
        let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
        body.extend(len.to_be_bytes());
        body.extend(text.as_bytes());
    }
    send(&mut stream, 0x10, &body).map_err(passing)?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).map_err(passing)?;
    match answer {
        [0x20, 2, _, 0] => Ok(stream),
        [0x20, 2, _, 3] => Err(Refused::ForNow),
        other => Err(Refused::For(format!("refused: {other:?}"))),
    }
}

/// A packet of less than 128 bytes.
fn send(stream: &mut TcpStream, first: u8, body: &[u8]) -> std::io::Result<()> {
    let len = u8::try_from(body.len()).unwrap_or(u8::MAX);
    let mut packet = vec![first, len];
    packet.extend_from_slice(body);
    stream.write_all(&packet)
}

/// A publisher and a subscriber that have nothing to do with the others.
struct Pair {
    stop: Arc<AtomicBool>,
    times: Arc<Mutex<Vec<Duration>>>,
    thread: thread::JoinHandle<Result<(), String>>,
}

impl Pair {
    fn start(address: SocketAddr, clients: usize) -> Result<Self, String> {
        let tries = AtomicU64::new(0);
        let mut publisher = until_in(address, clients, &tries)?;
        let mut subscriber = until_in(address, clients + 1, &tries)?;
        let failed = |error: std::io::Error| format!("the pair: {error}");
        for stream in [&publisher, &subscriber] {
            stream.set_nodelay(true).map_err(failed)?;
        }
        send(&mut subscriber, 0x82, b"\x00\x01\x00\x04pair\x00").map_err(failed)?;
        subscriber.read_exact(&mut [0; 5]).map_err(failed)?;
        let (stop, times) = (
            Arc::new(AtomicBool::new(false)),
            Arc::<Mutex<Vec<_>>>::default(),
        );
        let (stops, gathered) = (Arc::clone(&stop), Arc::clone(&times));
        let thread = thread::spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                let sent = Instant::now();
                send(&mut publisher, 0x30, b"\x00\x04pairx").map_err(failed)?;
                subscriber.read_exact(&mut [0; 9]).map_err(failed)?;
                let took = sent.elapsed();
                if let Ok(mut gathered) = gathered.lock() {
                    gathered.push(took);
                }
                thread::sleep(PAIR_EVERY);
            }
            Ok(())
        });
        Ok(Self {
            stop,
            times,
            thread,
        })
    }

    /// Median, 99th hundredth and longest of the messages since the last call.
    fn take(&self) -> String {
        let mut times = match self.times.lock() {
            Ok(mut times) => std::mem::take(&mut *times),
            Err(_) => Vec::new(),
        };
        times.sort_unstable();
        let at = |hundredth: usize| {
            times.get((times.len() * hundredth / 100).min(times.len().saturating_sub(1)))
        };
        let shown = [at(50), at(99), times.last()].map(|time| {
            time.map_or_else(
                || "-".to_owned(),
                |time| format!("{:.2}", time.as_secs_f64() * 1e3),
            )
        });
        let [median, p99, longest] = shown;
        let count = times.len();
        format!("{count} messages, median {median} ms, p99 {p99} ms, longest {longest} ms")
    }

    fn stop(self) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the pair panicked")?
    }
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
