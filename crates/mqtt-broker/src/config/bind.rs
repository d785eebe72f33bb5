//! `bind`: a place to listen.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

/// The value of `bind`.
///
/// ```
/// use mqtt_broker::config::Bind;
///
/// let bind: Bind = "127.0.0.1:1883".parse().unwrap();
/// assert!(bind.is_loopback());
/// assert!("mqtt.example.com".parse::<Bind>().is_err());
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Bind {
    /// `127.0.0.1:1883`, `[::1]:1883`: this one address. Port 0 picks a free port.
    Address(SocketAddr),
    /// `localhost:1883`: 127.0.0.1, and `[::1]` on a machine that has IPv6.
    Localhost(u16),
    /// `1883`: 0.0.0.0, and `[::]` on a machine that has IPv6.
    AllAddresses(u16),
    /// A socket of the file system, for listeners of the kind `unix`.
    Path(PathBuf),
}

impl Bind {
    /// The port of MQTT without TLS, registered for it.
    pub const DEFAULT_PORT: u16 = 1883;

    /// The forms a `bind` has, for messages.
    pub(super) const ALLOWED: &str = "an IP address and port such as `127.0.0.1:1883` or \
        `[::1]:1883`, `localhost:1883`, or a bare port for all addresses";

    /// The socket addresses to listen on, at least one unless it is a path. With port 0 each gets its own free port.
    pub fn addresses(&self) -> impl Iterator<Item = BindAddress> + use<> {
        let (first, second) = match *self {
            Self::Address(addr) => (Some(addr), None),
            Self::Localhost(port) => (
                Some((Ipv4Addr::LOCALHOST, port).into()),
                Some((Ipv6Addr::LOCALHOST, port).into()),
            ),
            Self::AllAddresses(port) => (
                Some((Ipv4Addr::UNSPECIFIED, port).into()),
                Some((Ipv6Addr::UNSPECIFIED, port).into()),
            ),
            Self::Path(_) => (None, None),
        };
        let address = |required| move |addr| BindAddress { addr, required };
        let first = first.map(address(true));
        first.into_iter().chain(second.map(address(false)))
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.addresses()
            .all(|address| address.addr.ip().to_canonical().is_loopback())
    }
}

impl Default for Bind {
    fn default() -> Self {
        Self::Localhost(Self::DEFAULT_PORT)
    }
}

impl FromStr for Bind {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Self, BindError> {
        let refused = || BindError {
            text: text.to_owned(),
        };
        if let Ok(addr) = text.parse() {
            return Ok(Self::Address(addr));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port = port_from(port).ok_or_else(refused)?;
        match host {
            "" | "*" => Ok(Self::AllAddresses(port)),
            host if host.eq_ignore_ascii_case("localhost") => Ok(Self::Localhost(port)),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(addr) => write!(f, "{addr}"),
            Self::Localhost(port) => write!(f, "localhost:{port}"),
            Self::AllAddresses(port) => write!(f, "all addresses, port {port}"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One socket address of a [`Bind`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BindAddress {
    /// The address to listen on; port 0 picks a free port.
    pub addr: SocketAddr,
    /// Whether the broker must not start without it. The IPv6 half of `localhost` and of a bare
    /// port is not required: a machine may have no IPv6.
    pub required: bool,
}

/// A text that is no [`Bind`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot listen on `{text}`: it must be {}", Bind::ALLOWED)]
pub struct BindError {
    text: String,
}

/// A port in digits only: `+5` and the like are refused.
fn port_from(text: &str) -> Option<u16> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_names_its_addresses() {
        for (text, expected) in [
            ("127.0.0.1:1884", vec![("127.0.0.1:1884", true)]),
            ("[::1]:0", vec![("[::1]:0", true)]),
            (
                "localhost:1883",
                vec![("127.0.0.1:1883", true), ("[::1]:1883", false)],
            ),
            ("1883", vec![("0.0.0.0:1883", true), ("[::]:1883", false)]),
            (":1883", vec![("0.0.0.0:1883", true), ("[::]:1883", false)]),
            ("*:1883", vec![("0.0.0.0:1883", true), ("[::]:1883", false)]),
        ] {
            let bind: Bind = text.parse().unwrap();
            let found: Vec<_> = bind
                .addresses()
                .map(|found| (found.addr.to_string(), found.required))
                .collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(addr, required)| (addr.to_owned(), required))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn names_and_half_addresses_are_refused() {
        for text in [
            "",
            ":",
            "::",
            "127.0.0.1",
            "127.0.0.1:",
            "host:1883",
            "::1:1883",
            "65536",
            "+1",
        ] {
            assert!(text.parse::<Bind>().is_err(), "{text}");
        }
        assert_eq!(
            "box:1883".parse::<Bind>().unwrap_err().to_string(),
            "cannot listen on `box:1883`: it must be an IP address and port such as \
             `127.0.0.1:1883` or `[::1]:1883`, `localhost:1883`, or a bare port for all addresses"
        );
    }

    #[test]
    fn only_loopback_is_loopback() {
        for (text, loopback) in [
            ("127.0.0.1:1", true),
            ("127.8.8.8:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("localhost:1", true),
            ("1", false),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("192.168.0.1:1", false),
        ] {
            assert_eq!(
                text.parse::<Bind>().unwrap().is_loopback(),
                loopback,
                "{text}"
            );
        }
    }
}
