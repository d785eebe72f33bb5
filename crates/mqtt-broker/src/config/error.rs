//! What can be wrong with a configuration, each as one line for the person who wrote it.

use std::{io, path::PathBuf};

use super::{Bind, BindError};

/// Why a configuration is refused. Its text is one line: where, what, and what is allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The text is not TOML.
    #[error("{origin}:{line}: not valid TOML: {message}")]
    Syntax {
        /// The file, or what stands for it.
        origin: String,
        /// Line of the mistake, from 1.
        line: usize,
        /// The parser's words.
        message: String,
    },
    /// A key nobody reads: refused, since a misspelt limit would else be no limit.
    #[error("{origin}:{line}: unknown key `{key}`{}", hint(suggestion.as_deref(), known))]
    UnknownKey {
        /// The file, or what stands for it.
        origin: String,
        /// Line of the key, from 1.
        line: usize,
        /// The whole path of the key, with dots.
        key: String,
        /// The known key that looks most like it.
        suggestion: Option<String>,
        /// Every key known at this place.
        known: Vec<String>,
    },
    /// A value of the wrong type, form or size.
    #[error("{origin}:{line}: `{key}` is {found}, it must be {allowed}")]
    WrongValue {
        /// The file, or what stands for it.
        origin: String,
        /// Line of the value, from 1.
        line: usize,
        /// The whole path of the key, with dots.
        key: String,
        /// The value as it is written in the file.
        found: String,
        /// The values that would do.
        allowed: String,
    },
    /// A listener address given outside of a file cannot be read.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A listener that other machines reach, with nothing that tells clients apart.
    #[error(
        "listener `{name}` on {bind} can be reached from other machines and no users are \
         configured: say `--allow-anonymous` (or `allow_anonymous = true` in the file) to let \
         anyone in, or name users with `--password-file FILE`, which a later version brings"
    )]
    OpenToAnyone {
        /// The listener's name in the configuration.
        name: String,
        /// Where it listens.
        bind: Bind,
    },
}

fn hint(suggestion: Option<&str>, known: &[String]) -> String {
    match suggestion {
        Some(key) => format!(", did you mean `{key}`?"),
        None if known.is_empty() => String::new(),
        None => format!(", known here: {}", known.join(", ")),
    }
}
