//! `ProxyHeader`: what a load balancer says about the client it forwards, ahead of the client's own bytes.

mod error;
mod v1;
mod v2;

pub use error::ProxyHeaderError;

use crate::Stream;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line of version 1, with its end, in bytes.
pub(super) const LINE_LEN_MAX: usize = 107;

/// The longest header of version 2, in bytes; a client's whole certificate fits, should the proxy add it.
pub(super) const BINARY_LEN_MAX: usize = 4096;

/// Both versions are longer than this, and it tells which one it is. Unit: bytes.
const START_LEN: usize = v2::SIGNATURE.len();

/// What a load balancer says about the client it forwards: the PROXY protocol of HAProxy, version 1 or 2.
///
/// Only a proxy that is trusted may be believed: anybody can write such a header.
///
/// ```
/// use mqtt_io::ProxyHeader;
///
/// let bytes = b"PROXY TCP4 192.0.2.7 198.51.100.1 40312 1883\r\n\x10\x0c";
/// let (header, len) = ProxyHeader::decode(bytes)?.ok_or("more to come")?;
/// assert_eq!(header.source(), Some("192.0.2.7:40312".parse()?));
/// assert_eq!(bytes.get(len..), Some(&b"\x10\x0c"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyHeader {
    addresses: ProxyAddresses,
    tls: Option<ProxyTls>,
    server_name: Option<Box<str>>,
}

/// Between whom the proxy has forwarded.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProxyAddresses {
    /// The proxy speaks for itself, as it does to see whether we are alive; the socket's own addresses hold.
    Local,
    /// It forwards and does not say for whom; the socket's own addresses hold.
    Unknown,
    /// By IPv4 or IPv6.
    Ip {
        /// The client.
        source: SocketAddr,
        /// What the client connected to.
        destination: SocketAddr,
    },
    /// By a unix socket at the proxy.
    Unix {
        /// The client's path, as a rule empty.
        source: Box<[u8]>,
        /// What the client connected to.
        destination: Box<[u8]>,
    },
}

/// What the proxy says about the TLS connection that ended at it; version 2 only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyTls {
    /// The version, such as `TLSv1.3`.
    version: Option<Box<str>>,
    /// The Common Name of the client's certificate.
    common_name: Option<Box<str>>,
    is_certificate_good: bool,
}

impl ProxyTls {
    /// The version as the proxy calls it, such as `TLSv1.3`.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The Common Name of a certificate the client has shown and the proxy has found good; no other.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name
            .as_deref()
            .filter(|_| self.is_certificate_good)
    }
}

impl ProxyHeader {
    /// Reads the header that has to begin what comes on `stream`, and not a byte more.
    ///
    /// It has no time limit of its own, and at most 4 KiB of memory. What can be no header is refused with its first
    /// wrong byte.
    ///
    /// # Errors
    /// What came is no header, or one that says nothing of use; the connection ended or failed.
    pub async fn read(stream: &mut Stream) -> Result<Self, ProxyHeaderError> {
        let mut header = Vec::with_capacity(LINE_LEN_MAX);
        loop {
            match missing(&header)? {
                Missing::Nothing => break,
                Missing::Bytes(len) => read_some(stream, &mut header, len).await?,
                Missing::Line(len_max) => read_line(stream, &mut header, len_max).await?,
            }
        }
        let decoded = Self::decode(&header)?;
        let read = header.len();
        decoded
            .map(|(header, _)| header)
            .ok_or(ProxyHeaderError::Ended { read })
    }

    /// The header at the beginning of `bytes` and its length; none when more bytes are needed.
    ///
    /// # Errors
    /// What is wrong with it, as soon as the bytes show it.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProxyHeaderError> {
        match missing(bytes)? {
            Missing::Nothing if bytes.starts_with(v2::SIGNATURE) => v2::decode(bytes).map(Some),
            Missing::Nothing => v1::decode(bytes).map(Some),
            Missing::Bytes(_) | Missing::Line(_) => Ok(None),
        }
    }

    /// Between whom the proxy has forwarded.
    pub const fn addresses(&self) -> &ProxyAddresses {
        &self.addresses
    }

    /// The address of the client; none where the socket's own holds, and for a unix socket.
    pub const fn source(&self) -> Option<SocketAddr> {
        match self.addresses {
            ProxyAddresses::Ip { source, .. } => Some(source),
            _ => None,
        }
    }

    /// What the client's TLS was, if it used any and the proxy says so.
    pub const fn tls(&self) -> Option<&ProxyTls> {
        self.tls.as_ref()
    }

    /// The name the client has asked for in TLS.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    const fn of_addresses(addresses: ProxyAddresses) -> Self {
        Self {
            addresses,
            tls: None,
            server_name: None,
        }
    }
}

/// What a header needs beyond the bytes that are there.
enum Missing {
    /// It is whole.
    Nothing,
    /// At least so many bytes more, which are the header's.
    Bytes(usize),
    /// What is left of a line, so many bytes at most.
    Line(usize),
}

fn missing(bytes: &[u8]) -> Result<Missing, ProxyHeaderError> {
    let start = bytes.get(..START_LEN).unwrap_or(bytes);
    let is_line = start.starts_with(v1::PREFIX) || v1::PREFIX.starts_with(start);
    if !is_line && !v2::SIGNATURE.starts_with(start) {
        return Err(ProxyHeaderError::Missing);
    }
    if start.len() < START_LEN && !start.contains(&b'\n') {
        return Ok(Missing::Bytes(START_LEN - start.len()));
    }
    if is_line {
        return v1::missing(bytes);
    }
    v2::missing(bytes)
}

/// Reads `len` bytes at most, at least one.
async fn read_some(
    stream: &mut (impl AsyncRead + Unpin),
    header: &mut Vec<u8>,
    len: usize,
) -> Result<(), ProxyHeaderError> {
    let before = header.len();
    let len_max = u64::try_from(len).unwrap_or(u64::MAX);
    let read = stream.take(len_max).read_buf(header).await;
    match read.map_err(ProxyHeaderError::Io)? {
        0 => Err(ProxyHeaderError::Ended { read: before }),
        _ => Ok(()),
    }
}

/// Reads up to the end of the line: in two calls to the system where it shows what has come, else byte by byte.
async fn read_line(
    stream: &mut Stream,
    header: &mut Vec<u8>,
    len_max: usize,
) -> Result<(), ProxyHeaderError> {
    let mut len = 1;
    if let Stream::Tcp(tcp) = stream {
        let mut shown = [0; LINE_LEN_MAX];
        let room = shown.get_mut(..len_max).unwrap_or_default();
        let come = tcp.peek(room).await.map_err(ProxyHeaderError::Io)?;
        let shown = shown.get(..come).unwrap_or_default();
        let end = shown.iter().position(|byte| *byte == b'\n');
        // Without an end all of it is of the line.
        len = end.map_or(come, |end| end + 1).max(1);
    }
    read_some(stream, header, len).await
}

impl From<io::Error> for ProxyHeaderError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests;
