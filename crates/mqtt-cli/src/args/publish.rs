//! `mqtt pub`.

use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf, time::Duration};

use mqtt_codec::QoS;
use mqtt_payload::Encoder;

use super::{
    codecs::{EncodeList, SchemaArgs},
    connection::{ConnectionArgs, qos},
    message::MessageArgs,
    moment::StartAt,
    units,
};
use crate::exit::Failure;

/// Flags of `mqtt pub`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mqtt pub -t sensors/hall -m 21.5
  mqtt pub -L mqtts://broker.example/sensors/hall -m 21.5 -q 1 -r
  tail -f log | mqtt pub -t log -l
  mqtt pub -t sensors/hall -f reading.json --content-type application/json
  mqtt pub -t sensors/hall -m '{\"celsius\":21.5}' --encode protobuf --protobuf sensors.proto:demo.Reading
  mqtt pub -t state -m on -D publish user-property unit celsius -D publish message-expiry-interval 60
  mqtt pub -t 'load/{{i}}' -m '{\"id\":\"{{uuid}}\",\"t\":{{ts_ms}},\"v\":{{rand 0 100}}}' --template --repeat 10 --repeat-delay 1
Any flag can be said in the environment, as MQTT_HOST for --host, and in a profile.")]
pub(crate) struct PublishArgs {
    /// Publish to this topic
    #[arg(
        short = 't',
        long,
        value_name = "TOPIC",
        required_unless_present = "url"
    )]
    pub(crate) topic: Option<String>,
    /// What to publish.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// QoS: 0 at most once, 1 at least once, 2 exactly once
    #[arg(short = 'q', long, value_name = "QOS", default_value = "0", value_parser = qos)]
    pub(crate) qos: QoS,
    /// Let the broker keep the message for later subscribers
    #[arg(short = 'r', long)]
    pub(crate) retain: bool,
    /// Publish it so often; of -l there are as many as lines
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) repeat: u64,
    /// Wait so long after each message is delivered before the next: seconds, or as in 20ms
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) repeat_delay: Option<Duration>,
    /// Publish at this time: 2026-11-22T20:00:00Z, or the next 20:00 of this machine
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<StartAt>,
    /// Publish the parts between these characters as messages of their own; without a value lines
    #[arg(long, value_name = "CHARACTERS", num_args = 0..=1, require_equals = true, default_missing_value = "\n", conflicts_with_all = ["stdin_line", "null_message"])]
    pub(crate) split: Option<String>,
    /// Fill in fields such as {{i}}, {{ts_ms}}, {{uuid}}, {{rand 0 100}} in topic and payload
    #[arg(long)]
    pub(crate) template: bool,
    /// Repeat what is random: the same number gives the same values
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Encode the payload: hex, base64, json, cbor, msgpack, gzip, ...; several with commas between, the innermost first
    #[arg(long, value_name = "CODECS", value_parser = EncodeList::parse)]
    encode: Option<EncodeList>,
    /// The schemas of these codecs.
    #[command(flatten)]
    schemas: SchemaArgs,
    /// Messages that may wait for the broker's answer [default: 1024]
    #[arg(short = 'M', long, value_name = "COUNT")]
    pub(crate) max_inflight: Option<NonZeroUsize>,
    /// Connect to this address, as with -L
    #[arg(value_name = "URL", conflicts_with_all = ["url", "host", "port", "unix"])]
    pub(crate) address: Option<String>,
    /// Properties of the message.
    #[command(flatten)]
    pub(crate) message_properties: MessageArgs,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl PublishArgs {
    /// What is not said is as `mosquitto_pub` has it.
    pub(crate) fn as_mosquitto(&mut self) {
        self.source.is_mosquitto = true;
        self.connection.as_mosquitto();
    }

    /// What encodes payloads, if anything does.
    pub(crate) fn encoder(&self) -> Result<Option<Encoder>, Failure> {
        let codecs = self.encode.as_ref().map_or(&[][..], |list| &list.0);
        let checked = self.schemas.check(codecs.iter(), "--encode");
        checked.map_err(Failure::usage)?;
        let encoder = self.encode.as_ref().map(|list| {
            let encoder = self.schemas.encoder(list.0.clone());
            encoder.map_err(Failure::usage)
        });
        encoder.transpose()
    }

    /// The topic of `-t`, or that of the address; what is no Topic Name is refused where it is known.
    pub(crate) fn topic(&self) -> Result<String, Failure> {
        let of_address = self
            .connection
            .server
            .target()
            .map_err(Failure::usage)?
            .topic;
        match (&self.topic, of_address) {
            (Some(topic), None) => Ok(topic.clone()),
            (Some(topic), Some(_)) if self.source.is_mosquitto => Ok(topic.clone()),
            (None, Some(topic)) => Ok(topic),
            (Some(_), Some(_)) => Err(Failure::usage("the topic is in the address, leave out -t")),
            (None, None) => Err(Failure::usage(
                "say a topic: with -t, or at the end of the address",
            )),
        }
    }
}

/// Where the payload comes from: exactly one of these.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SourceArgs {
    /// Publish this text
    #[arg(short = 'm', long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) message: Option<OsString>,
    /// Publish the contents of this file
    #[arg(short = 'f', long, visible_alias = "file-read", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Publish every line of stdin as a message; empty lines are skipped
    #[arg(short = 'l', long, visible_alias = "multiline")]
    pub(crate) stdin_line: bool,
    /// Publish all of stdin as one message
    #[arg(short = 's', long, visible_alias = "stdin")]
    pub(crate) stdin_file: bool,
    /// Publish a message without payload; with -r it removes the retained one
    #[arg(short = 'n', long)]
    pub(crate) null_message: bool,
    /// Publish so many random letters and digits, as in 100 or 1KB
    #[arg(long, visible_alias = "payload-size", value_name = "SIZE", value_parser = units::size)]
    pub(crate) size: Option<usize>,
    /// Whether it behaves as Mosquitto's program does.
    #[arg(skip)]
    pub(crate) is_mosquitto: bool,
}
