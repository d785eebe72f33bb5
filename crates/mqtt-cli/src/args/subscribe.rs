//! `mqtt sub`.

use std::{num::NonZeroUsize, path::PathBuf};

use mqtt_codec::{QoS, TopicFilter};

use super::{
    PrintArgs,
    connection::{ConnectionArgs, qos},
    subscription::SubscriptionArgs,
};
use crate::exit::Failure;

/// Flags of `mqtt sub`.
#[derive(clap::Args)]
pub(crate) struct SubscribeArgs {
    /// Subscribe to these topic filters, as with -t
    #[arg(value_name = "FILTER", value_parser = topic_filter)]
    pub(crate) filters: Vec<String>,
    /// Subscribe to this topic filter; may be repeated
    #[arg(
        short = 't',
        long = "topic",
        value_name = "FILTER",
        required_unless_present_any = ["url", "filters", "unsubscribe"],
        value_parser = topic_filter
    )]
    pub(crate) topics: Vec<String>,
    /// Print nothing of topics that match this filter; may be repeated
    #[arg(short = 'T', long = "filter-out", value_name = "FILTER", value_parser = topic_filter)]
    pub(crate) without: Vec<String>,
    /// Unsubscribe from this filter of a session that was kept; may be repeated
    #[arg(short = 'U', long = "unsubscribe", value_name = "FILTER", value_parser = topic_filter)]
    pub(crate) unsubscribe: Vec<String>,
    /// Highest QoS of the messages: 0 at most once, 1 at least once, 2 exactly once
    #[arg(short = 'q', long, value_name = "QOS", default_value = "0", value_parser = qos)]
    pub(crate) qos: QoS,
    /// Leave out what this client publishes itself; MQTT 5
    #[arg(long, alias = "no_local")]
    pub(crate) no_local: bool,
    /// What is asked of retained messages.
    #[command(flatten)]
    pub(crate) subscription: SubscriptionArgs,
    /// Subscription Identifier that messages carry; MQTT 5
    #[arg(
        long = "sub-id",
        alias = "subscription-identifier",
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=268_435_455)
    )]
    pub(crate) subscription_identifier: Option<u32>,
    /// End after this many messages
    #[arg(short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after this many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
    /// End once the subscriptions are acknowledged
    #[arg(short = 'E')]
    pub(crate) end_when_subscribed: bool,
    /// Leave out retained messages, which are old
    #[arg(short = 'R', conflicts_with = "retained_only")]
    pub(crate) no_retained: bool,
    /// Print retained messages only, and end at the first other
    #[arg(long)]
    pub(crate) retained_only: bool,
    /// Have the broker forget each retained message that comes
    #[arg(long)]
    pub(crate) remove_retained: bool,
    /// Removals that may wait for the broker's answer [default: 1024]
    #[arg(short = 'M', long, value_name = "COUNT")]
    pub(crate) max_inflight: Option<NonZeroUsize>,
    /// Print so many of a hundred messages, chosen at random: 0.1 to 100
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) random_filter: Option<f64>,
    /// Print each topic on a line of its own that is replaced, on a terminal
    #[arg(short = 'w', long, conflicts_with_all = ["message_rate", "out", "out_dir"])]
    pub(crate) watch: bool,
    /// Print how many messages came in each second instead of the messages
    #[arg(long, conflicts_with_all = ["out", "out_dir"])]
    pub(crate) message_rate: bool,
    /// Tell on stderr each second, and at the end, how much came
    #[arg(long)]
    pub(crate) stats: bool,
    /// Add what is printed to this file
    #[arg(long, alias = "file-write", value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write each message to a file of its own in this folder
    #[arg(long, alias = "file-save", value_name = "DIR", conflicts_with = "out")]
    pub(crate) out_dir: Option<PathBuf>,
    /// Whether it behaves as Mosquitto's program does.
    #[arg(skip)]
    pub(crate) is_mosquitto: bool,
    /// How messages are printed.
    #[command(flatten)]
    pub(crate) print: PrintArgs,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl SubscribeArgs {
    /// What is not said is as `mosquitto_sub` has it.
    pub(crate) fn as_mosquitto(&mut self) -> Result<(), Failure> {
        self.is_mosquitto = true;
        self.connection.as_mosquitto();
        self.print.as_mosquitto();
        let connection = &self.connection;
        self.subscription
            .as_mosquitto(connection.protocol_version, connection.quiet);
        match self.filters.first() {
            None => Ok(()),
            Some(word) => Err(Failure::usage(format_args!("Unknown option '{word}'."))),
        }
    }

    /// The filters of `-t`, those without a flag, and that of the address; none is needed beside `-U`.
    pub(crate) fn topic_filters(&self) -> Result<Vec<String>, Failure> {
        let mut filters = [self.topics.as_slice(), &self.filters].concat();
        if let Some(of_address) = self
            .connection
            .server
            .target()
            .map_err(Failure::usage)?
            .topic
        {
            filters.push(topic_filter(&of_address).map_err(Failure::usage)?);
        }
        match filters.is_empty() && self.unsubscribe.is_empty() {
            true => Err(Failure::usage(
                "say a topic: with -t, or at the end of the address",
            )),
            false => Ok(filters),
        }
    }

    /// Whether a flag is given that only MQTT 5 has.
    pub(crate) const fn has_options_of_v5(&self) -> bool {
        self.no_local || self.subscription.is_given() || self.subscription_identifier.is_some()
    }
}

fn topic_filter(text: &str) -> Result<String, String> {
    TopicFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok();
    percent
        .filter(|percent| (0.1..=100.0).contains(percent))
        .ok_or_else(|| "say a number from 0.1 to 100".to_owned())
}
