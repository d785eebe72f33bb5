//! From settings to TOML: listeners, limits, the log.

use super::lines::{At, Files};
use super::settings::{Domain, Listener, Protocol, Set, Settings};
use super::{MosquittoOptions, Surroundings};
use crate::remark::{Class, Remark};
use crate::toml_text::{TomlText, list, quoted};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The port of MQTT without TLS.
const DEFAULT_PORT: u16 = 1883;
/// The largest packet Mosquitto 2.0 takes where nothing is said, as far as it goes here.
const PACKET_MAX: &str = "\"256MB\"";
/// As much as a count of things in memory can be set to.
const COUNT_MAX: u64 = 1_000_000_000;

/// What is written, and what is said about it.
pub(super) struct Emission<'a> {
    pub(super) files: &'a Files,
    pub(super) settings: &'a Settings,
    pub(super) options: &'a MosquittoOptions,
    pub(super) surroundings: &'a dyn Surroundings,
    pub(super) toml: TomlText,
    pub(super) remarks: &'a mut Vec<Remark>,
}

/// A listener as it is written: its table, its name in lists, and what it is made of.
pub(super) struct Named<'a> {
    /// As in `listeners.tcp.NAME`.
    pub(super) header: String,
    /// As rules have it: `tcp:NAME`.
    pub(super) id: String,
    pub(super) listener: &'a Listener,
}

impl<'a> Emission<'a> {
    /// Writes everything.
    pub(super) fn all(&mut self) {
        let listeners = self.named();
        self.access(&listeners);
        self.state();
        for named in &listeners {
            self.listener(named);
        }
        self.limits();
        self.log();
    }

    /// Where a line stands, as a comment.
    pub(super) fn source(&self, at: At) -> String {
        match (at.line, self.files.names.len()) {
            (0, _) => String::new(),
            (line, 1) => format!("line {line}"),
            (line, _) => {
                let name = self.files.names.get(at.file).map_or("", String::as_str);
                format!("{name}:{line}")
            }
        }
    }

    pub(super) fn say(&mut self, at: At, directive: &str, class: Class, text: &str) {
        let remark = self.files.remark(at, directive, class, text);
        self.remarks.push(remark);
    }

    pub(super) fn set(&mut self, header: &str, key: &str, value: &str, at: At) {
        let source = self.source(at);
        self.toml.set(header, key, value, &source);
    }

    fn named(&mut self) -> Vec<Named<'a>> {
        let mut taken = BTreeSet::new();
        let mut all = Vec::new();
        for listener in self.settings.open_listeners() {
            let kind = match (listener.is_unix(), listener.protocol, listener.is_tls()) {
                (true, ..) => "unix",
                (_, Protocol::Mqtt, false) => "tcp",
                (_, Protocol::Mqtt, true) => "ssl",
                (_, Protocol::WebSockets, false) => "ws",
                (_, Protocol::WebSockets, true) => "wss",
            };
            let stem = match listener.is_unix() {
                true => "socket".to_owned(),
                false => format!("port-{}", self.port_of(listener)),
            };
            let mut name = stem.clone();
            let mut nth = 1;
            while !taken.insert(name.clone()) {
                nth += 1;
                name = format!("{stem}-{nth}");
            }
            all.push(Named {
                header: format!("listeners.{kind}.{name}"),
                id: format!("{kind}:{name}"),
                listener,
            });
        }
        all
    }

    fn port_of(&self, listener: &Listener) -> u16 {
        let by_option = self.options.port.filter(|_| self.settings.is_local_only);
        by_option.or(listener.port).unwrap_or(DEFAULT_PORT)
    }

    fn listener(&mut self, named: &Named<'_>) {
        let Named {
            header, listener, ..
        } = named;
        if let Some(bind) = self.bind(listener) {
            self.set(header, "bind", &bind, listener.at);
        }
        if let Some(count) = &listener.max_connections
            && count.value > 0
        {
            let value = u64::from(count.value).min(COUNT_MAX).to_string();
            self.set(header, "max_connections", &value, count.at);
        }
        if let Some(proxy) = &listener.proxy_protocol {
            self.set(header, "proxy_protocol", "true", proxy.at);
            self.set(
                header,
                "trusted_proxies",
                &list(["0.0.0.0/0", "::/0"]),
                proxy.at,
            );
            let text = "whoever connects is believed, as by Mosquitto: put your proxies' addresses into `trusted_proxies`";
            self.say(proxy.at, "enable_proxy_protocol", Class::Differs, text);
        }
        if let Some(origins) = &listener.origins {
            match listener.protocol {
                Protocol::WebSockets => {
                    let table = format!("{header}.websocket");
                    self.set(&table, "check_origin_enable", "true", origins.at);
                    let origins_list = list(origins.value.iter().map(String::as_str));
                    self.set(&table, "check_origins", &origins_list, origins.at);
                }
                Protocol::Mqtt => self.say(
                    origins.at,
                    "websockets_origin",
                    Class::Ignored,
                    "the listener is none for WebSocket",
                ),
            }
        }
        if listener.protocol == Protocol::WebSockets {
            let text = "clients connect to the path /mqtt, where Mosquitto serves any: see `websocket.mqtt_path`";
            self.say(listener.at, "protocol", Class::Differs, text);
        }
        self.tls(named);
    }

    /// Where it listens, as TOML has it.
    fn bind(&mut self, listener: &Listener) -> Option<String> {
        let port = self.port_of(listener);
        if listener.is_unix() {
            return listener.host.as_deref().map(quoted);
        }
        if self.settings.is_local_only {
            return Some(quoted(&format!("localhost:{port}")));
        }
        let Some(host) = listener.host.as_deref() else {
            return Some(match listener.domain {
                Domain::Any => port.to_string(),
                Domain::Ipv4 => quoted(&format!("0.0.0.0:{port}")),
                Domain::Ipv6 => quoted(&format!("[::]:{port}")),
            });
        };
        let fits = |addr: &IpAddr| match listener.domain {
            Domain::Any => true,
            Domain::Ipv4 => addr.is_ipv4(),
            Domain::Ipv6 => addr.is_ipv6(),
        };
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        if literal.is_err() && host == "localhost" && listener.domain == Domain::Any {
            return Some(quoted(&format!("localhost:{port}")));
        }
        let found = match literal {
            Ok(addr) => Some(addr),
            Err(_) => self.surroundings.addresses(host).into_iter().find(fits),
        };
        match found {
            Some(IpAddr::V4(addr)) => Some(quoted(&format!("{addr}:{port}"))),
            Some(IpAddr::V6(addr)) => Some(quoted(&format!("[{addr}]:{port}"))),
            None => {
                let text = format!(
                    "`{host}` is no address of this machine, so there is nowhere to listen"
                );
                self.say(listener.at, "listener", Class::Refused, &text);
                None
            }
        }
    }

    fn state(&mut self) {
        let settings = self.settings;
        let location = settings.persistence_location.as_ref();
        let at = location.map_or(At::default(), |set| set.at);
        let data_dir = match (&self.options.data_dir, location) {
            (Some(dir), _) => Some(dir.clone()),
            (None, Some(location)) => {
                Some(format!("{}/mqtt", location.value.trim_end_matches('/')))
            }
            (None, None) => None,
        };
        if let Some(dir) = data_dir {
            self.set("node", "data_dir", &quoted(&dir), at);
        }
        match &settings.persistence {
            Some(Set { value: true, .. }) => {}
            off => {
                let at = off.as_ref().map_or(At::default(), |set| set.at);
                self.set("", "durability", "\"memory\"", at);
                if off.is_none() {
                    let why = "`persistence` is off, as it is in Mosquitto where nothing is said; \
                        remove this line to keep state over a restart";
                    self.toml.set("", "durability", "\"memory\"", why);
                }
            }
        }
    }

    fn limits(&mut self) {
        let settings = self.settings;
        self.packet_sizes();
        if let Some(count) = &settings.max_inflight_messages {
            let value = if count.value == 0 {
                u16::MAX
            } else {
                count.value
            };
            self.set("mqtt", "max_inflight", &value.to_string(), count.at);
            self.set("mqtt", "receive_maximum", &value.to_string(), count.at);
        }
        if let Some(count) = &settings.max_queued_messages {
            let value = match count.value {
                0 => COUNT_MAX,
                count => u64::from(count).min(COUNT_MAX),
            };
            self.set("mqtt", "max_mqueue_len", &value.to_string(), count.at);
            self.set("mqtt", "mqueue_full", "\"drop_newest\"", count.at);
        }
        if let Some(bytes) = settings
            .max_queued_bytes
            .as_ref()
            .filter(|set| set.value > 0)
        {
            self.set("mqtt", "max_mqueue_bytes", &size(bytes.value), bytes.at);
            self.set("mqtt", "mqueue_full", "\"drop_newest\"", bytes.at);
        }
        if let Some(seconds) = settings.max_keepalive.as_ref().filter(|set| set.value > 0) {
            self.set(
                "mqtt",
                "max_keepalive",
                &seconds.value.to_string(),
                seconds.at,
            );
        }
        match &settings.persistent_client_expiration {
            Some(seconds) => {
                let value = seconds.value.min(u64::from(u32::MAX) - 1).to_string();
                self.set("mqtt", "max_session_expiry_interval", &value, seconds.at);
            }
            None => self.toml.set(
                "mqtt",
                "max_session_expiry_interval",
                "\"infinity\"",
                "Mosquitto keeps sessions without end where nothing is said",
            ),
        }
        if let Some(available) = settings.retain_available.as_ref().filter(|set| !set.value) {
            self.set("mqtt", "retain_available", "false", available.at);
        }
        if let Some(bytes) = settings.memory_limit.as_ref().filter(|set| set.value > 0) {
            self.set(
                "mqtt",
                "memory_high_watermark",
                &size(bytes.value),
                bytes.at,
            );
        }
        if let Some(count) = settings
            .global_max_clients
            .as_ref()
            .filter(|set| set.value > 0)
        {
            self.set("mqtt", "max_sessions", &count.value.to_string(), count.at);
        }
        if let Some(count) = settings
            .global_max_connections
            .as_ref()
            .filter(|set| set.value > 0)
        {
            self.set(
                "mqtt",
                "max_connections",
                &count.value.to_string(),
                count.at,
            );
        }
        self.limits_of_listeners();
        match &settings.sys_interval {
            Some(Set { value: 0, at }) => {
                self.set("sys_topics", "sys_msg_interval", "\"disabled\"", *at);
            }
            Some(seconds) => {
                let value = quoted(&format!("{}s", seconds.value.min(24 * 60 * 60)));
                self.set("sys_topics", "sys_msg_interval", &value, seconds.at);
            }
            None => self.toml.set(
                "sys_topics",
                "sys_msg_interval",
                "\"10s\"",
                "Mosquitto's own where nothing is said",
            ),
        }
    }

    fn packet_sizes(&mut self) {
        let settings = self.settings;
        let why =
            "Mosquitto 2.0 takes packets of any size where nothing is said; a lower bound is wise";
        self.toml.set("mqtt", "max_packet_size", PACKET_MAX, why);
        self.toml
            .set("retainer", "max_payload_size", PACKET_MAX, "");
        if let Some(bytes) = &settings.max_packet_size {
            self.set("mqtt", "max_packet_size", &size(bytes.value), bytes.at);
            if bytes.value < 1024 {
                let text = "packets are bounded at 1 KB and above";
                self.say(bytes.at, "max_packet_size", Class::Differs, text);
            }
        } else if let Some(bytes) = settings
            .message_size_limit
            .as_ref()
            .filter(|set| set.value > 0)
        {
            // The packet has a topic and properties besides.
            let packet = bytes.value.saturating_add(64 << 10);
            self.set("mqtt", "max_packet_size", &size(packet), bytes.at);
            let text = "packets are bounded, with 64 KiB for what is not payload";
            self.say(bytes.at, "message_size_limit", Class::Differs, text);
        }
        if let Some(bytes) = settings
            .message_size_limit
            .as_ref()
            .filter(|set| set.value > 0)
        {
            self.set("retainer", "max_payload_size", &size(bytes.value), bytes.at);
        }
    }

    /// What Mosquitto bounds for each listener, and this broker for all: the same, if they agree.
    fn limits_of_listeners(&mut self) {
        let settings = self.settings;
        let all: Vec<&Listener> = settings.open_listeners().collect();
        let mut agreed = |directive: &str, key: &str, found: Vec<(u16, At)>| {
            let Some((value, at)) = found.first().copied() else {
                return;
            };
            match found.len() == all.len() && found.iter().all(|(other, _)| *other == value) {
                true => self.set("mqtt", key, &value.to_string(), at),
                false => {
                    let text =
                        format!("`mqtt.{key}` holds for all listeners, and they do not agree");
                    self.say(at, directive, Class::Ignored, &text);
                }
            }
        };
        let found = |get: &dyn Fn(&Listener) -> Option<(u16, At)>| -> Vec<(u16, At)> {
            all.iter().filter_map(|listener| get(listener)).collect()
        };
        let qos = found(&|one| {
            one.max_qos
                .as_ref()
                .map(|set| (u16::from(set.value), set.at))
        });
        agreed("max_qos", "max_qos_allowed", qos);
        let aliases = found(&|one| one.max_topic_alias.as_ref().map(|set| (set.value, set.at)));
        agreed("max_topic_alias", "max_topic_alias", aliases);
        let own = |one: &Listener| {
            let set = one.max_topic_alias_broker.as_ref();
            set.map(|set| (set.value.min(256), set.at))
        };
        agreed(
            "max_topic_alias_broker",
            "max_topic_alias_broker",
            found(&own),
        );
    }

    fn log(&mut self) {
        let settings = self.settings;
        if self.options.verbose {
            self.toml.set("log", "level", "\"debug\"", "-v");
        } else if let Some(level) = &settings.log_level {
            self.set("log", "level", &quoted(level.value), level.at);
        }
        if let Some(file) = &settings.log_file {
            self.set("log.file", "enable", "true", file.at);
            self.set("log.file", "path", &quoted(&file.value), file.at);
            let text = "the log goes to stderr as well, and another file is begun at `log.file.rotation_size`";
            self.say(file.at, "log_dest", Class::Differs, text);
        }
    }
}

/// A number of bytes; bounds here begin with 1 KB and end with 1024 GB.
fn size(bytes: u64) -> String {
    bytes.clamp(1024, 1 << 40).to_string()
}
