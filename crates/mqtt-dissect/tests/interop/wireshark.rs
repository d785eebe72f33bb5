//! dumpcap and tshark as processes.

use std::collections::BTreeMap;
use std::env;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one look takes before the next.
const LOOK: Duration = Duration::from_millis(50);

/// Fields of a packet, or of what tshark says of one: the values of each name, in order.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Leaves(BTreeMap<String, Vec<String>>);

impl Leaves {
    pub(crate) fn add(&mut self, name: &str, value: impl ToString) {
        let values = self.0.entry(name.to_owned()).or_default();
        values.push(value.to_string());
    }
}

#[track_caller]
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: `cargo xtask interop` runs these tests with what they need")
    })
}

fn program(name: &str) -> Command {
    let mut command = Command::new(variable(name));
    let libraries = variable("MQTT_INTEROP_TSHARK_LIBRARY_PATH");
    if !libraries.is_empty() {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command
}

/// A dumpcap that captures.
pub(crate) struct Capture(Child);

impl Capture {
    /// Captures what goes to and from `listener`; when this returns it has begun.
    pub(crate) fn start(file: &Path, listener: &TcpListener) -> Self {
        let addr = listener.local_addr().unwrap();
        let mut child = program("MQTT_INTEROP_DUMPCAP")
            .args(["-i", "lo", "-f", &format!("tcp port {}", addr.port()), "-w"])
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let counts = counts(child.stderr.take().unwrap());
        let capture = Self(child);
        let deadline = Instant::now() + PATIENCE;
        // It counts what it captures, so connections are made until it has counted one.
        loop {
            assert!(Instant::now() < deadline, "dumpcap captures nothing");
            drop(TcpStream::connect(addr).unwrap());
            drop(listener.accept().unwrap());
            match counts.recv_timeout(LOOK) {
                Ok(()) => return capture,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("dumpcap ended"),
            }
        }
    }

    /// Ends it once it has written what is waited for.
    pub(crate) fn stop_when(self, is_there: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_there() {
            assert!(
                Instant::now() < deadline,
                "dumpcap has not written everything"
            );
            thread::park_timeout(LOOK);
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says each time dumpcap prints how many packets it has.
fn counts(mut stderr: ChildStderr) -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut printed = Vec::new();
        let mut buffer = [0; 256];
        while let Ok(len @ 1..) = stderr.read(&mut buffer) {
            printed.extend_from_slice(&buffer[..len]);
            let text = String::from_utf8_lossy(&printed);
            // The test may be past the point where it wants to know.
            if text.contains("Packets: ") && !text.ends_with("Packets: ") {
                let _ = sender.send(());
                printed.clear();
            }
        }
    });
    receiver
}

/// What tshark says of each MQTT packet in a capture.
pub(crate) fn dissected(file: &Path, port: u16) -> Vec<Leaves> {
    let output = program("MQTT_INTEROP_TSHARK")
        .arg("-r")
        .arg(file)
        .args(["-d", &format!("tcp.port=={port},mqtt"), "-Y", "mqtt"])
        .args(["-T", "json", "--no-duplicate-keys", "-J", "mqtt"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let frames: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut packets = Vec::new();
    for frame in frames.as_array().unwrap() {
        match &frame["_source"]["layers"]["mqtt"] {
            // Several in one segment.
            Value::Array(several) => packets.extend(several.iter().map(leaves_of)),
            one => packets.push(leaves_of(one)),
        }
    }
    packets
}

fn leaves_of(layer: &Value) -> Leaves {
    let mut leaves = Leaves::default();
    flatten("", layer, &mut leaves);
    leaves
}

/// Trees and blocks are only where their fields are.
fn flatten(name: &str, value: &Value, leaves: &mut Leaves) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(name, value, leaves);
            }
        }
        Value::Array(several) => several
            .iter()
            .for_each(|value| flatten(name, value, leaves)),
        Value::String(text) => leaves.add(name, text),
        other => panic!("{name}: {other}"),
    }
}
