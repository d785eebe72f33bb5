//! `mqtt decode`.

use std::path::PathBuf;

use mqtt_codec::ProtocolVersion;

use super::connection::protocol_version;

/// Packets taken apart.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mqtt decode -x 10 0c 00 04 4d 51 54 54 04 02 00 3c 00 00
  mqtt decode capture.pcapng --line            each packet of a capture on one line
  mqtt decode capture.pcap --port 21883        servers that listen elsewhere
  xxd packet.bin | mqtt decode                 a dump on standard input
  mqtt decode --json capture.pcap | jq .       one JSON object per packet

Exit code 3 says that something was malformed, cut off, or wrong at its place.")]
pub(crate) struct DecodeArgs {
    /// A file with packets; without it, or for `-`, standard input
    #[arg(value_name = "FILE", conflicts_with = "hex")]
    pub(crate) file: Option<PathBuf>,
    /// The bytes themselves, in hexadecimal
    #[arg(
        short = 'x',
        long,
        value_name = "HEX",
        num_args = 1..,
        allow_hyphen_values = false,
        conflicts_with = "format"
    )]
    pub(crate) hex: Vec<String>,
    /// How the bytes are written down
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: FormatArg,
    /// MQTT version, where no CONNECT says it: 3.1, 3.1.1 or 5 [default: what the packets read as]
    #[arg(short = 'V', long = "mqtt-version", value_name = "VERSION", value_parser = protocol_version)]
    pub(crate) version: Option<ProtocolVersion>,
    /// In captures, a port on which servers speak MQTT; may be repeated
    #[arg(short = 'p', long = "port", value_name = "PORT", default_values_t = [1883, 8083])]
    pub(crate) ports: Vec<u16>,
    /// Print each packet on one line
    #[arg(long, conflicts_with = "json")]
    pub(crate) line: bool,
    /// Print each packet as a JSON object on one line
    #[arg(long)]
    pub(crate) json: bool,
}

/// How bytes are written down.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum FormatArg {
    /// What they look like
    #[default]
    Auto,
    /// Hexadecimal digits, or a dump of xxd, hexdump, od or tshark
    Hex,
    /// Base64
    Base64,
    /// As they are on the wire
    Raw,
    /// A pcap or pcapng file
    Pcap,
}
