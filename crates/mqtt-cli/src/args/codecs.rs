//! The flags that say what payloads go through, and by which schemas.

use std::path::PathBuf;

use mqtt_payload::{Codec, Decoder, Encoder, ParseCodecError, Schemas};

/// The value of `--decode`.
#[derive(Clone, Debug)]
pub(crate) struct CodecList(pub(crate) Vec<Codec>);

/// The value of `--encode`.
#[derive(Clone, Debug)]
pub(crate) struct EncodeList(pub(crate) Vec<Codec>);

/// The schemas of codecs that take one. They are flags of every build: one without says how to get it.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct SchemaArgs {
    /// The type of messages of the codec protobuf, as in sensors.proto:demo.Reading; for builds with it
    #[arg(long, value_name = "FILE:MESSAGE")]
    pub(crate) protobuf: Option<String>,
    /// The schema of the codecs avro and avro-single, an .avsc file; for builds with them
    #[arg(long, value_name = "FILE")]
    pub(crate) avro: Option<PathBuf>,
}

impl CodecList {
    pub(super) fn parse(text: &str) -> Result<Self, ParseCodecError> {
        Codec::parse_list(text).map(Self)
    }
}

impl EncodeList {
    pub(super) fn parse(text: &str) -> Result<Self, ParseCodecError> {
        let codecs = Codec::parse_list(text)?;
        match codecs.contains(&Codec::Auto) {
            true => Err(ParseCodecError::AutoEncode),
            false => Ok(Self(codecs)),
        }
    }
}

impl SchemaArgs {
    /// What decodes by these codecs.
    pub(crate) fn decoder(&self, codecs: Vec<Codec>) -> Result<Decoder, String> {
        Decoder::new(codecs, self.open()?).map_err(|error| wrong("--decode", &error))
    }

    /// What encodes by these codecs.
    pub(crate) fn encoder(&self, codecs: Vec<Codec>) -> Result<Encoder, String> {
        Encoder::new(codecs, self.open()?).map_err(|error| wrong("--encode", &error))
    }

    /// A schema for nothing is a mistake; `codecs` are those of every list of the command.
    pub(crate) fn check<'a>(
        &self,
        codecs: impl Iterator<Item = &'a Codec> + Clone,
        lists: &str,
    ) -> Result<(), String> {
        let has = |wanted: &[Codec]| codecs.clone().any(|codec| wanted.contains(codec));
        if self.protobuf.is_some() && !has(&[Codec::Protobuf]) {
            return Err(format!("--protobuf is for {lists} with protobuf in it"));
        }
        if self.avro.is_some() && !has(&[Codec::Avro, Codec::AvroSingle, Codec::Auto]) {
            return Err(format!(
                "--avro is for {lists} with avro, avro-single or auto in it"
            ));
        }
        Ok(())
    }

    /// These, and for what they leave out the others.
    pub(crate) fn or(&self, others: &Self) -> Self {
        Self {
            protobuf: self.protobuf.clone().or_else(|| others.protobuf.clone()),
            avro: self.avro.clone().or_else(|| others.avro.clone()),
        }
    }

    fn open(&self) -> Result<Schemas, String> {
        #[cfg_attr(
            not(any(feature = "avro", feature = "protobuf")),
            expect(unused_mut, reason = "no codec of this build takes a schema")
        )]
        let mut schemas = Schemas::default();
        #[cfg(feature = "protobuf")]
        if let Some(text) = &self.protobuf {
            let found = mqtt_payload::MessageType::open(text);
            schemas.protobuf = Some(found.map_err(|error| format!("--protobuf: {error}"))?);
        }
        #[cfg(feature = "avro")]
        if let Some(path) = &self.avro {
            let found = mqtt_payload::AvroSchema::open(path);
            schemas.avro = Some(found.map_err(|error| format!("--avro: {error}"))?);
        }
        let without = |flag: &str, codec| {
            let error = ParseCodecError::NotInBuild(codec);
            Err(format!("{flag}: {error}"))
        };
        if self.protobuf.is_some() && !Codec::Protobuf.is_in_build() {
            return without("--protobuf", Codec::Protobuf);
        }
        if self.avro.is_some() && !Codec::Avro.is_in_build() {
            return without("--avro", Codec::Avro);
        }
        Ok(schemas)
    }
}

fn wrong(list: &str, error: &ParseCodecError) -> String {
    match error {
        ParseCodecError::NoSchema(codec @ Codec::Protobuf) => {
            format!("{list} {} takes --protobuf FILE:MESSAGE", codec.name())
        }
        ParseCodecError::NoSchema(codec) => format!("{list} {} takes --avro FILE", codec.name()),
        error => format!("{list}: {error}"),
    }
}
