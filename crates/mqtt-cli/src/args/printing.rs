//! The flags that say how messages are printed.

use clap::ArgAction;
use mqtt_format::{Format, FormatError};
use mqtt_payload::Codec;

use super::codecs::{CodecList, SchemaArgs};
use crate::print::{Form, Print};

/// How messages are printed.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct PrintArgs {
    /// Print the topic before each payload; twice to print everything else after it
    #[arg(short = 'v', long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print each message in this format: `%t` topic, `%p` payload, `%j` JSON and so on; or `json`, `pretty`, `hex`, `base64`
    #[arg(short = 'F', long, value_name = "FORMAT", value_parser = FormatArg::parse, allow_hyphen_values = true)]
    pub(crate) format: Option<FormatArg>,
    /// Print each message as a JSON object on one line
    #[arg(short = 'J', long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Print JSON over several lines
    #[arg(long)]
    pub(crate) pretty: bool,
    /// Decode payloads by these codecs one after another, as in `gzip,cbor`, or `auto`
    #[arg(long, value_name = "CODECS", value_parser = CodecList::parse)]
    pub(crate) decode: Option<CodecList>,
    /// The schemas of these codecs.
    #[command(flatten)]
    pub(crate) schemas: SchemaArgs,
    /// Print nothing after each message, not even a newline
    #[arg(short = 'N')]
    pub(crate) no_newline: bool,
    /// Print this after each message instead of a newline; `\t`, `\0` and so on as in a format
    #[arg(long, value_name = "TEXT", conflicts_with = "no_newline", value_parser = delimiter, allow_hyphen_values = true)]
    pub(crate) delimiter: Option<String>,
    /// Print a NUL after each message instead of a newline
    #[arg(short = '0', conflicts_with_all = ["no_newline", "delimiter"])]
    pub(crate) nul: bool,
}

/// The value of `-F`.
#[derive(Clone, Debug)]
pub(crate) struct FormatArg {
    format: Format,
    /// Whether it is a word with a meaning of its own.
    word: Option<Word>,
}

#[derive(Clone, Copy, Debug)]
enum Word {
    Json,
    Pretty,
    Hex,
    Base64,
}

impl FormatArg {
    fn parse(text: &str) -> Result<Self, FormatError> {
        let word = match text {
            "json" => Some(Word::Json),
            "pretty" => Some(Word::Pretty),
            "hex" => Some(Word::Hex),
            "base64" => Some(Word::Base64),
            _ => None,
        };
        let format = Format::parse(text)?;
        Ok(Self { format, word })
    }
}

impl PrintArgs {
    /// As Mosquitto's programs have it: a format has no words of its own.
    pub(crate) fn as_mosquitto(&mut self) {
        if let Some(format) = &mut self.format {
            format.word = None;
        }
    }

    /// How to print.
    pub(crate) fn print(&self) -> Result<Print, String> {
        let mut codecs = self.decode.as_ref().map(|list| list.0.clone());
        let mut pretty = self.pretty;
        let mut json = self.json;
        let mut form = match (&self.format, self.verbose) {
            (Some(format), _) => Form::Format(format.format.clone()),
            (None, 0) => Form::Payload,
            (None, 1) => Form::Topic,
            (None, _) => Form::Everything,
        };
        match self.format.as_ref().and_then(|format| format.word) {
            None => {}
            Some(Word::Json) => json = true,
            Some(Word::Pretty) => (json, pretty) = (true, true),
            Some(word) => {
                let codec = match word {
                    Word::Base64 => Codec::ToBase64,
                    _ => Codec::ToHex,
                };
                codecs.get_or_insert_default().push(codec);
                form = match self.verbose {
                    0 => Form::Payload,
                    1 => Form::Topic,
                    _ => Form::Everything,
                };
            }
        }
        if json {
            form = Form::Format(Format::json());
        }
        if let (Form::Format(format), true) = (&form, pretty) {
            form = Form::Format(format.clone().pretty());
        }
        let decoder = match codecs {
            Some(codecs) => Some(self.schemas.decoder(codecs)?),
            None => None,
        };
        Ok(Print {
            form,
            decoder,
            pretty,
            end: match (self.no_newline, &self.delimiter) {
                (true, _) => Vec::new(),
                (false, Some(delimiter)) => delimiter.clone().into_bytes(),
                (false, None) if self.nul => vec![0],
                (false, None) => b"\n".to_vec(),
            },
        })
    }

    /// The codecs of `--decode`.
    pub(crate) fn codecs(&self) -> &[Codec] {
        self.decode.as_ref().map_or(&[], |list| &list.0)
    }
}

fn delimiter(text: &str) -> Result<String, FormatError> {
    mqtt_format::unescape(text)
}
