//! Starting `mqtt` and watching it.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver, TryRecvError},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// How long anything may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command that is `mqtt` with these arguments and no input.
pub(crate) fn mqtt(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
    command
        .args(args)
        .stdin(Stdio::null())
        .env_remove("NOTIFY_SOCKET");
    command
}

/// What a command that ends by itself left behind.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `mqtt` with these arguments to its end.
pub(crate) fn run(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ended {
    let child = mqtt(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Ended::from(Running::from(child).output())
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A process that is ended with the test at the latest.
pub(crate) struct Running(Child);

impl From<Child> for Running {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Running {
    /// Sends a signal by its name, such as `TERM`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the end, which closes its stdout and stderr, and takes what it printed there.
    pub(crate) fn output(mut self) -> Output {
        let stdout = self.0.stdout.take().map(read_all);
        let stderr = self.0.stderr.take().map(read_all);
        let printed = |pipe: Option<Receiver<Vec<u8>>>| {
            pipe.map(|pipe| pipe.recv_timeout(PATIENCE).expect("it ends"))
                .unwrap_or_default()
        };
        let (stdout, stderr) = (printed(stdout), printed(stderr));
        Output {
            status: self.0.wait().unwrap(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads a pipe to its end beside the process, which must not wait for us.
fn read_all(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        // The test may have failed already.
        let _ = sender.send(bytes);
    });
    receiver
}

/// The lines of a pipe as they come.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    /// Follows `pipe` until it ends.
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line.
    pub(crate) fn next(&self) -> String {
        self.0.recv_timeout(PATIENCE).expect("one more line")
    }

    /// Waits for the end of the pipe.
    pub(crate) fn end(&self) {
        while let Ok(_line) = self.0.recv_timeout(PATIENCE) {}
        assert_eq!(
            self.0.try_recv(),
            Err(TryRecvError::Disconnected),
            "the pipe ends"
        );
    }
}

/// A running `mqtt broker` that accepts connections.
pub(crate) struct RunningBroker {
    pub(crate) process: Running,
    /// What it printed up to and with `ready`.
    pub(crate) lines: Vec<String>,
    /// Where it listens.
    pub(crate) addrs: Vec<SocketAddr>,
    stdout: Lines,
}

impl RunningBroker {
    /// Starts one with a data directory in `dir` and these further arguments.
    pub(crate) fn start(dir: &TempDir, args: &[&str]) -> Self {
        let data_dir = dir.path().join("data");
        let mut command = mqtt(["broker", "--log", "warn", "--data-dir"]);
        Self::spawn(command.arg(data_dir).args(args))
    }

    /// Starts the command and waits for `ready`.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let process = Running::from(child);
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != "ready") {
            lines.push(stdout.next());
        }
        let addrs = lines
            .iter()
            .filter_map(|line| line.strip_prefix("listening on "));
        // A unix socket is listened on, too, but has a path.
        let addrs = addrs.filter_map(|addr| addr.parse().ok()).collect();
        Self {
            process,
            lines,
            addrs,
            stdout,
        }
    }

    /// Waits for its end and gives its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.stdout.end();
        self.process.0.wait().unwrap().code()
    }
}
