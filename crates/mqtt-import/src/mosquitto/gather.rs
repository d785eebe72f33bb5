//! From lines to settings, as Mosquitto reads them: which lines belong to which listener, and what may be said twice.

use super::lines::{At, Files, Line};
use super::notes::{NO_BRIDGE, is_of_bridge, note};
use super::settings::{Domain, Listener, Protocol, Set, Settings};
use crate::remark::{Class, Remark};

/// Reads all lines.
pub(super) fn gather(files: &Files, remarks: &mut Vec<Remark>) -> Settings {
    let mut gathering = Gathering::new();
    for (line, is_first) in files.lines() {
        if is_first {
            // Each included file begins with the default listener.
            gathering.included = 0;
        }
        let said = gathering.take(&line);
        let (class, text) = match said {
            Ok(None) => continue,
            Ok(Some((class, text))) => (class, text.to_owned()),
            Err(wrong) => (Class::Refused, wrong),
        };
        remarks.push(files.remark(line.at, line.directive, class, &text));
    }
    let is_used = gathering
        .settings
        .listeners
        .first()
        .is_some_and(|default| default.is_used);
    let of_default = gathering.of_default.iter().filter(|_| !is_used);
    let text = match gathering.settings.is_local_only {
        true => {
            "no `listener` is there: this one is for this machine only, where Mosquitto 2.0 lets others in"
        }
        false => {
            "no `listener` is before it: Mosquitto 2.0 opens port 1883 besides, which is not done here"
        }
    };
    for (line, _) in files.lines() {
        if of_default.clone().any(|at| *at == line.at) {
            remarks.push(files.remark(line.at, line.directive, Class::Differs, text));
        }
    }
    gathering.settings
}

struct Gathering {
    settings: Settings,
    /// The listener that lines of the main file are about.
    main: usize,
    /// The same of an included one.
    included: usize,
    has_bridge: bool,
    has_plugin: bool,
    has_security: bool,
    /// Lines about the default listener.
    of_default: Vec<At>,
}

impl Gathering {
    fn new() -> Self {
        let settings = Settings {
            listeners: vec![Listener::default()],
            is_local_only: true,
            ..Settings::default()
        };
        Self {
            settings,
            main: 0,
            included: 0,
            has_bridge: false,
            has_plugin: false,
            has_security: false,
            of_default: Vec::new(),
        }
    }

    fn take(&mut self, line: &Line<'_>) -> Result<Option<(Class, &'static str)>, String> {
        let Line {
            directive,
            value,
            at,
            ..
        } = *line;
        if directive.starts_with("auth_opt_") || directive.starts_with("plugin_opt_") {
            return match self.has_plugin {
                true => Ok(Some((Class::Ignored, "it belongs to a plugin"))),
                false => Err("there is no plugin before it".to_owned()),
            };
        }
        if is_of_bridge(directive) {
            self.has_bridge |= directive == "connection";
            return match (self.has_bridge, directive) {
                (true, "connection") => Ok(Some((Class::Ignored, NO_BRIDGE))),
                (true, _) => Ok(Some((Class::Ignored, "it belongs to a bridge"))),
                (false, _) => {
                    Err("it belongs to a bridge, and no `connection` is before it".to_owned())
                }
            };
        }
        if let Some(said) = self.harmless_value(directive, value)? {
            return Ok(said);
        }
        if let Some((class, text)) = note(directive) {
            self.has_plugin |= directive.ends_with("plugin") || directive.starts_with("plugin");
            // `mosquitto` itself and `mqtt import` want to know these two.
            match directive {
                "pid_file" => set(&mut self.settings.pid_file, string(value)?, at),
                "persistence_file" => set(&mut self.settings.persistence_file, string(value)?, at),
                _ => {}
            }
            return Ok(Some((class, text)));
        }
        match self.listener_line(line)? || self.security_line(line)? || self.global_line(line)? {
            true => self.also(line),
            false => Err("Mosquitto knows no such directive".to_owned()),
        }
    }

    /// Lines that say what is so anyway; none if this is no such line.
    fn harmless_value(
        &self,
        directive: &str,
        value: &str,
    ) -> Result<Option<Option<(Class, &'static str)>>, String> {
        Ok(match directive {
            "use_username_as_clientid"
            | "proxy_protocol_v2_require_tls"
            | "queue_qos0_messages"
            | "upgrade_outgoing_qos"
            | "disable_client_cert_date_checks" => (!flag(value)?).then_some(None),
            _ => None,
        })
    }

    fn listener(&mut self, at: At) -> &mut Listener {
        let place = match at.file {
            0 => self.main,
            _ => self.included,
        };
        let last = self.settings.listeners.len() - 1;
        #[expect(
            clippy::indexing_slicing,
            reason = "there is always one, and the place is bounded by the last"
        )]
        let listener = &mut self.settings.listeners[place.min(last)];
        if place == 0 {
            self.of_default.push(at);
        }
        listener
    }

    /// Lines about the listener in hand; false if this is none.
    fn listener_line(&mut self, line: &Line<'_>) -> Result<bool, String> {
        let Line {
            directive,
            value,
            at,
        } = *line;
        match directive {
            "listener" => self.begin_listener(value, at)?,
            "port" => {
                let port = number(value, 1, u64::from(u16::MAX))?;
                self.settings.is_local_only = false;
                if let Some(default) = self.settings.listeners.first_mut() {
                    default.port = u16::try_from(port).ok();
                    default.at = at;
                    default.is_used = true;
                }
            }
            "bind_address" => {
                self.settings.is_local_only = false;
                if let Some(default) = self.settings.listeners.first_mut() {
                    default.host = Some(string(value)?);
                    default.at = at;
                    default.is_used = true;
                }
            }
            "protocol" => {
                let protocol = match first_word(value) {
                    "mqtt" => Protocol::Mqtt,
                    "websockets" => Protocol::WebSockets,
                    _ => return Err("it must be `mqtt` or `websockets`".to_owned()),
                };
                self.listener(at).protocol = protocol;
            }
            "socket_domain" => {
                let domain = match first_word(value) {
                    "ipv4" => Domain::Ipv4,
                    "ipv6" => Domain::Ipv6,
                    _ => return Err("it must be `ipv4` or `ipv6`".to_owned()),
                };
                self.listener(at).domain = domain;
            }
            "max_connections" => {
                // -1 and 0 are no bound.
                let count = match first_word(value).starts_with('-') {
                    true => 0,
                    false => number(value, 0, u64::from(u32::MAX))?,
                };
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                set(&mut self.listener(at).max_connections, count, at);
            }
            "max_qos" | "maximum_qos" => {
                let qos = u8::try_from(number(value, 0, 2)?).unwrap_or(2);
                set(&mut self.listener(at).max_qos, qos, at);
            }
            "max_topic_alias" => {
                let count = u16_of(number(value, 0, u64::from(u16::MAX))?);
                set(&mut self.listener(at).max_topic_alias, count, at);
            }
            "max_topic_alias_broker" => {
                let count = u16_of(number(value, 0, u64::from(u16::MAX))?);
                set(&mut self.listener(at).max_topic_alias_broker, count, at);
            }
            "enable_proxy_protocol" => {
                let version = u8::try_from(number(value, 1, 2)?).unwrap_or(2);
                set(&mut self.listener(at).proxy_protocol, version, at);
            }
            "websockets_origin" => {
                let origin = string(value)?;
                let origins = &mut self.listener(at).origins;
                let known = origins.get_or_insert_with(|| Set {
                    value: Vec::new(),
                    at,
                });
                known.value.push(origin);
            }
            "listener_allow_anonymous" => {
                set(
                    &mut self.listener(at).listener_allow_anonymous,
                    flag(value)?,
                    at,
                );
            }
            _ => return self.tls_line(line),
        }
        Ok(true)
    }

    fn tls_line(&mut self, line: &Line<'_>) -> Result<bool, String> {
        let Line {
            directive,
            value,
            at,
        } = *line;
        match directive {
            "require_certificate" => {
                set(&mut self.listener(at).require_certificate, flag(value)?, at);
            }
            "use_identity_as_username" => {
                set(
                    &mut self.listener(at).use_identity_as_username,
                    flag(value)?,
                    at,
                );
            }
            "use_subject_as_username" => {
                set(
                    &mut self.listener(at).use_subject_as_username,
                    flag(value)?,
                    at,
                );
            }
            "cafile" => once(&mut self.listener(at).cafile, value, at)?,
            "capath" => once(&mut self.listener(at).capath, value, at)?,
            "certfile" => once(&mut self.listener(at).certfile, value, at)?,
            "keyfile" => once(&mut self.listener(at).keyfile, value, at)?,
            "crlfile" => once(&mut self.listener(at).crlfile, value, at)?,
            "ciphers" => once(&mut self.listener(at).ciphers, value, at)?,
            "ciphers_tls1.3" => once(&mut self.listener(at).ciphers_tls13, value, at)?,
            "tls_version" => once(&mut self.listener(at).tls_version, value, at)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn begin_listener(&mut self, value: &str, at: At) -> Result<(), String> {
        let (port, rest) = value.split_once(' ').unwrap_or((value, ""));
        let port = number(port, 0, u64::from(u16::MAX))?;
        let host = first_word(rest.trim_start_matches(' '));
        let host = (!host.is_empty() && !host.starts_with('#')).then(|| host.to_owned());
        if port == 0 && host.is_none() {
            return Err("a listener with port 0 needs the path of a unix socket".to_owned());
        }
        self.settings.is_local_only = false;
        let place = self.settings.listeners.len();
        self.settings.listeners.push(Listener {
            at,
            port: Some(u16_of(port)),
            host,
            is_used: true,
            ..Listener::default()
        });
        match at.file {
            0 => self.main = place,
            _ => self.included = place,
        }
        Ok(())
    }

    /// Lines on who is let in, which are about the listener in hand or about all; false if this is none.
    fn security_line(&mut self, line: &Line<'_>) -> Result<bool, String> {
        let Line {
            directive,
            value,
            at,
        } = *line;
        if directive == "per_listener_settings" {
            let is_on = flag(value)?;
            if is_on && self.has_security {
                return Err("it must stand before all lines on users and rights".to_owned());
            }
            set(&mut self.settings.per_listener_settings, is_on, at);
            return Ok(true);
        }
        if !["allow_anonymous", "password_file", "acl_file"].contains(&directive) {
            return Ok(false);
        }
        self.has_security = true;
        let security = match self.settings.is_per_listener() {
            true => &mut self.listener(at).security,
            false => &mut self.settings.security,
        };
        match directive {
            "allow_anonymous" => set(&mut security.allow_anonymous, flag(value)?, at),
            "password_file" => once(&mut security.password_file, value, at)?,
            _ => once(&mut security.acl_file, value, at)?,
        }
        Ok(true)
    }

    /// Lines about the broker as a whole; false if this is none.
    fn global_line(&mut self, line: &Line<'_>) -> Result<bool, String> {
        let Line {
            directive,
            value,
            at,
        } = *line;
        let all = u64::from(u32::MAX);
        let settings = &mut self.settings;
        match directive {
            "persistence" | "retained_persistence" => {
                set(&mut settings.persistence, flag(value)?, at);
            }
            "persistence_location" => once(&mut settings.persistence_location, value, at)?,
            "persistent_client_expiration" => {
                set(
                    &mut settings.persistent_client_expiration,
                    expiration(value)?,
                    at,
                );
            }
            "max_inflight_messages" => {
                let count = u16_of(number(value, 0, u64::from(u16::MAX))?);
                set(&mut settings.max_inflight_messages, count, at);
            }
            "max_queued_messages" => {
                let count = u32::try_from(number(value, 0, all)?).unwrap_or(u32::MAX);
                set(&mut settings.max_queued_messages, count, at);
            }
            "max_queued_bytes" => set(
                &mut settings.max_queued_bytes,
                number(value, 0, u64::MAX)?,
                at,
            ),
            "max_packet_size" => set(&mut settings.max_packet_size, number(value, 20, all)?, at),
            "message_size_limit" => set(
                &mut settings.message_size_limit,
                number(value, 0, 268_435_455)?,
                at,
            ),
            "max_keepalive" => {
                let seconds = u16_of(number(value, 0, u64::from(u16::MAX))?);
                set(&mut settings.max_keepalive, seconds, at);
            }
            "memory_limit" => set(&mut settings.memory_limit, number(value, 0, u64::MAX)?, at),
            "global_max_clients" => set(&mut settings.global_max_clients, bound(value)?, at),
            "global_max_connections" => {
                set(&mut settings.global_max_connections, bound(value)?, at);
            }
            "retain_available" => set(&mut settings.retain_available, flag(value)?, at),
            "sys_interval" => {
                let seconds = u32::try_from(number(value, 0, 65_535)?).unwrap_or(0);
                set(&mut settings.sys_interval, seconds, at);
            }
            "log_type" => self.log_type(value, at)?,
            "log_dest" => {
                if let Some(("file", path)) = value.split_once(' ') {
                    set(&mut self.settings.log_file, string(path)?, at);
                }
            }
            "include_dir" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn log_type(&mut self, value: &str, at: At) -> Result<(), String> {
        const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];
        let level = match first_word(value) {
            "none" | "error" => "error",
            "warning" => "warn",
            "notice" | "information" | "subscribe" | "unsubscribe" | "websockets" => "info",
            "debug" | "internal" | "all" => "debug",
            _ => return Err("it is no type of line that Mosquitto logs".to_owned()),
        };
        let rank = |level: &str| LEVELS.iter().position(|known| *known == level);
        let known = self.settings.log_level.as_ref().map(|set| set.value);
        if known.is_none_or(|known| rank(known) < rank(level)) {
            set(&mut self.settings.log_level, level, at);
        }
        Ok(())
    }

    /// What is to be said about a line that was taken.
    fn also(&self, line: &Line<'_>) -> Result<Option<(Class, &'static str)>, String> {
        Ok(match (line.directive, first_word(line.value)) {
            ("include_dir", _) if line.at.file > 0 => Some((
                Class::Ignored,
                "Mosquitto, too, reads it in the main file only",
            )),
            ("log_dest", "stderr" | "file") => None,
            ("log_dest", "stdout" | "syslog" | "dlt") => Some((
                Class::Differs,
                "the log goes to stderr, from where a service manager takes it",
            )),
            ("log_dest", "topic") => Some((Class::Ignored, "the log is not published")),
            ("log_dest", "none") => {
                Some((Class::Ignored, "what is wrong is always logged, to stderr"))
            }
            ("log_dest", _) => return Err("it is no place that Mosquitto logs to".to_owned()),
            _ => None,
        })
    }
}

fn set<T>(place: &mut Option<Set<T>>, value: T, at: At) {
    *place = Some(Set { value, at });
}

/// A text that may be there once only.
fn once(place: &mut Option<Set<String>>, value: &str, at: At) -> Result<(), String> {
    if place.is_some() {
        return Err("it is there twice".to_owned());
    }
    set(place, string(value)?, at);
    Ok(())
}

fn string(value: &str) -> Result<String, String> {
    match value.is_empty() || value.contains('\0') {
        true => Err("its value is missing".to_owned()),
        false => Ok(value.to_owned()),
    }
}

fn first_word(value: &str) -> &str {
    value.split(' ').next().unwrap_or_default()
}

fn flag(value: &str) -> Result<bool, String> {
    match first_word(value) {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("it must be `true` or `false`".to_owned()),
    }
}

fn number(value: &str, min: u64, max: u64) -> Result<u64, String> {
    let number = first_word(value).parse();
    match number.ok().filter(|number| (min..=max).contains(number)) {
        Some(number) => Ok(number),
        None => Err(format!("it must be a number from {min} to {max}")),
    }
}

/// A bound that -1 takes away.
fn bound(value: &str) -> Result<u64, String> {
    match first_word(value) {
        "-1" => Ok(0),
        _ => number(value, 0, 1_000_000_000),
    }
}

fn u16_of(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// A number of hours, days, weeks, months or years; in seconds.
fn expiration(value: &str) -> Result<u64, String> {
    const HOUR: u64 = 60 * 60;
    let wrong = || "it must be a number and one of `h`, `d`, `w`, `m`, `y`".to_owned();
    let word = first_word(value);
    let unit = match word.chars().last() {
        Some('h') => HOUR,
        Some('d') => HOUR * 24,
        Some('w') => HOUR * 24 * 7,
        Some('m') => HOUR * 24 * 30,
        Some('y') => HOUR * 24 * 365,
        _ => return Err(wrong()),
    };
    let count: u64 = word
        .strip_suffix(['h', 'd', 'w', 'm', 'y'])
        .and_then(|count| count.parse().ok())
        .filter(|count| *count > 0)
        .ok_or_else(wrong)?;
    Ok(count.saturating_mul(unit))
}
