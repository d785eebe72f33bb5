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
use crate::net::{Bounds, CertificateState, Door, Entrance, ListenerState, reload_listeners};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Compares configurations with the one that is in force, and puts others in force.
pub(crate) struct Reloader {
    pub(crate) door: Arc<Door>,
    /// What the broker was started with; what takes a restart is compared with this.
    started: Config,
    /// What was taken over last; one reload at a time.
    last: Mutex<Config>,
    rights: Rights,
    entrances: Vec<Arc<Entrance>>,
    addresses: Vec<(Arc<Entrance>, Option<SocketAddr>)>,
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
    /// What is wrong with certificates of listeners, which go on with those they had.
    pub failed: Vec<String>,
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
        entrances: Vec<Arc<Entrance>>,
        addresses: Vec<(Arc<Entrance>, Option<SocketAddr>)>,
    ) -> Self {
        Self {
            door,
            last: Mutex::new(config.clone()),
            started: config,
            rights,
            entrances,
            addresses,
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
        let state = |entrance: &Arc<Entrance>| {
            let own = self.addresses.iter();
            let own = own.filter(|(of, _)| Arc::ptr_eq(of, entrance));
            entrance.state(own.filter_map(|(_, address)| *address).collect())
        };
        self.entrances.iter().map(state).collect()
    }

    pub(crate) fn certificates(&self) -> Vec<CertificateState> {
        let doors = self.entrances.iter();
        let doors = doors.filter_map(|entrance| entrance.tls.as_ref());
        doors.flat_map(|door| door.states()).collect()
    }

    pub(crate) fn plan(&self, config: &Config) -> Result<ReloadReport, ReloadError> {
        self.check(config)?;
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

    pub(crate) fn reload(&self, config: Config) -> Result<ReloadReport, ReloadError> {
        // What is started by this goes on after the caller's own runtime, if it has one.
        let runtime = self.door.lanes.runtime(Lane::FIRST);
        let _inside = runtime.map(Handle::enter);
        self.check(&config)?;
        let mut last = self.last.lock();
        let mut report = self.report(&last, &config);
        let Rights {
            guard, authorizer, ..
        } = &self.rights;
        if let Some(authorizer) = authorizer {
            // Read for nothing, so that the last one that can fail is the first that has effect.
            Authorizer::from_config(&config)?;
            if let Some(guard) = guard {
                guard.reload(&config)?;
            }
            authorizer.reload(&config)?;
        } else if let Some(guard) = guard {
            guard.reload(&config)?;
        }
        // What was promised to keep things at the start goes on as it was.
        let mut listeners = config.clone();
        listeners.durability = self.started.durability;
        for (name, listener) in &mut listeners.listeners {
            let started = self.started.listeners.get(name);
            listener.durability = started.and_then(|started| started.durability);
        }
        let reloaded = reload_listeners(&self.entrances, &listeners)?;
        let failed = reloaded.failed.iter();
        report.failed = failed.map(ToString::to_string).collect();
        self.apply(&config)?;
        *last = config;
        Ok(report)
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
