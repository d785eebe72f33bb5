//! Starts the broker with the packaged configuration, on a free port, and stops it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// The line with which the broker says that it accepts connections.
const READY: &str = "ready";

/// How long the broker may take to say so.
const READY_MAX: Duration = Duration::from_secs(30);

/// Runs `binary` until it is ready.
///
/// # Errors
/// When it refuses the configuration, ends, or takes too long.
pub(super) fn check(binary: &Path, config: &Path, data_dir: &Path) -> Result<(), String> {
    let mut broker = Command::new(binary)
        .args(["broker", "--listen", "127.0.0.1:0", "--config"])
        .arg(config)
        .arg("--data-dir")
        .arg(data_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{} cannot be started: {error}", binary.display()))?;
    let is_ready = is_ready(&mut broker);
    let stopped = broker.kill().and_then(|()| broker.wait());
    stopped.map_err(|error| format!("the broker cannot be stopped: {error}"))?;
    if is_ready {
        return Ok(());
    }
    Err(format!(
        "the broker does not get ready with {}",
        config.display()
    ))
}

/// Whether it prints the line in time; not when it ends without.
fn is_ready(broker: &mut Child) -> bool {
    let Some(stdout) = broker.stdout.take() else {
        return false;
    };
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        // Nobody listens any more when it took too long.
        let _ = sender.send(lines.any(|line| line == READY));
    });
    receiver.recv_timeout(READY_MAX).unwrap_or(false)
}
