//! Version 1: a line of text.

use super::{LINE_LEN_MAX, Missing, ProxyAddresses, ProxyHeader, ProxyHeaderError};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// How a line begins.
pub(super) const PREFIX: &[u8] = b"PROXY ";

/// How a line ends.
const END: &[u8] = b"\r\n";

pub(super) fn missing(bytes: &[u8]) -> Result<Missing, ProxyHeaderError> {
    let within = bytes.get(..LINE_LEN_MAX).unwrap_or(bytes);
    if within.contains(&b'\n') {
        return Ok(Missing::Nothing);
    }
    match LINE_LEN_MAX - within.len() {
        0 => Err(ProxyHeaderError::LineLen),
        len_max => Ok(Missing::Line(len_max)),
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<(ProxyHeader, usize), ProxyHeaderError> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let len = end.map_or(bytes.len(), |end| end + 1);
    let line = bytes.get(..len).unwrap_or_default();
    let line = line.strip_suffix(END).ok_or(ProxyHeaderError::LineEnd)?;
    let line = line
        .strip_prefix(PREFIX)
        .ok_or(ProxyHeaderError::Protocol)?;
    let header = ProxyHeader::of_addresses(addresses(line)?);
    Ok((header, len))
}

fn addresses(line: &[u8]) -> Result<ProxyAddresses, ProxyHeaderError> {
    let mut fields = line.split(|byte| *byte == b' ');
    match fields.next() {
        // Whatever follows is none of our business.
        Some(b"UNKNOWN") => Ok(ProxyAddresses::Unknown),
        Some(b"TCP4") => ip::<Ipv4Addr>(fields),
        Some(b"TCP6") => ip::<Ipv6Addr>(fields),
        _ => Err(ProxyHeaderError::Protocol),
    }
}

fn ip<'a, A: FromStr + Into<IpAddr>>(
    mut fields: impl Iterator<Item = &'a [u8]>,
) -> Result<ProxyAddresses, ProxyHeaderError> {
    let source = address::<A>(fields.next(), "source address")?;
    let destination = address::<A>(fields.next(), "destination address")?;
    let source_port = port(fields.next(), "source port")?;
    let destination_port = port(fields.next(), "destination port")?;
    if fields.next().is_some() {
        return Err(ProxyHeaderError::Excess);
    }
    Ok(ProxyAddresses::Ip {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

fn address<A: FromStr + Into<IpAddr>>(
    field: Option<&[u8]>,
    name: &'static str,
) -> Result<IpAddr, ProxyHeaderError> {
    let text = field.and_then(|field| str::from_utf8(field).ok());
    let address: Option<A> = text.and_then(|text| text.parse().ok());
    address
        .map(Into::into)
        .ok_or(ProxyHeaderError::Field { field: name })
}

/// Decimal digits without a sign or leading zeros.
fn port(field: Option<&[u8]>, name: &'static str) -> Result<u16, ProxyHeaderError> {
    let wrong = ProxyHeaderError::Field { field: name };
    let Some(digits) = field.and_then(|field| str::from_utf8(field).ok()) else {
        return Err(wrong);
    };
    let is_plain = digits == "0" || !digits.starts_with(['0', '+']);
    digits.parse().ok().filter(|_| is_plain).ok_or(wrong)
}
