//! Starts the broker, on a free port, and stops it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// The line with which the broker says that it accepts connections.
const READY: &str = "ready";

/// What it says of each listener before.
const LISTENING: &str = "listening on ";

/// How long the broker may take to say so.
const READY_MAX: Duration = Duration::from_secs(30);

/// A broker that accepts connections; it is killed when this is dropped.
pub(super) struct Running {
    child: Child,
    /// `host:port` of its first listener.
    pub(super) address: String,
}

/// Runs `binary` until it is ready.
///
/// # Errors
/// When it refuses the configuration, ends, or takes too long.
pub(super) fn check(binary: &Path, config: &Path, data_dir: &Path) -> Result<(), String> {
    let mut broker = Command::new(binary);
    broker
        .args(["broker", "--listen", "127.0.0.1:0", "--config"])
        .arg(config)
        .arg("--data-dir")
        .arg(data_dir);
    start(broker)
        .map(drop)
        .map_err(|error| format!("with {}: {error}", config.display()))
}

/// Starts this command, which is a broker's.
///
/// # Errors
/// When it cannot be started, ends, or takes too long to be ready.
pub(super) fn start(mut command: Command) -> Result<Running, String> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| {
            format!(
                "{} cannot be started: {error}",
                command.get_program().display()
            )
        })?;
    let mut broker = Running {
        child,
        address: String::new(),
    };
    broker.address = ready(&mut broker.child).ok_or("the broker does not get ready")?;
    Ok(broker)
}

/// Its first address, once it prints the line; `None` when it does not in time, or ends without.
fn ready(broker: &mut Child) -> Option<String> {
    let stdout = broker.stdout.take()?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut address = None;
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line == READY {
                // Nobody listens any more when it took too long.
                let _ = sender.send(address.clone());
            } else if let Some(at) = line.strip_prefix(LISTENING) {
                address.get_or_insert_with(|| at.to_owned());
            }
        }
    });
    receiver.recv_timeout(READY_MAX).ok().flatten()
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever has ended already needs neither.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
