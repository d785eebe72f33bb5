//! One publisher: a ring of ready-made packets and the window over it.

use std::time::{Duration, Instant};

use crate::connection::{Connection, Order, Received};
use crate::error::BenchError;
use crate::frame::{self, PUBCOMP, PUBREC, PUBREL};
use crate::incoming::Incoming;
use crate::load::{Counters, unexpected};
use crate::scenario::{LoopKind, QoS, Scenario, Version};
use crate::topics::{Choice, Layout};
use crate::window::Window;

/// When the messages of a publisher are due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// As soon as the window has room.
    WhenRoom,
    /// Message `n` at `first_ns + n * every_ns`, in nanoseconds of the run.
    At { first_ns: u64, every_ns: u64 },
}

/// A publisher. Sending a message changes its sequence number in the ring and writes the ring's
/// bytes; nothing is allocated.
pub(crate) struct Publisher {
    connection: Connection,
    version: Version,
    number: u16,
    /// One packet per slot of the window, all of the same length.
    ring: Vec<u8>,
    frame_len: usize,
    /// Where the sequence number is in a packet.
    sequence_at: usize,
    /// Where the Topic Name is in a packet.
    topic_at: usize,
    topic_len: usize,
    layout: Layout,
    choice: Choice,
    /// How many messages it sends in all.
    messages_max: u64,
    pub(crate) window: Window,
    /// Ring bytes written since the start.
    written: u64,
    due: Due,
    /// Whether something happened that may allow sending.
    pub(crate) is_dirty: bool,
    /// The oldest unfinished message at the last check, and since when.
    checked: (u64, Instant),
}

impl Publisher {
    pub(crate) fn new(scenario: &Scenario, number: u16, connection: Connection, due: Due) -> Self {
        let deliveries = scenario.deliveries_per_message(number);
        let mut window = Window::new(scenario.window, deliveries, scenario.qos);
        window.lower_limit(connection.receive_maximum);
        let payload_len = usize::try_from(scenario.payload_len).unwrap_or(frame::MARK_LEN);
        let (layout, choice) = (scenario.layout(), scenario.choice(number));
        let topic_name = layout.topic_name(choice.first());
        let is_retained = matches!(scenario.loop_kind, LoopKind::Retain { .. });
        let packet = |packet_id| {
            let publisher = u32::from(number);
            let mut frame = frame::publish(
                scenario.version,
                &topic_name,
                scenario.qos,
                packet_id,
                publisher,
                payload_len,
            );
            if let (true, Some(first)) = (is_retained, frame.first_mut()) {
                *first |= frame::RETAIN;
            }
            frame
        };
        let frame_len = packet(1).len();
        let mut ring = Vec::with_capacity(frame_len * window.ring_len());
        for packet_id in (1..=u16::MAX).take(window.ring_len()) {
            ring.extend(packet(packet_id));
        }
        let mut publisher = Self {
            connection,
            version: scenario.version,
            number,
            ring,
            frame_len,
            sequence_at: frame_len - payload_len + 4,
            topic_at: frame_len - payload_len - behind_topic(scenario) - topic_name.len(),
            topic_len: topic_name.len(),
            layout,
            choice,
            messages_max: scenario.messages_each().unwrap_or(u64::MAX),
            window,
            written: 0,
            due,
            is_dirty: true,
            checked: (0, Instant::now()),
        };
        publisher
            .connection
            .outbox
            .reserve(2 * frame::ACK_LEN * usize::from(scenario.window));
        publisher
    }

    /// Sends all that is due and fits the window, as far as the system takes it.
    pub(crate) fn send(&mut self, now_ns: u64) -> Result<(), BenchError> {
        self.is_dirty = false;
        while self.window.has_room() {
            let number = self.window.next_number();
            if number == self.messages_max {
                break;
            }
            let since_ns = match self.due {
                Due::WhenRoom => now_ns,
                Due::At { first_ns, every_ns } => first_ns + number * every_ns,
            };
            if since_ns > now_ns {
                break;
            }
            self.window.open(since_ns);
            let at = self.window.slot_of(number) * self.frame_len + self.sequence_at;
            if let Some(place) = self.ring.get_mut(at..at + 4) {
                let sequence = u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0);
                place.copy_from_slice(&sequence.to_be_bytes());
            }
            if let Some(index) = self.choice.next(number) {
                let at = self.window.slot_of(number) * self.frame_len + self.topic_at;
                let name = self.ring.get_mut(at..at + self.topic_len);
                self.layout.write(index, name.unwrap_or_default());
            }
        }
        self.flush()
    }

    /// Writes what waits: ring bytes and acknowledgements, each packet whole before the other.
    pub(crate) fn flush(&mut self) -> Result<(), BenchError> {
        self.connection.push_pending()?;
        let ring_len = len_u64(self.ring.len());
        let frame_len = len_u64(self.frame_len);
        loop {
            let wanted = self.window.next_number() * frame_len;
            let left = wanted - self.written;
            if left == 0 && self.connection.outbox.is_empty() {
                return Ok(());
            }
            let start = usize::try_from(self.written % ring_len).unwrap_or(0);
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            let first = self.ring.get(start..).unwrap_or_default();
            let first = first.get(..left).unwrap_or(first);
            let second = self.ring.get(..left - first.len()).unwrap_or_default();
            let order = if self.written.is_multiple_of(frame_len) {
                Order::OutboxFirst
            } else {
                Order::OutboxLast
            };
            let Some(len) = self.connection.write_with([first, second], order)? else {
                return Ok(());
            };
            let to_outbox = match order {
                Order::OutboxFirst => len.min(self.connection.outbox.len()),
                Order::OutboxLast => len.saturating_sub(left),
            };
            self.connection.outbox.advance(to_outbox);
            self.written += len_u64(len - to_outbox);
        }
    }

    /// Reads acknowledgements, and answers PUBREC.
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
        counters: &mut Counters,
    ) -> Result<(), BenchError> {
        loop {
            let len = match self.connection.receive(buffer)? {
                Received::Nothing => break,
                Received::Closed => {
                    let awaited = self.window.awaited();
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
                self.handle(incoming, counters)?;
            }
            // On Linux a short read means that there is no more.
            if cfg!(target_os = "linux") && len < buffer.len() {
                break;
            }
        }
        self.is_dirty = true;
        Ok(())
    }

    fn handle(
        &mut self,
        incoming: Option<Incoming>,
        counters: &mut Counters,
    ) -> Result<(), BenchError> {
        let Some(Incoming::Ack {
            kind,
            packet_id,
            reason,
        }) = incoming
        else {
            return Err(unexpected(self.name(), incoming));
        };
        if reason >= 0x80 {
            let packet = if kind == PUBREC {
                "PUBREC"
            } else {
                "PUBACK or PUBCOMP"
            };
            return Err(BenchError::Refused {
                client: self.name(),
                packet,
                reason,
            });
        }
        let Ok(since_ns) = self.window.acknowledged(kind, packet_id) else {
            return Err(unexpected(self.name(), incoming));
        };
        if kind == PUBREC {
            self.connection
                .outbox
                .push(&frame::ack(PUBREL, packet_id))?;
        } else {
            debug_assert!(kind == frame::PUBACK || kind == PUBCOMP);
            counters.count_ack(since_ns);
        }
        Ok(())
    }

    /// Whether all it has to send is sent and finished.
    pub(crate) fn is_done(&self) -> bool {
        self.window.next_number() >= self.messages_max && self.window.unfinished() == 0
    }

    /// When the next message is due, if it has a time and the window has room.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        match self.due {
            Due::At { first_ns, every_ns } if self.window.has_room() => {
                Some(first_ns + self.window.next_number() * every_ns)
            }
            _ => None,
        }
    }

    /// Fails if the oldest unfinished message is the same for too long.
    pub(crate) fn check_progress(&mut self, patience: Duration) -> Result<(), BenchError> {
        let oldest = self.window.oldest_number();
        let (last_oldest, since) = self.checked;
        if self.window.unfinished() == 0 || oldest != last_oldest {
            self.checked = (oldest, Instant::now());
        } else if since.elapsed() > patience {
            let (client, awaited) = (self.name(), self.window.awaited());
            return Err(BenchError::Stuck {
                client,
                awaited,
                waited: patience,
            });
        }
        Ok(())
    }

    fn name(&self) -> String {
        format!("publisher {}", self.number)
    }
}

/// Bytes between the Topic Name and the payload: Packet Identifier and properties.
fn behind_topic(scenario: &Scenario) -> usize {
    let packet_id = if scenario.qos == QoS::AtMostOnce {
        0
    } else {
        2
    };
    packet_id + usize::from(scenario.version == Version::V5)
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
