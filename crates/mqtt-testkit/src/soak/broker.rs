//! The broker under test: the `mqtt` program as a child.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs, process, thread};

/// A running broker with a directory of its own; ended and removed when dropped.
#[derive(Debug)]
pub struct Broker {
    child: Child,
    addr: SocketAddr,
    folder: PathBuf,
}

impl Broker {
    /// Starts `program` on a free port of 127.0.0.1 and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, or ends before it is ready.
    pub fn start(program: &Path) -> io::Result<Self> {
        let folder = env::temp_dir().join(format!("mqtt-soak-{}", process::id()));
        fs::create_dir(&folder)?;
        let log = fs::File::create(folder.join("broker.log"))?;
        let mut command = Command::new(program);
        command
            .args(["broker", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.join("data"))
            // The counters are asked for at the end.
            .env("MQTT_SYS_TOPICS__SYS_MSG_INTERVAL", "1s")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut broker = Self {
            child: command.spawn()?,
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder,
        };
        broker.addr = broker.wait_until_ready()?;
        Ok(broker)
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged last, up to so many lines.
    #[must_use]
    pub fn last_words(&self, lines_max: usize) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("broker.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().map(str::to_owned).collect();
        let first = lines.len().saturating_sub(lines_max);
        lines.get(first..).unwrap_or_default().to_vec()
    }

    fn wait_until_ready(&mut self) -> io::Result<SocketAddr> {
        let stdout = self.child.stdout.take();
        let mut lines =
            BufReader::new(stdout.ok_or_else(|| io::Error::other("no stdout"))?).lines();
        let mut addr = None;
        for line in lines.by_ref() {
            let line = line?;
            addr = addr.or_else(|| line.strip_prefix("listening on ")?.parse().ok());
            if line == "ready" {
                // It must never wait for a full pipe.
                thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                return addr.ok_or_else(|| io::Error::other("it does not say where it listens"));
            }
        }
        Err(io::Error::other(format!(
            "it ended: {}",
            self.last_words(1).concat()
        )))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // These fail only if it has ended by itself, or its files have gone.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        let _removed = fs::remove_dir_all(&self.folder);
    }
}
