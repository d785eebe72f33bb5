//! The broker's configuration: TOML with EMQX's key names, typed, every key with a default.
//!
//! ```
//! use mqtt_broker::config::Config;
//!
//! let config = Config::from_toml(
//!     r#"
//!     allow_anonymous = true
//!     listeners.tcp.default.bind = 1883
//!     mqtt.max_packet_size = "512KB"
//!     "#,
//!     "broker.toml",
//! )
//! .unwrap();
//! assert_eq!(config.mqtt.packet_len_max(), 512 * 1024);
//!
//! let error = Config::from_toml("mqtt.max_inflght = 20", "broker.toml").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "broker.toml:1: unknown key `mqtt.max_inflght`, did you mean `mqtt.max_inflight`?"
//! );
//! ```

mod access_kind;
mod authentication;
mod authorization;
mod bind;
mod changes;
mod database;
mod environment;
mod error;
mod extensions;
mod http;
mod jwt;
mod kind;
mod listener;
mod listener_kind;
mod log;
mod mqtt;
mod reader;
mod reference;
mod secret;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod tls;
mod value;
mod websocket;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub use authentication::{
    AuthenticationSettings, Authenticator, AuthenticatorKind, CertificateName, UserId,
};
pub use authorization::{
    Authorization, AuthorizationCache, AuthorizationSource, DenyAction, HttpAuthorization,
    HttpRequest, LostRight,
};
pub use bind::{Bind, BindAddress, BindError};
pub use changes::{Change, Effect};
pub use database::{
    DatabaseServer, HashName, MacName, PasswordHashing, PostgreSql, Redis, SaltPlace, ServerAddress,
};
pub use error::{ConfigError, Origin};
pub use extensions::{
    AutoOptions, AutoSubscription, DELAY_MAX_S, Delayed, Rewrite, RewriteAction, SysTopics,
};
pub use http::{HttpMethod, HttpService};
pub use jwt::{Jwt, TokenFrom};
pub use listener::{AccessRule, Listener, ListenerKind};
pub use log::{Log, LogConsole, LogFile, LogFormat, LogLevel, RotationPeriod};
pub use mqtt::{FlappingDetect, Mqtt, Retainer};
pub use reader::KeyDescription;
pub use secret::Secret;
pub use store::Store;
pub use tls::{CertificateField, CertificateFiles, Tls, Verify};
pub use value::{ByteSize, Duration, MemoryMark};
pub use websocket::WebSocket;

use crate::access::Policy;
use crate::core::log::Durability;
use extensions::NodeName;
use kind::{Directory, Flag};
use reader::{Reader, Section, Source};
use store::DURABILITY;

/// Everything that can be set. `Config::default()` is what an empty file gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// `listeners.<kind>.<name>`: where the broker listens, by kind and name: `ssl:default`. Default:
    /// `tcp:default` on `localhost:1883`. A file that names a listener has only those that it names.
    pub listeners: BTreeMap<String, Listener>,
    /// `allow_anonymous`: whether clients without a user name may connect from other machines;
    /// from this machine they may as long as no users are configured. Default: false.
    pub allow_anonymous: bool,
    /// `authentication[]`: who is asked who a client is, the first that knows it decides. Default:
    /// nobody, so that every client is taken for who it says.
    pub authentication: Vec<Authenticator>,
    /// `authentication_settings.*`.
    pub authentication_settings: AuthenticationSettings,
    /// `durability`: when an acknowledgement that promises to keep something may leave, where a
    /// listener says nothing else. With `memory` here and at all listeners nothing is kept. Default: `fsync`.
    pub durability: Durability,
    /// `store.*`.
    pub store: Store,
    /// `node.*`.
    pub node: Node,
    /// `log.*`.
    pub log: Log,
    /// `mqtt.*`.
    pub mqtt: Mqtt,
    /// `authorization.*`.
    pub authorization: Authorization,
    /// `flapping_detect.*`.
    pub flapping_detect: FlappingDetect,
    /// `retainer.*`.
    pub retainer: Retainer,
    /// `sys_topics.*`.
    pub sys_topics: SysTopics,
    /// `delayed.*`.
    pub delayed: Delayed,
    /// `rewrite`: rules that give topics other names, in the order they are tried. Default: none.
    pub rewrite: Vec<Rewrite>,
    /// `auto_subscribe.topics`: what every client is subscribed to. Default: nothing.
    pub auto_subscribe: Vec<AutoSubscription>,
}

/// `node.*`: this broker on its machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// `name`: what this broker is called in `$SYS/brokers`. Default: `mqtt`.
    pub name: String,
    /// `data_dir`: the broker's directory, relative to where it is started; one broker at a
    /// time. Default: none is set, the program chooses.
    pub data_dir: Option<PathBuf>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            name: "mqtt".to_owned(),
            data_dir: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listeners: BTreeMap::from([("tcp:default".to_owned(), Listener::default())]),
            allow_anonymous: false,
            durability: Durability::Fsync,
            store: Store::default(),
            node: Node::default(),
            log: Log::default(),
            mqtt: Mqtt::default(),
            authorization: Authorization::default(),
            flapping_detect: FlappingDetect::default(),
            retainer: Retainer::default(),
            sys_topics: SysTopics::default(),
            delayed: Delayed::default(),
            rewrite: Vec::new(),
            auto_subscribe: Vec::new(),
            authentication: Vec::new(),
            authentication_settings: AuthenticationSettings::default(),
        }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or [`from_toml`](Self::from_toml) refuses it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::from_toml(&text, &path.display().to_string())
    }

    /// Reads a text; `origin` stands for it in messages, as a file's name does.
    ///
    /// # Errors
    /// The first thing that is wrong: TOML, a value, or a key nobody knows.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        Reader::read(text, Source::File(origin), |root| config.read(root))?;
        Ok(config)
    }

    /// Checks what no single value shows: that no listener is open to other machines unless clients
    /// are asked there who they are, or the configuration says that anyone may connect; and that
    /// what listeners name is there.
    ///
    /// # Errors
    /// [`ConfigError::OpenToAnyone`], [`ConfigError::NoSuchAuthenticator`],
    /// [`ConfigError::AuthenticatorTwice`], or what is wrong with a file, with its lines.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_listeners()?;
        self.check_authenticators()?;
        let open = self
            .listeners
            .iter()
            .filter(|(_, listener)| !self.asks_who_it_is(listener))
            .filter(|(_, listener)| !self.allows_anonymous(listener))
            .find(|(_, listener)| !listener.bind.is_loopback());
        match open {
            Some((name, listener)) => Err(ConfigError::OpenToAnyone {
                name: name.clone(),
                bind: listener.bind.clone(),
            }),
            None => Policy::load(self).map(|_| ()),
        }
    }

    /// Whether clients without a user name may connect to this listener from other machines.
    pub fn allows_anonymous(&self, listener: &Listener) -> bool {
        listener.allow_anonymous.unwrap_or(self.allow_anonymous)
    }

    /// Those asked who a client of this listener is, in their order; none: it is taken for who it says.
    pub fn authenticators_of<'a>(
        &'a self,
        listener: &'a Listener,
    ) -> impl Iterator<Item = &'a Authenticator> {
        let all = self.authentication.iter();
        let every = all.clone().filter(|_| listener.authenticators.is_none());
        let named = listener.authenticators.iter().flatten();
        let named = named.filter_map(move |name| all.clone().find(|one| one.name == *name));
        every
            .chain(named)
            .filter(|one| one.enable && listener.enable_authn)
    }

    /// Whether clients of this listener have to say, and prove, who they are.
    pub fn asks_who_it_is(&self, listener: &Listener) -> bool {
        self.authenticators_of(listener).next().is_some()
    }

    fn check_authenticators(&self) -> Result<(), ConfigError> {
        for (index, one) in self.authentication.iter().enumerate() {
            let before = self.authentication.iter().take(index);
            if before.clone().any(|other| other.name == one.name) {
                return Err(ConfigError::AuthenticatorTwice {
                    name: one.name.clone(),
                });
            }
        }
        for (listener, settings) in &self.listeners {
            let known = |name: &String| self.authentication.iter().any(|one| one.name == *name);
            let named = settings.authenticators.iter().flatten();
            if let Some(name) = named.clone().find(|name| !known(name)) {
                return Err(ConfigError::NoSuchAuthenticator {
                    listener: listener.clone(),
                    name: name.clone(),
                });
            }
        }
        Ok(())
    }

    /// Checks the listeners' settings against each other, which [`check`](Self::check) begins with.
    ///
    /// # Errors
    /// [`ConfigError::Listener`].
    pub fn check_listeners(&self) -> Result<(), ConfigError> {
        for (name, listener) in &self.listeners {
            if let Some((key, problem)) = listener.problem() {
                return Err(ConfigError::Listener {
                    name: name.clone(),
                    key,
                    problem,
                });
            }
        }
        Ok(())
    }

    /// Replaces all listeners by one of TCP for each place, named `tcp:listen-1`, `tcp:listen-2`, and so on.
    pub fn listen_only_on(&mut self, binds: impl IntoIterator<Item = Bind>) {
        let listeners = binds.into_iter().enumerate().map(|(index, bind)| {
            let listener = Listener {
                bind,
                ..Listener::default()
            };
            (format!("tcp:listen-{}", index + 1), listener)
        });
        self.listeners = listeners.collect();
    }

    /// Whether anything is kept over a restart: some listener's clients are promised it.
    pub fn keeps_state(&self) -> bool {
        self.asks_for(Durability::Fsync) || self.asks_for(Durability::Os)
    }

    /// Whether some listener's clients are promised just that.
    pub(crate) fn asks_for(&self, durability: Durability) -> bool {
        let mut listeners = self.listeners.values();
        listeners.any(|listener| listener.durability.unwrap_or(self.durability) == durability)
    }

    fn read(&mut self, root: &Section<'_>) -> Result<(), ConfigError> {
        self.read_listeners(&root.section("listeners")?)?;
        root.set(
            "allow_anonymous",
            "let clients without a user name connect from other machines",
            &mut self.allow_anonymous,
            &Flag,
        )?;
        root.set(
            "durability",
            "when an acknowledgement may leave that promises to keep something: when it is on the disk, when the system has it, at once; with `memory` nothing is kept over a restart, unless a listener says otherwise",
            &mut self.durability,
            &DURABILITY,
        )?;
        if let Some(chain) = root.tables("authentication")? {
            let chain = chain.iter().map(Authenticator::read);
            let chain = chain.collect::<Result<Vec<_>, _>>()?;
            self.authentication = chain.into_iter().flatten().collect();
        }
        let settings = root.section("authentication_settings")?;
        self.authentication_settings.read(&settings)?;
        self.store.read(&root.section("store")?)?;
        let node = root.section("node")?;
        node.set(
            "name",
            "what this broker is called in `$SYS/brokers`",
            &mut self.node.name,
            &NodeName,
        )?;
        node.set(
            "data_dir",
            "the broker's directory, for one broker at a time; without it, `mqtt` in the user's state directory",
            &mut self.node.data_dir,
            &Directory,
        )?;
        self.log.read(&root.section("log")?)?;
        self.mqtt.read(&root.section("mqtt")?)?;
        self.authorization.read(&root.section("authorization")?)?;
        let flapping = root.section("flapping_detect")?;
        self.flapping_detect.read(&flapping)?;
        self.retainer.read(&root.section("retainer")?)?;
        self.sys_topics.read(&root.section("sys_topics")?)?;
        self.delayed.read(&root.section("delayed")?)?;
        if let Some(rules) = root.tables("rewrite")? {
            let rules = rules
                .iter()
                .map(Rewrite::read)
                .collect::<Result<Vec<_>, _>>()?;
            self.rewrite = rules.into_iter().flatten().collect();
        }
        if let Some(topics) = root.section("auto_subscribe")?.tables("topics")? {
            let topics = topics.iter().map(AutoSubscription::read);
            let topics = topics.collect::<Result<Vec<_>, _>>()?;
            self.auto_subscribe = topics.into_iter().flatten().collect();
        }
        Ok(())
    }

    fn read_listeners(&mut self, listeners: &Section<'_>) -> Result<(), ConfigError> {
        let mut kinds = Vec::new();
        for kind in ListenerKind::ALL {
            kinds.push((kind, listeners.section(kind.name())?));
        }
        let names_any = kinds.iter().any(|(_, section)| !section.names().is_empty());
        if names_any && !listeners.is_overlay() {
            self.listeners.clear();
        }
        for (kind, section) in kinds {
            for name in section.names() {
                let listener = self.listeners.entry(format!("{kind}:{name}"));
                let listener = listener.or_insert_with(|| Listener::new(kind));
                listener.read(&section.section(name)?)?;
            }
        }
        Ok(())
    }
}
