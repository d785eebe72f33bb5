//! The flags that say where the broker is, and how to reach it.

use std::path::PathBuf;

use mqtt_client::{Endpoint, EndpointError, Proxy, Scheme, TlsConfig, TlsError, TlsOptions};

/// The port on which plain TCP is never meant.
const TLS_PORT: u16 = 8883;

/// Where the broker is, and how to reach it. The letters are mosquitto's.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ServerArgs {
    /// Connect to this host
    #[arg(short = 'h', long, value_name = "HOST", default_value = "localhost")]
    pub(crate) host: String,
    /// Connect to this port [default: 1883, with TLS 8883]
    #[arg(short = 'p', long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Connect to this address: mqtt, mqtts, ws, wss or unix, as in mqtts://user:password@host:8883/topic
    #[arg(short = 'L', long, value_name = "URL", conflicts_with_all = ["host", "port", "unix"])]
    pub(crate) url: Option<String>,
    /// Connect to this unix socket
    #[arg(long, value_name = "PATH", conflicts_with_all = ["host", "port"])]
    pub(crate) unix: Option<String>,
    /// TLS: trust the authorities of this file (PEM or DER) instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) cafile: Option<PathBuf>,
    /// TLS: show this certificate (PEM or DER)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// TLS: the private key of --cert (PEM or DER, not encrypted)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// TLS: accept a certificate for any name; without --cafile any certificate at all
    #[arg(long)]
    pub(crate) insecure: bool,
    /// TLS: ask for this protocol by ALPN, as in x-amzn-mqtt-ca
    #[arg(long, value_name = "PROTOCOL")]
    pub(crate) tls_alpn: Option<String>,
    /// Connect through this proxy: socks5, socks5h or http, as in socks5h://user:password@host:1080
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
}

/// Where to connect.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    /// The topic that stood in the address.
    pub(crate) topic: Option<String>,
}

/// What is wrong with the flags.
#[derive(Debug)]
pub(crate) enum ServerError {
    /// Host, port or address.
    Address(EndpointError),
    /// A flag of TLS for a connection without.
    NoTls { scheme: Scheme },
    /// Certificates and keys.
    Tls(TlsError),
    /// The proxy's address.
    Proxy(String),
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(error) => write!(f, "server address: {error}"),
            Self::NoTls { scheme } => {
                write!(
                    f,
                    "{scheme}:// is without TLS: say mqtts://, wss:// or quic://, or leave out --cafile, --cert, --insecure and --tls-alpn"
                )
            }
            Self::Tls(error) => write!(f, "{error}"),
            Self::Proxy(error) => write!(f, "--proxy: {error}"),
        }
    }
}

impl ServerArgs {
    /// Where to connect, and the topic if the address has one.
    pub(crate) fn target(&self) -> Result<Target, ServerError> {
        let target = match (&self.url, &self.unix) {
            (Some(url), _) => from_url(url),
            (None, Some(path)) => Endpoint::new(Scheme::Unix, path, None).map(Target::of),
            (None, None) => {
                let uses_tls = self.has_tls_flag() || self.port == Some(TLS_PORT);
                let scheme = if uses_tls {
                    Scheme::Mqtts
                } else {
                    Scheme::Mqtt
                };
                Endpoint::new(scheme, &self.host, self.port).map(Target::of)
            }
        };
        target.map_err(ServerError::Address)
    }

    /// What the flags say about TLS; none when they say nothing.
    pub(crate) fn tls(&self, scheme: Scheme) -> Result<Option<TlsConfig>, ServerError> {
        if !self.has_tls_flag() {
            return Ok(None);
        }
        if !matches!(scheme, Scheme::Mqtts | Scheme::Wss | Scheme::Quic) {
            return Err(ServerError::NoTls { scheme });
        }
        let config = self.tls_options().and_then(TlsOptions::build);
        config.map(Some).map_err(ServerError::Tls)
    }

    /// The proxy, if there is to be one.
    pub(crate) fn proxy(&self) -> Result<Option<Proxy>, ServerError> {
        let proxy = self.proxy.as_deref().map(Proxy::parse).transpose();
        proxy.map_err(|error| ServerError::Proxy(error.to_string()))
    }

    /// What the user should know about what `--insecure` gives away.
    pub(crate) const fn warning(&self) -> Option<&'static str> {
        match (self.insecure, &self.cafile) {
            (false, _) => None,
            (true, Some(_)) => {
                Some("--insecure: the name in the broker's certificate is not checked")
            }
            (true, None) => Some(
                "--insecure: the broker's certificate is not checked, anyone may read and change what is sent",
            ),
        }
    }

    const fn has_tls_flag(&self) -> bool {
        self.cafile.is_some() || self.cert.is_some() || self.insecure || self.tls_alpn.is_some()
    }

    fn tls_options(&self) -> Result<TlsOptions, TlsError> {
        let mut options = TlsOptions::new();
        if let Some(path) = &self.cafile {
            options = options.ca_file(path)?;
        }
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            options = options.identity_files(certificate, key)?;
        }
        if let Some(protocol) = &self.tls_alpn {
            options = options.alpn([protocol]);
        }
        Ok(match (self.insecure, &self.cafile) {
            (false, _) => options,
            (true, Some(_)) => options.danger_accept_any_name(),
            (true, None) => options.danger_accept_any_certificate(),
        })
    }
}

impl Target {
    const fn of(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            topic: None,
        }
    }
}

/// As mosquitto has it, what follows host and port is a topic, unless it is the path of a WebSocket or a unix socket.
fn from_url(url: &str) -> Result<Target, EndpointError> {
    let (scheme, rest) = match url.split_once("://") {
        Some((name, rest)) => (Scheme::from_name(name), rest),
        None => (Some(Scheme::Mqtt), url),
    };
    let has_topic = matches!(scheme, Some(Scheme::Mqtt | Scheme::Mqtts));
    let (server, topic) = match rest.split_once('/') {
        // An address with a slash in its password is refused by the parser, which needs the whole of it for that.
        Some((server, topic)) if has_topic && !topic.contains('@') => (server, topic),
        _ => return Endpoint::parse(url).map(Target::of),
    };
    let before = url.strip_suffix(rest).unwrap_or_default();
    Ok(Target {
        endpoint: Endpoint::parse(&format!("{before}{server}"))?,
        topic: (!topic.is_empty()).then(|| topic.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    #[command(disable_help_flag = true)]
    struct Flags {
        #[command(flatten)]
        server: ServerArgs,
    }

    fn target(flags: &str) -> Result<(String, Option<String>), ServerError> {
        let flags = Flags::parse_from(std::iter::once("x").chain(flags.split_whitespace()));
        let target = flags.server.target()?;
        Ok((target.endpoint.to_string(), target.topic))
    }

    #[test]
    fn flags_and_addresses_name_a_server() {
        for (flags, expected, topic) in [
            ("", "mqtt://localhost:1883", None),
            ("-h b -p 1884", "mqtt://b:1884", None),
            ("-h ::1", "mqtt://[::1]:1883", None),
            ("-h [::1] -p 7", "mqtt://[::1]:7", None),
            ("-h b -p 8883", "mqtts://b:8883", None),
            ("-h b --insecure", "mqtts://b:8883", None),
            ("-h b -p 1883 --cafile ca.pem", "mqtts://b:1883", None),
            ("--unix /run/mqtt.sock", "unix:///run/mqtt.sock", None),
            ("-L mqtt://u:p@b:1884/a/b", "mqtt://b:1884", Some("a/b")),
            ("-L mqtts://b/", "mqtts://b:8883", None),
            ("-L b/t", "mqtt://b:1883", Some("t")),
            ("-L wss://b:8084/mqtt", "wss://b:8084/mqtt", None),
            ("-L unix:///run/x", "unix:///run/x", None),
        ] {
            let (endpoint, found) = target(flags).unwrap();
            assert_eq!(
                (endpoint.as_str(), found.as_deref()),
                (expected, topic),
                "{flags}"
            );
        }
    }

    #[test]
    fn what_names_no_server_is_refused_without_its_password() {
        for flags in [
            "-L http://b",
            "-L mqtt://u:hush/hush@b",
            "-L mqtt://u:hush@b:x/t",
            "-h a/b",
            "-p 0",
        ] {
            let error = target(flags).unwrap_err().to_string();
            assert!(
                error.starts_with("server address: ") && !error.contains("hush"),
                "{flags}: {error}"
            );
        }
    }

    #[test]
    fn flags_of_tls_need_tls() {
        let flags = Flags::parse_from(["x", "-L", "ws://b", "--insecure"]);
        let target = flags.server.target().unwrap();
        let error = flags.server.tls(target.endpoint.scheme()).unwrap_err();
        assert!(
            error.to_string().starts_with("ws:// is without TLS"),
            "{error}"
        );
    }
}
