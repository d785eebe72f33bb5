//! `mqtt record` and `mqtt replay`.

use std::path::PathBuf;

use mqtt_codec::{QoS, TopicFilter, TopicName};
use mqtt_record::Speed;

use super::connection::{ConnectionArgs, qos};

/// Messages into a file.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mqtt record 'sensors/#' > morning.ndjson
  mqtt record '#' -q 2 -W 3600 --output hour.ndjson
  mqtt record 'a/#' 'b/#' -C 1000 | gzip > thousand.ndjson.gz

The file is lines of JSON: a head, then a message each with its time, topic, payload, QoS, retain flag and
properties. `mqtt replay` publishes it again. Ends with Ctrl-C, after -C messages or -W seconds, with exit
code 0.")]
pub(crate) struct RecordArgs {
    /// Topics to record
    #[arg(value_name = "FILTER", required = true, value_parser = topic_filter)]
    pub(crate) topic_filters: Vec<String>,
    /// Write to this file instead of standard output
    #[arg(long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Highest QoS of the messages
    #[arg(short = 'q', long, value_name = "QOS", default_value = "1", value_parser = qos)]
    pub(crate) qos: QoS,
    /// Leave out what was retained before
    #[arg(short = 'R')]
    pub(crate) no_retained: bool,
    /// End after this many messages
    #[arg(short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after this many seconds
    #[arg(short = 'W', value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: Option<u64>,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Messages out of a file.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mqtt replay morning.ndjson                     at the times it was recorded
  mqtt replay morning.ndjson --speed 10          ten times as fast
  mqtt replay morning.ndjson --max -q 1          as fast as the broker takes it
  mqtt replay morning.ndjson --loop --prefix test/
  gzip -dc hour.ndjson.gz | mqtt replay - --rewrite plant/7=lab")]
pub(crate) struct ReplayArgs {
    /// The recording; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// So many times as fast as it was recorded
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = speed, conflicts_with = "max")]
    pub(crate) speed: Speed,
    /// As fast as the broker takes it
    #[arg(long)]
    pub(crate) max: bool,
    /// Begin again at its end: so often in all, or for ever
    #[arg(long = "loop", value_name = "TIMES", num_args = 0..=1, default_missing_value = "0")]
    pub(crate) rounds: Option<u64>,
    /// Put this in front of every topic
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub(crate) prefix: String,
    /// Put TO in place of the levels FROM at the start of topics; may be repeated
    #[arg(long, value_name = "FROM=TO", value_parser = rewrite)]
    pub(crate) rewrite: Vec<(String, String)>,
    /// Publish with this QoS in place of the recorded one
    #[arg(short = 'q', long, value_name = "QOS", value_parser = qos)]
    pub(crate) qos: Option<QoS>,
    /// Retain nothing
    #[arg(long)]
    pub(crate) no_retain: bool,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

fn topic_filter(text: &str) -> Result<String, String> {
    TopicFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn speed(text: &str) -> Result<Speed, String> {
    match text.parse::<f64>() {
        Ok(times) if times > 0.0 && times.is_finite() => Ok(Speed::Times(times)),
        _ => Err("say a number above 0, such as 10 or 0.5".to_owned()),
    }
}

fn rewrite(text: &str) -> Result<(String, String), String> {
    let (from, to) = text.split_once('=').ok_or("say FROM=TO")?;
    for levels in [from, to] {
        if !levels.is_empty() {
            TopicName::try_new(levels).map_err(|error| error.to_string())?;
        }
    }
    match from {
        "" => Err("say what to put it in place of; --prefix puts something in front".to_owned()),
        from => Ok((from.to_owned(), to.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_above_zero() {
        assert_eq!(speed("0.5"), Ok(Speed::Times(0.5)));
        for text in ["0", "-1", "inf", "NaN", "fast"] {
            assert!(speed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rewrites_are_of_topics() {
        assert_eq!(rewrite("a/b=c"), Ok(("a/b".to_owned(), "c".to_owned())));
        for text in ["a", "=b", "a/#=b"] {
            assert!(rewrite(text).is_err(), "{text}");
        }
    }
}
