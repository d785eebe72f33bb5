//! One non-blocking connection to the broker, with the bytes that still have to go out.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Registry, Token};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::error::BenchError;
use crate::incoming::FrameSplitter;
use crate::link::Link;
use crate::run::Target;
use crate::scenario::Version;

/// Clients that share one source address before the next one is used, so that the ports of one
/// address suffice, those of connections closed a while ago included.
const CLIENTS_PER_SOURCE: u32 = 5_000;
/// Bytes that may wait to go out, per connection. More means the broker stopped reading.
const OUTBOX_MAX: usize = 16 << 20;

/// A non-blocking connection. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    link: Link,
    pub(crate) splitter: FrameSplitter,
    pub(crate) outbox: Outbox,
    /// The broker's Receive Maximum; 65 535 for 3.1.1.
    pub(crate) receive_maximum: u16,
}

/// What one call to read gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Received {
    /// So many bytes, at least 1.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The other side closed or reset the connection.
    Closed,
}

impl Connection {
    /// Begins to connect as client number `ordinal`, and registers for events.
    pub(crate) fn begin(
        registry: &Registry,
        target: &Target,
        ordinal: usize,
    ) -> Result<Self, BenchError> {
        let stream = begin_stream(target.address).map_err(BenchError::io("connecting"))?;
        let mut link = Link::client(stream, target.transport)?;
        link.register(registry, Token(ordinal))
            .map_err(BenchError::io("registering a socket"))?;
        let (splitter, outbox) = (FrameSplitter::default(), Outbox::default());
        Ok(Self {
            link,
            splitter,
            outbox,
            receive_maximum: u16::MAX,
        })
    }

    /// Over a link that is registered, keeping so many bytes of a packet that comes in pieces, besides its fields.
    pub(crate) fn over(link: Link, head_max: usize, version: Version) -> Self {
        Self {
            link,
            splitter: FrameSplitter::keeping(head_max, version),
            outbox: Outbox::default(),
            receive_maximum: u16::MAX,
        }
    }

    /// Whether something waits to be written.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.outbox.is_empty() || self.link.has_pending()
    }

    /// How long the bytes received last had waited for it; zero where nobody notes that.
    pub(crate) fn waited(&self) -> Duration {
        self.link.waited()
    }

    /// Writes what waits and ends what is over TCP, as far as the system takes it.
    pub(crate) fn finish(&mut self) -> Result<(), BenchError> {
        self.flush()?;
        self.link.finish().map_err(BenchError::io("writing"))
    }

    /// Reads once into `buffer`.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, BenchError> {
        loop {
            return match self.link.read(buffer) {
                Ok(0) => Ok(Received::Closed),
                Ok(len) => Ok(Received::Bytes(len)),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => {
                        Ok(Received::Nothing)
                    }
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                        Ok(Received::Closed)
                    }
                    _ => Err(BenchError::io("reading")(error)),
                },
            };
        }
    }

    /// Writes what waits, as far as the system takes it.
    pub(crate) fn flush(&mut self) -> Result<(), BenchError> {
        self.push_pending()?;
        while !self.outbox.is_empty() {
            let Some(len) = write_once(&mut self.link, &[IoSlice::new(self.outbox.waiting())])?
            else {
                break;
            };
            self.outbox.advance(len);
        }
        Ok(())
    }

    /// Writes `pieces` and what waits in the outbox with one call, without counting either as
    /// written. `None` when the system takes nothing for now.
    pub(crate) fn write_with(
        &mut self,
        pieces: [&[u8]; 2],
        order: Order,
    ) -> Result<Option<usize>, BenchError> {
        let [first, second] = pieces.map(IoSlice::new);
        let waiting = IoSlice::new(self.outbox.waiting());
        let slices = match order {
            Order::OutboxFirst => [waiting, first, second],
            Order::OutboxLast => [first, second, waiting],
        };
        write_once(&mut self.link, &slices)
    }

    /// Writes what has left the outbox and not gone further.
    pub(crate) fn push_pending(&mut self) -> Result<(), BenchError> {
        self.link.push_pending().map_err(BenchError::io("writing"))
    }
}

/// Where the outbox goes among other pieces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    OutboxFirst,
    OutboxLast,
}

fn write_once(link: &mut Link, slices: &[IoSlice<'_>]) -> Result<Option<usize>, BenchError> {
    loop {
        return match link.write_vectored(slices) {
            Ok(len) => Ok(Some(len)),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => Ok(None),
                _ => Err(BenchError::io("writing")(error)),
            },
        };
    }
}

/// Bytes that wait to be written, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// INVARIANT: at most `bytes.len()`.
    written: usize,
}

impl Outbox {
    /// Appends bytes; an error if the broker takes none for so long that too many wait.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        if self.bytes.len() + bytes.len() > OUTBOX_MAX {
            let full = io::Error::other("16 MiB wait to be written and the broker reads nothing");
            return Err(BenchError::io("writing")(full));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Where to append what is known to be within the bound.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Gives memory back if nothing waits.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Reserves room, so that up to so many bytes need no allocation.
    pub(crate) fn reserve(&mut self, len: usize) {
        self.bytes.reserve(len.min(OUTBOX_MAX));
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting().len()
    }

    /// Counts bytes as written.
    pub(crate) fn advance(&mut self, len: usize) {
        self.written += len;
        if self.written >= self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        }
    }

    /// The waiting bytes.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }
}

/// The loopback address the next connection comes from. Each process has addresses of its own, as
/// far as numbers go.
pub(crate) fn next_source() -> Ipv4Addr {
    static CLIENTS: AtomicU32 = AtomicU32::new(0);
    let group = CLIENTS.fetch_add(1, Ordering::Relaxed) / CLIENTS_PER_SOURCE;
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let [_, _, _, last] = (1 + group % 254).to_be_bytes();
    Ipv4Addr::new(127, high | 0x80, low, last)
}

fn begin_stream(broker: SocketAddr) -> io::Result<TcpStream> {
    // Only Linux answers for all of 127.0.0.0/8 without being told to.
    let from_own = cfg!(target_os = "linux") && broker.is_ipv4();
    connect_from(broker, from_own.then(|| IpAddr::V4(next_source())))
}

/// Begins to connect, from this address if there is one.
pub(crate) fn connect_from(broker: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(broker),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source {
        socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
    }
    match socket.connect(&SockAddr::from(broker)) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        #[cfg(unix)]
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outbox_keeps_order_and_its_bound() {
        let mut outbox = Outbox::default();
        outbox.push(b"abcd").unwrap();
        outbox.advance(1);
        outbox.push(b"ef").unwrap();
        assert_eq!(outbox.waiting(), b"bcdef");
        outbox.advance(5);
        assert!(outbox.is_empty());
        assert!(outbox.push(&vec![0; OUTBOX_MAX]).is_ok());
        assert!(outbox.push(b"x").is_err());
    }
}
