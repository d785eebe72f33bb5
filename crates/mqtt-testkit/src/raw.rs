//! A client that keeps no rule: bytes out, packets in, each within a deadline.

use mqtt_codec::{Packet, ProtocolVersion, frame};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long every operation may take unless told otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// The largest packet taken from the other end, in bytes.
const RECEIVED_LEN_MAX: u32 = 16 * 1024 * 1024;
/// Bytes asked of the socket at a time.
const CHUNK_LEN: usize = 16 * 1024;

/// A TCP connection that sends what it is told to, and splits what comes into packets.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    version: ProtocolVersion,
    time_limit: Duration,
    /// Bytes received and not yet taken.
    kept: Vec<u8>,
}

/// One whole Control Packet as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawPacket {
    version: ProtocolVersion,
    bytes: Vec<u8>,
}

impl RawPacket {
    /// The packet, fixed header included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it says.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when it is no packet of the client's version.
    pub fn packet(&self) -> io::Result<Packet<'_>> {
        let found = frame(&self.bytes, RECEIVED_LEN_MAX).map_err(invalid)?;
        let found = found.ok_or(ErrorKind::UnexpectedEof)?;
        Packet::decode(found, self.version).map_err(invalid)
    }
}

impl RawClient {
    /// Connects; `version` is what packets are encoded and decoded as.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect(addr: SocketAddr, version: ProtocolVersion) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, TIME_LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(TIME_LIMIT))?;
        Ok(Self {
            stream,
            version,
            time_limit: TIME_LIMIT,
            kept: Vec::new(),
        })
    }

    /// Sets how long each later receive may take; 10 s at first.
    pub const fn set_time_limit(&mut self, time_limit: Duration) {
        self.time_limit = time_limit;
    }

    /// The version packets are encoded and decoded as.
    pub const fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// The socket, for shutting one half down or for reading without this client's buffer.
    pub const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends `bytes`, whatever they are.
    ///
    /// # Errors
    /// What the system says.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends `packet`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the version has no such packet, else what the system says.
    pub fn send(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let bytes = self.encode(packet)?;
        self.send_bytes(&bytes)
    }

    /// The bytes of `packet`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the version has no such packet.
    pub fn encode(&self, packet: &Packet<'_>) -> io::Result<Vec<u8>> {
        let refused = |error| io::Error::new(ErrorKind::InvalidInput, format!("{error}"));
        let len = packet.encoded_len(self.version).map_err(refused)?;
        let mut bytes = vec![0; len];
        packet.encode(self.version, &mut bytes).map_err(refused)?;
        Ok(bytes)
    }

    /// Waits for the next whole packet.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] when the other end has closed, [`ErrorKind::TimedOut`] when nothing whole
    /// came in time, [`ErrorKind::InvalidData`] for bytes that cannot be split into packets.
    pub fn receive(&mut self) -> io::Result<RawPacket> {
        let deadline = Instant::now() + self.time_limit;
        loop {
            if let Some(found) = frame(&self.kept, RECEIVED_LEN_MAX).map_err(invalid)? {
                let len = found.len;
                let behind = self.kept.split_off(len);
                let bytes = std::mem::replace(&mut self.kept, behind);
                return Ok(RawPacket {
                    version: self.version,
                    bytes,
                });
            }
            if self.read(deadline)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads until the other end closes, and returns all that came before.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] when it does not close in time.
    pub fn receive_to_end(&mut self) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + self.time_limit;
        loop {
            match self.read(deadline) {
                Ok(0) => return Ok(std::mem::take(&mut self.kept)),
                Ok(_) => {}
                // Closed with bytes of ours unread: closed all the same.
                Err(error) if is_closed(&error) => return Ok(std::mem::take(&mut self.kept)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Tells the other end that nothing more will come; what it sends can still be read.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    fn read(&mut self, deadline: Instant) -> io::Result<usize> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; CHUNK_LEN];
        let len = match self.stream.read(&mut chunk) {
            // Some systems call a timeout of a blocking socket this.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            read => read?,
        };
        self.kept
            .extend_from_slice(chunk.get(..len).unwrap_or_default());
        Ok(len)
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
    )
}

fn invalid(error: mqtt_codec::DecodeError) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{error}"))
}
