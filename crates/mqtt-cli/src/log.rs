//! The log, on stderr and in files.

use std::{
    io::{IsTerminal, Write, stderr},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use mqtt_admin::{LogFile, LostLines, Reopen, Rotation, Undisturbed};
use mqtt_broker::config::{Log, LogFile as FileSettings, LogFormat, LogLevel};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use crate::exit::Failure;

/// Lines that wait for an output, a disk or who reads stderr; more are left out.
const LINES_MAX: usize = 16_384;

/// What of the log is shown: a level's name, or a filter such as `mqtt_broker=debug,warn`.
#[derive(Clone, Debug)]
pub(crate) struct LogFilter {
    text: String,
    targets: Targets,
}

impl LogFilter {
    /// Everything up to `level`.
    pub(crate) fn up_to(level: LogLevel) -> Self {
        let shown = match level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        };
        Self {
            text: level.name().to_owned(),
            targets: Targets::new().with_default(shown),
        }
    }

    /// What a tool tells of itself and our libraries with so many `-d`; nothing with none.
    pub(crate) fn of_tools(debug: u8) -> Option<Self> {
        let shown = match debug {
            0 => return None,
            1 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        let others = Targets::new().with_default(LevelFilter::WARN);
        let targets = others.with_target("mqtt", shown);
        Some(Self {
            text: targets.to_string(),
            targets,
        })
    }

    /// Sends the log to stderr from now on; in colour on a terminal unless `NO_COLOR` is set.
    pub(crate) fn start(self) {
        let (console, _) = layer(&self, stderr, LogFormat::Text, is_coloured());
        tracing_subscriber::registry().with(console).init();
    }

    fn filter(&self) -> Targets {
        self.targets.clone()
    }
}

/// Where lines of the log go, with what shows them.
type Output = Box<dyn Layer<Registry> + Send + Sync>;

/// What changes how much one output shows.
type Filter = reload::Handle<Targets, Registry>;

/// The log of a broker: on stderr, in a file, or both.
#[derive(Clone)]
pub(crate) struct LogHandle {
    console: Option<Filter>,
    file: Option<Filter>,
    reopen: Option<Reopen>,
    /// What the console, or the file where there is no console, shows now.
    now: Arc<Mutex<LogFilter>>,
    writers: Arc<Mutex<Vec<Writer>>>,
}

/// What writes the lines of one output, on a thread of its own: whatever an output is slow with or full of costs lines
/// of it, and nothing else.
struct Writer {
    output: &'static str,
    lost: LostLines,
    /// Writes what waits when this goes.
    _guard: WorkerGuard,
}

impl Writer {
    fn start(output: &'static str, inner: impl Write + Send + 'static) -> (NonBlocking, Self) {
        let inner = Undisturbed::new(inner);
        let lost = inner.lost();
        let (lines, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(LINES_MAX)
            .lossy(true)
            .thread_name("log")
            .finish(inner);
        let skipped = lines.error_counter();
        lost.count_skipped_by(move || u64::try_from(skipped.dropped_lines()).unwrap_or(u64::MAX));
        let writer = Self {
            output,
            lost,
            _guard: guard,
        };
        (lines, writer)
    }
}

impl LogHandle {
    /// Begins to log as the configuration says; `flag` wins over its levels.
    pub(crate) fn start(config: &Log, flag: Option<&LogFilter>) -> Result<Self, Failure> {
        let console_filter = flag.cloned().unwrap_or(LogFilter::up_to(config.level));
        let (mut outputs, mut writers): (Vec<Output>, Vec<Writer>) = (Vec::new(), Vec::new());
        let (mut console, mut file, mut reopen) = (None, None, None);
        if config.console.enable {
            let format = config.console.formatter;
            let (lines, writer) = Writer::start("console", stderr());
            let (output, filter) = layer(&console_filter, lines, format, is_coloured());
            outputs.push(output);
            writers.push(writer);
            console = Some(filter);
        }
        if config.file.enable {
            let opened = open(&config.file)?;
            reopen = Some(opened.reopen_handle());
            let (lines, writer) = Writer::start("file", opened);
            let wanted = file_filter(config, flag);
            let (output, filter) = layer(&wanted, lines, config.file.formatter, false);
            outputs.push(output);
            writers.push(writer);
            file = Some(filter);
        }
        tracing_subscriber::registry().with(outputs).init();
        Ok(Self {
            console,
            file,
            reopen,
            now: Arc::new(Mutex::new(console_filter)),
            writers: Arc::new(Mutex::new(writers)),
        })
    }

    /// Lines that were left out, by output.
    pub(crate) fn lines_lost(&self) -> Vec<(&'static str, u64)> {
        let writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers
            .iter()
            .map(|writer| (writer.output, writer.lost.count()))
            .collect()
    }

    /// Writes what waits, as far as that can be done within a moment; nothing is logged from here on.
    pub(crate) fn finish(&self) {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.clear();
    }

    /// The filter in force.
    pub(crate) fn level(&self) -> String {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.text.clone()
    }

    /// From now on another, for every output.
    pub(crate) fn set(&self, filter: LogFilter) -> Result<(), String> {
        put(self.file.as_ref(), &filter)?;
        self.set_console(filter)
    }

    /// The configuration was read again: other levels, and the file is opened anew, in case it was moved away.
    pub(crate) fn taken_over(&self, config: &Log, has_flag: bool) {
        if let Some(reopen) = &self.reopen {
            reopen.ask();
        }
        if has_flag {
            return;
        }
        let put = put(self.file.as_ref(), &file_filter(config, None))
            .and_then(|()| self.set_console(LogFilter::up_to(config.level)));
        if let Err(error) = put {
            tracing::error!("the log level is not changed: {error}");
        }
    }

    fn set_console(&self, filter: LogFilter) -> Result<(), String> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        put(self.console.as_ref(), &filter)?;
        *now = filter;
        Ok(())
    }
}

fn open(settings: &FileSettings) -> Result<LogFile, Failure> {
    let rotation = Rotation {
        len_max: u64::try_from(settings.rotation_size.get()).unwrap_or(u64::MAX),
        period_s: settings.rotation_period.seconds(),
        kept: settings.rotation_count,
    };
    LogFile::open(&settings.path, rotation).map_err(|error| {
        let path = settings.path.display();
        Failure::run_time(format_args!("cannot write the log to {path}: {error}"))
    })
}

fn put(output: Option<&Filter>, filter: &LogFilter) -> Result<(), String> {
    match output {
        Some(output) => output
            .reload(filter.filter())
            .map_err(|error| error.to_string()),
        None => Ok(()),
    }
}

fn file_filter(config: &Log, flag: Option<&LogFilter>) -> LogFilter {
    let own = || LogFilter::up_to(config.file.level.unwrap_or(config.level));
    flag.cloned().unwrap_or_else(own)
}

fn is_coloured() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stderr().is_terminal() && !no_color
}

/// One output, and what changes how much it shows.
fn layer<W>(filter: &LogFilter, writer: W, format: LogFormat, ansi: bool) -> (Output, Filter)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (wanted, handle) = reload::Layer::new(filter.filter());
    // What cannot be written must not be complained of on a stderr that cannot be written either.
    let lines = fmt::layer().with_writer(writer).with_ansi(ansi);
    let lines = lines.log_internal_errors(false);
    let output = match format {
        LogFormat::Text => lines.with_filter(wanted).boxed(),
        LogFormat::Json => lines.json().with_filter(wanted).boxed(),
    };
    (output, handle)
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(level) = LogLevel::from_name(text) {
            return Ok(Self::up_to(level));
        }
        // A bare word would be taken for the name of a module, with all it logs.
        let targets = text.contains('=').then(|| text.parse().ok()).flatten();
        let text = text.to_owned();
        let filter = targets.map(|targets| Self { text, targets });
        filter.ok_or_else(|| {
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
