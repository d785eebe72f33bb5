//! `log.*`: how much the broker tells.

use std::fmt;

use super::{ConfigError, kind::Level, reader::Section};

/// `log.*`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Log {
    /// `console.level`, or `level`, which the former overrides. Default: `info`.
    pub level: LogLevel,
}

/// How much is told; each level holds those before it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// What stops the broker or loses something.
    Error,
    /// What an operator should look at.
    Warn,
    /// Start, stop, changes of listeners.
    #[default]
    Info,
    /// Connections and packets.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Every level, in order.
    pub const ALL: [Self; 5] = [
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// The level's name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The level of that name; `warning` is `warn`, as EMQX writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = if name == "warning" { "warn" } else { name };
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Log {
    pub(super) fn read(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.set(
            "level",
            "how much is logged to stderr",
            &mut self.level,
            &Level,
        )?;
        section.set(
            "console.level",
            "the same, and wins over `log.level`",
            &mut self.level,
            &Level,
        )
    }
}
