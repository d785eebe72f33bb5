//! `mqtt spy`.

use std::{
    net::{Ipv4Addr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
};

use clap::ArgAction;
use mqtt_codec::{PacketType, ProtocolVersion};
use mqtt_spy::{
    ClientPattern, Connector, Door, Endpoint, Filter, Scheme, TlsIdentity, TlsServerOptions,
};

use super::{
    connection::protocol_version,
    server::{ServerArgs, ServerError},
};
use crate::exit::Failure;

/// Where clients come in unless something else is said.
const LISTEN: &str = "127.0.0.1:1884";

/// A proxy that shows what passes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mqtt spy                                       clients come to port 1884, the broker is at 1883
  mqtt spy --listen 2000 --connect mqtts://broker.example -v
  mqtt spy --connect broker.example -t 'sensors/#' --type publish,puback
  mqtt spy --listen wss://0.0.0.0:8084 --listen-cert c.pem --listen-key c.key
  mqtt spy --write session.pcapng --quiet        for Wireshark, or mqtt decode

Ends with Ctrl-C. What is shown goes to stdout, everything else to stderr.")]
pub(crate) struct SpyArgs {
    /// Where clients come in: HOST:PORT, a port of 127.0.0.1, or either behind mqtts://, ws://, wss://
    #[arg(long, value_name = "ADDRESS", default_value = LISTEN, value_parser = listen)]
    pub(crate) listen: Listen,
    /// The broker, as with -L
    #[arg(long, value_name = "URL", conflicts_with_all = ["url", "host", "port", "unix"])]
    pub(crate) connect: Option<String>,
    /// The certificate to show clients, for mqtts and wss (PEM or DER)
    #[arg(long, value_name = "FILE", requires = "listen_key")]
    pub(crate) listen_cert: Option<PathBuf>,
    /// The private key of --listen-cert (PEM or DER, not encrypted)
    #[arg(long, value_name = "FILE", requires = "listen_cert")]
    pub(crate) listen_key: Option<PathBuf>,
    /// Clients at a time; one more is closed at once
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) clients_max: u32,
    /// Show all fields of each packet, as `mqtt decode` does; twice, its bytes as well
    #[arg(short = 'v', long, action = ArgAction::Count, conflicts_with = "json")]
    pub(crate) verbose: u8,
    /// Show each packet as a JSON object on one line
    #[arg(long)]
    pub(crate) json: bool,
    /// Show clients of this Client Identifier only, in which * stands for anything; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) client: Vec<String>,
    /// Show these packets only, such as publish,puback; may be repeated
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',', value_parser = packet_type)]
    pub(crate) packet_types: Vec<PacketType>,
    /// Show only what is about topics of this filter, with its acknowledgements; may be repeated
    #[arg(short = 't', long = "topic", value_name = "FILTER")]
    pub(crate) topics: Vec<String>,
    /// Write everything to this file as well, as pcapng
    #[arg(short = 'w', long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Record what clients publish, of what is shown, for `mqtt replay`
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// MQTT version, where no CONNECT says it: 3.1, 3.1.1 or 5
    #[arg(short = 'V', long = "mqtt-version", value_name = "VERSION", value_parser = protocol_version)]
    pub(crate) version: Option<ProtocolVersion>,
    /// Show nothing; for --write and --record alone
    #[arg(long, conflicts_with_all = ["json", "verbose"])]
    pub(crate) quiet: bool,
    /// Where the broker is.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Where clients come in, and by what.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    pub(crate) addr: SocketAddr,
    pub(crate) scheme: Scheme,
    /// Of a WebSocket; otherwise empty.
    path: String,
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.addr, self.path)
    }
}

impl SpyArgs {
    /// The broker, and how to reach it.
    pub(crate) fn server(&mut self) -> Result<(Endpoint, Connector), Failure> {
        if let Some(url) = self.connect.take() {
            self.server.url = Some(url);
        }
        let mistake = |error: ServerError| Failure::usage(error);
        let endpoint = self.server.target().map_err(mistake)?.endpoint;
        let mut connector = Connector::new();
        if let Some(tls) = self.server.tls(endpoint.scheme()).map_err(mistake)? {
            connector = connector.tls(tls);
        }
        if let Some(proxy) = self.server.proxy().map_err(mistake)? {
            connector = connector.proxy(proxy);
        }
        Ok((endpoint, connector))
    }

    /// How clients come in.
    pub(crate) fn door(&self) -> Result<Door, Failure> {
        let scheme = self.listen.scheme;
        let door = match (scheme, &self.listen_cert, &self.listen_key) {
            (Scheme::Mqtts | Scheme::Wss, Some(certificate), Some(key)) => {
                let identity = TlsIdentity::certificate_file(certificate)
                    .and_then(|certificate| certificate.key_file(key));
                let acceptor = identity
                    .and_then(|identity| TlsServerOptions::new().identity(identity).build());
                Door::plain().tls(acceptor.map_err(Failure::usage)?)
            }
            (Scheme::Mqtts | Scheme::Wss, ..) => {
                return Err(Failure::usage(format_args!(
                    "--listen {scheme}:// needs --listen-cert and --listen-key"
                )));
            }
            (_, Some(_), _) => {
                return Err(Failure::usage(format_args!(
                    "--listen {scheme}:// is without TLS: say mqtts:// or wss://, or leave out --listen-cert"
                )));
            }
            _ => Door::plain(),
        };
        Ok(match scheme.is_websocket() {
            true => door.websocket([self.listen.path.as_str()]),
            false => door,
        })
    }

    /// What is shown.
    pub(crate) fn filter(&self) -> Result<Filter, Failure> {
        let clients = self.client.iter().map(ClientPattern::new).collect();
        let filter = Filter::default().topics(&self.topics);
        let filter = filter.map_err(|error| Failure::usage(format_args!("--topic: {error}")))?;
        Ok(filter
            .with_clients(clients)
            .with_types(self.packet_types.clone()))
    }
}

fn listen(text: &str) -> Result<Listen, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("mqtt", text));
    let scheme = Scheme::from_name(scheme).filter(|scheme| {
        matches!(
            scheme,
            Scheme::Mqtt | Scheme::Mqtts | Scheme::Ws | Scheme::Wss
        )
    });
    let scheme = scheme.ok_or_else(|| "say mqtt, mqtts, ws or wss".to_owned())?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if !path.is_empty() && !scheme.is_websocket() {
        return Err("only a WebSocket has a path".to_owned());
    }
    let path = match (scheme.is_websocket(), path) {
        (true, "") => "/mqtt",
        (_, path) => path,
    };
    Ok(Listen {
        addr: address(authority, scheme.default_port().unwrap_or(0))?,
        scheme,
        path: path.to_owned(),
    })
}

/// The address of HOST, HOST:PORT, or a port of this machine alone.
fn address(authority: &str, default_port: u16) -> Result<SocketAddr, String> {
    if let Ok(port) = authority.parse() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse();
            (
                host,
                port.map_err(|_| "the port is a number up to 65535".to_owned())?,
            )
        }
        _ => (authority, default_port),
    };
    let host = match host {
        "localhost" => "127.0.0.1",
        "*" => "0.0.0.0",
        host => host.trim_start_matches('[').trim_end_matches(']'),
    };
    let found = (host, port).to_socket_addrs();
    let addr = found.ok().and_then(|mut found| found.next());
    addr.ok_or_else(|| format!("{host} has no address"))
}

/// A type of packet by its name in the standard, in letters of any size.
fn packet_type(name: &str) -> Result<PacketType, String> {
    let mut all = (1..=15).filter_map(PacketType::from_u8);
    let found = all.find(|packet_type| packet_type.name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| "say a type of packet, such as connect, publish or puback".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_listen_are_said_in_several_ways() {
        for (text, expected) in [
            ("2000", "mqtt://127.0.0.1:2000"),
            ("localhost:2000", "mqtt://127.0.0.1:2000"),
            ("0.0.0.0:2000", "mqtt://0.0.0.0:2000"),
            ("[::1]:2000", "mqtt://[::1]:2000"),
            ("mqtts://127.0.0.1", "mqtts://127.0.0.1:8883"),
            ("ws://127.0.0.1:2000", "ws://127.0.0.1:2000/mqtt"),
            ("ws://127.0.0.1:2000/x", "ws://127.0.0.1:2000/x"),
            ("wss://*:0", "wss://0.0.0.0:0/mqtt"),
        ] {
            assert_eq!(listen(text).unwrap().to_string(), expected);
        }
        for text in ["quic://127.0.0.1", "mqtt://127.0.0.1/x", "127.0.0.1:x", ""] {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn types_have_the_names_of_the_standard() {
        assert_eq!(packet_type("PubAck"), Ok(PacketType::PubAck));
        assert!(packet_type("message").is_err());
    }
}
