//! Other programs: ended with the test at the latest, read line by line.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is read line by line; it is ended with this value at the latest.
pub(crate) struct Running {
    pub(crate) child: Child,
    name: String,
    lines: Receiver<String>,
    /// What it has printed so far, for the message of a failure.
    seen: Vec<String>,
}

impl Running {
    /// Starts `command` and reads its stdout.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = started(command.stdout(Stdio::piped()));
        let lines = lines_of(child.stdout.take().unwrap());
        Self::new(command, child, lines)
    }

    /// Starts `command` and reads its stderr.
    pub(crate) fn spawn_by_stderr(command: &mut Command) -> Self {
        let mut child = started(command.stderr(Stdio::piped()));
        let lines = lines_of(child.stderr.take().unwrap());
        Self::new(command, child, lines)
    }

    fn new(command: &Command, child: Child, lines: Receiver<String>) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        Self {
            child,
            name,
            lines,
            seen: Vec::new(),
        }
    }

    /// The next line; none when it has closed its end.
    #[track_caller]
    pub(crate) fn next_line(&mut self, awaited: &str) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                self.fail(&format!("waited {PATIENCE:?} for {awaited}"))
            }
        }
    }

    /// Waits for a line for which `pick` gives something.
    #[track_caller]
    pub(crate) fn wait_for<T>(
        &mut self,
        awaited: &str,
        mut pick: impl FnMut(&str) -> Option<T>,
    ) -> T {
        loop {
            match self.next_line(awaited) {
                Some(line) => {
                    if let Some(found) = pick(&line) {
                        return found;
                    }
                }
                None => self.fail(&format!("it ended before {awaited}")),
            }
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        while self.next_line("its end").is_some() {}
        self.child.wait().unwrap()
    }

    /// Waits for its end, which must be a success.
    #[track_caller]
    pub(crate) fn succeed(&mut self) {
        let status = self.wait();
        if !status.success() {
            self.fail(&format!("it ended with {status}"));
        }
    }

    /// Ends it at once: its connections close without another packet.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Fails the test and tells what the program has printed.
    #[track_caller]
    pub(crate) fn fail(&self, what: &str) -> ! {
        panic!(
            "{}: {what}; it printed:\n{}",
            self.name,
            indented(&self.seen)
        );
    }

    /// What it has printed until now.
    pub(crate) fn printed(&mut self) -> String {
        self.seen.extend(self.lines.try_iter());
        indented(&self.seen)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn started(command: &mut Command) -> Child {
    match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!("cannot start {}: {error}", command.get_program().display()),
    }
}

fn indented(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("  {}\n", shortened(line)))
        .collect()
}

/// The lines of a pipe, read beside the program, which must not wait for us.
pub(crate) fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A line without the middle of a long payload.
pub(crate) fn shortened(line: &str) -> String {
    let line_len_max = 300;
    if line.len() <= line_len_max {
        return line.to_owned();
    }
    format!(
        "{}... ({} bytes)",
        line.chars().take(line_len_max).collect::<String>(),
        line.len()
    )
}
