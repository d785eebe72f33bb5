//! `mqtt tui`.

use mqtt_codec::{QoS, TopicFilter};
use mqtt_payload::Decoder;

use super::{
    codecs::{CodecList, SchemaArgs},
    connection::{ConnectionArgs, qos},
};
use crate::exit::Failure;

/// Flags of `mqtt tui`.
#[derive(clap::Args)]
pub(crate) struct TuiArgs {
    /// Subscribe to this topic filter, # when none is named; may be repeated
    #[arg(short = 't', long = "topic", value_name = "FILTER", value_parser = topic_filter)]
    topics: Vec<String>,
    /// Highest QoS of the messages: 0 at most once, 1 at least once, 2 exactly once
    #[arg(short = 'q', long, value_name = "QOS", default_value = "0", value_parser = qos)]
    pub(crate) qos: QoS,
    /// Decode payloads by these codecs one after another, as in `gzip,cbor`; keys still show them otherwise
    #[arg(long, value_name = "CODECS", default_value = "auto", value_parser = CodecList::parse)]
    decode: CodecList,
    /// The schemas of these codecs.
    #[command(flatten)]
    schemas: SchemaArgs,
    /// Messages of a topic that are kept to be looked at
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) history: u16,
    /// Draw at most so many times a second
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=60))]
    pub(crate) frame_rate: u8,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl TuiArgs {
    /// What decodes payloads.
    pub(crate) fn decoder(&self) -> Result<Decoder, Failure> {
        let checked = self.schemas.check(self.decode.0.iter(), "--decode");
        let decoder = checked.and_then(|()| self.schemas.decoder(self.decode.0.clone()));
        decoder.map_err(Failure::usage)
    }

    /// The filters of `-t`, and that of the address; everything when there is none.
    pub(crate) fn topic_filters(&self) -> Result<Vec<String>, Failure> {
        let target = self.connection.server.target().map_err(Failure::usage)?;
        let mut filters = self.topics.clone();
        if let Some(of_address) = target.topic {
            filters.push(topic_filter(&of_address).map_err(Failure::usage)?);
        }
        if filters.is_empty() {
            filters.push("#".to_owned());
        }
        Ok(filters)
    }
}

fn topic_filter(text: &str) -> Result<String, String> {
    TopicFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
