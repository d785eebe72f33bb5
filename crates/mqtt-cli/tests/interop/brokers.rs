//! The two brokers, each a process on a free port of this machine.

use crate::{
    doors::{Door, Way, configuration},
    process::{PATIENCE, Running},
    surroundings::{mosquitto_program, variable},
};
use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::Command,
    thread,
    time::Instant,
};
use tempfile::TempDir;

/// How often another port is tried when someone else took the one that was free.
const PORTS_TRIED: usize = 10;

/// A broker that accepts connections until this value is dropped.
pub(crate) struct RunningBroker {
    pub(crate) way: Way,
    process: Running,
    /// Where it logs, when that is not what it prints.
    log: Option<PathBuf>,
    #[cfg_attr(
        not(all(unix, any(feature = "postgresql", feature = "redis"))),
        expect(dead_code, reason = "it goes with this value")
    )]
    dir: TempDir,
}

impl RunningBroker {
    /// The `mqtt broker` that users run.
    pub(crate) fn ours() -> Self {
        Self::ours_by(Door::Tcp, "")
    }

    /// The same with this door alone; `more` are lines of its listener.
    pub(crate) fn ours_by(door: Door, more: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let log = dir.path().join("log");
        let config = dir.path().join("mqtt.toml");
        fs::write(&config, configuration(door, dir.path(), more)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
        command.args(["broker", "--log", "debug"]);
        command
            .arg("--config")
            .arg(&config)
            .arg("--data-dir")
            .arg(dir.path().join("data"))
            .stderr(File::create(&log).unwrap());
        let mut process = Running::spawn(&mut command);
        let mut addr = SocketAddr::from(([127, 0, 0, 1], 0));
        process.wait_for("`ready`", |line| {
            if let Some(listens) = line.strip_prefix("listening on ")
                && door.has_address()
            {
                addr = listens.parse().unwrap();
            }
            (line == "ready").then_some(())
        });
        Self {
            way: Way::new(door, addr, dir.path()),
            process,
            log: Some(log),
            dir,
        }
    }

    /// Mosquitto, which anybody on this machine may use.
    pub(crate) fn mosquitto() -> Self {
        Self::tried(|| Self::mosquitto_on(free_addr(), ""))
    }

    /// The same, reached by WebSocket. 2.0.11 does not start with such a listener alone.
    pub(crate) fn mosquitto_by_websocket() -> Self {
        Self::tried(|| {
            let addr = free_addr();
            let more = format!(
                "listener {} {}\nprotocol websockets\n",
                addr.port(),
                addr.ip()
            );
            let mut broker = Self::mosquitto_on(free_addr(), &more)?;
            broker.way = Way::tcp(addr);
            Some(broker)
        })
    }

    fn tried(start: impl Fn() -> Option<Self>) -> Self {
        // Not inside the loop: without the program no port helps.
        variable("MQTT_INTEROP_MOSQUITTO_BIN");
        (0..PORTS_TRIED)
            .find_map(|_| start())
            .unwrap_or_else(|| panic!("mosquitto listens on none of {PORTS_TRIED} free ports"))
    }

    /// None when it ends before it runs, as it does when the port is taken.
    fn mosquitto_on(addr: SocketAddr, more: &str) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let config = dir.path().join("mosquitto.conf");
        // `user root` keeps it from changing to a user who may not exist; it is ignored for others.
        let lines = format!(
            "listener {} {}\nallow_anonymous true\nset_tcp_nodelay true\nuser root\nlog_type all\nlog_dest stderr\n{more}",
            addr.port(),
            addr.ip()
        );
        fs::write(&config, lines).unwrap();
        let mut command = mosquitto_program("MQTT_INTEROP_MOSQUITTO_BIN");
        command.arg("-c").arg(&config);
        let mut process = Running::spawn_by_stderr(&mut command);
        loop {
            let line = process.next_line("`running`")?;
            if line.ends_with("running") {
                return Some(Self {
                    way: Way::tcp(addr),
                    process,
                    log: None,
                    dir,
                });
            }
        }
    }
}

impl RunningBroker {
    /// Where it keeps what it keeps.
    #[cfg(all(unix, any(feature = "postgresql", feature = "redis")))]
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What it has logged, once this is in it: lines are written a while after what they tell of.
    pub(crate) fn logged(&self, text: &str) -> String {
        let started = Instant::now();
        loop {
            let log = self.log.as_ref().map(fs::read_to_string);
            let log = log.and_then(Result::ok).unwrap_or_default();
            if log.contains(text) || started.elapsed() > PATIENCE {
                return log;
            }
            thread::yield_now();
        }
    }
}

impl Drop for RunningBroker {
    #[expect(clippy::print_stderr, reason = "the harness shows it with the failure")]
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self
                .log
                .as_ref()
                .and_then(|path| fs::read_to_string(path).ok());
            let log = log.unwrap_or_else(|| self.process.printed());
            eprintln!("the broker's log:\n{log}");
        }
    }
}

/// An address nobody listens on at the moment.
pub(crate) fn free_addr() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
