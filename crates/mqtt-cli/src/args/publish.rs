//! `mqtt pub`.

use std::{ffi::OsString, path::PathBuf};

use mqtt_codec::QoS;

use super::connection::{ConnectionArgs, qos, topic_name};
use crate::exit::Failure;

/// Flags of `mqtt pub`.
#[derive(clap::Args)]
pub(crate) struct PublishArgs {
    /// Publish to this topic
    #[arg(
        short = 't',
        long,
        value_name = "TOPIC",
        required_unless_present = "url",
        value_parser = topic_name
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
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl PublishArgs {
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
            (None, Some(topic)) => topic_name(&topic).map_err(Failure::usage),
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
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Publish every line of stdin as a message; empty lines are skipped
    #[arg(short = 'l', long)]
    pub(crate) stdin_line: bool,
    /// Publish all of stdin as one message
    #[arg(short = 's', long)]
    pub(crate) stdin_file: bool,
    /// Publish a message without payload; with -r it removes the retained one
    #[arg(short = 'n', long)]
    pub(crate) null_message: bool,
}
