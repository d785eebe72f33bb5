//! The floor: one thread that copies a publisher's bytes to its subscribers unread.
//!
//! It answers CONNECT and SUBSCRIBE. From a client's first PUBLISH it takes the topic and the
//! packet's length; from then on it cuts the client's bytes at multiples of that length and copies
//! them to the clients that had subscribed by then. QoS 0 only, equal packets only.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::connection::Outbox;
use crate::error::BenchError;
use crate::handshake::wait_for;
use crate::incoming::size_of;
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
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    is_v5: bool,
    topic_filter: Option<Vec<u8>>,
    /// Set by the first PUBLISH.
    copying: Option<Copying>,
    /// The beginning of a packet that is not whole yet.
    carry: Vec<u8>,
    outbox: Outbox,
}

#[derive(Clone)]
struct Copying {
    frame_len: usize,
    to: Vec<usize>,
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
            clients: Vec::new(),
            free: Vec::new(),
            buffer,
        })
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
        let messages = !matches!(scenario.loop_kind, LoopKind::Idle | LoopKind::Churn);
        let plain =
            scenario.qos == QoS::AtMostOnce && matches!(scenario.topics, Topics::Own | Topics::All);
        !messages || (plain && scenario.offline_per_topic == 0)
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
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), BenchError> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(BenchError::io("accepting")(error)),
            };
            let index = self.free.pop().unwrap_or(self.clients.len());
            stream
                .set_nodelay(true)
                .map_err(BenchError::io("setting a socket option"))?;
            self.poll
                .registry()
                .register(
                    &mut stream,
                    Token(index),
                    Interest::READABLE | Interest::WRITABLE,
                )
                .map_err(BenchError::io("registering a socket"))?;
            let client = Some(Client {
                stream,
                is_v5: false,
                topic_filter: None,
                copying: None,
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
            let len = match client.stream.read(space) {
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
        while self.clients.get(index)?.as_ref()?.copying.is_none() {
            let rest = bytes.get(used..)?;
            let Some((body_at, len)) = size_of(rest).ok()? else {
                return Some(used);
            };
            let Some(packet) = rest.get(..len) else {
                return (len <= READ_LEN / 2).then_some(used);
            };
            let body = packet.get(body_at..)?;
            if packet.first()? >> 4 == 3 {
                let to = self.wanting(string_at(body)?);
                self.clients.get_mut(index)?.as_mut()?.copying =
                    Some(Copying { frame_len: len, to });
                break;
            }
            self.answer(index, *packet.first()?, body)?;
            used += len;
        }
        // The list is lent out while writing.
        let copying = self.clients.get_mut(index)?.as_mut()?.copying.take()?;
        let rest = bytes.get(used..)?;
        let whole = rest.len() - rest.len() % copying.frame_len;
        for &to in &copying.to {
            self.write_to(to, rest.get(..whole));
        }
        if let Some(Some(client)) = self.clients.get_mut(index) {
            client.copying = Some(copying);
        }
        Some(used + whole)
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
                client.topic_filter = Some(string_at(body.get(filter_at..)?)?.to_vec());
                if client.is_v5 {
                    &[0x90, 4, high, low, 0, 0]
                } else {
                    &[0x90, 3, high, low, 0]
                }
            }
            // Acknowledgements go nowhere: the relay keeps no state that waits for them.
            4..=7 => return Some(()),
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
        while !self.outbox.is_empty() {
            match self.stream.write(self.outbox.waiting()) {
                Ok(len) => self.outbox.advance(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return None,
            }
        }
        while self.outbox.is_empty() && !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(len) => bytes = bytes.get(len..)?,
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
    fn only_loopback_is_served() {
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        assert!(matches!(
            Relay::bind(everywhere),
            Err(BenchError::NotLoopback)
        ));
    }
}
