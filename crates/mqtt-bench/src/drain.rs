//! Clients that take what a broker has kept: retained messages, and what waited for a session.

use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::connection::{Connection, Received};
use crate::error::BenchError;
use crate::frame::{self, PUBACK};
use crate::handshake::wait_for;
use crate::incoming::Incoming;
use crate::load::unexpected;
use crate::scenario::Version;

/// Bytes one read may take.
const READ_LEN: usize = 256 * 1024;
/// The longest wait for events.
const TURN_MAX: Duration = Duration::from_millis(20);

/// A client that takes messages until it has as many as there are. Acknowledges QoS 1.
pub(crate) struct Taker {
    connection: Connection,
    name: String,
    /// Messages still to come.
    left: u64,
}

impl Taker {
    /// Will take `messages`. What makes the broker send them is in the outbox of `connection`.
    pub(crate) fn new(connection: Connection, name: String, messages: u64) -> Self {
        Self {
            connection,
            name,
            left: messages,
        }
    }

    /// Reads what is there; how many messages that was.
    fn take(&mut self, version: Version, buffer: &mut [u8]) -> Result<u64, BenchError> {
        self.connection.flush()?;
        let before = self.left;
        loop {
            let len = match self.connection.receive(buffer)? {
                Received::Nothing => break,
                Received::Closed => {
                    return Err(BenchError::Closed {
                        client: self.name.clone(),
                        awaited: format!("{} messages", self.left),
                    });
                }
                Received::Bytes(len) => len,
            };
            let mut rest = buffer.get(..len).unwrap_or_default();
            while let Some(incoming) = self.connection.splitter.next_incoming(version, &mut rest) {
                self.handle(incoming)?;
            }
            // On Linux a short read means that there is no more.
            if cfg!(target_os = "linux") && len < buffer.len() {
                break;
            }
        }
        self.connection.flush()?;
        Ok(before - self.left)
    }

    fn handle(&mut self, incoming: Option<Incoming>) -> Result<(), BenchError> {
        match incoming {
            Some(Incoming::Publish { qos, packet_id, .. }) if self.left > 0 => {
                self.left -= 1;
                match qos {
                    0 => Ok(()),
                    _ => self.connection.outbox.push(&frame::ack(PUBACK, packet_id)),
                }
            }
            Some(Incoming::ConnAck { reason: 0, .. }) => Ok(()),
            Some(Incoming::SubAck { reason }) if reason < 0x80 => Ok(()),
            _ => Err(unexpected(self.name.clone(), incoming)),
        }
    }
}

/// Runs all takers until each has its messages; taker `n` has token `n`. How long that took.
pub(crate) fn take_all(
    poll: &mut Poll,
    version: Version,
    takers: &mut [Taker],
    patience: Duration,
) -> Result<Duration, BenchError> {
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; READ_LEN];
    let started = Instant::now();
    let mut last_progress = started;
    for taker in takers.iter_mut() {
        taker.connection.flush()?;
    }
    while let Some(waiting) = takers.iter().find(|taker| taker.left > 0) {
        if last_progress.elapsed() > patience {
            return Err(BenchError::Stuck {
                client: waiting.name.clone(),
                awaited: format!("{} messages", waiting.left),
                waited: patience,
            });
        }
        wait_for(poll, &mut events, TURN_MAX)?;
        for event in &events {
            let Some(taker) = takers.get_mut(event.token().0) else {
                continue;
            };
            if taker.take(version, &mut buffer)? > 0 {
                last_progress = Instant::now();
            }
        }
    }
    Ok(started.elapsed())
}
