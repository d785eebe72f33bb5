//! The floor: one thread that copies a publisher's bytes to its subscribers unread.
//!
//! It answers CONNECT and SUBSCRIBE. From a client's first PUBLISH it takes the topic, the QoS and
//! the packet's length; from then on it cuts the client's bytes at multiples of that length and
//! copies them to the clients that had subscribed by then, or one by one in turn where these share
//! a subscription. Equal packets only.
//!
//! Above QoS 0 it reads, of each packet, its type and its Packet Identifier, answers with four
//! bytes, and passes the identifier on as it is: it remembers nothing, so it would lose and repeat
//! messages that a broker may not. What a subscriber acknowledges at QoS 1 it does not even look at.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::connection::Outbox;
use crate::error::BenchError;
use crate::frame::{ACK_LEN, PUBACK, PUBCOMP, PUBREC, PUBREL, ack};
use crate::handshake::wait_for;
use crate::incoming::size_of;
use crate::link::{Link, server_config};
use crate::scenario::{LoopKind, QoS, Scenario, Topics};

const LISTENER: Token = Token(usize::MAX);
/// Bytes one read may take, and so the longest packet.
const READ_LEN: usize = 2 << 20;
/// Bytes one read takes of a client whose packets are short.
const READ_SHORT_LEN: usize = 256 * 1024;

/// The copying relay.
pub struct Relay {
    poll: Poll,
    listener: TcpListener,
    /// With it each connection is inside TLS.
    tls: Option<Arc<rustls::ServerConfig>>,
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    /// Acknowledgements that go out together. Empty between two batches.
    acks: Vec<u8>,
    /// Clients that are written to when all that is there has been read, as several publish to them.
    later: Vec<usize>,
}

struct Client {
    link: Link,
    is_v5: bool,
    topic_filter: Option<Vec<u8>>,
    is_shared: bool,
    /// What it publishes; set by its first PUBLISH.
    copying: Option<Copying>,
    /// The QoS of what is copied to it, if that is above 0: then it sends acknowledgements alone.
    acknowledges: Option<QoS>,
    /// How many clients publish to it.
    sources: usize,
    /// It is among those written to later.
    is_later: bool,
    /// The beginning of a packet that is not whole yet.
    carry: Vec<u8>,
    outbox: Outbox,
}

struct Copying {
    qos: QoS,
    frame_len: usize,
    /// Where the Packet Identifier is in a packet above QoS 0.
    packet_id_at: usize,
    to: Vec<usize>,
    /// Whose turn it is, where one client gets each message.
    turn: Option<usize>,
}

impl Relay {
    /// Listens on a loopback address; port 0 takes a free port.
    ///
    /// # Errors
    /// The address is not a loopback address, or the system refuses it.
    pub fn bind(address: SocketAddr) -> Result<Self, BenchError> {
        if !address.ip().is_loopback() {
            return Err(BenchError::NotLoopback);
        }
        let poll = Poll::new().map_err(BenchError::io("creating a poll"))?;
        let mut listener = TcpListener::bind(address).map_err(BenchError::io("listening"))?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .map_err(BenchError::io("registering a socket"))?;
        let buffer = vec![0; READ_LEN];
        Ok(Self {
            poll,
            listener,
            tls: None,
            clients: Vec::new(),
            free: Vec::new(),
            buffer,
            acks: Vec::new(),
            later: Vec::new(),
        })
    }

    /// The same inside TLS, with a certificate and its key from files in PEM.
    ///
    /// # Errors
    /// As [`Relay::bind`], and when a file is not what it should be.
    pub fn bind_tls(
        address: SocketAddr,
        certificate: &Path,
        key: &Path,
    ) -> Result<Self, BenchError> {
        let tls = Some(server_config(certificate, key)?);
        Self::bind(address).map(|relay| Self { tls, ..relay })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn address(&self) -> Result<SocketAddr, BenchError> {
        self.listener
            .local_addr()
            .map_err(BenchError::io("asking for the address"))
    }

    /// Whether the relay can serve this scenario.
    #[must_use]
    pub fn serves(scenario: &Scenario) -> bool {
        let is_served = match scenario.loop_kind {
            LoopKind::Idle | LoopKind::Churn => return true,
            LoopKind::Closed | LoopKind::Open { .. } => scenario.offline_per_topic == 0,
            LoopKind::Retain { .. } | LoopKind::Offline { .. } => false,
        };
        // With several publishers to one subscriber, Packet Identifiers would meet.
        is_served
            && match scenario.topics {
                Topics::Own => true,
                Topics::All | Topics::Shared => scenario.qos == QoS::AtMostOnce,
                Topics::Spread { .. } => false,
            }
    }

    /// Serves until `stop` is set; looks at it every 50 ms.
    ///
    /// # Errors
    /// The system refuses to wait for events or to accept.
    pub fn serve(&mut self, stop: &AtomicBool) -> Result<(), BenchError> {
        let mut events = Events::with_capacity(1024);
        while !stop.load(Ordering::Relaxed) {
            wait_for(&mut self.poll, &mut events, Duration::from_millis(50))?;
            for event in &events {
                let index = event.token().0;
                if event.token() == LISTENER {
                    self.accept()?;
                    continue;
                }
                if event.is_writable() {
                    self.write_to(index, None);
                }
                if event.is_readable() {
                    self.read_from(index);
                }
            }
            while let Some(index) = self.later.pop() {
                if let Some(Some(client)) = self.clients.get_mut(index) {
                    client.is_later = false;
                }
                self.write_to(index, None);
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), BenchError> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(BenchError::io("accepting")(error)),
            };
            let index = self.free.pop().unwrap_or(self.clients.len());
            stream
                .set_nodelay(true)
                .map_err(BenchError::io("setting a socket option"))?;
            let mut link = Link::server(stream, self.tls.as_ref())?;
            link.register(self.poll.registry(), Token(index))
                .map_err(BenchError::io("registering a socket"))?;
            let client = Some(Client {
                link,
                is_v5: false,
                topic_filter: None,
                is_shared: false,
                copying: None,
                acknowledges: None,
                sources: 0,
                is_later: false,
                carry: Vec::new(),
                outbox: Outbox::default(),
            });
            match self.clients.get_mut(index) {
                Some(place) => *place = client,
                None => self.clients.push(client),
            }
        }
    }

    /// Reads until nothing is left. A client that misbehaves or leaves is dropped.
    fn read_from(&mut self, index: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(Some(client)) = self.clients.get_mut(index) {
            let carried = client.carry.len();
            let frame_len = client
                .copying
                .as_ref()
                .map_or(0, |copying| copying.frame_len);
            let room = if frame_len * 2 > READ_SHORT_LEN {
                READ_LEN
            } else {
                READ_SHORT_LEN
            };
            let (Some(front), Some(_)) = (buffer.get_mut(..carried), room.checked_sub(carried))
            else {
                self.close(index);
                break;
            };
            front.copy_from_slice(&client.carry);
            let Some(space) = buffer
                .get_mut(carried..room)
                .filter(|space| !space.is_empty())
            else {
                self.close(index);
                break;
            };
            let space_len = space.len();
            let len = match client.link.read(space) {
                Ok(len) if len > 0 => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(_) | Err(_) => {
                    self.close(index);
                    break;
                }
            };
            let filled = buffer.get(..carried + len).unwrap_or_default();
            let Some(used) = self.handle(index, filled) else {
                self.close(index);
                break;
            };
            if let Some(Some(client)) = self.clients.get_mut(index) {
                client.carry.clear();
                client
                    .carry
                    .extend_from_slice(filled.get(used..).unwrap_or_default());
            }
            // On Linux a short read means that there is no more.
            if cfg!(target_os = "linux") && len < space_len {
                break;
            }
        }
        self.buffer = buffer;
    }

    /// Handles the bytes of a client and tells how many are used up. `None`: close the client.
    fn handle(&mut self, index: usize, bytes: &[u8]) -> Option<usize> {
        let mut used = 0;
        loop {
            let client = self.clients.get(index)?.as_ref()?;
            if let Some(qos) = client.acknowledges {
                return self
                    .complete(index, qos, bytes.get(used..)?)
                    .map(|len| used + len);
            }
            if client.copying.is_some() {
                break;
            }
            let rest = bytes.get(used..)?;
            let Some((body_at, len)) = size_of(rest).ok()? else {
                return Some(used);
            };
            let Some(packet) = rest.get(..len) else {
                return (len <= READ_LEN / 2).then_some(used);
            };
            if packet.first()? >> 4 == 3 {
                let copying = self.begin(packet, body_at)?;
                self.clients.get_mut(index)?.as_mut()?.copying = Some(copying);
                break;
            }
            self.answer(index, *packet.first()?, packet.get(body_at..)?)?;
            used += len;
        }
        // What to do is lent out while it is done.
        let mut copying = self.clients.get_mut(index)?.as_mut()?.copying.take()?;
        let passed = match (copying.qos, copying.turn) {
            (QoS::AtMostOnce, None) => self.copy(&copying, bytes.get(used..)?)?,
            (QoS::AtMostOnce, Some(_)) => self.deal_out(&mut copying, bytes.get(used..)?)?,
            _ => self.acknowledge(index, &copying, bytes.get(used..)?)?,
        };
        if let Some(Some(client)) = self.clients.get_mut(index) {
            client.copying = Some(copying);
        }
        Some(used + passed)
    }

    /// What follows from a client's first PUBLISH. From now on its subscribers send
    /// acknowledgements and nothing else.
    fn begin(&mut self, packet: &[u8], body_at: usize) -> Option<Copying> {
        let topic_name = string_at(packet.get(body_at..)?)?;
        let qos = match packet.first()? >> 1 & 3 {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        let to = self.wanting(topic_name);
        let mut turn = None;
        for index in &to {
            let client = self.clients.get_mut(*index)?.as_mut()?;
            client.sources += 1;
            client.acknowledges = (qos != QoS::AtMostOnce).then_some(qos);
            if client.is_shared {
                turn = Some(0);
            }
        }
        Some(Copying {
            qos,
            frame_len: packet.len(),
            packet_id_at: body_at + 2 + topic_name.len(),
            to,
            turn,
        })
    }

    /// Copies all whole packets to all subscribers.
    fn copy(&mut self, copying: &Copying, bytes: &[u8]) -> Option<usize> {
        let whole = bytes.len() - bytes.len() % copying.frame_len;
        for &to in &copying.to {
            let client = self.clients.get(to).and_then(Option::as_ref);
            match client.is_some_and(|client| client.sources > 1) {
                true => self.put_by(to, bytes.get(..whole)?)?,
                false => self.write_to(to, bytes.get(..whole)),
            }
        }
        Some(whole)
    }

    /// Copies each whole packet to the subscriber whose turn it is.
    fn deal_out(&mut self, copying: &mut Copying, bytes: &[u8]) -> Option<usize> {
        let mut turn = copying.turn?;
        let packets = bytes.chunks_exact(copying.frame_len);
        let used = bytes.len() - packets.remainder().len();
        for packet in packets {
            self.put_by(*copying.to.get(turn)?, packet)?;
            turn = if turn + 1 < copying.to.len() {
                turn + 1
            } else {
                0
            };
        }
        copying.turn = Some(turn);
        Some(used)
    }

    /// Copies all whole PUBLISHes to all subscribers, and answers each, and each PUBREL between.
    fn acknowledge(&mut self, index: usize, copying: &Copying, bytes: &[u8]) -> Option<usize> {
        let answer = match copying.qos {
            QoS::ExactlyOnce => PUBREC,
            _ => PUBACK,
        };
        let mut acks = std::mem::take(&mut self.acks);
        // Where the packets begin that are not copied yet, and where to go on.
        let (mut from, mut at) = (0, 0);
        while let Some(first) = bytes.get(at) {
            let (kind, id_at, len) = match first & 0xF0 {
                0x30 => (answer, copying.packet_id_at, copying.frame_len),
                0x60 => (PUBCOMP, 2, ACK_LEN),
                _ => return None,
            };
            let Some(packet) = bytes.get(at..at + len) else {
                break;
            };
            let packet_id = u16::from_be_bytes(*packet.get(id_at..)?.first_chunk()?);
            acks.extend_from_slice(&ack(kind, packet_id));
            if kind == PUBCOMP {
                for &to in copying.to.iter().filter(|_| from < at) {
                    self.put_by(to, bytes.get(from..at)?)?;
                }
                from = at + len;
            }
            at += len;
        }
        for &to in &copying.to {
            self.write_to(to, bytes.get(from..at));
        }
        self.write_to(index, Some(&acks));
        acks.clear();
        self.acks = acks;
        Some(at)
    }

    /// Keeps bytes for a client until all that is there has been read.
    fn put_by(&mut self, to: usize, bytes: &[u8]) -> Option<()> {
        let Some(Some(client)) = self.clients.get_mut(to) else {
            return Some(());
        };
        if !client.is_later {
            client.is_later = true;
            self.later.push(to);
        }
        client.outbox.push(bytes).ok()
    }

    /// Answers each PUBREC of a subscriber, and drops what else it acknowledges.
    fn complete(&mut self, index: usize, qos: QoS, bytes: &[u8]) -> Option<usize> {
        if qos != QoS::ExactlyOnce {
            return Some(bytes.len());
        }
        let packets = bytes.as_chunks::<ACK_LEN>();
        let mut acks = std::mem::take(&mut self.acks);
        for [first, _, high, low] in packets.0 {
            if *first == PUBREC {
                acks.extend_from_slice(&[PUBREL, 2, *high, *low]);
            }
        }
        self.write_to(index, Some(&acks));
        acks.clear();
        self.acks = acks;
        Some(bytes.len() - packets.1.len())
    }

    fn answer(&mut self, index: usize, first_byte: u8, body: &[u8]) -> Option<()> {
        let client = self.clients.get_mut(index)?.as_mut()?;
        let answer: &[u8] = match first_byte >> 4 {
            1 => {
                client.is_v5 = *body.get(6)? == 5;
                if client.is_v5 {
                    &[0x20, 3, 0, 0, 0]
                } else {
                    &[0x20, 2, 0, 0]
                }
            }
            8 => {
                let [high, low] = *body.first_chunk()?;
                let filter_at = if client.is_v5 { 3 } else { 2 };
                let topic_filter = string_at(body.get(filter_at..)?)?;
                let shared = without_share(topic_filter);
                client.is_shared = shared.is_some();
                client.topic_filter = Some(shared.unwrap_or(topic_filter).to_vec());
                if client.is_v5 {
                    &[0x90, 4, high, low, 0, 0]
                } else {
                    &[0x90, 3, high, low, 0]
                }
            }
            12 => &[0xD0, 0],
            _ => return None,
        };
        let answer = answer.to_vec();
        self.write_to(index, Some(&answer));
        Some(())
    }

    /// The clients that want a topic.
    fn wanting(&self, topic_name: &[u8]) -> Vec<usize> {
        let wants = |client: &Client| {
            client
                .topic_filter
                .as_deref()
                .is_some_and(|filter| matches(filter, topic_name))
        };
        let clients = self.clients.iter().enumerate();
        clients
            .filter(|(_, c)| c.as_ref().is_some_and(wants))
            .map(|(index, _)| index)
            .collect()
    }

    /// Writes what waits for a client, then `bytes`; what the system does not take waits.
    fn write_to(&mut self, index: usize, bytes: Option<&[u8]>) {
        let Some(Some(client)) = self.clients.get_mut(index) else {
            return;
        };
        if client.write(bytes.unwrap_or_default()).is_none() {
            self.close(index);
        }
    }

    fn close(&mut self, index: usize) {
        if let Some(place) = self.clients.get_mut(index)
            && place.take().is_some()
        {
            self.free.push(index);
        }
    }
}

impl Client {
    fn write(&mut self, mut bytes: &[u8]) -> Option<()> {
        self.link.push_pending().ok()?;
        while !(self.outbox.is_empty() && bytes.is_empty()) {
            let waiting = self.outbox.waiting();
            let slices = [IoSlice::new(waiting), IoSlice::new(bytes)];
            let written = match (waiting.is_empty(), bytes.is_empty()) {
                (true, _) => self.link.write_vectored(&slices[1..]),
                (_, true) => self.link.write_vectored(&slices[..1]),
                _ => self.link.write_vectored(&slices),
            };
            match written {
                Ok(len) => {
                    let of_outbox = len.min(waiting.len());
                    self.outbox.advance(of_outbox);
                    bytes = bytes.get(len - of_outbox..)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return None,
            }
        }
        if bytes.is_empty() {
            Some(())
        } else {
            self.outbox.push(bytes).ok()
        }
    }
}

fn string_at(bytes: &[u8]) -> Option<&[u8]> {
    let len = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
    bytes.get(2..2 + len)
}

/// The filter behind `$share/NAME/`, if it is shared.
fn without_share(topic_filter: &[u8]) -> Option<&[u8]> {
    let behind = topic_filter.strip_prefix(b"$share/")?;
    let name_len = behind.iter().position(|byte| *byte == b'/')?;
    behind.get(name_len + 1..)
}

/// Whether a filter, with `+` for whole levels, takes a topic.
fn matches(topic_filter: &[u8], topic_name: &[u8]) -> bool {
    let mut names = topic_name.split(|byte| *byte == b'/');
    let mut filters = topic_filter.split(|byte| *byte == b'/');
    loop {
        match (filters.next(), names.next()) {
            (None, None) => return true,
            (Some(filter), Some(name)) if filter == b"+" || filter == name => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_level_by_level() {
        assert!(matches(b"bench/+", b"bench/00001"));
        assert!(matches(b"bench/00001", b"bench/00001"));
        assert!(!matches(b"bench/00002", b"bench/00001"));
        assert!(!matches(b"bench/+", b"bench/1/2"));
        assert!(!matches(b"bench/+", b"bench"));
    }

    #[test]
    fn a_shared_filter_is_found_behind_its_name() {
        assert_eq!(without_share(b"$share/g/a/+"), Some(&b"a/+"[..]));
        assert_eq!(without_share(b"a/+"), None);
        assert_eq!(without_share(b"$share/g"), None);
    }

    #[test]
    fn only_loopback_is_served() {
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        assert!(matches!(
            Relay::bind(everywhere),
            Err(BenchError::NotLoopback)
        ));
    }
}
