//! What can be wrong with rules.

use crate::error::{AclLineError, PatternError};
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// Problems that are told of at most; there may be more.
pub const RULE_PROBLEMS_MAX: usize = 100;

/// Why a file of rules is refused: nothing of it is in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RulesError {
    /// The file, or what stands for it.
    pub file: PathBuf,
    /// Each line that is wrong, from 1, and why; at least one, up to [`RULE_PROBLEMS_MAX`].
    pub problems: Vec<(usize, RuleError)>,
}

impl RulesError {
    pub(crate) fn one(file: PathBuf, line: usize, cause: RuleError) -> Self {
        let problems = vec![(line, cause)];
        Self { file, problems }
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (line, cause)) in self.problems.iter().enumerate() {
            let separator = if nth == 0 { "" } else { "; " };
            write!(f, "{separator}{}:{line}: {cause}", self.file.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for RulesError {}

/// What is wrong with a rule.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RuleError {
    /// The text is not TOML.
    #[error("not valid TOML: {message}")]
    Toml {
        /// The parser's words.
        message: String,
    },
    /// A key no rule has.
    #[error("unknown key `{key}`, a rule has {known}")]
    Key {
        /// The key.
        key: String,
        /// Those there are.
        known: String,
    },
    /// A key that a rule must have.
    #[error("`{key}` is missing, it must be {allowed}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// A value that is not allowed.
    #[error("`{key}` must be {allowed}")]
    Value {
        /// The key.
        key: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A regular expression that is none.
    #[error("{text:?} is not a regular expression")]
    Expression {
        /// As written.
        text: String,
    },
    /// An address that is none.
    #[error("{text:?} is not an address such as 10.0.0.1 or 10.0.0.0/8")]
    Address {
        /// As written.
        text: String,
    },
    /// A topic.
    #[error("topic {text:?}: {cause}")]
    Topic {
        /// As written.
        text: String,
        /// What is wrong with it.
        cause: PatternError,
    },
    /// A line of Mosquitto's `acl_file`.
    #[error(transparent)]
    Mosquitto(#[from] AclLineError),
    /// A text that is no Erlang term.
    #[error("not an Erlang term: {message}")]
    Term {
        /// What was found and what was expected.
        message: String,
    },
    /// A term of `acl.conf` that has no counterpart.
    #[error("`{what}` has no counterpart here")]
    Unmapped {
        /// The part that cannot be had.
        what: String,
    },
    /// More than a rule may have.
    #[error("{what}: more than {max}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The most there may be.
        max: usize,
    },
}
