//! `mqtt sub`.

use mqtt_codec::{QoS, TopicFilter};

use super::connection::{ConnectionArgs, qos};

/// Flags of `mqtt sub`.
#[derive(clap::Args)]
pub(crate) struct SubscribeArgs {
    /// Subscribe to this topic filter; may be repeated
    #[arg(
        short = 't',
        long = "topic",
        value_name = "FILTER",
        required = true,
        value_parser = topic_filter
    )]
    pub(crate) topics: Vec<String>,
    /// Highest QoS of the messages: 0 at most once, 1 at least once, 2 exactly once
    #[arg(short = 'q', long, value_name = "QOS", default_value = "0", value_parser = qos)]
    pub(crate) qos: QoS,
    /// Print the topic before each payload
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
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

fn topic_filter(text: &str) -> Result<String, String> {
    TopicFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
