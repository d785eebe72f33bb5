//! What a `mosquitto.conf` says, typed.

use super::lines::At;

/// A value and the line it is from.
#[derive(Clone, Debug)]
pub(super) struct Set<T> {
    pub(super) value: T,
    pub(super) at: At,
}

/// Who is let in, and what they may do.
#[derive(Clone, Debug, Default)]
pub(super) struct Security {
    pub(super) allow_anonymous: Option<Set<bool>>,
    pub(super) password_file: Option<Set<String>>,
    pub(super) acl_file: Option<Set<String>>,
}

/// How a listener is spoken to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Protocol {
    #[default]
    Mqtt,
    WebSockets,
}

/// Which addresses a listener without one has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Domain {
    #[default]
    Any,
    Ipv4,
    Ipv6,
}

/// A listener.
#[derive(Clone, Debug, Default)]
pub(super) struct Listener {
    pub(super) at: At,
    /// 0 for a unix socket; of the default listener, none if no line says.
    pub(super) port: Option<u16>,
    /// The address, or the path of a unix socket.
    pub(super) host: Option<String>,
    pub(super) protocol: Protocol,
    pub(super) domain: Domain,
    pub(super) max_connections: Option<Set<u32>>,
    pub(super) max_qos: Option<Set<u8>>,
    pub(super) max_topic_alias: Option<Set<u16>>,
    pub(super) max_topic_alias_broker: Option<Set<u16>>,
    pub(super) cafile: Option<Set<String>>,
    pub(super) capath: Option<Set<String>>,
    pub(super) certfile: Option<Set<String>>,
    pub(super) keyfile: Option<Set<String>>,
    pub(super) crlfile: Option<Set<String>>,
    pub(super) require_certificate: Option<Set<bool>>,
    pub(super) use_identity_as_username: Option<Set<bool>>,
    pub(super) use_subject_as_username: Option<Set<bool>>,
    pub(super) ciphers: Option<Set<String>>,
    pub(super) ciphers_tls13: Option<Set<String>>,
    pub(super) tls_version: Option<Set<String>>,
    pub(super) proxy_protocol: Option<Set<u8>>,
    pub(super) origins: Option<Set<Vec<String>>>,
    pub(super) security: Security,
    /// Mosquitto 2.1's own switch of a listener, which wins.
    pub(super) listener_allow_anonymous: Option<Set<bool>>,
    /// Whether a line opens it; the default listener may have none.
    pub(super) is_used: bool,
}

impl Listener {
    /// Whether it speaks TLS: Mosquitto asks for both.
    pub(super) const fn is_tls(&self) -> bool {
        self.certfile.is_some() && self.keyfile.is_some()
    }

    pub(super) const fn is_unix(&self) -> bool {
        matches!(self.port, Some(0))
    }

    /// The line that makes the client certificate name the user, and what of it.
    pub(super) fn certificate_username(&self) -> Option<(At, &'static str)> {
        let on = |set: &Option<Set<bool>>| set.as_ref().filter(|set| set.value).map(|set| set.at);
        on(&self.use_identity_as_username)
            .map(|at| (at, "cn"))
            .or_else(|| on(&self.use_subject_as_username).map(|at| (at, "dn")))
    }
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// The first one is the default listener.
    pub(super) listeners: Vec<Listener>,
    pub(super) security: Security,
    pub(super) per_listener_settings: Option<Set<bool>>,
    /// No line opens a listener, so only this machine can connect.
    pub(super) is_local_only: bool,
    pub(super) persistence: Option<Set<bool>>,
    pub(super) persistence_location: Option<Set<String>>,
    pub(super) persistence_file: Option<Set<String>>,
    pub(super) pid_file: Option<Set<String>>,
    /// Seconds.
    pub(super) persistent_client_expiration: Option<Set<u64>>,
    pub(super) max_inflight_messages: Option<Set<u16>>,
    pub(super) max_queued_messages: Option<Set<u32>>,
    pub(super) max_queued_bytes: Option<Set<u64>>,
    pub(super) max_packet_size: Option<Set<u64>>,
    pub(super) message_size_limit: Option<Set<u64>>,
    pub(super) max_keepalive: Option<Set<u16>>,
    pub(super) memory_limit: Option<Set<u64>>,
    pub(super) global_max_clients: Option<Set<u64>>,
    pub(super) global_max_connections: Option<Set<u64>>,
    pub(super) retain_available: Option<Set<bool>>,
    /// Seconds; 0 for none.
    pub(super) sys_interval: Option<Set<u32>>,
    /// The most that is logged: `error` to `debug`.
    pub(super) log_level: Option<Set<&'static str>>,
    pub(super) log_file: Option<Set<String>>,
}

impl Settings {
    /// Whether who is let in is said for each listener by itself.
    pub(super) fn is_per_listener(&self) -> bool {
        self.per_listener_settings
            .as_ref()
            .is_some_and(|set| set.value)
    }

    /// What is said about who is let in at a listener.
    pub(super) fn security_of<'a>(&'a self, listener: &'a Listener) -> &'a Security {
        match self.is_per_listener() {
            true => &listener.security,
            false => &self.security,
        }
    }

    /// The listeners that are opened.
    pub(super) fn open_listeners(&self) -> impl Iterator<Item = &Listener> {
        let default = self.listeners.first();
        let default = default.filter(|one| one.is_used || self.is_local_only);
        // Mosquitto opens the default one behind the others.
        self.listeners.iter().skip(1).chain(default)
    }
}
