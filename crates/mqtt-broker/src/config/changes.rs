//! What differs between two configurations, key by key, and what it takes for each key to have effect.

use std::{collections::BTreeMap, fmt};

use super::{Config, reader::Reader, store::DURABILITY};
use crate::core::log::Durability;

/// What it takes for a changed key to have effect in a running broker.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Effect {
    /// A reload: for everybody, at once.
    Live,
    /// A reload: for those who connect from then on.
    NewConnections,
    /// A restart of the broker.
    Restart,
}

impl Effect {
    /// As `docs/configuration.md` has it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Live => "at once",
            Self::NewConnections => "new connections",
            Self::Restart => "restart",
        }
    }

    /// What it takes for `key`, its whole path with dots.
    pub fn of_key(key: &str) -> Self {
        if key.starts_with("listeners.") {
            let last = key.rsplit('.').next().unwrap_or(key);
            let known = LISTENER_EFFECTS.iter().find(|(name, _)| *name == last);
            return known.map_or(Self::NewConnections, |(_, effect)| *effect);
        }
        let known = EFFECTS.iter().filter(|(prefix, _)| is_below(key, prefix));
        let closest = known.max_by_key(|(prefix, _)| prefix.len());
        // Who adds a key and forgets it here is on the safe side.
        closest.map_or(Self::Restart, |(_, effect)| *effect)
    }
}

/// By the beginning of a key's path; the longest that fits counts, and a key without one takes a restart.
const EFFECTS: &[(&str, Effect)] = &[
    ("allow_anonymous", Effect::NewConnections),
    ("authentication", Effect::Live),
    ("authentication_settings", Effect::Live),
    ("authorization", Effect::Live),
    ("auto_subscribe", Effect::NewConnections),
    ("delayed", Effect::Live),
    ("flapping_detect", Effect::Live),
    ("log", Effect::Live),
    ("log.console.enable", Effect::Restart),
    ("log.console.formatter", Effect::Restart),
    ("log.file", Effect::Restart),
    ("log.file.level", Effect::Live),
    ("mqtt", Effect::Live),
    ("mqtt.exclusive_subscription", Effect::Restart),
    ("mqtt.idle_timeout", Effect::NewConnections),
    ("mqtt.max_connections", Effect::NewConnections),
    ("mqtt.max_connections_per_address", Effect::NewConnections),
    ("mqtt.max_clientid_len", Effect::NewConnections),
    ("mqtt.max_inflight", Effect::NewConnections),
    ("mqtt.max_keepalive", Effect::NewConnections),
    ("mqtt.max_packet_size", Effect::NewConnections),
    ("mqtt.max_qos_allowed", Effect::Restart),
    ("mqtt.max_session_expiry_interval", Effect::NewConnections),
    ("mqtt.max_topic_alias", Effect::NewConnections),
    ("mqtt.max_topic_alias_broker", Effect::NewConnections),
    ("mqtt.max_will_size", Effect::NewConnections),
    ("mqtt.receive_maximum", Effect::NewConnections),
    ("mqtt.response_information", Effect::Restart),
    ("mqtt.retain_available", Effect::Restart),
    ("mqtt.shared_subscription", Effect::Restart),
    ("mqtt.shared_subscription_strategy", Effect::Restart),
    ("mqtt.wildcard_subscription", Effect::Restart),
    ("retainer", Effect::Live),
    ("rewrite", Effect::Live),
    ("store.behind_timeout", Effect::Live),
    ("store.max_queue_memory", Effect::Live),
    ("sys_topics", Effect::Live),
];

/// The same for keys of a listener, by the last part of the path.
const LISTENER_EFFECTS: &[(&str, Effect)] = &[
    ("allow_anonymous", Effect::Live),
    ("authenticators", Effect::Live),
    ("bind", Effect::Live),
    ("durability", Effect::Restart),
    ("enable_authn", Effect::Live),
    ("mode", Effect::Live),
];

/// One key whose value differs. The value of a secret is not shown.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// Its whole path, with dots.
    pub key: String,
    /// Its value before; none where the key is new.
    pub old: Option<String>,
    /// Its value after; none where the key is gone.
    pub new: Option<String>,
    /// What it takes to have effect.
    pub effect: Effect,
}

impl Change {
    /// A listener that has been added cannot promise before a restart what the broker was not started for.
    pub(crate) fn of_durability(listener: &str, now: Durability, wanted: Durability) -> Self {
        let word = |of| {
            let words = DURABILITY.0.iter();
            let known = words.filter(|(_, durability)| *durability == of);
            known.map(|(word, _)| format!("\"{word}\"")).next()
        };
        Self {
            key: format!("listeners.{}.durability", listener.replacen(':', ".", 1)),
            old: word(now),
            new: word(wanted),
            effect: Effect::Restart,
        }
    }
}

impl fmt::Display for Change {
    /// `mqtt.max_inflight: 20 -> 32`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| match value.as_deref() {
            None => "none".to_owned(),
            Some("") => "unset".to_owned(),
            Some(value) => value.to_owned(),
        };
        let (old, new) = (shown(&self.old), shown(&self.new));
        write!(f, "{}: {old} -> {new}", self.key)
    }
}

impl Config {
    /// What differs in `new`, in the order of keys.
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let (old_values, new_values) = (self.values(), new.values());
        let keys = old_values.keys().chain(new_values.keys());
        let mut keys: Vec<_> = keys.collect();
        keys.sort_unstable();
        keys.dedup();
        let differing = keys.into_iter().filter_map(|key| {
            let (old, new) = (old_values.get(key), new_values.get(key));
            // A listener that comes or goes is told by its place alone.
            let is_told = old.is_some() == new.is_some() || key.ends_with(".bind");
            (old != new && is_told).then(|| {
                let shown = |value: Option<&String>| value.map(|value| redacted(key, value));
                Change {
                    key: key.clone(),
                    old: shown(old),
                    new: shown(new),
                    effect: Effect::of_key(key),
                }
            })
        });
        let mut changes: Vec<_> = differing.chain(self.changed_lists(new)).collect();
        changes.sort_by(|a, b| a.key.cmp(&b.key));
        changes
    }

    /// Each key with its value as a configuration writes it, lists of tables left out.
    fn values(&self) -> BTreeMap<String, String> {
        let names = self.names();
        let mut config = self.clone();
        let shown = Reader::show(&names, |root| config.read(root));
        // A key that has two names is told once.
        let shown = shown
            .into_iter()
            .filter(|shown| shown.key != "log.console.level");
        shown.map(|shown| (shown.key, shown.value)).collect()
    }

    /// The names somebody made up, by the path of their table.
    fn names(&self) -> BTreeMap<String, Vec<String>> {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (kind, name) in self.listeners.keys().filter_map(|key| key.split_once(':')) {
            let of_kind = names.entry(format!("listeners.{kind}")).or_default();
            of_kind.push(name.to_owned());
        }
        names
    }

    /// Lists of tables that differ, each as a whole.
    fn changed_lists(&self, new: &Self) -> impl Iterator<Item = Change> {
        let auto = "auto_subscribe.topics";
        let (who, others) = (&self.authentication, &new.authentication);
        let (rights, new_rights) = (&self.authorization, &new.authorization);
        let lists = [
            changed_list("authentication", who, others),
            changed_list("authorization.rules", &rights.rules, &new_rights.rules),
            changed_list(
                "authorization.sources",
                &rights.sources,
                &new_rights.sources,
            ),
            changed_list("rewrite", &self.rewrite, &new.rewrite),
            changed_list(auto, &self.auto_subscribe, &new.auto_subscribe),
        ];
        let listeners = self.listeners.iter();
        let of_listeners = listeners.filter_map(|(name, listener)| {
            let (old, new) = (&listener.tls, &new.listeners.get(name)?.tls);
            let (kind, name) = name.split_once(':')?;
            let key = format!("listeners.{kind}.{name}.ssl_options.certificates");
            changed_list(&key, &old.certificates, &new.certificates)
        });
        lists
            .into_iter()
            .flatten()
            .chain(of_listeners.collect::<Vec<_>>())
    }
}

/// A list of tables is told by its length: its entries may be many, and hold secrets.
fn changed_list<T: PartialEq>(key: &str, old: &[T], new: &[T]) -> Option<Change> {
    let entries = |list: &[T]| match list.len() {
        1 => "1 entry".to_owned(),
        len => format!("{len} entries"),
    };
    (old != new).then(|| Change {
        key: key.to_owned(),
        old: Some(entries(old)),
        new: Some(match old.len() == new.len() {
            true => format!("{}, changed", entries(new)),
            false => entries(new),
        }),
        effect: Effect::of_key(key),
    })
}

/// What stands for the value of a secret.
const REDACTED: &str = "\"***\"";
/// What the last part of a secret's key has in it.
const SECRET_WORDS: [&str; 5] = ["password", "secret", "token", "passphrase", "private"];

/// `value`, unless it is a secret.
fn redacted(key: &str, value: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let is_secret = SECRET_WORDS.iter().any(|word| last.contains(word));
    match is_secret && !value.is_empty() {
        true => REDACTED.to_owned(),
        false => value.to_owned(),
    }
}

/// Whether `key` is `prefix` or below it.
fn is_below(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::from_toml(text, "broker.toml").unwrap()
    }

    fn told(old: &str, new: &str) -> Vec<String> {
        let changes = config(old).changes(&config(new));
        let told = changes.iter();
        told.map(|change| format!("{change} ({})", change.effect.words()))
            .collect()
    }

    #[test]
    fn each_key_that_differs_is_told_with_both_values() {
        let old = "mqtt.max_inflight = 20\n[listeners.tcp.a]\nbind = 1883\n[listeners.tcp.b]\nbind = 1884\n";
        assert_eq!(told(old, old), Vec::<String>::new());
        let new = "durability = \"os\"\nlog.level = \"debug\"\n[listeners.tcp.b]\nbind = 1885\n\
            [[rewrite]]\nsource_topic = \"a/#\"\nre = \"^a$\"\ndest_topic = \"b\"\n";
        assert_eq!(
            told(old, new),
            [
                "durability: \"fsync\" -> \"os\" (restart)",
                "listeners.tcp.a.bind: 1883 -> none (at once)",
                "listeners.tcp.b.bind: 1884 -> 1885 (at once)",
                "log.level: \"info\" -> \"debug\" (at once)",
                "mqtt.max_inflight: 20 -> 1024 (new connections)",
                "rewrite: 0 entries -> 1 entry (at once)",
            ]
        );
    }

    #[test]
    fn lists_are_told_by_their_length() {
        let rule = |re| {
            format!("[[rewrite]]\nsource_topic = \"a/#\"\nre = \"{re}\"\ndest_topic = \"b\"\n")
        };
        assert_eq!(
            told(&rule("a"), &rule("b")),
            ["rewrite: 1 entry -> 1 entry, changed (at once)"]
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(redacted("a.b.password", "\"hush\""), "\"***\"");
        assert_eq!(redacted("a.jwt_secret", "\"hush\""), "\"***\"");
        assert_eq!(redacted("a.password", ""), "");
        assert_eq!(redacted("mqtt.max_inflight", "20"), "20");
    }

    #[test]
    fn the_longest_beginning_counts() {
        for (key, effect) in [
            ("mqtt.max_mqueue_len", Effect::Live),
            ("mqtt.max_connections", Effect::NewConnections),
            ("mqtt.max_connections_per_address", Effect::NewConnections),
            ("mqtt.max_qos_allowed", Effect::Restart),
            ("mqttx", Effect::Restart),
            ("node.name", Effect::Restart),
            ("rewrite[].re", Effect::Live),
        ] {
            assert_eq!(Effect::of_key(key), effect, "{key}");
        }
    }
}
