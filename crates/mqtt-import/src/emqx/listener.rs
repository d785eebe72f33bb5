//! Listeners of EMQX.

use super::Import;
use super::keys::{Form, LISTENER, LISTENER_NOTES, TLS, WEBSOCKET, note};
use super::value::{converted, flag, place};
use crate::hocon::{Node, Value};
use crate::mosquitto::KNOWN_CIPHERS;
use crate::remark::Class;
use crate::toml_text::list;

/// Kinds of listeners, with the place EMQX opens where nothing is said.
const KINDS: [(&str, &str); 5] = [
    ("tcp", "0.0.0.0:1883"),
    ("ssl", "0.0.0.0:8883"),
    ("ws", "0.0.0.0:8083"),
    ("wss", "0.0.0.0:8084"),
    ("quic", "0.0.0.0:14567"),
];

impl Import<'_> {
    pub(super) fn listeners(&mut self, root: &Value) {
        let mut written = 0;
        let found = root.at(&["listeners"]);
        if let Some(Node::Object(kinds)) = found.map(|found| &found.node) {
            for (kind, names) in kinds {
                let Node::Object(names) = &names.node else {
                    continue;
                };
                if !KINDS.iter().any(|(known, _)| known == kind) {
                    let line = names.first().map_or(0, |(_, one)| one.line);
                    let path = format!("listeners.{kind}");
                    self.say(
                        line,
                        &path,
                        Class::Refused,
                        "there is no such kind of listener",
                    );
                    continue;
                }
                for (name, listener) in names {
                    written += u32::from(self.listener(kind, name, listener));
                }
            }
        }
        if written == 0 && found.is_none() {
            self.toml.set(
                "listeners.tcp.default",
                "bind",
                "1883",
                "EMQX's own where none is named; its ssl, ws and wss listeners need a certificate of yours",
            );
            self.say(
                0,
                "listeners",
                Class::Differs,
                "none is named: EMQX opens 1883, 8883, 8083 and 8084, and here it is 1883",
            );
        }
    }

    /// Whether it is open.
    fn listener(&mut self, kind: &str, name: &str, listener: &Value) -> bool {
        let path = format!("listeners.{kind}.{name}");
        if !matches!(listener.node, Node::Object(_)) {
            return false;
        }
        for switch in ["enable", "enabled"] {
            let is_on = listener.at(&[switch]).and_then(Value::text).and_then(flag);
            if is_on == Some(false) {
                return false;
            }
        }
        if !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        {
            let text = "its name has characters that a name may not have here";
            self.say(listener.line, &path, Class::Refused, text);
            return false;
        }
        let has_tls = matches!(kind, "ssl" | "wss" | "quic");
        let is_web = matches!(kind, "ws" | "wss");
        if listener.at(&["bind"]).is_none() {
            let own = KINDS.iter().find(|(known, _)| *known == kind);
            let own = own.map_or("", |(_, own)| own);
            let bind = place(own).unwrap_or_default();
            self.toml.set(&path, "bind", &bind, "EMQX's own");
        }
        listener.leaves(&mut |parts, value| {
            let below = parts.join(".");
            let full = format!("{path}.{below}");
            let tables = [(true, LISTENER), (has_tls, TLS), (is_web, WEBSOCKET)];
            let known = tables.iter().filter(|(is_its, _)| *is_its);
            let mut known = known.flat_map(|(_, table)| table.iter());
            if let Some((_, table, key, form)) = known.find(|(name, ..)| *name == below) {
                let header = match *table {
                    "" => path.clone(),
                    table => format!("{path}.{table}"),
                };
                if *key == "proxy_protocol" && value.text().and_then(flag) == Some(true) {
                    let all = list(["0.0.0.0/0", "::/0"]);
                    self.toml.set(&header, "trusted_proxies", &all, "as EMQX has it");
                    let text = "whoever connects is believed, as by EMQX: put your proxies' addresses into `trusted_proxies`";
                    self.say(value.line, &full, Class::Differs, text);
                }
                return self.convert(&header, key, *form, &full, value);
            }
            self.other(&path, &below, &full, has_tls, value);
        });
        true
    }

    fn other(&mut self, path: &str, below: &str, full: &str, has_tls: bool, value: &Value) {
        let line = value.line;
        let source = format!("line {line}");
        match below {
            "enable" | "enabled" => {}
            "bind" => match value.text().and_then(place) {
                Some(bind) => self.toml.set(path, "bind", &bind, &source),
                None => self.say(line, full, Class::Refused, "it is no address and port"),
            },
            "enable_authn" => match value.text() {
                Some("true" | "quick_deny_anonymous") => {}
                Some("false") => self.toml.set(path, "enable_authn", "false", &source),
                _ => self.say(line, full, Class::Refused, "its value is not known"),
            },
            "ssl_options.versions" if has_tls => self.versions(path, full, value),
            "ssl_options.ciphers" if has_tls => self.ciphers(path, full, value),
            // Keys of quic without `ssl_options`, as EMQX has had them.
            "certfile" | "keyfile" if has_tls => {
                self.convert(
                    &format!("{path}.ssl_options"),
                    below,
                    Form::Text,
                    full,
                    value,
                );
            }
            below => {
                let (class, text) = note(LISTENER_NOTES, below)
                    .unwrap_or((Class::Ignored, "there is no such setting here"));
                let is_default = below == "zone" && value.text() == Some("default");
                if !is_default {
                    self.unless_off(full, value, class, text);
                }
            }
        }
    }

    fn versions(&mut self, path: &str, full: &str, value: &Value) {
        let known = ["tlsv1.2", "tlsv1.3"];
        let all = texts(value);
        let kept: Vec<&str> = known
            .iter()
            .copied()
            .filter(|one| all.iter().any(|found| found == one))
            .collect();
        if kept.is_empty() {
            return self.say(
                value.line,
                full,
                Class::Refused,
                "there is TLS 1.2 and 1.3 only",
            );
        }
        if kept.len() < all.len() {
            self.say(
                value.line,
                full,
                Class::Differs,
                "TLS before 1.2 is not there, as it is not safe",
            );
        }
        let header = format!("{path}.ssl_options");
        self.toml.set(
            &header,
            "versions",
            &list(kept),
            &format!("line {}", value.line),
        );
    }

    fn ciphers(&mut self, path: &str, full: &str, value: &Value) {
        let all = texts(value);
        let is_known = |name: &&str| KNOWN_CIPHERS.contains(name);
        let kept: Vec<&str> = all.iter().map(String::as_str).filter(is_known).collect();
        if kept.len() < all.len() {
            let text = "some of them are not there, and left out; all that are there are strong";
            self.say(value.line, full, Class::Differs, text);
        }
        if !kept.is_empty() {
            let header = format!("{path}.ssl_options");
            self.toml.set(
                &header,
                "ciphers",
                &list(kept),
                &format!("line {}", value.line),
            );
        }
    }
}

/// A list of texts, or one text with commas.
fn texts(value: &Value) -> Vec<String> {
    let found = match &value.node {
        Node::List(texts) => texts
            .iter()
            .filter_map(Value::text)
            .map(str::to_owned)
            .collect(),
        Node::Text(text) => text.split(',').map(|one| one.trim().to_owned()).collect(),
        _ => Vec::new(),
    };
    debug_assert!(converted(value, Form::Texts).is_some() || found.is_empty());
    found
        .into_iter()
        .filter(|text: &String| !text.is_empty())
        .collect()
}
