//! The broker as a library: build, start, look at, shut down.

use crate::access::{Access, Authorizer, Expiries, Guard};
use crate::authenticate::Authenticate;
use crate::config::{Config, ConfigError};
use crate::core::arrival_rate::ArrivalRate;
use crate::core::bans::Bans;
use crate::core::cause::EndCause;
use crate::core::counters::Totals;
use crate::core::limits::{HEAD_BYTES_MAX, Limits};
use crate::core::live::Live;
use crate::core::log::{CommitLog, MemoryLog};
use crate::core::retained::{Retained, RetainedStore};
use crate::core::{Batch, Core, Offer, Parts};
use crate::durable::{Durable, DurableLog};
use crate::events::{EVENT_CAPACITY, EventHooks, EventSource, Events};
use crate::extensions::Extensions;
use crate::hooks::Hooks;
use crate::hub::Hub;
use crate::manage::Manager;
use crate::manage::{Sizes, load_bans};
use crate::net::{
    Arrivals, Bounds, CertificateError, CertificateState, Clock, Door, Lanes, ListenerState,
    Listeners, available_memory, listen, run_loads, run_ticks, watch_certificates,
};
use crate::ownership::{Fabric, Ownership, SingleNode};
use crate::reload::{ReloadError, ReloadReport, Reloader, Rights};
use crate::sys::Sys;
use mqtt_codec::QoS;
use mqtt_session::SessionExpiry;
use mqtt_store::Recovered;
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a shutdown waits for clients to take their last bytes.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);
/// How often a shutdown looks whether all are gone.
const SHUTDOWN_POLL: Duration = Duration::from_millis(10);

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration contradicts itself or opens too much.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A unix socket cannot be listened on.
    #[error("cannot listen on {}: {source}", path.display())]
    ListenUnix {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The certificates of a listener cannot be used.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    /// The system gives no thread for reading from the log, or for handshakes.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// What a broker is made of; every part has a default.
pub struct Builder {
    config: Config,
    access: Option<Arc<dyn Access>>,
    authenticate: Option<Arc<dyn Authenticate>>,
    hooks: Vec<Arc<dyn Hooks>>,
    event_capacity: usize,
    log: Arc<dyn CommitLog>,
    recovered: Option<Recovered>,
    ownership: Arc<dyn Ownership>,
    fabric: Option<Arc<dyn Fabric>>,
    retained: Option<Arc<dyn RetainedStore>>,
    runtimes: Vec<Handle>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Listeners and limits; the default listens on loopback, port 1883.
    #[must_use]
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// Who may do what, from whatever address.
    ///
    /// Without it the rules of [`Config::authorization`] decide, by an [`Authorizer`]; without rules everybody who is
    /// let in may do everything.
    #[must_use]
    pub fn access(self, access: impl Access) -> Self {
        Self {
            access: Some(Arc::new(access)),
            ..self
        }
    }

    /// Who clients are; without it [`Access`] is asked about CONNECT too, and there is no enhanced authentication.
    #[must_use]
    pub fn authenticate(self, authenticate: impl Authenticate) -> Self {
        Self {
            authenticate: Some(Arc::new(authenticate)),
            ..self
        }
    }

    /// Sees and changes what happens; hooks are called in the order they were added.
    #[must_use]
    pub fn hooks(mut self, hooks: impl Hooks) -> Self {
        self.hooks.push(Arc::new(hooks));
        self
    }

    /// Events kept for a slow reader of [`Broker::events`], at least 1; 1,024 by default.
    #[must_use]
    pub fn event_capacity(self, event_capacity: usize) -> Self {
        Self {
            event_capacity,
            ..self
        }
    }

    /// Who may own sessions, where there are other brokers.
    #[must_use]
    pub fn ownership(self, ownership: impl Ownership) -> Self {
        Self {
            ownership: Arc::new(ownership),
            ..self
        }
    }

    /// What carries live messages to other brokers.
    #[must_use]
    pub fn fabric(self, fabric: impl Fabric) -> Self {
        Self {
            fabric: Some(Arc::new(fabric)),
            ..self
        }
    }

    /// Where what must survive is written; the default keeps everything in memory.
    #[must_use]
    pub fn commit_log(self, log: impl CommitLog) -> Self {
        Self {
            log: Arc::new(log),
            ..self
        }
    }

    /// Keeps on a disk what has to survive the broker, and begins with what was kept.
    #[must_use]
    pub fn durable(self, durable: Durable) -> Self {
        Self {
            log: Arc::new(DurableLog(durable.store)),
            recovered: Some(durable.recovered),
            ..self
        }
    }

    /// Where retained messages are kept; the default keeps them in memory, within the configured limits.
    #[must_use]
    pub fn retained_store(self, retained: impl RetainedStore) -> Self {
        Self {
            retained: Some(Arc::new(retained)),
            ..self
        }
    }

    /// More runtimes to serve connections, each best with a thread of its own; none by default.
    ///
    /// As long as the one that starts the broker has time to spare it serves all connections; when it has none
    /// and a core is free, these take over a part of the work.
    #[must_use]
    pub fn runtimes(self, runtimes: impl IntoIterator<Item = Handle>) -> Self {
        Self {
            runtimes: runtimes.into_iter().collect(),
            ..self
        }
    }

    /// Listens and serves, on the current tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(self) -> Result<Broker, StartError> {
        self.config.check_listeners()?;
        let is_open = self.access.is_none() && self.authenticate.is_none();
        if is_open {
            self.config.check()?;
        }
        let mut hooks = self.hooks;
        let mut guard = None;
        let mut authenticate = self.authenticate;
        // An embedding program that answers for itself is asked, unless its configuration says who else is.
        if authenticate.is_none()
            && (self.access.is_none() || !self.config.authentication.is_empty())
        {
            let built_in = Arc::new(Guard::from_config(&self.config)?);
            authenticate = Some(Arc::clone(&built_in) as Arc<dyn Authenticate>);
            hooks.push(Arc::clone(&built_in) as Arc<dyn Hooks>);
            guard = Some(built_in);
        }
        let (access, authorizer): (Arc<dyn Access>, _) = match self.access {
            Some(access) => (access, None),
            None => {
                let authorizer = Arc::new(Authorizer::from_config(&self.config)?);
                (Arc::clone(&authorizer) as _, Some(authorizer))
            }
        };
        let events = Arc::new(EventSource::new(self.event_capacity));
        let expiries = Arc::new(Expiries::default());
        hooks.push(Arc::clone(&expiries) as Arc<dyn Hooks>);
        hooks.push(Arc::new(EventHooks(Arc::clone(&events))));
        let limits = limits(&self.config);
        let retained = self.retained;
        let retained = retained.unwrap_or_else(|| Arc::new(Retained::new(&limits)));
        let clock = Clock::start();
        let core = Arc::new(Core::new(Parts {
            limits,
            offer: offer(&self.config),
            access,
            authenticate,
            log: self.log,
            ownership: self.ownership,
            fabric: self.fabric,
            hub: Hub::new(hooks),
            extensions: Extensions::new(&self.config),
            retained,
            sys: Sys::new(&self.config, clock.started_ms()),
            bans: Bans::new(self.config.flapping_detect.settings()),
            arrival_rate: ArrivalRate::new(self.config.mqtt.max_conn_rate_per_address),
        }));
        if let Some(data_dir) = &self.config.node.data_dir {
            load_bans(&core.bans, data_dir, clock.now_ms());
        }
        if let Some(recovered) = self.recovered {
            core.restore(recovered, clock.now_ms());
        }
        if core.limits.head_bytes_max.is_some() {
            run_loads(&core, clock).map_err(StartError::Thread)?;
        }
        // Nobody connects before the state is there.
        let listeners = listen(&self.config)?;
        let local_addrs = listeners
            .iter()
            .filter_map(|bound| bound.ear.local_addr())
            .collect();
        let (stop, stopped) = watch::channel(false);
        let door = Arc::new(Door {
            core: Arc::clone(&core),
            clock,
            bounds: Live::new(Bounds::of(&self.config.mqtt)),
            connections: AtomicUsize::new(0),
            by_address: Mutex::default(),
            lanes: Lanes::new(Handle::current(), self.runtimes),
            handshakes: OnceLock::new(),
            stop: stopped,
            arrivals: Arrivals::default(),
        });
        if listeners.iter().any(|bound| bound.entrance.tls.is_some()) {
            door.begin_handshakes().map_err(StartError::Thread)?;
        }
        let listeners = Arc::new(Listeners::start(&door, listeners));
        let rights = Rights {
            is_open,
            guard: guard.clone(),
            authorizer: authorizer.clone(),
        };
        let manager = Manager::new(
            Reloader::new(
                Arc::clone(&door),
                self.config,
                rights,
                Arc::clone(&listeners),
            ),
            Arc::clone(&events),
        );
        let ticks = tokio::spawn(run_ticks(Arc::clone(&door)));
        let certificates = tokio::spawn(watch_certificates(Arc::clone(&listeners)));
        let expiring = tokio::spawn(Expiries::run(
            Arc::downgrade(&expiries),
            guard.as_ref().map(Arc::downgrade),
            manager.clone(),
        ));
        Ok(Broker {
            door,
            local_addrs,
            stop,
            listeners,
            ticks,
            certificates,
            events,
            manager,
            guard,
            authorizer,
            #[cfg(test)]
            expiries,
            expiring,
        })
    }
}

/// A running broker; dropping it stops accepting but leaves connections alone, [`Broker::shutdown`] ends them.
pub struct Broker {
    door: Arc<Door>,
    local_addrs: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    listeners: Arc<Listeners>,
    ticks: JoinHandle<()>,
    /// Looks at the files of certificates.
    certificates: JoinHandle<()>,
    events: Arc<EventSource>,
    manager: Manager,
    guard: Option<Arc<Guard>>,
    /// None: the embedding program has its own way to decide.
    authorizer: Option<Arc<Authorizer>>,
    #[cfg(test)]
    expiries: Arc<Expiries>,
    /// What ends the connections of clients whose token or certificate has expired.
    expiring: JoinHandle<()>,
}

#[cfg(test)]
impl Broker {
    /// What its connections share.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// Who has to go when.
    pub(crate) fn expiries(&self) -> &Expiries {
        &self.expiries
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("local_addrs", &self.local_addrs)
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// A broker to be configured.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            config: Config::default(),
            access: None,
            authenticate: None,
            hooks: Vec::new(),
            event_capacity: EVENT_CAPACITY,
            log: Arc::new(MemoryLog),
            recovered: None,
            ownership: Arc::new(SingleNode),
            fabric: None,
            retained: None,
            runtimes: Vec::new(),
        }
    }

    /// Where it listened when it was started, with the real ports where 0 was asked for; where it listens now is in
    /// [`listeners`](Self::listeners).
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// Its listeners, and what has come through them.
    #[must_use]
    pub fn listeners(&self) -> Vec<ListenerState> {
        self.manager.listeners()
    }

    /// The certificates its listeners show, with the time they are good until.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateState> {
        self.manager.certificates()
    }

    /// Looks into it and changes what is in it.
    #[must_use]
    pub const fn manager(&self) -> &Manager {
        &self.manager
    }

    /// The built-in authentication; none where the embedding program answers for itself.
    #[must_use]
    pub const fn guard(&self) -> Option<&Arc<Guard>> {
        self.guard.as_ref()
    }

    /// What decides by the rules of the configuration; none where [`Builder::access`] decides.
    #[must_use]
    pub fn authorizer(&self) -> Option<&Authorizer> {
        self.authorizer.as_deref()
    }

    /// What happens from here on, as a stream; costs nothing while nobody reads it.
    #[must_use]
    pub fn events(&self) -> Events {
        self.events.events(&self.door.core)
    }

    /// What it has counted since its start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.manager.totals()
    }

    /// How much it holds now.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.manager.sizes()
    }

    /// Ends the connection of `client_id` with DISCONNECT 0x98; `false` when it has none.
    pub fn kick(&self, client_id: &str) -> bool {
        self.manager.kick(client_id)
    }

    /// Takes another configuration over, as far as that goes without a restart; see [`Manager::reload`].
    ///
    /// # Errors
    /// [`ReloadError`]: the configuration is refused, and everything stays as it is.
    pub async fn reload(&self, config: Config) -> Result<ReloadReport, ReloadError> {
        self.manager.reload(config).await
    }

    /// Stops accepting, tells v5 clients 0x8B, and returns when all connections are gone or patience is.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true);
        self.listeners.ended().await;
        self.door.arrivals.wake_all();
        let core = &self.door.core;
        let deadline = tokio::time::Instant::now() + SHUTDOWN_PATIENCE;
        while self.door.connections.load(Ordering::Acquire) > 0 {
            let mut batch = Batch::new();
            core.end_all(EndCause::ServerShuttingDown, &mut batch);
            core.finish(&mut batch, self.door.clock.now_ms());
            if tokio::time::Instant::now() >= deadline {
                tracing::warn!("some clients did not take their last bytes in time");
                break;
            }
            tokio::time::sleep(SHUTDOWN_POLL).await;
        }
        core.log.close();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        self.door.arrivals.wake_all();
        self.ticks.abort();
        self.certificates.abort();
        self.expiring.abort();
    }
}

fn offer(config: &Config) -> Offer {
    let mqtt = &config.mqtt;
    Offer {
        qos_max: QoS::from_u8(mqtt.max_qos_allowed).unwrap_or(QoS::ExactlyOnce),
        retain: mqtt.retain_available,
        wildcards: mqtt.wildcard_subscription,
        shared: mqtt.shared_subscription,
        exclusive: mqtt.exclusive_subscription,
        response_information: mqtt.response_information.as_str().into(),
    }
}

pub(crate) fn limits(config: &Config) -> Limits {
    let (mqtt, retainer) = (&config.mqtt, &config.retainer);
    Limits {
        packet_len_max: mqtt.packet_len_max(),
        inflight_max: mqtt.max_inflight,
        receive_maximum: mqtt.receive_maximum,
        topic_alias_maximum: mqtt.max_topic_alias,
        outbound_aliases_max: mqtt.max_topic_alias_broker,
        topic_levels_max: usize::from(mqtt.max_topic_levels),
        client_id_len_max: usize::from(mqtt.max_clientid_len),
        keep_alive_max_s: mqtt.keep_alive_max_s().and_then(NonZeroU16::new),
        session_expiry_max: SessionExpiry(mqtt.session_expiry_interval_max_s()),
        queue_len_max: mqtt.max_mqueue_len,
        queue_bytes_max: mqtt.max_mqueue_bytes.get(),
        head_bytes_max: Some(HEAD_BYTES_MAX.min(config.store.max_queue_memory.get())),
        queue_memory_max: config.store.max_queue_memory.get(),
        outbox_bytes_max: mqtt.max_outbox_bytes.get(),
        subscriptions_max: mqtt.max_subscriptions,
        shared_strategy: mqtt.shared_subscription_strategy,
        shared_seed: None,
        queue_full: mqtt.mqueue_full,
        queue_full_timeout: mqtt.mqueue_full_timeout.get(),
        log_behind_timeout: config.store.behind_timeout.get(),
        queued_bytes_max: mqtt.max_total_mqueue_bytes.get(),
        topic_len_max: usize::from(mqtt.max_topic_len),
        will_len_max: mqtt.max_will_size.get(),
        offline_sessions_max: mqtt.max_offline_sessions,
        memory_max: mqtt.memory_high_watermark.bytes(available_memory),
        retained_len_max: retainer.max_payload_size.get(),
        sessions_max: mqtt.max_sessions,
        retained_max: retainer.max_retained_messages,
        retained_bytes_max: retainer.max_retained_bytes.get(),
    }
}
