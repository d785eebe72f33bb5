//! `mqtt rr`.

use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf};

use mqtt_codec::{ProtocolVersion, QoS};
use mqtt_payload::Encoder;

use super::{
    PrintArgs,
    codecs::{EncodeList, SchemaArgs},
    connection::{ConnectionArgs, qos, topic_name},
    subscription::SubscriptionArgs,
};
use crate::exit::Failure;

/// Flags of `mqtt rr`.
#[derive(clap::Args)]
pub(crate) struct RequestArgs {
    /// Publish the request to this topic
    #[arg(short = 't', long, value_name = "TOPIC", value_parser = topic_name)]
    pub(crate) topic: Option<String>,
    /// Wait for the response on this topic [default: one of its own, at random]
    #[arg(short = 'e', long = "response-topic", value_name = "TOPIC", value_parser = topic_name)]
    pub(crate) response_topic: Option<String>,
    /// What to ask.
    #[command(flatten)]
    pub(crate) source: RequestSourceArgs,
    /// Encode the request by these codecs one after another, as in `cbor,gzip`
    #[arg(long, value_name = "CODECS", value_parser = EncodeList::parse)]
    pub(crate) encode: Option<EncodeList>,
    /// What --protobuf says, where the request is of another type than its response
    #[arg(long, value_name = "FILE:MESSAGE")]
    request_protobuf: Option<String>,
    /// What --avro says, where the request is by another schema than its response
    #[arg(long, value_name = "FILE")]
    request_avro: Option<PathBuf>,
    /// QoS of the request, and highest of the response: 0, 1 or 2
    #[arg(short = 'q', long, value_name = "QOS", default_value = "0", value_parser = qos)]
    pub(crate) qos: QoS,
    /// End after this many seconds without a response, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
    /// Take no retained message for the response
    #[arg(short = 'R')]
    pub(crate) no_retained: bool,
    /// What is asked of retained messages.
    #[command(flatten)]
    pub(crate) subscription: SubscriptionArgs,
    /// Tell how long the response took, on stderr
    #[arg(long)]
    pub(crate) latency: bool,
    /// Taken as `mosquitto_rr` takes it; there is one request, so nothing to bound
    #[arg(short = 'M', value_name = "COUNT", hide = true)]
    max_inflight: Option<NonZeroUsize>,
    /// Whether it behaves as Mosquitto's program does.
    #[arg(skip)]
    pub(crate) is_mosquitto: bool,
    /// How the response is printed.
    #[command(flatten)]
    pub(crate) print: PrintArgs,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Where the request comes from: exactly one of these.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct RequestSourceArgs {
    /// Ask with this text
    #[arg(short = 'm', long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) message: Option<OsString>,
    /// Ask with the contents of this file
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Ask with all of stdin
    #[arg(short = 's', long)]
    pub(crate) stdin_file: bool,
    /// Ask with a message without payload
    #[arg(short = 'n', long)]
    pub(crate) null_message: bool,
}

impl RequestArgs {
    /// What is not said is as `mosquitto_rr` has it: MQTT 5, and no Correlation Data.
    pub(crate) fn as_mosquitto(&mut self) -> Result<(), Failure> {
        self.is_mosquitto = true;
        let newest = ProtocolVersion::V5; // version: what mosquitto_rr begins with
        self.connection.protocol_version.get_or_insert(newest);
        self.connection.as_mosquitto();
        self.print.as_mosquitto();
        let connection = &self.connection;
        self.subscription
            .as_mosquitto(connection.protocol_version, connection.quiet);
        match self.response_topic {
            Some(_) => Ok(()),
            None => Err(Failure::usage(
                "All of topic, message, and response topic must be supplied.",
            )),
        }
    }

    /// What encodes the request, if anything does.
    ///
    /// # Errors
    /// A schema that cannot be used, is missing, or is for nothing.
    pub(crate) fn encoder(&self) -> Result<Option<Encoder>, Failure> {
        let codecs = self.encode.as_ref().map_or(&[][..], |list| &list.0);
        let own = SchemaArgs {
            protobuf: self.request_protobuf.clone(),
            avro: self.request_avro.clone(),
        };
        let both = &self.print.schemas;
        both.check(
            codecs.iter().chain(self.print.codecs()),
            "--encode or --decode",
        )
        .and_then(|()| own.check(codecs.iter(), "--encode"))
        .map_err(Failure::usage)?;
        let encoder = self.encode.as_ref().map(|list| {
            let encoder = own.or(both).encoder(list.0.clone());
            encoder.map_err(Failure::usage)
        });
        encoder.transpose()
    }

    /// The topic of `-t`, or that of the address.
    pub(crate) fn topic_name(&self) -> Result<String, Failure> {
        let of_address = self
            .connection
            .server
            .target()
            .map_err(Failure::usage)?
            .topic;
        match (&self.topic, of_address) {
            (Some(topic), None) => Ok(topic.clone()),
            (Some(topic), Some(_)) if self.is_mosquitto => Ok(topic.clone()),
            (None, Some(topic)) => topic_name(&topic).map_err(Failure::usage),
            (Some(_), Some(_)) => Err(Failure::usage("the topic is in the address, leave out -t")),
            (None, None) => Err(Failure::usage(
                "say a topic: with -t, or at the end of the address",
            )),
        }
    }
}
