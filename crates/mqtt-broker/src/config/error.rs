//! What can be wrong with a configuration, each as one line for the person who wrote it.

use std::{fmt, io, path::PathBuf};

use mqtt_access::{RuleError, RulesError};

use super::{Bind, BindError};

/// Where a mistake is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// In a text.
    Line {
        /// The file, or what stands for it.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// In a variable of the environment.
    Variable {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{file}:{line}"),
            Self::Variable { name } => f.write_str(name),
        }
    }
}

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
    #[error("{origin}: not valid TOML: {message}")]
    Syntax {
        /// Where the mistake is.
        origin: Origin,
        /// The parser's words.
        message: String,
    },
    /// A key nobody reads: refused, since a misspelt limit would else be no limit.
    #[error("{origin}: unknown key `{key}`{}", hint(suggestion.as_deref(), known))]
    UnknownKey {
        /// Where the key is.
        origin: Origin,
        /// The whole path of the key, with dots.
        key: String,
        /// The known key that looks most like it.
        suggestion: Option<String>,
        /// Every key known at this place.
        known: Vec<String>,
    },
    /// A key that has no default is not there.
    #[error("{origin}: `{key}` is missing, it must be {allowed}")]
    MissingKey {
        /// Where it belongs.
        origin: Origin,
        /// The whole path of the key, with dots.
        key: String,
        /// The values that would do.
        allowed: String,
    },
    /// A value of the wrong type, form or size.
    #[error("{origin}: `{key}` is {found}, it must be {allowed}")]
    WrongValue {
        /// Where the value is.
        origin: Origin,
        /// The whole path of the key, with dots.
        key: String,
        /// The value as it is written.
        found: String,
        /// The values that would do.
        allowed: String,
    },
    /// A rule of access in the configuration itself.
    #[error("{origin}: {cause}")]
    Rule {
        /// Where it is.
        origin: Origin,
        /// What is wrong with it.
        cause: RuleError,
    },
    /// A file of rules that cannot be read.
    #[error("cannot read the rules of access {}: {source}", path.display())]
    RulesUnreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// A service that is to be asked who may do what.
    #[error("authorization.sources: {url}: {cause}")]
    RulesService {
        /// Its address.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A file of rules with mistakes.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// A listener address given outside of a file cannot be read.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Settings of a listener that do not go together.
    #[error("listener `{name}`: `{key}` {problem}")]
    Listener {
        /// The listener's kind and name: `ssl:default`.
        name: String,
        /// The key within the listener.
        key: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// A listener that other machines reach, with nothing that tells clients apart.
    #[error(
        "listener `{name}` on {bind} can be reached from other machines and no users are \
         configured: say `--allow-anonymous` (or `allow_anonymous = true` in the file) to let \
         anyone in, or name users with `--password-file FILE` (or `[[authentication]]` in the file)"
    )]
    OpenToAnyone {
        /// The listener's name in the configuration.
        name: String,
        /// Where it listens.
        bind: Bind,
    },
    /// Two authenticators have one name, or none and are of one kind.
    #[error(
        "two authenticators are called `{name}`: give each of `[[authentication]]` a `name` of its own"
    )]
    AuthenticatorTwice {
        /// That name.
        name: String,
    },
    /// A listener names an authenticator that is not there.
    #[error(
        "listener `{listener}` names `{name}` among its `authenticators`, and no `[[authentication]]` has that `name`"
    )]
    NoSuchAuthenticator {
        /// The listener's name in the configuration.
        listener: String,
        /// What it names.
        name: String,
    },
    /// An authenticator cannot be had: its file cannot be read, or a line of it is wrong.
    #[error("authenticator `{name}`: {cause}")]
    Authenticator {
        /// Its name.
        name: String,
        /// What is wrong.
        cause: String,
    },
}

fn hint(suggestion: Option<&str>, known: &[String]) -> String {
    match suggestion {
        Some(key) => format!(", did you mean `{key}`?"),
        None if known.is_empty() => String::new(),
        None => format!(", known here: {}", known.join(", ")),
    }
}
