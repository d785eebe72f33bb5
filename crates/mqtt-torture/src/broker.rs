//! The broker as a child process.

use crate::{Torture, TortureError};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a broker may take to get ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A broker that is ready.
#[derive(Debug)]
pub(crate) struct Child(std::process::Child);

impl Child {
    pub(crate) fn start(torture: &Torture) -> Result<Self, TortureError> {
        let mut process = Command::new(&torture.program)
            .args(&torture.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(TortureError::Start)?;
        let stdout = process.stdout.take();
        let mut child = Self(process);
        let (said, lines) = channel();
        let reader = std::thread::Builder::new().spawn(move || {
            for line in stdout
                .into_iter()
                .flat_map(|out| BufReader::new(out).lines())
            {
                // Read to its end whoever listens, so that the broker never waits for a reader.
                let _ = said.send(line.unwrap_or_default());
            }
        });
        reader.map_err(TortureError::Thread)?;
        let deadline = Instant::now() + READY_WITHIN;
        let mut last = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) if line.trim() == "ready" => return Ok(child),
                Ok(line) => last = line,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    child.kill();
                    return Err(TortureError::NotReady(last));
                }
            }
        }
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
