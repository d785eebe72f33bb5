//! Where the server is: reading `mqtt://host:port` and its short forms.

use std::fmt;

/// The port of MQTT over plain TCP; v5 §4.2.
const PORT: u16 = 1883;

/// Where the server is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
}

/// Why a text names no server.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// A scheme that is not offered.
    #[error("scheme {scheme} not supported, only mqtt and tcp are")]
    Scheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// No host.
    #[error("host missing")]
    HostMissing,
    /// A port that is no number from 1 to 65,535.
    #[error("port {port:?} is no number from 1 to 65535")]
    Port {
        /// What stands behind the host.
        port: String,
    },
    /// An IPv6 address that is not in brackets, or brackets without end.
    #[error("an IPv6 address is written in brackets, as in [::1]:1883")]
    Brackets,
    /// Something behind host and port.
    #[error("nothing may follow host and port, found {rest:?}")]
    Rest {
        /// What was found.
        rest: String,
    },
    /// A percent sign that does not start an encoded byte, or a user name that is not UTF-8.
    #[error("ill-formed user name or password")]
    Credentials,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Endpoint {
    /// The servers of a Server Reference, without credentials; spec: v5 §4.13.
    ///
    /// # Errors
    /// One of them names no server, or there is none.
    pub(crate) fn redirected(&self, server_reference: &str) -> Result<Vec<Self>, EndpointError> {
        let servers: Result<Vec<Self>, _> = server_reference
            .split_whitespace()
            .map(Self::parse)
            .collect();
        servers.and_then(|servers| match servers.is_empty() {
            true => Err(EndpointError::HostMissing),
            false => Ok(servers),
        })
    }

    /// Reads `[scheme://][user[:password]@]host[:port]`.
    pub(crate) fn parse(text: &str) -> Result<Self, EndpointError> {
        let rest = match text.split_once("://") {
            Some(("mqtt" | "tcp", rest)) => rest,
            Some((scheme, _)) => {
                return Err(EndpointError::Scheme {
                    scheme: scheme.into(),
                });
            }
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(at) = rest.find(['/', '?', '#']) {
            let rest = rest.get(at..).unwrap_or_default().into();
            return Err(EndpointError::Rest { rest });
        }
        let (credentials, address) = match rest.rsplit_once('@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, rest),
        };
        let (host, port) = split_port(address)?;
        if host.is_empty() {
            return Err(EndpointError::HostMissing);
        }
        let port = match port {
            None => PORT,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| EndpointError::Port { port: port.into() })?,
        };
        let (username, password) = match credentials {
            Some(credentials) => read_credentials(credentials)?,
            None => (None, None),
        };
        Ok(Self {
            host: host.into(),
            port,
            username,
            password,
        })
    }
}

fn split_port(address: &str) -> Result<(&str, Option<&str>), EndpointError> {
    if let Some(bracketed) = address.strip_prefix('[') {
        let (host, behind) = bracketed.split_once(']').ok_or(EndpointError::Brackets)?;
        return match behind.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if behind.is_empty() => Ok((host, None)),
            None => Err(EndpointError::Rest {
                rest: behind.into(),
            }),
        };
    }
    match address.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(EndpointError::Brackets),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((address, None)),
    }
}

fn read_credentials(text: &str) -> Result<(Option<String>, Option<Vec<u8>>), EndpointError> {
    let (username, password) = match text.split_once(':') {
        Some((username, password)) => (username, Some(password)),
        None => (text, None),
    };
    let username =
        String::from_utf8(percent_decode(username)?).map_err(|_| EndpointError::Credentials)?;
    let password = password.map(percent_decode).transpose()?;
    Ok((Some(username), password))
}

fn percent_decode(text: &str) -> Result<Vec<u8>, EndpointError> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = bytes.next().and_then(hex_digit);
        let low = bytes.next().and_then(hex_digit);
        match (high, low) {
            (Some(high), Some(low)) => decoded.push(high * 16 + low),
            _ => return Err(EndpointError::Credentials),
        }
    }
    Ok(decoded)
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, u16) {
        let endpoint = Endpoint::parse(text).unwrap();
        (endpoint.host, endpoint.port)
    }

    #[test]
    fn all_forms_of_an_address_are_read() {
        for (text, host, port) in [
            ("mqtt://broker.example:2883", "broker.example", 2883),
            ("mqtt://broker.example/", "broker.example", 1883),
            ("tcp://10.0.0.1", "10.0.0.1", 1883),
            ("localhost", "localhost", 1883),
            ("localhost:1884", "localhost", 1884),
            ("mqtt://[::1]:1884", "::1", 1884),
            ("[fe80::1]", "fe80::1", 1883),
            ("mqtt://user:p%40ss@[::1]", "::1", 1883),
        ] {
            assert_eq!(parsed(text), (host.into(), port), "{text}");
        }
    }

    #[test]
    fn credentials_are_percent_decoded() {
        let endpoint = Endpoint::parse("mqtt://us%C3%A9r:a%3Ab%00@h").unwrap();
        assert_eq!(endpoint.username.as_deref(), Some("usér"));
        assert_eq!(endpoint.password.as_deref(), Some(&b"a:b\0"[..]));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "mqtt://",
            "mqtt://:1883",
            "mqtts://h",
            "h:0",
            "h:65536",
            "h:x",
            "::1",
            "[::1",
            "[::1]x",
            "h/path",
            "u:%zz@h",
            "%ff@h",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
