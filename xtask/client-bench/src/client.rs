//! One client at work: what it does, and what that costs.

use crate::{Failure, cpu, floor, ours, rumqtt};
use clap::ValueEnum;
use std::fmt;
use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Where everything is published.
pub(crate) const TOPIC: &str = "bench/client/topic";
/// Where the last message of a run goes, whose answer says that the broker has all before it.
pub(crate) const END: &str = "bench/client/end";
/// Messages after which a receiving client tells how far it is.
pub(crate) const PROGRESS: u64 = 100;

/// Which client.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub(crate) enum Library {
    /// mqtt-client of this workspace.
    Ours,
    Rumqttc,
    /// Paho for Rust; with feature `paho`.
    Paho,
    /// No client: a socket, and the bytes it needs.
    Floor,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub(crate) enum Direction {
    Publish,
    Receive,
}

/// What one client does.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Work {
    #[arg(long)]
    pub(crate) library: Library,
    #[arg(long)]
    pub(crate) direction: Direction,
    #[arg(long)]
    pub(crate) broker: SocketAddr,
    #[arg(long)]
    pub(crate) qos: u8,
    /// Bytes in each payload
    #[arg(long)]
    pub(crate) payload: usize,
    /// Messages that are measured
    #[arg(long)]
    pub(crate) messages: u64,
    /// Messages of QoS 1 and 2 that may be under way
    #[arg(long)]
    pub(crate) window: u16,
}

/// What it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) wall: Duration,
    /// User and system time of all threads of the client.
    pub(crate) cpu: Duration,
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "mqtt-client",
            Self::Rumqttc => "rumqttc",
            Self::Paho => "paho-mqtt",
            Self::Floor => "socket",
        })
    }
}

/// Does the work and prints what it took, for `compare` to read.
pub(crate) fn run(work: &Work) -> Result<(), Failure> {
    let taken = match (work.library, work.direction) {
        (Library::Ours, Direction::Publish) => ours::publish(work),
        (Library::Ours, Direction::Receive) => ours::receive(work),
        (Library::Rumqttc, Direction::Publish) => rumqtt::publish(work),
        (Library::Rumqttc, Direction::Receive) => rumqtt::receive(work),
        (Library::Floor, Direction::Publish) => floor::publish(work),
        (Library::Floor, Direction::Receive) => floor::receive(work),
        #[cfg(feature = "paho")]
        (Library::Paho, Direction::Publish) => crate::paho::publish(work),
        #[cfg(feature = "paho")]
        (Library::Paho, Direction::Receive) => crate::paho::receive(work),
        #[cfg(not(feature = "paho"))]
        (Library::Paho, _) => Err("built without feature `paho`".into()),
    }?;
    say(&format!(
        "taken {} {}",
        taken.wall.as_nanos(),
        taken.cpu.as_nanos()
    ))
}

/// Prints a line for `compare`.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Counts received messages, and measures from the first to the last.
pub(crate) struct Received {
    messages: u64,
    count: u64,
    begun: Option<Measurement>,
}

impl Received {
    /// Tells `compare` that messages may come.
    pub(crate) fn begin(work: &Work) -> Result<Self, Failure> {
        say("ready")?;
        Ok(Self {
            messages: work.messages,
            count: 0,
            begun: None,
        })
    }

    /// Counts one; what it took, after the last.
    pub(crate) fn add(&mut self) -> Result<Option<Taken>, Failure> {
        self.begun.get_or_insert_with(Measurement::begin);
        self.count += 1;
        if self.count.is_multiple_of(PROGRESS) {
            say("received")?;
        }
        if self.count < self.messages {
            return Ok(None);
        }
        Ok(self.begun.as_ref().map(Measurement::taken))
    }
}

/// A moment from which is measured.
pub(crate) struct Measurement {
    at: Instant,
    cpu: Duration,
}

impl Measurement {
    pub(crate) fn begin() -> Self {
        Self {
            at: Instant::now(),
            cpu: cpu::of_this_process(),
        }
    }

    pub(crate) fn taken(&self) -> Taken {
        Taken {
            wall: self.at.elapsed(),
            cpu: cpu::of_this_process().saturating_sub(self.cpu),
        }
    }
}
