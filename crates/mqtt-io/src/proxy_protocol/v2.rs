//! Version 2: a binary header with additional fields.

use super::{BINARY_LEN_MAX, Missing, ProxyAddresses, ProxyHeader, ProxyHeaderError, ProxyTls};
use std::net::{IpAddr, SocketAddr};

/// How a header begins: bytes that no other protocol begins with.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, kind of addresses, length of what follows.
const FIXED_LEN: usize = 16;

/// A path of a unix socket, filled up with zeros.
const PATH_LEN: usize = 108;

/// Types of additional fields.
const SERVER_NAME: u8 = 0x02;
const CHECKSUM: u8 = 0x03;
const TLS: u8 = 0x20;
/// Types of fields in the one about TLS.
const TLS_VERSION: u8 = 0x21;
const TLS_COMMON_NAME: u8 = 0x22;

/// The client has shown a certificate, on this connection or on one its TLS session began with.
const CERTIFICATE_SHOWN: u8 = 0x02 | 0x04;

pub(super) fn missing(bytes: &[u8]) -> Result<Missing, ProxyHeaderError> {
    if bytes.len() < FIXED_LEN {
        return Ok(Missing::Bytes(FIXED_LEN - bytes.len()));
    }
    let fixed = Fixed::decode(bytes)?;
    match fixed.len.saturating_sub(bytes.len()) {
        0 => Ok(Missing::Nothing),
        len => Ok(Missing::Bytes(len)),
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<(ProxyHeader, usize), ProxyHeaderError> {
    let fixed = Fixed::decode(bytes)?;
    let whole = bytes.get(..fixed.len).unwrap_or_default();
    let body = whole.get(FIXED_LEN..).unwrap_or_default();
    if fixed.is_local {
        // Nothing of what follows counts, whatever it is.
        return Ok((ProxyHeader::of_addresses(ProxyAddresses::Local), fixed.len));
    }
    let (addresses, fields) = addresses(fixed.kind, body)?;
    let mut header = ProxyHeader::of_addresses(addresses);
    let mut fields = Fields { rest: fields };
    while let Some((kind, value)) = fields.next()? {
        match kind {
            SERVER_NAME => header.server_name = Some(text(kind, value)?),
            CHECKSUM => check(whole, fields.rest.len(), value)?,
            TLS => header.tls = tls(value)?,
            // The rest says nothing a broker asks for.
            _ => {}
        }
    }
    Ok((header, fixed.len))
}

/// What the first 16 bytes say.
struct Fixed {
    is_local: bool,
    /// Address family and transport.
    kind: u8,
    /// Of the whole header, in bytes: [`FIXED_LEN`] to [`BINARY_LEN_MAX`].
    len: usize,
}

impl Fixed {
    fn decode(bytes: &[u8]) -> Result<Self, ProxyHeaderError> {
        let Some(&[command, kind, high, low]) = bytes.get(SIGNATURE.len()..FIXED_LEN) else {
            return Err(ProxyHeaderError::Ended { read: bytes.len() });
        };
        if command >> 4 != 2 {
            return Err(ProxyHeaderError::Version {
                version: command >> 4,
            });
        }
        let is_local = match command & 0x0F {
            0 => true,
            1 => false,
            command => return Err(ProxyHeaderError::Command { command }),
        };
        let len = FIXED_LEN + usize::from(u16::from_be_bytes([high, low]));
        if len > BINARY_LEN_MAX {
            return Err(ProxyHeaderError::Len { len });
        }
        Ok(Self {
            is_local,
            kind,
            len,
        })
    }
}

/// The addresses, and what follows them.
fn addresses(kind: u8, body: &[u8]) -> Result<(ProxyAddresses, &[u8]), ProxyHeaderError> {
    let mut rest = body;
    let addresses = match kind {
        0x00 => ProxyAddresses::Unknown,
        0x11 => ip::<4>(&mut rest)?,
        0x21 => ip::<16>(&mut rest)?,
        0x31 => {
            let [source, destination] = [PATH_LEN; 2].map(|len| take(&mut rest, len));
            let (Some(source), Some(destination)) = (source, destination) else {
                return Err(too_short(body, 2 * PATH_LEN));
            };
            ProxyAddresses::Unix {
                source: path(source),
                destination: path(destination),
            }
        }
        kind => return Err(ProxyHeaderError::Kind { kind }),
    };
    Ok((addresses, rest))
}

fn ip<const LEN: usize>(rest: &mut &[u8]) -> Result<ProxyAddresses, ProxyHeaderError>
where
    [u8; LEN]: Into<IpAddr>,
{
    let body = *rest;
    let mut read = || {
        let source: [u8; LEN] = array(rest)?;
        let destination: [u8; LEN] = array(rest)?;
        let source_port = u16::from_be_bytes(array(rest)?);
        let destination_port = u16::from_be_bytes(array(rest)?);
        Some(ProxyAddresses::Ip {
            source: SocketAddr::new(source.into(), source_port),
            destination: SocketAddr::new(destination.into(), destination_port),
        })
    };
    read().ok_or_else(|| too_short(body, 2 * LEN + 4))
}

const fn too_short(body: &[u8], needed: usize) -> ProxyHeaderError {
    ProxyHeaderError::Addresses {
        len: body.len(),
        needed,
    }
}

/// Without the zeros it is filled up with; an abstract name keeps the one it begins with.
fn path(bytes: &[u8]) -> Box<[u8]> {
    let end = bytes.iter().rposition(|byte| *byte != 0);
    let len = end.map_or(0, |end| end + 1);
    bytes.get(..len).unwrap_or_default().into()
}

/// Fields, each with type, length and value.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, ProxyHeaderError> {
        let Some(&kind) = self.rest.first() else {
            return Ok(None);
        };
        let mut rest = self.rest.get(1..).unwrap_or_default();
        let len = array(&mut rest).map(u16::from_be_bytes);
        let value = len.and_then(|len| take(&mut rest, usize::from(len)));
        let value = value.ok_or(ProxyHeaderError::Cut { kind })?;
        self.rest = rest;
        Ok(Some((kind, value)))
    }
}

fn tls(value: &[u8]) -> Result<Option<ProxyTls>, ProxyHeaderError> {
    let mut rest = value;
    let (Some([client]), Some(verified)) = (array(&mut rest), array::<4>(&mut rest)) else {
        return Err(ProxyHeaderError::Cut { kind: TLS });
    };
    let mut tls = ProxyTls {
        version: None,
        common_name: None,
        is_certificate_good: client & CERTIFICATE_SHOWN != 0 && verified == [0; 4],
    };
    let mut fields = Fields { rest };
    while let Some((kind, value)) = fields.next()? {
        match kind {
            TLS_VERSION => tls.version = Some(text(kind, value)?),
            TLS_COMMON_NAME => tls.common_name = Some(text(kind, value)?),
            _ => {}
        }
    }
    Ok((client & 0x01 != 0).then_some(tls))
}

/// Compares the checksum of `whole`, in which `behind` bytes follow the one that was sent, with that one.
fn check(whole: &[u8], behind: usize, sent: &[u8]) -> Result<(), ProxyHeaderError> {
    let sent: [u8; 4] = sent
        .try_into()
        .map_err(|_| ProxyHeaderError::Cut { kind: CHECKSUM })?;
    let end = whole.len().saturating_sub(behind);
    let (before, after) = whole.split_at(end);
    let before = before
        .get(..end.saturating_sub(sent.len()))
        .unwrap_or_default();
    // It is made with zeros in its own place.
    let sum = crc32c::crc32c(before);
    let sum = crc32c::crc32c_append(sum, &[0; 4]);
    match crc32c::crc32c_append(sum, after) == u32::from_be_bytes(sent) {
        true => Ok(()),
        false => Err(ProxyHeaderError::Checksum),
    }
}

fn text(kind: u8, value: &[u8]) -> Result<Box<str>, ProxyHeaderError> {
    let text = str::from_utf8(value).map_err(|_| ProxyHeaderError::Text { kind })?;
    Ok(text.into())
}

fn array<const LEN: usize>(rest: &mut &[u8]) -> Option<[u8; LEN]> {
    take(rest, LEN)?.try_into().ok()
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}
