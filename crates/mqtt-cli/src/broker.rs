//! `mqtt broker`: runs a broker until a signal ends it.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

#[cfg(unix)]
use mqtt_admin::{Channel, SOCKET_FILE};
use mqtt_admin::{Host, Service};
use mqtt_broker::config::{Authenticator, Bind};
use mqtt_broker::{Broker, Config, DataDir, Durable, Guard, StoreEvent};
use tokio::runtime::{Handle, Runtime};

use crate::{
    args::{BrokerArgs, BrokerCommand},
    exit::Failure,
    log::{LogFilter, LogHandle},
    signals::{Hangups, Signals},
};

/// Runs the command.
pub(crate) fn run(args: BrokerArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        Some(BrokerCommand::Check { file }) => return check(file),
        Some(BrokerCommand::Plan(plan)) => return crate::plan::run(plan),
        None => {}
    }
    let lanes = args.lanes.map_or_else(cores, usize::from);
    let sources = Sources {
        file: args.config,
        listen: args.listen,
        data_dir: args.data_dir,
        allow_anonymous: args.allow_anonymous,
        password_file: args.password_file,
    };
    let config = sources.load()?;
    run_with(Box::new(sources), config, args.log, lanes)
}

/// Runs a broker with what `sources` has given, on so many threads, until a signal ends it.
pub(crate) fn run_with(
    sources: Box<dyn ConfigSource>,
    config: Config,
    log_flag: Option<LogFilter>,
    lanes: usize,
) -> Result<ExitCode, Failure> {
    let has_log_flag = log_flag.is_some();
    let log = LogHandle::start(&config.log, log_flag.as_ref())?;
    let host = RunningHost {
        sources,
        log: log.clone(),
        has_log_flag,
    };
    let outcome = run_logged(host, config, lanes);
    log.finish();
    outcome
}

fn run_logged(host: RunningHost, config: Config, lanes: usize) -> Result<ExitCode, Failure> {
    let data_dir = DataDir::open(data_path(&config)?).map_err(Failure::run_time)?;
    let runtime = lane().map_err(Failure::no_runtime)?;
    let lanes = start_lanes(lanes).map_err(Failure::no_runtime)?;
    let outcome = runtime.block_on(serve(config, lanes, &data_dir, host));
    // After a second signal something may be stuck: do not wait for it.
    runtime.shutdown_background();
    outcome
}

/// A runtime for one thread, as many connections need no more and are served best without others.
fn lane() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The machine's processors.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Threads besides this one, `lanes` in all, which serve connections when it is full; they end with the program.
fn start_lanes(lanes: usize) -> io::Result<Vec<Handle>> {
    (1..lanes)
        .map(|nth| {
            let runtime = lane()?;
            let handle = runtime.handle().clone();
            std::thread::Builder::new()
                .name(format!("lane-{nth}"))
                .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
            Ok(handle)
        })
        .collect()
}

/// `mqtt broker check`: one line, that it is well or what is wrong.
fn check(file: &Path) -> Result<ExitCode, Failure> {
    let config = from_file(Some(file))?;
    config.check().map_err(Failure::usage)?;
    config.check_certificates().map_err(Failure::usage)?;
    let runtime = lane().map_err(Failure::no_runtime)?;
    let authentication = {
        let _inside = runtime.enter();
        Guard::check(&config)
    };
    authentication.map_err(Failure::usage)?;
    // A reader that went away is no failure of ours.
    let _ = writeln!(
        io::stdout(),
        "{}: the configuration is valid",
        file.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The file's configuration, or the default, with the environment over it.
pub(crate) fn from_file(file: Option<&Path>) -> Result<Config, Failure> {
    let config = file.map(Config::load).transpose().map_err(Failure::usage)?;
    with_environment(config.unwrap_or_default())
}

/// A configuration with the environment over it.
fn with_environment(mut config: Config) -> Result<Config, Failure> {
    // Names and values that are no Unicode cannot be ours.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    config.override_by(variables).map_err(Failure::usage)?;
    Ok(config)
}

/// Where a configuration comes from, and comes from again when it is to be read once more.
pub(crate) trait ConfigSource: Send + Sync + 'static {
    /// The configuration, with its data directory, checked.
    fn load(&self) -> Result<Config, Failure>;

    /// The same where `text`, which is TOML, stands for the file.
    fn read(&self, text: &str, origin: &str) -> Result<Config, Failure>;
}

/// The file, the environment over it, and the flags over both.
struct Sources {
    file: Option<PathBuf>,
    listen: Vec<Bind>,
    data_dir: Option<PathBuf>,
    allow_anonymous: bool,
    password_file: Option<PathBuf>,
}

impl ConfigSource for Sources {
    fn load(&self) -> Result<Config, Failure> {
        self.with_flags(from_file(self.file.as_deref())?)
    }

    fn read(&self, text: &str, origin: &str) -> Result<Config, Failure> {
        let config = Config::from_toml(text, origin).map_err(Failure::usage)?;
        self.with_flags(with_environment(config)?)
    }
}

impl Sources {
    fn with_flags(&self, mut config: Config) -> Result<Config, Failure> {
        if !self.listen.is_empty() {
            config.listen_only_on(self.listen.iter().cloned());
        }
        if self.data_dir.is_some() {
            config.node.data_dir.clone_from(&self.data_dir);
        }
        config.allow_anonymous |= self.allow_anonymous;
        if let Some(path) = &self.password_file {
            let first = Authenticator::file(path.clone());
            config.authentication.insert(0, first);
        }
        config.node.data_dir = Some(data_path(&config)?);
        config.check().map_err(Failure::usage)?;
        Ok(config)
    }
}

/// The configured data directory, or `mqtt` where the user's programs keep their state.
pub(crate) fn data_path(config: &Config) -> Result<PathBuf, Failure> {
    let path = match &config.node.data_dir {
        Some(path) => path.clone(),
        None => default_data_dir()?,
    };
    Ok(std::path::absolute(&path).unwrap_or(path))
}

/// `mqtt` where the user's programs keep their state.
pub(crate) fn default_data_dir() -> Result<PathBuf, Failure> {
    let dirs = directories::BaseDirs::new();
    let state = dirs.map(|dirs| {
        dirs.state_dir()
            .unwrap_or_else(|| dirs.data_local_dir())
            .join("mqtt")
    });
    state.ok_or_else(|| {
        Failure::usage("this user has no home directory: name one with --data-dir DIR")
    })
}

async fn serve(
    config: Config,
    lanes: Vec<Handle>,
    data_dir: &DataDir,
    host: RunningHost,
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new().map_err(Failure::no_signals)?;
    let mut hangups = Hangups::new().map_err(Failure::no_signals)?;
    let clients = who_may_connect(&config);
    let mut builder = Broker::builder();
    let mut data = "nothing is kept over a restart (durability = \"memory\")".to_owned();
    if config.keeps_state() {
        let store = data_dir.path().join("store");
        let durable = Durable::open(store, &config, heed).map_err(Failure::run_time)?;
        data = format!("holds {}", durable.summary());
        builder = builder.durable(durable);
    }
    let broker = builder.config(config).runtimes(lanes).start().await;
    let broker = broker.map_err(Failure::run_time)?;
    let service = Service::new(broker.manager().clone(), host);
    let _channel = open_channel(&service, data_dir);
    // A broker whose stdout is closed serves on.
    let _ = announce(&broker, clients, data_dir.path(), &data);
    tell_service_manager(Phase::Ready);

    loop {
        tokio::select! {
            _ = signals.next() => break,
            () = hangups.next() => reload(&service).await,
        }
    }
    tell_service_manager(Phase::Stopping);
    tokio::select! {
        () = broker.shutdown() => Ok(ExitCode::SUCCESS),
        stop = signals.next() => Ok(stop.exit_code()),
    }
}

/// The socket for `mqtt ctl`; a broker that cannot have one serves its clients all the same.
#[cfg(unix)]
fn open_channel(service: &Service, data_dir: &DataDir) -> Option<Channel> {
    let channel = Channel::open(data_dir.path().join(SOCKET_FILE), service.clone());
    channel
        .inspect_err(|error| tracing::warn!("no admin channel: {error}"))
        .ok()
}

/// There is no such socket here.
#[cfg(not(unix))]
fn open_channel(_service: &Service, _data_dir: &DataDir) {}

/// Reads the configuration again; files are read beside the connections. The log tells what comes of it.
async fn reload(service: &Service) {
    let (service, runtime) = (service.clone(), Handle::current());
    let reload = move || runtime.block_on(service.reload()).is_ok();
    // What comes of it is in the log.
    let _ = tokio::task::spawn_blocking(reload).await;
}

/// What this program does for those who administrate the broker.
struct RunningHost {
    sources: Box<dyn ConfigSource>,
    log: LogHandle,
    /// Whether the command line says how much is logged, over the configuration.
    has_log_flag: bool,
}

impl Host for RunningHost {
    fn load(&self) -> Result<Config, String> {
        self.sources.load().map_err(Failure::into_line)
    }

    fn read(&self, text: &str, origin: &str) -> Result<Config, String> {
        let config = self.sources.read(text, origin);
        config.map_err(Failure::into_line)
    }

    fn taken_over(&self, config: &Config) {
        self.log.taken_over(&config.log, self.has_log_flag);
    }

    fn log_lines_lost(&self) -> Vec<(&'static str, u64)> {
        self.log.lines_lost()
    }

    fn log_level(&self) -> String {
        self.log.level()
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        self.log.set(level.parse()?)
    }
}

/// What the store says from time to time.
fn heed(event: StoreEvent) {
    match event {
        StoreEvent::Failed(what) => {
            // Nothing may be acknowledged any more, and only a restart shows what the disk has.
            Failure::run_time(format_args!(
                "the data directory failed, and nothing more can be kept: {what}"
            ))
            .report();
            std::process::exit(i32::from(crate::exit::RUN_TIME));
        }
        StoreEvent::Full => tracing::error!(
            "no room in the data directory: what would have to be kept is refused until there is"
        ),
        StoreEvent::Room => tracing::warn!("there is room in the data directory again"),
        StoreEvent::AlarmOn { on_disk, len_max } => {
            tracing::warn!(on_disk, len_max, "the log takes 80 % of what it may");
        }
        StoreEvent::AlarmOff => tracing::info!("the log takes less than 80 % again"),
        _ => {}
    }
}

fn who_may_connect(config: &Config) -> &'static str {
    let mut listeners = config.listeners.values();
    let only_here = listeners
        .clone()
        .all(|listener| listener.bind.is_loopback());
    let asks = listeners
        .clone()
        .any(|listener| config.asks_who_it_is(listener));
    let asks_all = listeners
        .all(|listener| config.asks_who_it_is(listener) && !config.allows_anonymous(listener));
    match (asks_all, asks, only_here) {
        (true, _, true) => "those on this machine who prove who they are",
        (true, _, false) => "those who prove who they are",
        (false, true, _) => "those who prove who they are, and some without a user name",
        (false, false, true) => {
            "anyone on this machine, without a user name; other machines cannot reach this broker"
        }
        (false, false, false) => "anyone who can reach this broker, without a user name",
    }
}

/// Says in plain words what runs now, and `ready` alone on the last line.
fn announce(broker: &Broker, clients: &str, dir: &Path, data: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for addr in broker.local_addrs() {
        writeln!(out, "listening on {addr}")?;
    }
    for listener in broker.listeners() {
        if let Bind::Path(path) = &listener.bind {
            writeln!(out, "listening on {}", path.display())?;
        }
    }
    writeln!(out, "clients: {clients}")?;
    writeln!(
        out,
        "data: {}, locked for this broker; {data}",
        dir.display()
    )?;
    writeln!(out, "ready")?;
    out.flush()
}

/// What a service manager wants to know.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Ready,
    Stopping,
}

/// Tells systemd, if it started us as a service of `Type=notify`.
#[cfg(target_os = "linux")]
fn tell_service_manager(phase: Phase) {
    let state = match phase {
        Phase::Ready => sd_notify::NotifyState::Ready,
        Phase::Stopping => sd_notify::NotifyState::Stopping,
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, ?phase, "cannot tell the service manager");
    }
}

/// There is none to tell.
#[cfg(not(target_os = "linux"))]
fn tell_service_manager(phase: Phase) {
    tracing::debug!(?phase, "no service manager");
}
