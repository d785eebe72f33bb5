//! One live subscriber: counts what arrives and acknowledges it.

use crate::connection::{Connection, Received};
use crate::error::BenchError;
use crate::frame::{self, PUBACK, PUBCOMP, PUBREC};
use crate::incoming::Incoming;
use crate::load::{Counters, unexpected};
use crate::publisher::Publisher;
use crate::scenario::{Scenario, Topics, Version};

/// First byte of PUBREL without its flags.
const PUBREL_KIND: u8 = 0x60;

/// A live subscriber.
pub(crate) struct Subscriber {
    connection: Connection,
    version: Version,
    number: u16,
    payload_len: usize,
    /// The sequence number expected next at least: one per publisher, or one in all for a
    /// subscriber of one publisher.
    expected: Vec<u32>,
}

impl Subscriber {
    pub(crate) fn new(scenario: &Scenario, number: u16, mut connection: Connection) -> Self {
        let sources = match scenario.topics {
            Topics::Own | Topics::Spread { .. } => 1,
            Topics::All | Topics::Shared => usize::from(scenario.publishers),
        };
        connection
            .outbox
            .reserve(2 * frame::ACK_LEN * usize::from(scenario.window) * sources);
        Self {
            connection,
            version: scenario.version,
            number,
            payload_len: usize::try_from(scenario.payload_len).unwrap_or(usize::MAX),
            expected: vec![0; sources],
        }
    }

    /// Writes waiting acknowledgements.
    pub(crate) fn flush(&mut self) -> Result<(), BenchError> {
        self.connection.flush()
    }

    /// Reads all that is there, tells the publishers and acknowledges.
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
        publishers: &mut [Publisher],
        counters: &mut Counters,
    ) -> Result<(), BenchError> {
        loop {
            let len = match self.connection.receive(buffer)? {
                Received::Nothing => break,
                Received::Closed => {
                    let awaited = "messages".to_owned();
                    return Err(BenchError::Closed {
                        client: self.name(),
                        awaited,
                    });
                }
                Received::Bytes(len) => len,
            };
            counters.note_time();
            let mut rest = buffer.get(..len).unwrap_or_default();
            while let Some(incoming) = self
                .connection
                .splitter
                .next_incoming(self.version, &mut rest)
            {
                self.handle(incoming, publishers, counters)?;
            }
            // On Linux a short read means that there is no more.
            if cfg!(target_os = "linux") && len < buffer.len() {
                break;
            }
        }
        self.flush()
    }

    fn handle(
        &mut self,
        incoming: Option<Incoming>,
        publishers: &mut [Publisher],
        counters: &mut Counters,
    ) -> Result<(), BenchError> {
        match incoming {
            Some(Incoming::Publish {
                qos,
                packet_id,
                publisher,
                sequence,
                payload_len,
            }) => {
                let index = usize::try_from(publisher).unwrap_or(usize::MAX);
                let source = publishers
                    .get_mut(index)
                    .filter(|_| payload_len == self.payload_len);
                let Some(source) = source else {
                    return Err(unexpected(self.name(), incoming));
                };
                let Ok(since_ns) = source.window.delivered(sequence) else {
                    return Err(unexpected(self.name(), incoming));
                };
                source.is_dirty = true;
                counters.count_delivery(since_ns);
                self.check_order(index, sequence, counters);
                match qos {
                    0 => Ok(()),
                    1 => self.connection.outbox.push(&frame::ack(PUBACK, packet_id)),
                    _ => self.connection.outbox.push(&frame::ack(PUBREC, packet_id)),
                }
            }
            Some(Incoming::Ack {
                kind: PUBREL_KIND,
                packet_id,
                ..
            }) => self.connection.outbox.push(&frame::ack(PUBCOMP, packet_id)),
            _ => Err(unexpected(self.name(), incoming)),
        }
    }

    fn check_order(&mut self, publisher: usize, sequence: u32, counters: &mut Counters) {
        let index = if self.expected.len() == 1 {
            0
        } else {
            publisher
        };
        let Some(expected) = self.expected.get_mut(index) else {
            return;
        };
        // Half of all numbers count as ahead, so that the count may run over.
        if sequence.wrapping_sub(*expected) > u32::MAX / 2 {
            counters.out_of_order += 1;
        }
        *expected = sequence.wrapping_add(1);
    }

    fn name(&self) -> String {
        format!("subscriber {}", self.number)
    }
}
