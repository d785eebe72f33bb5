//! The broker of the tests in `client`: Mosquitto, as a process on a free port of this machine.

use mqtt_client::QoS;
use std::env;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;
use tempfile::TempDir;

/// How often another port is tried when someone else took the one that was free.
const PORTS_TRIED: usize = 10;

/// A broker that ends with this value.
pub(crate) struct TestBroker {
    pub(crate) addr: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl TestBroker {
    /// Where it says that nobody is subscribed, which brokers may leave out.
    pub(crate) const SAYS_NOBODY: &[QoS] = &[QoS::AtLeastOnce];

    pub(crate) async fn start() -> Self {
        (0..PORTS_TRIED)
            .find_map(|_| Self::start_on(free_addr()))
            .unwrap_or_else(|| panic!("mosquitto listens on none of {PORTS_TRIED} free ports"))
    }

    /// None when it ends before it runs, as it does when the port is taken.
    fn start_on(addr: SocketAddr) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("mosquitto.conf");
        // With its own limit of 20 messages in flight, Mosquitto 2.0.11 never sends what it queued for a client that
        // had more than that of QoS 2 under way both to it and from it.
        // `user root` keeps it from changing to a user who may not exist; it is ignored for others.
        let lines = format!(
            "listener {} {}\nallow_anonymous true\nmax_inflight_messages 1000\nset_tcp_nodelay true\nuser root\nlog_type all\nlog_dest stderr\n",
            addr.port(),
            addr.ip()
        );
        std::fs::write(&config, lines).unwrap();
        let mut command = Command::new(variable("MQTT_INTEROP_MOSQUITTO_BIN"));
        let libraries = variable("MQTT_INTEROP_LD_LIBRARY_PATH");
        if !libraries.is_empty() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command.arg("-c").arg(&config).stdin(Stdio::null());
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        if !lines.any(|line| line.is_ok_and(|line| line.ends_with("running"))) {
            let _ = process.wait();
            return None;
        }
        // It may not wait for somebody who reads.
        thread::spawn(move || lines.count());
        Some(Self {
            addr,
            process,
            _folder: folder,
        })
    }

    pub(crate) fn address(&self) -> String {
        format!("mqtt://{}", self.addr)
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address nobody listens on at the moment.
fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// The value of a variable; without it a test fails, as it cannot run.
fn variable(name: &str) -> String {
    match env::var(name) {
        Ok(value) => value,
        Err(_) => panic!("{name} is not set: `cargo xtask interop` runs these tests"),
    }
}
