//! The programs of Mosquitto's clients: this one behaves as they do when it is called by their names.

use std::{ffi::OsString, path::Path, process::ExitCode};

use crate::{
    args::{self, PasswdArgs, PublishArgs, RequestArgs, SubscribeArgs},
    exit::Failure,
    passwd, publish, request, subscribe,
};

/// A program of Mosquitto's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    /// `mosquitto_pub`.
    Publish,
    /// `mosquitto_sub`.
    Subscribe,
    /// `mosquitto_rr`.
    Request,
    /// `mosquitto_passwd`.
    Passwd,
}

impl Program {
    const ALL: [Self; 4] = [Self::Publish, Self::Subscribe, Self::Request, Self::Passwd];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Publish => "mosquitto_pub",
            Self::Subscribe => "mosquitto_sub",
            Self::Request => "mosquitto_rr",
            Self::Passwd => "mosquitto_passwd",
        }
    }

    /// The one that is called, with its own words: by a link or a copy of that name, or as `mqtt mosquitto_pub`.
    pub(crate) fn called(words: &[OsString]) -> Option<(Self, Vec<OsString>)> {
        let named = |word: &OsString| {
            let stem = Path::new(word).file_stem()?;
            Self::ALL.into_iter().find(|program| stem == program.name())
        };
        if let Some(program) = words.first().and_then(named) {
            return Some((program, words.to_vec()));
        }
        let word = words.get(1)?;
        let program = Self::ALL
            .into_iter()
            .find(|program| word == program.name())?;
        Some((program, words.get(1..)?.to_vec()))
    }

    /// Runs it.
    pub(crate) fn run(self, words: Vec<OsString>) -> ExitCode {
        let outcome = match self {
            Self::Publish => args::parse_as::<PublishArgs>(self.name(), words).map(|mut args| {
                args.as_mosquitto();
                publish::run(args)
            }),
            Self::Subscribe => {
                args::parse_as::<SubscribeArgs>(self.name(), words).map(|mut args| {
                    args.as_mosquitto()?;
                    subscribe::run(args)
                })
            }
            Self::Request => args::parse_as::<RequestArgs>(self.name(), words).map(|mut args| {
                args.as_mosquitto()?;
                request::run(args)
            }),
            Self::Passwd => args::parse_as::<PasswdArgs>(self.name(), words).map(|mut args| {
                args.as_mosquitto();
                passwd::run(&args)
            }),
        };
        match outcome {
            Ok(outcome) => outcome.unwrap_or_else(Failure::report_as_mosquitto),
            // Help and version too end these programs with 1.
            Err(outcome) => match outcome {
                Ok(_) => ExitCode::from(crate::exit::RUN_TIME),
                Err(failure) => failure.report_as_mosquitto(),
            },
        }
    }
}
