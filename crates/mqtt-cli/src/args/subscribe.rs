//! `mqtt sub`.

use mqtt_codec::{QoS, TopicFilter};
use mqtt_format::Format;

use super::connection::{ConnectionArgs, qos};
use crate::exit::Failure;

/// Flags of `mqtt sub`.
#[derive(clap::Args)]
pub(crate) struct SubscribeArgs {
    /// Subscribe to this topic filter; may be repeated
    #[arg(
        short = 't',
        long = "topic",
        value_name = "FILTER",
        required_unless_present = "url",
        value_parser = topic_filter
    )]
    pub(crate) topics: Vec<String>,
    /// Highest QoS of the messages: 0 at most once, 1 at least once, 2 exactly once
    #[arg(short = 'q', long, value_name = "QOS", default_value = "0", value_parser = qos)]
    pub(crate) qos: QoS,
    /// Print the topic before each payload
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
    /// Print each message in this format, as mosquitto_sub does: `%t` topic, `%p` payload, `%j` JSON
    #[arg(short = 'F', long, value_name = "FORMAT", value_parser = Format::parse)]
    pub(crate) format: Option<Format>,
    /// Print JSON over several lines
    #[arg(long, requires = "format")]
    pub(crate) pretty: bool,
    /// Print no newline after each payload
    #[arg(short = 'N')]
    pub(crate) no_newline: bool,
    /// End after this many messages
    #[arg(short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after this many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl SubscribeArgs {
    /// The filters of `-t`, and that of the address.
    pub(crate) fn topic_filters(&self) -> Result<Vec<String>, Failure> {
        let mut filters = self.topics.clone();
        if let Some(of_address) = self
            .connection
            .server
            .target()
            .map_err(Failure::usage)?
            .topic
        {
            filters.push(topic_filter(&of_address).map_err(Failure::usage)?);
        }
        match filters.is_empty() {
            true => Err(Failure::usage(
                "say a topic: with -t, or at the end of the address",
            )),
            false => Ok(filters),
        }
    }
}

fn topic_filter(text: &str) -> Result<String, String> {
    TopicFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
