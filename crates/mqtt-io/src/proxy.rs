//! `Proxy`: reaching a server through SOCKS5 or HTTP CONNECT.

mod error;
mod http;
mod socks;

pub use error::{ProxyError, ProxyParseError};

use crate::Endpoint;
use std::fmt;
use std::str::FromStr;
use tokio::net::TcpStream;

/// A proxy and how to speak with it. Neither `Display` nor `Debug` shows credentials.
///
/// ```
/// use mqtt_io::Proxy;
///
/// let proxy = Proxy::parse("socks5h://alice:secret@proxy.example:1080")?;
/// assert_eq!(proxy.to_string(), "socks5h://proxy.example:1080");
/// # Ok::<(), mqtt_io::ProxyParseError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Proxy {
    kind: Kind,
    /// Host, port and credentials.
    server: Endpoint,
}

/// How to speak with a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// SOCKS5, with names looked up on this side.
    Socks5,
    /// SOCKS5, with names looked up by the proxy.
    Socks5h,
    /// HTTP CONNECT; names are looked up by the proxy.
    Http,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
            Self::Http => "http",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Socks5 | Self::Socks5h => 1080,
            Self::Http => 80,
        }
    }
}

impl Proxy {
    /// Reads `socks5://`, `socks5h://` or `http://`, then `[user[:password]@]host[:port]`.
    ///
    /// With `socks5h` and `http` the proxy looks up names, with `socks5` this side does. Without a port it is 1080 for
    /// SOCKS5 and 80 for HTTP.
    ///
    /// # Errors
    /// What is wrong, and which part of the text it is; never the password.
    pub fn parse(text: &str) -> Result<Self, ProxyParseError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "socks5" => Kind::Socks5,
            "socks5h" => Kind::Socks5h,
            "http" => Kind::Http,
            _ => {
                let scheme = scheme.into();
                return Err(ProxyParseError::Scheme { scheme });
            }
        };
        let server = Endpoint::parse_with_port(rest, kind.default_port())?;
        Ok(Self { kind, server })
    }

    pub(crate) fn host(&self) -> &str {
        self.server.host()
    }

    pub(crate) const fn port(&self) -> u16 {
        self.server.port()
    }

    /// Asks for a way to `endpoint` on a connection to the proxy.
    pub(crate) async fn tunnel(
        &self,
        tcp: TcpStream,
        endpoint: &Endpoint,
    ) -> Result<TcpStream, ProxyError> {
        match self.kind {
            Kind::Socks5 => socks::tunnel_to_address(tcp, &self.server, endpoint).await,
            Kind::Socks5h => socks::tunnel_to_name(tcp, &self.server, endpoint).await,
            Kind::Http => http::tunnel(tcp, &self.server, endpoint).await,
        }
    }
}

impl FromStr for Proxy {
    type Err = ProxyParseError;

    fn from_str(text: &str) -> Result<Self, ProxyParseError> {
        Self::parse(text)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.kind.as_str(), self.server.authority())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_and_printed_without_credentials() {
        for (text, shown) in [
            ("socks5://h", "socks5://h:1080"),
            ("SOCKS5H://u:p@[::1]:9", "socks5h://[::1]:9"),
            ("http://u@h:3128/", "http://h:3128"),
            ("http://h", "http://h:80"),
        ] {
            assert_eq!(Proxy::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        for (text, expected) in [
            (
                "socks4://h",
                "scheme \"socks4\" is none of socks5, socks5h, http",
            ),
            ("h:1080", "scheme \"\" is none of socks5, socks5h, http"),
            ("http://", "host missing"),
            ("http://h:x", "port \"x\" is no number from 1 to 65535"),
            ("http://ws://h", "port \"\" is no number from 1 to 65535"),
        ] {
            assert_eq!(
                Proxy::parse(text).unwrap_err().to_string(),
                expected,
                "{text}"
            );
        }
    }
}
