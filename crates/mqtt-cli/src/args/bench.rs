//! `mqtt bench`: the letters and long names of emqtt-bench, and long names of mqttx beside them.

use std::{net::IpAddr, path::PathBuf};

use clap::ArgAction;
use mqtt_codec::{ProtocolVersion, QoS};

use super::{
    bench_values::{
        HeaderArg, LogTo, RateArg, Restapi, header, host, millis, number, rate, refuse, restapi,
        seconds,
    },
    connection::{protocol_version, qos},
};

const EXAMPLES: &str = "\
Examples:
  mqtt bench conn -c 15000 -R 2000 --duration 60
      15,000 connections, 2,000 of them each second, kept for a minute
  mqtt bench sub -c 500 -t 'bench/%i' -q 1
      500 subscribers with a topic each, until Ctrl-C
  mqtt bench pub -c 100 -t 'bench/%i' -I 10 -s 256 -L 100000
      100 publishers, a message of 256 bytes each every 10 ms, 100,000 in all
  mqtt bench all -c 50 -t 'bench/%i' --rate 20000 --duration 30 --warmup 5
      50 pairs, 20,000 messages/s in all; times from when each message was due
  mqtt bench all -c 1 --subscribers 1000 -t news --rate 100 --json
      one publisher, 1,000 subscribers, the report as JSON

In client ids, user names, topics and passwords: %i the client's number, %c its id, %u the user name, %h this machine;
in topics to publish to also %s the message's number and %r a random number, and %% everywhere a percent sign.
Exit codes: 0 all went well, 1 clients could not connect or it could not run, 2 wrong flags,
3 messages were lost, refused or came twice, 130 and 143 ended by a signal; the table is printed all the same.";

/// Flags of `mqtt bench`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct BenchArgs {
    /// What the clients do.
    #[command(subcommand)]
    pub(crate) command: BenchCommand,
}

/// What the clients do.
#[derive(clap::Subcommand)]
pub(crate) enum BenchCommand {
    /// Connect and stay
    #[command(args_override_self = true, after_help = EXAMPLES)]
    Conn(ConnArgs),
    /// Connect and publish
    #[command(args_override_self = true, after_help = EXAMPLES)]
    Pub(PubArgs),
    /// Connect, subscribe and receive
    #[command(args_override_self = true, after_help = EXAMPLES)]
    Sub(SubArgs),
    /// Publish and receive, and measure from end to end
    #[command(args_override_self = true, after_help = EXAMPLES)]
    All(AllArgs),
}

/// Flags of `mqtt bench conn`.
#[derive(clap::Args)]
pub(crate) struct ConnArgs {
    /// The clients.
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
}

/// Flags of `mqtt bench pub`.
#[derive(clap::Args)]
pub(crate) struct PubArgs {
    /// The clients.
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// What they publish.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// The headers.
    #[command(flatten)]
    pub(crate) header: HeaderArgs,
    /// The topics.
    #[command(flatten)]
    pub(crate) topics: TopicArgs,
}

/// Flags of `mqtt bench sub`.
#[derive(clap::Args)]
pub(crate) struct SubArgs {
    /// The clients.
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// The headers.
    #[command(flatten)]
    pub(crate) header: HeaderArgs,
    /// The topics.
    #[command(flatten)]
    pub(crate) topics: TopicArgs,
}

/// Flags of `mqtt bench all`.
#[derive(clap::Args)]
pub(crate) struct AllArgs {
    /// The clients.
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// What they publish.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// The headers.
    #[command(flatten)]
    pub(crate) header: HeaderArgs,
    /// The topics.
    #[command(flatten)]
    pub(crate) topics: TopicArgs,
    /// Subscribers, besides the publishers of -c [default: as many]
    #[arg(long, value_name = "COUNT")]
    pub(crate) subscribers: Option<u32>,
    /// What subscribers subscribe to, may be repeated [default: the topics of -t]
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
    /// QoS of the subscriptions [default: that of -q]
    #[arg(long, value_name = "QOS", value_parser = qos)]
    pub(crate) sub_qos: Option<QoS>,
}

/// Who connects where, for how long, and what is printed.
#[derive(clap::Args)]
pub(crate) struct FleetArgs {
    /// The broker; several with commas between, for clients in turn
    #[arg(
        short = 'h',
        long,
        visible_alias = "hostname",
        default_value = "localhost",
        value_delimiter = ',',
        value_parser = host
    )]
    pub(crate) host: Vec<String>,
    /// Its port [default: 1883, with TLS 8883, with WebSocket 8083, with both 8084]
    #[arg(short = 'p', long)]
    pub(crate) port: Option<u16>,
    /// MQTT version: 3.1, 3.1.1 (4) or 5
    #[arg(short = 'V', long = "version", visible_alias = "mqtt-version", value_name = "VERSION", default_value = "5", value_parser = protocol_version)]
    pub(crate) version: ProtocolVersion,
    /// Clients
    #[arg(short = 'c', long, value_name = "COUNT", default_value_t = 200)]
    pub(crate) count: u32,
    /// The first client has the number after this
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) startnumber: u32,
    /// Time between two connections, in ms [default: as fast as it goes, 256 under way]
    #[arg(short = 'i', long, value_name = "MS", value_parser = millis, conflicts_with = "connrate")]
    pub(crate) interval: Option<std::time::Duration>,
    /// Connections per second, 0 for -i
    #[arg(short = 'R', long, value_name = "RATE", value_parser = number)]
    pub(crate) connrate: Option<u64>,
    /// User name
    #[arg(short = 'u', long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Password
    #[arg(short = 'P', long, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
    /// Keep Alive in seconds
    #[arg(short = 'k', long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) keepalive: u16,
    /// Begin sessions new: true or false
    #[arg(short = 'C', long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value_t = true, action = ArgAction::Set)]
    pub(crate) clean: bool,
    /// Keep sessions: -C false
    #[arg(long)]
    pub(crate) no_clean: bool,
    /// Session Expiry Interval in seconds
    #[arg(
        short = 'x',
        long,
        visible_alias = "session-expiry-interval",
        value_name = "SECONDS",
        default_value_t = 0
    )]
    pub(crate) session_expiry: u32,
    /// Client ids begin with this in place of the machine's name
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// Client ids are prefix and number alone
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value_t = false, action = ArgAction::Set)]
    pub(crate) shortids: bool,
    /// Client ids, with %i
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["prefix", "shortids"])]
    pub(crate) client_id: Option<String>,
    /// Addresses of this machine to connect from, with commas between
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) ifaddr: Vec<IpAddr>,
    /// How often a client that could not connect tries again, a second later
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) num_retry_connect: u32,
    /// How often a client that lost its connection connects again
    #[arg(
        long,
        visible_alias = "maximum-reconnect-times",
        value_name = "COUNT",
        default_value_t = 0
    )]
    pub(crate) reconnect: u32,
    /// Over TLS: true or false
    #[arg(short = 'S', long, visible_alias = "tls", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value_t = false, action = ArgAction::Set)]
    pub(crate) ssl: bool,
    /// Certificates to believe, PEM [default: whatever the broker shows is taken]
    #[arg(long, visible_alias = "ca", value_name = "FILE")]
    pub(crate) cacertfile: Option<PathBuf>,
    /// The clients' certificate, PEM
    #[arg(
        long,
        visible_alias = "cert",
        value_name = "FILE",
        requires = "keyfile"
    )]
    pub(crate) certfile: Option<PathBuf>,
    /// Its key, PEM
    #[arg(
        long,
        visible_alias = "key",
        value_name = "FILE",
        requires = "certfile"
    )]
    pub(crate) keyfile: Option<PathBuf>,
    /// Take whatever certificate the broker shows, as without --cacertfile
    #[arg(long, conflicts_with = "cacertfile")]
    pub(crate) insecure: bool,
    /// Over WebSocket: true or false
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value_t = false, action = ArgAction::Set)]
    pub(crate) ws: bool,
    /// Path of the WebSocket
    #[arg(
        long,
        visible_alias = "path",
        value_name = "PATH",
        default_value = "/mqtt"
    )]
    pub(crate) ws_path: String,
    /// Threads; clients are shared among them
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) threads: u16,
    /// Let messages gather for so long, in ms: less work per message, and times that are as much longer
    #[arg(long, value_name = "MS", default_value = "0", value_parser = millis)]
    pub(crate) tick: std::time::Duration,
    /// When a message counts as come, in the times: when the kernel had it (Linux, TCP alone), or when it was read
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ArrivalArg::Kernel)]
    pub(crate) arrival: ArrivalArg,
    /// Small buffers: less memory per client, more work per message
    #[arg(short = 'l', long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value_t = false, action = ArgAction::Set)]
    pub(crate) lowmem: bool,
    /// End after so long, in seconds or as 30s, 5m, 500ms; counts from when all are connected, behind --warmup
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub(crate) duration: Option<std::time::Duration>,
    /// Do not count messages of this time at the beginning
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = seconds)]
    pub(crate) warmup: std::time::Duration,
    /// How long a broker may take to answer a client, and how long the end waits for what is under way
    #[arg(long, value_name = "TIME", default_value = "10", value_parser = seconds)]
    pub(crate) patience: std::time::Duration,
    /// What is printed.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// What is refused.
    #[command(flatten)]
    pub(crate) refused: RefusedArgs,
}

/// What is printed, and a file of flags.
#[derive(clap::Args)]
pub(crate) struct OutputArgs {
    /// Print the report as JSON
    #[arg(short = 'J', long)]
    pub(crate) json: bool,
    /// Print the report for Prometheus; with --restapi serve it while it runs
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value_t = false, action = ArgAction::Set)]
    pub(crate) prometheus: bool,
    /// Where to serve it over HTTP: a port of 127.0.0.1, or address:port
    #[arg(long, value_name = "[ADDRESS:]PORT", num_args = 0..=1, default_missing_value = "8090", value_parser = restapi, requires = "prometheus")]
    pub(crate) restapi: Option<Restapi>,
    /// A line each second on stderr, also where that is no terminal
    #[arg(long)]
    pub(crate) progress: bool,
    /// `null` for no lines while it runs
    #[arg(
        long = "log_to",
        visible_alias = "log-to",
        value_name = "WHERE",
        value_enum,
        default_value = "console"
    )]
    pub(crate) log_to: LogTo,
    /// Take flags from this TOML file: long names as keys, `[[step]]` for runs one after the other
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
}

/// Topics.
#[derive(clap::Args)]
pub(crate) struct TopicArgs {
    /// Topic, may be repeated
    #[arg(short = 't', long, value_name = "TOPIC")]
    pub(crate) topic: Vec<String>,
    /// QoS
    #[arg(short = 'q', long, value_name = "QOS", default_value = "0", value_parser = qos)]
    pub(crate) qos: QoS,
}

/// What publishers do.
#[derive(clap::Args)]
pub(crate) struct LoadArgs {
    /// Time between two messages of a publisher, in ms
    #[arg(short = 'I', long = "interval_of_msg", visible_aliases = ["interval-of-msg", "message-interval"], value_name = "MS", default_value = "1000", value_parser = millis)]
    pub(crate) interval_of_msg: std::time::Duration,
    /// Messages per second of all publishers together, or `max`
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) rate: Option<RateArg>,
    /// Bytes of a payload, the header of --hdr among them
    #[arg(
        short = 's',
        long,
        visible_alias = "payload-size",
        value_name = "BYTES",
        default_value_t = 256
    )]
    pub(crate) size: usize,
    /// The payload in place of filler; template://FILE takes a text with %i, %s and the like from a file
    #[arg(short = 'm', long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Topics with payload, QoS and retain from a JSON file, in place of -t
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topic", "message"])]
    pub(crate) topics_payload: Option<PathBuf>,
    /// Retain messages
    #[arg(short = 'r', long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value_t = false, action = ArgAction::Set)]
    pub(crate) retain: bool,
    /// Messages in all, 0 for no end
    #[arg(short = 'L', long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) limit: u64,
    /// Messages above QoS 0 that a publisher has under way at most, 0 for no bound; with `all --rate max` at QoS 0 too
    #[arg(short = 'F', long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) inflight: u16,
    /// No publisher begins before all are connected
    #[arg(short = 'w', long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value_t = false, action = ArgAction::Set)]
    pub(crate) wait_before_publishing: bool,
    /// A publisher waits at least so long before it begins, in ms
    #[arg(long, value_name = "MS", default_value = "0", value_parser = millis)]
    pub(crate) min_random_wait: std::time::Duration,
    /// And at most so long, in ms [default: as --min-random-wait]
    #[arg(long, value_name = "MS", value_parser = millis)]
    pub(crate) max_random_wait: Option<std::time::Duration>,
}

/// What stands in front of payloads.
#[derive(clap::Args)]
pub(crate) struct HeaderArgs {
    /// Header in payloads: seq, ts, both, or none. Shows loss, repetition and order; age [default: all seq,ts; pub none; sub reads what is there]
    #[arg(long, value_name = "FIELDS", value_parser = header)]
    pub(crate) hdr: Option<HeaderArg>,
    /// The same in the form of emqtt-bench: cnt64, ts, in front of the payload of -s or -m
    #[arg(long, value_name = "FIELDS", value_parser = header, conflicts_with = "hdr")]
    pub(crate) payload_hdrs: Option<HeaderArg>,
}

/// Flags of emqtt-bench that do not work here; each says why.
#[derive(clap::Args)]
pub(crate) struct RefusedArgs {
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", value_parser = refuse::<0>)]
    quic: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "", value_parser = refuse::<0>)]
    load_qst: Option<String>,
    #[arg(short = 'Q', long, hide = true, num_args = 0..=1, default_missing_value = "true", value_parser = refuse::<1>)]
    qoe: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "", value_parser = refuse::<1>)]
    qoelog: Option<String>,
    #[arg(short = 'd', long, hide = true, num_args = 0..=1, default_missing_value = "true", value_parser = refuse::<2>)]
    dist: Option<String>,
    #[arg(short = 'f', long, hide = true, num_args = 0..=1, default_missing_value = "", value_parser = refuse::<3>)]
    force_major_gc_interval: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "", value_parser = refuse::<4>)]
    retry_interval: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "", value_parser = refuse::<5>)]
    ciphers: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "", value_parser = refuse::<5>)]
    signature_algs: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "", value_parser = refuse::<5>)]
    keyex_algs: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "", value_parser = refuse::<5>)]
    ssl_version: Option<String>,
}

/// When a message counts as come.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum ArrivalArg {
    /// When the kernel had it: without the time until this program got round to it
    Kernel,
    /// When this program read it
    Read,
}
