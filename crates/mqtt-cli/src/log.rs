//! The log, on stderr.

use std::{
    io::{IsTerminal, stderr},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use mqtt_broker::config::LogLevel;
use tracing_subscriber::EnvFilter;

/// What of the log is shown: a level's name, or a filter such as `mqtt_broker=debug,warn`.
#[derive(Clone, Debug)]
pub(crate) struct LogFilter(String);

impl LogFilter {
    /// Everything up to `level`.
    pub(crate) fn up_to(level: LogLevel) -> Self {
        Self(level.name().to_owned())
    }

    /// What a tool tells of itself and our libraries with so many `-d`; nothing with none.
    pub(crate) fn of_tools(debug: u8) -> Option<Self> {
        let level = match debug {
            0 => return None,
            1 => LogLevel::Debug,
            _ => LogLevel::Trace,
        };
        Some(Self(format!("warn,mqtt={level}")))
    }

    /// Sends the log to stderr from now on; in colour on a terminal unless `NO_COLOR` is set.
    pub(crate) fn start(self) -> LogHandle {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let builder = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(&self.0))
            .with_writer(stderr)
            .with_ansi(stderr().is_terminal() && !no_color)
            .with_filter_reloading();
        let filter = builder.reload_handle();
        builder.init();
        LogHandle {
            put: Arc::new(move |wanted| filter.reload(wanted).map_err(|error| error.to_string())),
            now: Arc::new(Mutex::new(self)),
        }
    }
}

/// Changes how much the running log tells.
#[derive(Clone)]
pub(crate) struct LogHandle {
    put: Arc<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
    now: Arc<Mutex<LogFilter>>,
}

impl LogHandle {
    /// The filter in force.
    pub(crate) fn level(&self) -> String {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.0.clone()
    }

    /// From now on another.
    pub(crate) fn set(&self, filter: LogFilter) -> Result<(), String> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        (self.put)(EnvFilter::new(&filter.0))?;
        *now = filter;
        Ok(())
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(level) = LogLevel::from_name(text) {
            return Ok(Self::up_to(level));
        }
        // A bare word would be taken for the name of a module, with all it logs.
        let is_filter = text.contains('=') && EnvFilter::try_new(text).is_ok();
        is_filter.then(|| Self(text.to_owned())).ok_or_else(|| {
            "say error, warn, info, debug or trace, or a filter such as mqtt_broker=debug"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_no_filter() {
        for text in [
            "info",
            "warning",
            "mqtt_broker=debug",
            "warn,mqtt_broker=trace",
        ] {
            text.parse::<LogFilter>().unwrap();
        }
        for text in ["", "inof", "INFO,", "mqtt_broker=loud"] {
            assert!(text.parse::<LogFilter>().is_err(), "{text}");
        }
    }
}
