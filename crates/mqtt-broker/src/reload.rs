//! Another configuration for a running broker.

use crate::access::{AuthenticationCounts, Authorizer, ClientInfo, Guard, UserLoss, UserStore};
use crate::broker::limits;
use crate::config::{Change, Config, ConfigError, Effect};
use crate::core::lane::Lane;
use crate::core::live::TooManyValues;
use crate::core::retained::RetainedBounds;
use crate::core::rights::Judges;
use crate::extensions::{AutoSubscriptions, Rewriter};
use crate::manage::Rechecked;
use crate::net::{
    Bounds, CertificateError, CertificateState, Door, Entrance, ListenerState, Listeners,
};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Compares configurations with the one that is in force, and puts others in force.
pub(crate) struct Reloader {
    pub(crate) door: Arc<Door>,
    /// What the broker was started with; what takes a restart is compared with this.
    started: Config,
    /// What was taken over last.
    last: Mutex<Config>,
    /// One reload at a time.
    turn: tokio::sync::Mutex<()>,
    rights: Rights,
    listeners: Arc<Listeners>,
}

/// Who may connect and do what, as far as the configuration says it.
pub(crate) struct Rights {
    /// Whether nobody else says it.
    pub(crate) is_open: bool,
    pub(crate) guard: Option<Arc<Guard>>,
    pub(crate) authorizer: Option<Arc<Authorizer>>,
}

/// Who would decide by a configuration that is not in force.
pub(crate) struct Planned<'a> {
    pub(crate) config: &'a Config,
    guard: Option<Guard>,
    authorizer: Option<Authorizer>,
    auto_subscriptions: AutoSubscriptions,
}

impl Planned<'_> {
    /// Those of the configuration in the place of those in force; an embedding program's own stay.
    pub(crate) fn judges<'a>(&'a self, now: Judges<'a>) -> Judges<'a> {
        let authorizer = self.authorizer.as_ref();
        let guard = self.guard.as_ref();
        Judges {
            access: authorizer.map_or(now.access, |authorizer| authorizer),
            authenticate: guard.map_or(now.authenticate, |guard| Some(guard)),
            auto_subscriptions: &self.auto_subscriptions,
        }
    }

    pub(crate) fn user_loss(&self, client: &ClientInfo) -> Option<UserLoss> {
        self.guard.as_ref()?.user_loss(client)
    }
}

/// What another configuration changes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ReloadReport {
    /// What is in force from now on, at once or for new connections.
    pub live: Vec<Change>,
    /// What stays as it was at the start until the broker is started again.
    pub needs_restart: Vec<Change>,
    /// Where it cannot be listened, and why. A new listener is left out then; one that was there stays where it was.
    pub failed: Vec<String>,
    /// Connections that were ended because their listener is not in the configuration any more.
    pub listener_closed: u64,
    /// Who has lost what by it.
    pub rechecked: Rechecked,
}

impl ReloadReport {
    /// Whether no key differs.
    pub const fn is_empty(&self) -> bool {
        self.live.is_empty() && self.needs_restart.is_empty()
    }
}

/// Why a configuration is not taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// It contradicts itself or opens too much.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificates, keys or lists of a listener cannot be used.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    /// There were so many different ones since the start that no more are kept.
    #[error("too many different configurations since the broker was started: it takes a restart")]
    TooMany,
}

impl From<TooManyValues> for ReloadError {
    fn from(_: TooManyValues) -> Self {
        Self::TooMany
    }
}

impl Reloader {
    pub(crate) fn new(
        door: Arc<Door>,
        config: Config,
        rights: Rights,
        listeners: Arc<Listeners>,
    ) -> Self {
        Self {
            door,
            last: Mutex::new(config.clone()),
            started: config,
            turn: tokio::sync::Mutex::default(),
            rights,
            listeners,
        }
    }

    /// What this broker was called when it was started.
    pub(crate) fn node(&self) -> &str {
        &self.started.node.name
    }

    /// Where it keeps what has to survive it; none where that is memory alone.
    pub(crate) fn data_dir(&self) -> Option<&Path> {
        self.started.node.data_dir.as_deref()
    }

    pub(crate) fn users(&self) -> Option<&UserStore> {
        self.rights.guard.as_ref().map(|guard| guard.users())
    }

    pub(crate) fn authentication(&self) -> Option<AuthenticationCounts> {
        self.rights.guard.as_ref().map(|guard| guard.counts())
    }

    pub(crate) fn listeners(&self) -> Vec<ListenerState> {
        self.listeners.states()
    }

    pub(crate) fn certificates(&self) -> Vec<CertificateState> {
        self.listeners.certificates()
    }

    pub(crate) fn plan(&self, config: &Config) -> Result<ReloadReport, ReloadError> {
        self.check(config)?;
        config.check_certificates()?;
        Ok(self.report(&self.last.lock(), config))
    }

    /// Who would decide by `config`; nothing is changed.
    pub(crate) fn planned<'a>(&self, config: &'a Config) -> Result<Planned<'a>, ReloadError> {
        let runtime = self.door.lanes.runtime(Lane::FIRST);
        let _inside = runtime.map(Handle::enter);
        self.check(config)?;
        let Rights {
            guard, authorizer, ..
        } = &self.rights;
        let guard = guard.as_ref().map(|guard| guard.planned(config));
        let authorizer = authorizer.as_ref().map(|_| Authorizer::from_config(config));
        Ok(Planned {
            config,
            guard: guard.transpose()?,
            authorizer: authorizer.transpose()?,
            auto_subscriptions: AutoSubscriptions::new(&config.auto_subscribe),
        })
    }

    /// Puts a configuration in force, and gives the listeners that are gone by it besides the report.
    pub(crate) async fn reload(
        &self,
        config: Config,
    ) -> Result<(ReloadReport, Vec<Arc<Entrance>>), ReloadError> {
        let _turn = self.turn.lock().await;
        self.check(&config)?;
        let prepared = self.listeners.prepare(&config)?;
        let mut report = self.report(&self.last.lock(), &config);
        self.take_over_rights(&config)?;
        let listeners = self.of_listeners(&config, &mut report);
        let taken = self
            .listeners
            .take_over(&self.door, &listeners, prepared)
            .await;
        report.failed = taken.failed;
        self.apply(&config)?;
        *self.last.lock() = config;
        Ok((report, taken.gone))
    }

    /// Users and rules.
    fn take_over_rights(&self, config: &Config) -> Result<(), ConfigError> {
        // What is started by this goes on after the caller's own runtime, if it has one.
        let runtime = self.door.lanes.runtime(Lane::FIRST);
        let _inside = runtime.map(Handle::enter);
        let Rights {
            guard, authorizer, ..
        } = &self.rights;
        if authorizer.is_some() {
            // Read for nothing, so that the last one that can fail is the first that has effect.
            Authorizer::from_config(config)?;
        }
        if let Some(guard) = guard {
            guard.reload(config)?;
        }
        authorizer
            .as_ref()
            .map_or(Ok(()), |authorizer| authorizer.reload(config))
    }

    /// What listeners go by: what was promised to keep things at the start goes on as it was, and a new listener
    /// promises no more than that.
    fn of_listeners(&self, config: &Config, report: &mut ReloadReport) -> Config {
        let mut listeners = config.clone();
        listeners.durability = self.started.durability;
        for (name, listener) in &mut listeners.listeners {
            let Some(started) = self.started.listeners.get(name) else {
                let wanted = listener.durability.unwrap_or(config.durability);
                if !self.started.asks_for(wanted) {
                    listener.durability = None;
                    report.needs_restart.push(Change::of_durability(
                        name,
                        self.started.durability,
                        wanted,
                    ));
                }
                continue;
            };
            listener.durability = started.durability;
        }
        listeners
    }

    /// What can be refused, before anything is changed.
    fn check(&self, config: &Config) -> Result<(), ReloadError> {
        config.check_listeners()?;
        match self.rights.is_open {
            true => Ok(config.check()?),
            false => Ok(()),
        }
    }

    fn report(&self, last: &Config, config: &Config) -> ReloadReport {
        let is_live = |change: &Change| change.effect != Effect::Restart;
        let changes = last.changes(config).into_iter();
        let pending = self.started.changes(config).into_iter();
        ReloadReport {
            live: changes.filter(is_live).collect(),
            needs_restart: pending.filter(|change| !is_live(change)).collect(),
            failed: Vec::new(),
            listener_closed: 0,
            rechecked: Rechecked::default(),
        }
    }

    /// Puts in force what can be; each value by itself, so that a request sees the old one or the new one.
    fn apply(&self, config: &Config) -> Result<(), TooManyValues> {
        let (door, core) = (&self.door, &self.door.core);
        let mut limits = limits(config);
        if core.limits.head_bytes_max.is_none() {
            // The log gives no messages back, whatever the configuration says.
            limits.head_bytes_max = None;
        }
        limits.shared_strategy = core.limits.shared_strategy;
        core.retained.bounds_changed(&RetainedBounds::of(&limits));
        core.limits.put(limits)?;
        door.bounds.put(Bounds::of(&config.mqtt))?;
        core.bans
            .flapping()
            .put(config.flapping_detect.settings())?;
        core.arrival_rate
            .rate
            .put(config.mqtt.max_conn_rate_per_address)?;
        core.extensions.delayed.reload(&config.delayed);
        core.extensions
            .rewriter
            .put(Rewriter::new(&config.rewrite))?;
        core.extensions
            .auto_subscriptions
            .put(AutoSubscriptions::new(&config.auto_subscribe))?;
        core.sys.reload(&config.sys_topics, door.clock.now_ms())
    }
}
