//! `mqtt retained`.

use std::time::Duration;

use mqtt_codec::{TopicFilter, TopicName};
use mqtt_payload::Decoder;
use mqtt_probe::RetainedSettings;

use super::{
    codecs::{CodecList, SchemaArgs},
    connection::ConnectionArgs,
};
use crate::exit::Failure;

/// Retained messages of a broker.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mqtt retained ls                               all of them, with their lengths
  mqtt retained ls 'sensors/#' --long            with QoS, expiry and other properties
  mqtt retained ls --json | jq -r .topic
  mqtt retained get sensors/hall/temperature     the payload, and nothing else
  mqtt retained get sensors/hall --decode auto   CBOR, MessagePack, gzip as JSON
  mqtt retained clear 'old/#' --dry-run          what would be cleared
  mqtt retained clear 'old/#' --yes

Nothing in MQTT says which retained message is the last. A message to a topic of the command's own is
sent behind the subscription; the end is where it comes back and nothing follows for --quiet-time.")]
pub(crate) struct RetainedArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub(crate) command: RetainedCommand,
}

/// What is done with retained messages.
#[derive(clap::Subcommand)]
pub(crate) enum RetainedCommand {
    /// List topics with the length of what is retained on them
    Ls(Box<ListArgs>),
    /// Print what is retained on one topic; exit code 3 if there is nothing
    Get(Box<GetArgs>),
    /// Clear them: publish an empty retained message to each topic
    Clear(Box<ClearArgs>),
}

/// Flags of `mqtt retained ls`.
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Topics that this filter matches
    #[arg(value_name = "FILTER", default_value = "#", value_parser = topic_filter)]
    pub(crate) topic_filter: String,
    /// Show QoS, expiry and other properties as well; the QoS is asked for in a second pass
    #[arg(long)]
    pub(crate) long: bool,
    /// Print each as a JSON object on one line
    #[arg(long)]
    pub(crate) json: bool,
    /// When the end is believed.
    #[command(flatten)]
    pub(crate) end: EndArgs,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Flags of `mqtt retained get`.
#[derive(clap::Args)]
pub(crate) struct GetArgs {
    /// The topic
    #[arg(value_name = "TOPIC", value_parser = topic_name)]
    pub(crate) topic_name: String,
    /// Decode the payload by these codecs one after another, as in `gzip,cbor`, or `auto`
    #[arg(long, value_name = "CODECS", value_parser = CodecList::parse)]
    decode: Option<CodecList>,
    /// The schemas of these codecs.
    #[command(flatten)]
    schemas: SchemaArgs,
    /// Print JSON over several lines
    #[arg(long, requires = "decode")]
    pub(crate) pretty: bool,
    /// When it is believed that there is nothing.
    #[command(flatten)]
    pub(crate) end: EndArgs,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Flags of `mqtt retained clear`.
#[derive(clap::Args)]
pub(crate) struct ClearArgs {
    /// Topics that this filter matches
    #[arg(value_name = "FILTER", value_parser = topic_filter)]
    pub(crate) topic_filter: String,
    /// Print the topics, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// When the end is believed.
    #[command(flatten)]
    pub(crate) end: EndArgs,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// When the last retained message is believed to have come.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct EndArgs {
    /// Milliseconds without a message that are the end, behind the marker
    #[arg(long, value_name = "MS", default_value_t = 200)]
    quiet_time: u64,
    /// The same where the broker takes no marker
    #[arg(long, value_name = "MS", default_value_t = 3000)]
    patience: u64,
}

impl GetArgs {
    /// What decodes the payload, if anything does.
    pub(crate) fn decoder(&self) -> Result<Option<Decoder>, Failure> {
        let codecs = self.decode.as_ref().map_or(&[][..], |list| &list.0);
        let checked = self.schemas.check(codecs.iter(), "--decode");
        checked.map_err(Failure::usage)?;
        let decoder = self.decode.as_ref().map(|list| {
            let decoder = self.schemas.decoder(list.0.clone());
            decoder.map_err(Failure::usage)
        });
        decoder.transpose()
    }
}

impl EndArgs {
    /// How they are asked for.
    pub(crate) fn settings(self) -> RetainedSettings {
        RetainedSettings {
            quiet: Duration::from_millis(self.quiet_time),
            patience: Duration::from_millis(self.patience),
            ..RetainedSettings::default()
        }
    }
}

fn topic_filter(text: &str) -> Result<String, String> {
    TopicFilter::try_new(text).map_err(|error| error.to_string())?;
    match text.starts_with("$share/") {
        true => Err("a shared subscription gets no retained messages".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn topic_name(text: &str) -> Result<String, String> {
    TopicName::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
