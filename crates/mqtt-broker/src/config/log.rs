//! `log.*`: how much the broker tells.

use std::{fmt, path::PathBuf};

use super::{
    ByteSize, ConfigError,
    kind::{Choice, FilePath, Flag, Level, Maybe, Number, Size},
    reader::Section,
    settings::settings,
};

/// `log.*`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Log {
    /// `console.level`, or `level`, which the former overrides. Default: `info`.
    pub level: LogLevel,
    /// `console.*`, but for its level.
    pub console: LogConsole,
    /// `file.*`.
    pub file: LogFile,
}

settings! {
    /// `log.console.*`: the log on stderr.
    pub struct LogConsole {
        /// whether anything is logged to stderr
        enable: bool = true, Flag;
        /// how a line of it looks
        formatter: LogFormat = LogFormat::Text, FORMATS;
    }
}

settings! {
    /// `log.file.*`: the log in files.
    pub struct LogFile {
        /// whether the log goes to a file as well
        enable: bool = false, Flag;
        /// how much is logged to it; without it, what `log.level` says
        level: Option<LogLevel> = None, Maybe(Level);
        /// the file, relative to where the broker is started; those before it are called `PATH.1`, `PATH.2` and so on
        path: PathBuf = PathBuf::from("log/mqtt.log"), FilePath;
        /// how a line of it looks
        formatter: LogFormat = LogFormat::Text, FORMATS;
        /// files that are kept besides the one that is written
        rotation_count: u16 = 10, Number(1..=128);
        /// when another is begun, whatever its size: at midnight or at the full hour, of UTC
        rotation_period: RotationPeriod = RotationPeriod::None, PERIODS;
        /// bytes of a file, from which on another is begun
        rotation_size: ByteSize = ByteSize::from_mb(50),
            Size(ByteSize::from_kb(4)..=ByteSize::from_mb(1024 * 1024));
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

const FORMATS: Choice<LogFormat> = Choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);

/// After what time another file of the log is begun.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RotationPeriod {
    /// After none: the size alone decides.
    #[default]
    None,
    /// Each hour.
    Hour,
    /// Each day.
    Day,
}

impl RotationPeriod {
    /// Its length, in seconds; none where there is none.
    #[must_use]
    pub const fn seconds(self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Hour => Some(3_600),
            Self::Day => Some(86_400),
        }
    }
}

const PERIODS: Choice<RotationPeriod> = Choice(&[
    ("none", RotationPeriod::None),
    ("hour", RotationPeriod::Hour),
    ("day", RotationPeriod::Day),
]);

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
        )?;
        self.console.read(&section.section("console")?)?;
        self.file.read(&section.section("file")?)
    }
}
