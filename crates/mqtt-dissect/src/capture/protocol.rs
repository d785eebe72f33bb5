//! What a connection speaks, by its first bytes.

/// What the first bytes of a direction are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Opening {
    /// An MQTT CONNECT.
    Connect,
    /// A request of HTTP.
    Http,
    /// A record of TLS.
    Tls,
    /// None of these.
    Other,
    /// They are too few to say.
    TooFew,
}

/// The names of the protocol in a CONNECT, each with its length in front.
const NAMES: [&[u8]; 2] = [b"\0\x04MQTT", b"\0\x06MQIsdp"];

pub(super) fn opening(bytes: &[u8]) -> Opening {
    match bytes {
        [] | [0x16] => Opening::TooFew,
        [0x16, 0x03, ..] => Opening::Tls,
        [0x10, rest @ ..] => connect(rest),
        _ if bytes.starts_with(b"GET ") => Opening::Http,
        _ if b"GET ".starts_with(bytes) => Opening::TooFew,
        _ => Opening::Other,
    }
}

/// What follows the first byte of a CONNECT: a length of up to four bytes and a name.
fn connect(rest: &[u8]) -> Opening {
    let length = rest.iter().take(4).position(|byte| byte & 0x80 == 0);
    let Some(length) = length else {
        return match rest.len() {
            0..4 => Opening::TooFew,
            _ => Opening::Other,
        };
    };
    let name = rest.get(length + 1..).unwrap_or_default();
    if NAMES.iter().any(|known| name.starts_with(known)) {
        Opening::Connect
    } else if NAMES.iter().any(|known| known.starts_with(name)) {
        Opening::TooFew
    } else {
        Opening::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_known_by_its_first_bytes() {
        assert_eq!(opening(b"\x10\x0C\0\x04MQTT\x04"), Opening::Connect);
        assert_eq!(opening(b"\x10\x8C\x01\0\x06MQIsdp\x03"), Opening::Connect);
        assert_eq!(opening(b"\x10\x0C\0\x04MQ"), Opening::TooFew);
        assert_eq!(opening(b"\x10\x0C\0\x05"), Opening::Other);
        assert_eq!(opening(b"\x16\x03\x01"), Opening::Tls);
        assert_eq!(opening(b"GET /mqtt"), Opening::Http);
        assert_eq!(opening(b"GE"), Opening::TooFew);
        assert_eq!(opening(b"\xC0\0"), Opening::Other);
    }
}
