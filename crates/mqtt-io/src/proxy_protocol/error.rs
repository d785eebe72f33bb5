//! Why there is no PROXY header.

use super::{BINARY_LEN_MAX, LINE_LEN_MAX};
use std::io;

/// Why there is no PROXY header, or one of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// What comes begins with something else: the other end is no proxy, or one that was not told to send a header.
    #[error(
        "the connection does not begin with a PROXY header; is the other end a proxy that sends one?"
    )]
    Missing,
    /// The connection ended before the header did.
    #[error("the connection ended {read} bytes into the PROXY header")]
    Ended {
        /// Bytes that have come.
        read: usize,
    },
    /// A line of version 1 that does not end in time.
    #[error("a PROXY line of more than {LINE_LEN_MAX} bytes")]
    LineLen,
    /// A line of version 1 that ends with a line feed alone.
    #[error("a PROXY line that does not end with CR LF")]
    LineEnd,
    /// A line of version 1 for none of `TCP4`, `TCP6` and `UNKNOWN`.
    #[error("a PROXY line for none of TCP4, TCP6, UNKNOWN")]
    Protocol,
    /// A field of a line of version 1 that is missing or cannot be read.
    #[error("a PROXY line whose {field} cannot be read")]
    Field {
        /// Which.
        field: &'static str,
    },
    /// A line of version 1 with more than its fields.
    #[error("a PROXY line with more than two addresses and two ports")]
    Excess,
    /// The signature of version 2 with another version behind it.
    #[error("version {version} of the PROXY protocol, not 1 or 2")]
    Version {
        /// Which, 0 to 15.
        version: u8,
    },
    /// A command of version 2 that is neither LOCAL nor PROXY.
    #[error("PROXY command {command}, neither LOCAL (0) nor PROXY (1)")]
    Command {
        /// Which, 2 to 15.
        command: u8,
    },
    /// Addresses of version 2 of a kind that is not defined, or that are of datagrams.
    #[error(
        "a PROXY header for connections of kind {kind:#04x}, which are no streams of IPv4, IPv6 or unix sockets"
    )]
    Kind {
        /// Address family and transport, as they came.
        kind: u8,
    },
    /// A header of version 2 over the limit.
    #[error("a PROXY header of {len} bytes, over {BINARY_LEN_MAX}")]
    Len {
        /// The length it announces, with its own 16 bytes.
        len: usize,
    },
    /// A header of version 2 that ends within its addresses.
    #[error("a PROXY header with {len} bytes of addresses, which take {needed}")]
    Addresses {
        /// Bytes behind the fixed part.
        len: usize,
        /// Bytes that addresses of this family take.
        needed: usize,
    },
    /// An additional field of version 2 that ends before its end, or is too short for what it holds.
    #[error("field {kind:#04x} of the PROXY header is cut off")]
    Cut {
        /// Its type; 0 where even that is not there.
        kind: u8,
    },
    /// An additional field of version 2 that should be text.
    #[error("field {kind:#04x} of the PROXY header is not UTF-8")]
    Text {
        /// Its type.
        kind: u8,
    },
    /// The checksum of version 2 is another.
    #[error("the checksum of the PROXY header is wrong")]
    Checksum,
    /// The connection failed.
    #[error(transparent)]
    Io(io::Error),
}
