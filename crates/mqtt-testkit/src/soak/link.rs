//! One TCP connection that is never waited for.

use mqtt_codec::{Packet, ProtocolVersion};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a connection may take to be accepted.
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// Bytes asked of the socket at a time.
const CHUNK_LEN: usize = 16 * 1024;

/// A connection with what waits on both sides of it.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    version: ProtocolVersion,
    /// Bytes received and not yet understood.
    pub(super) kept: Vec<u8>,
    /// Bytes to be sent.
    out: Vec<u8>,
}

/// What reading came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// There was something, or nothing.
    Open,
    /// The other end has closed.
    Closed,
}

impl Link {
    pub(super) fn open(addr: SocketAddr, version: ProtocolVersion) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, CONNECT_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            version,
            kept: Vec::new(),
            out: Vec::new(),
        })
    }

    /// The version its packets are of.
    pub(super) const fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Bytes that wait to be sent.
    pub(super) const fn unsent(&self) -> usize {
        self.out.len()
    }

    /// Adds a packet to what is to be sent; its length in bytes.
    ///
    /// # Errors
    /// The version has no such packet.
    pub(super) fn send(&mut self, packet: &Packet<'_>) -> io::Result<usize> {
        let refused = |error| io::Error::new(ErrorKind::InvalidInput, format!("{error}"));
        let len = packet.encoded_len(self.version).map_err(refused)?;
        let at = self.out.len();
        self.out.resize(at + len, 0);
        let place = self.out.get_mut(at..).unwrap_or_default();
        packet.encode(self.version, place).map_err(refused)
    }

    /// Takes the last `len` bytes of what is to be sent away again.
    pub(super) fn cut(&mut self, len: usize) {
        self.out.truncate(self.out.len().saturating_sub(len));
    }

    /// Sends what the socket takes.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while let Some(rest) = self.out.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.drain(..sent);
        Ok(())
    }

    /// Reads what is there, but not much more than `len_max` bytes.
    pub(super) fn read(&mut self, len_max: usize) -> Reading {
        let mut chunk = [0; CHUNK_LEN];
        let mut total = 0;
        while total < len_max {
            let room = chunk.get_mut(..CHUNK_LEN.min(len_max)).unwrap_or_default();
            match self.stream.read(room) {
                Ok(0) => return Reading::Closed,
                Ok(len) => {
                    total += len;
                    self.kept
                        .extend_from_slice(chunk.get(..len).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Reading::Closed,
            }
        }
        Reading::Open
    }
}
