//! One client: its connection, what it waits for, and what it does.

use std::net::{IpAddr, SocketAddr};

use mio::{Registry, Token};

use super::header::Stamp;
use super::pace::Due;
use super::packets;
use super::publisher::Publisher;
use super::receiver::{Receiver, Run};
use super::settings::{Arrival, Fleet};
use super::shared::Faults;
use super::tally::{Counts, Times};
use crate::connection::{self, Connection, Received};
use crate::error::BenchError;
use crate::frame::{self, PUBACK, PUBCOMP, PUBREC, PUBREL};
use crate::incoming::{AnyPublish, Frame, Incoming};
use crate::link::{Link, LinkPlan};
use crate::scenario::Version;

/// Bytes kept of a packet that comes in pieces, besides its fields.
const HEAD_MAX: usize = 128;
/// First byte of PUBREL without its flags.
const PUBREL_KIND: u8 = 0x60;
/// First byte of PINGRESP.
const PINGRESP: u8 = 0xD0;

/// A client of a fleet.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its place in the order of connecting.
    pub(crate) ordinal: u64,
    /// Its place among those that do the same.
    pub(crate) index: u32,
    pub(crate) client_id: String,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<String>,
    /// Which of the servers.
    pub(crate) server: usize,
    pub(crate) work: Work,
    pub(crate) phase: Phase,
    /// Since when it is in this phase; in `Ready` when it last sent something.
    pub(crate) since_ns: u64,
    /// Whether a PINGREQ is not answered.
    awaits_pong: bool,
    keep_alive_ns: u64,
    pub(crate) tries_left: u32,
    pub(crate) reconnects_left: u32,
    connection: Option<Connection>,
    /// When its next message is due, since publishing began.
    pub(crate) due: Due,
    /// Whether it stands in the queue of messages that are due.
    pub(crate) is_queued: bool,
}

/// What a client does once it is connected.
#[derive(Debug)]
pub(crate) enum Work {
    Nothing,
    Publish(Box<Publisher>),
    Receive(Box<Receiver>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Waits for its turn to connect.
    Waiting,
    Connecting,
    Subscribing,
    Ready,
    /// Failed too often, or has left.
    Gone,
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) String);

impl From<BenchError> for Fault {
    fn from(error: BenchError) -> Self {
        Self(error.to_string())
    }
}

/// What a thread counts and needs while it serves a client.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) counts: Counts,
    pub(crate) times: Times,
    pub(crate) faults: Faults,
    pub(crate) run: Run,
    pub(crate) now_ns: u64,
    /// When what is being read came.
    pub(crate) came_ns: u64,
    pub(crate) measure_ns: u64,
    pub(crate) clock: super::clock::Clock,
    pub(crate) buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn new(
        ordinal: u64,
        index: u32,
        client_id: String,
        work: Work,
        fleet: &Fleet,
    ) -> Self {
        let hosts = u64::try_from(fleet.hosts.len()).unwrap_or(1).max(1);
        Self {
            ordinal,
            index,
            client_id,
            user_name: None,
            password: None,
            server: usize::try_from(ordinal % hosts).unwrap_or(0),
            work,
            phase: Phase::Waiting,
            since_ns: 0,
            awaits_pong: false,
            keep_alive_ns: 0,
            tries_left: fleet.connect_retries,
            reconnects_left: fleet.reconnects,
            connection: None,
            due: Due::default(),
            is_queued: false,
        }
    }

    /// Begins to connect.
    pub(crate) fn begin(
        &mut self,
        registry: &Registry,
        token: usize,
        (server, plan): &(SocketAddr, LinkPlan),
        source: Option<IpAddr>,
        (fleet, now_ns): (&Fleet, u64),
    ) -> Result<(), Fault> {
        self.phase = Phase::Connecting;
        self.since_ns = now_ns;
        self.awaits_pong = false;
        self.keep_alive_ns = u64::from(fleet.keep_alive_s) * 1_000_000_000;
        let stream =
            connection::connect_from(*server, source).map_err(BenchError::io("connecting"))?;
        let mut link = Link::planned(stream, plan)?;
        if fleet.arrival == Arrival::Noted {
            link.note_arrival();
        }
        link.register(registry, Token(token))
            .map_err(BenchError::io("registering a socket"))?;
        let mut connection = Connection::over(link, HEAD_MAX, fleet.protocol.version());
        let connect = packets::connect(
            fleet,
            &self.client_id,
            self.user_name.as_deref(),
            self.password.as_deref(),
        );
        connection.outbox.push(&connect)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Writes what waits, and reads what is there if anything is.
    pub(crate) fn proceed(
        &mut self,
        is_readable: bool,
        fleet: &Fleet,
        desk: &mut Desk,
    ) -> Result<(), Fault> {
        self.flush(fleet.low_memory)?;
        if !is_readable {
            return Ok(());
        }
        let version = fleet.protocol.version();
        // Taken out so that what it holds can be handled meanwhile.
        let mut buffer = std::mem::take(&mut desk.buffer);
        let outcome = self.receive(version, fleet, desk, &mut buffer);
        desk.buffer = buffer;
        outcome?;
        self.flush(fleet.low_memory)
    }

    /// Writes what waits, as far as the system takes it.
    pub(crate) fn flush(&mut self, gives_back: bool) -> Result<(), Fault> {
        if let Some(connection) = &mut self.connection {
            connection.flush()?;
            if gives_back {
                connection.outbox.shrink();
            }
        }
        Ok(())
    }

    /// Whether something waits to be written.
    pub(crate) fn has_waiting(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(Connection::has_waiting)
    }

    /// Puts a message down that was due at `due_ns`, if there is room.
    pub(crate) fn publish(&mut self, due_ns: u64, desk: &mut Desk) -> bool {
        let (Work::Publish(publisher), Some(connection)) = (&mut self.work, &mut self.connection)
        else {
            return false;
        };
        let before = publisher.under_way();
        let Some(sent) = publisher.send(due_ns, &mut connection.outbox) else {
            return false;
        };
        let counts = &mut desk.counts;
        counts.sent += 1;
        counts.sent_bytes += u64::try_from(sent.len).unwrap_or(0);
        counts.expected += sent.copies;
        counts.under_way += publisher.under_way() - before;
        counts.finished += u64::from(publisher.is_finished());
        if due_ns >= desk.measure_ns {
            let late = desk.now_ns.saturating_sub(due_ns);
            desk.times.sending.saturating_record(late.max(1));
        }
        self.since_ns = desk.now_ns;
        true
    }

    /// Whether it has more to publish.
    pub(crate) fn has_more(&self) -> bool {
        matches!(&self.work, Work::Publish(publisher) if !publisher.is_finished())
    }

    /// Sends a PINGREQ when it is time. An error when the last one, or the broker's part of connecting, is overdue.
    pub(crate) fn look_at_time(&mut self, patience_ns: u64, desk: &mut Desk) -> Result<(), Fault> {
        let idle_ns = desk.now_ns.saturating_sub(self.since_ns);
        match self.phase {
            Phase::Waiting | Phase::Gone => Ok(()),
            Phase::Connecting | Phase::Subscribing => match idle_ns > patience_ns {
                true => Err(Fault("no answer in time".to_owned())),
                false => Ok(()),
            },
            Phase::Ready if self.keep_alive_ns == 0 => Ok(()),
            Phase::Ready if self.awaits_pong && idle_ns > self.keep_alive_ns => {
                Err(Fault("no PINGRESP in time".to_owned()))
            }
            Phase::Ready if !self.awaits_pong && idle_ns > self.keep_alive_ns / 4 * 3 => {
                self.since_ns = desk.now_ns;
                self.awaits_pong = true;
                if let Some(connection) = &mut self.connection {
                    connection.outbox.push(&packets::PINGREQ)?;
                    connection.flush()?;
                }
                Ok(())
            }
            Phase::Ready => Ok(()),
        }
    }

    /// Says goodbye.
    pub(crate) fn leave(&mut self) {
        if let (Phase::Ready, Some(connection)) = (self.phase, &mut self.connection) {
            // Whoever does not hear it sees the connection end.
            let _ = connection.outbox.push(&frame::DISCONNECT);
            let _ = connection.finish();
        }
    }

    /// Ends the connection: how many messages were under way on it.
    pub(crate) fn close(&mut self) -> u64 {
        self.connection = None;
        self.phase = Phase::Waiting;
        match &mut self.work {
            Work::Publish(publisher) => publisher.forget(),
            _ => 0,
        }
    }

    fn receive(
        &mut self,
        version: Version,
        fleet: &Fleet,
        desk: &mut Desk,
        buffer: &mut [u8],
    ) -> Result<(), Fault> {
        loop {
            // Taken out so that its splitter and the rest can be used at once.
            let Some(mut connection) = self.connection.take() else {
                return Ok(());
            };
            let len = match connection.receive(buffer)? {
                Received::Nothing => {
                    self.connection = Some(connection);
                    return Ok(());
                }
                Received::Closed => return Err(Fault("closed by the broker".to_owned())),
                Received::Bytes(len) => len,
            };
            desk.now_ns = desk.clock.now_ns();
            let waited_ns = super::clock::nanoseconds(connection.waited());
            desk.came_ns = desk.now_ns.saturating_sub(waited_ns);
            desk.counts.received_bytes += u64::try_from(len).unwrap_or(0);
            let mut rest = buffer.get(..len).unwrap_or_default();
            let Connection {
                splitter, outbox, ..
            } = &mut connection;
            loop {
                let frame = splitter.next(&mut rest);
                let frame = frame.map_err(|_| Fault("a malformed packet".to_owned()))?;
                let Some(frame) = frame else { break };
                self.handle(version, fleet, &frame, outbox, desk)?;
            }
            self.connection = Some(connection);
            // On Linux a short read means that there is no more.
            if cfg!(target_os = "linux") && len < buffer.len() {
                return Ok(());
            }
        }
    }

    fn handle(
        &mut self,
        version: Version,
        fleet: &Fleet,
        frame: &Frame<'_>,
        outbox: &mut connection::Outbox,
        desk: &mut Desk,
    ) -> Result<(), Fault> {
        if let (Work::Receive(receiver), Some(0x30..0x40)) = (&mut self.work, frame.head.first()) {
            let publish = AnyPublish::read(version, frame);
            let publish = publish.ok_or_else(|| Fault("a malformed PUBLISH".to_owned()))?;
            desk.counts.received += 1;
            let stamp: Option<Stamp> = fleet.header.read(publish.topic_name, publish.payload);
            let due_ns = receiver.note(stamp, &mut desk.run, &mut desk.counts);
            if let Some(due_ns) = due_ns.filter(|due_ns| *due_ns >= desk.measure_ns) {
                let time = desk.came_ns.saturating_sub(due_ns);
                desk.times.delivering.saturating_record(time.max(1));
            }
            match publish.qos {
                0 => {}
                1 => outbox.push(&frame::ack(PUBACK, publish.packet_id))?,
                _ => outbox.push(&frame::ack(PUBREC, publish.packet_id))?,
            }
            return Ok(());
        }
        let incoming = Incoming::read(version, frame);
        let incoming = incoming.ok_or_else(|| Fault("a malformed packet".to_owned()))?;
        self.answer(version, fleet, incoming, outbox, desk)
    }

    fn answer(
        &mut self,
        version: Version,
        fleet: &Fleet,
        incoming: Incoming,
        outbox: &mut connection::Outbox,
        desk: &mut Desk,
    ) -> Result<(), Fault> {
        match (self.phase, incoming) {
            (
                Phase::Connecting,
                Incoming::ConnAck {
                    reason,
                    receive_maximum,
                    keep_alive_s,
                },
            ) => {
                if reason != 0 {
                    return Err(Fault(format!("CONNACK 0x{reason:02x}")));
                }
                let time = desk.came_ns.saturating_sub(self.since_ns);
                desk.times.connecting.saturating_record(time.max(1));
                if let Some(seconds) = keep_alive_s {
                    self.keep_alive_ns = u64::from(seconds) * 1_000_000_000;
                }
                self.since_ns = desk.now_ns;
                self.phase = Phase::Ready;
                match &mut self.work {
                    Work::Nothing => {}
                    Work::Publish(publisher) => publisher.lower_limit(receive_maximum),
                    Work::Receive(receiver) => {
                        let qos = fleet.subscribing.qos;
                        outbox.push(&frame::subscribe(version, &receiver.topic_filters, qos))?;
                        self.phase = Phase::Subscribing;
                    }
                }
                Ok(())
            }
            (Phase::Subscribing, Incoming::SubAck { reason }) => match reason {
                0..0x80 => {
                    self.phase = Phase::Ready;
                    Ok(())
                }
                _ => Err(Fault(format!("SUBACK 0x{reason:02x}"))),
            },
            (
                _,
                Incoming::Ack {
                    kind: PUBREL_KIND,
                    packet_id,
                    ..
                },
            ) => Ok(outbox.push(&frame::ack(PUBCOMP, packet_id))?),
            (
                Phase::Ready,
                Incoming::Ack {
                    kind,
                    packet_id,
                    reason,
                },
            ) => {
                let is_refusal = reason >= 0x80;
                let Work::Publish(publisher) = &mut self.work else {
                    return Err(unexpected(incoming));
                };
                let due_ns = publisher.acknowledged(kind, packet_id, is_refusal);
                match due_ns.map_err(|_| unexpected(incoming))? {
                    None => outbox.push(&frame::ack(PUBREL, packet_id))?,
                    Some(due_ns) => {
                        desk.counts.under_way -= 1;
                        match is_refusal {
                            true => desk.counts.refused += 1,
                            false => desk.counts.acknowledged += 1,
                        }
                        if due_ns >= desk.measure_ns {
                            let time = desk.came_ns.saturating_sub(due_ns);
                            desk.times.acknowledging.saturating_record(time.max(1));
                        }
                    }
                }
                Ok(())
            }
            (_, Incoming::Other(PINGRESP)) => {
                self.awaits_pong = false;
                Ok(())
            }
            (_, Incoming::Disconnect { reason }) => {
                Err(Fault(format!("DISCONNECT 0x{reason:02x}")))
            }
            _ => Err(unexpected(incoming)),
        }
    }
}

fn unexpected(incoming: Incoming) -> Fault {
    let name = match incoming {
        Incoming::ConnAck { .. } => "CONNACK",
        Incoming::SubAck { .. } => "SUBACK",
        Incoming::Publish { .. } => "PUBLISH",
        Incoming::Ack { .. } => "acknowledgement",
        Incoming::Disconnect { .. } => "DISCONNECT",
        Incoming::Other(_) => "packet",
    };
    Fault(format!("an unexpected {name}"))
}
