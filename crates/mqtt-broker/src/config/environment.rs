//! Settings in the environment: `MQTT_LISTENERS__TCP__DEFAULT__BIND=1883` is `listeners.tcp.default.bind = 1883`.

use std::{collections::BTreeMap, fmt::Write as _};

use toml::de::DeTable;

use super::{Config, ConfigError, reader::Reader, reader::Source};

/// What the name of every such variable begins with.
pub(super) const PREFIX: &str = "MQTT_";
/// What stands for a dot.
const DOT: &str = "__";
/// Keys without a dot: other variables without one are not for the broker.
const TOP_KEYS: [&str; 3] = ["allow_anonymous", "durability", "rewrite"];

impl Config {
    /// Puts the settings of these variables over what is there; other variables are passed over.
    ///
    /// A variable is one of ours when its name is `MQTT_`, then a key in capital letters with two
    /// underscores for each dot. Its value is written as in the file; quotes may be left out.
    ///
    /// # Errors
    /// The first variable that names no key, or whose value is none of its key.
    pub fn override_by(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        let variables: BTreeMap<_, _> = variables.into_iter().collect();
        let (mut text, mut names) = (String::new(), BTreeMap::new());
        let ours = variables
            .iter()
            .filter_map(|(name, value)| Some((name, key_of(name)?, value)));
        for (line, (name, key, value)) in ours.enumerate() {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{key} = {}", written(value));
            names.insert(line + 1, name.clone());
        }
        let mut changed = self.clone();
        Reader::read(&text, Source::Environment(&names), |root| {
            changed.read(root)
        })?;
        *self = changed;
        Ok(())
    }
}

/// The key that a variable names, or none if it is not ours.
fn key_of(name: &str) -> Option<String> {
    let key = name.strip_prefix(PREFIX)?.to_lowercase();
    let is_ours = key.contains(DOT) || TOP_KEYS.contains(&key.as_str());
    let parts = key.split(DOT).map(|part| {
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        match !part.is_empty() && part.chars().all(is_bare) {
            true => part.to_owned(),
            false => format!("{part:?}"),
        }
    });
    is_ours.then(|| parts.collect::<Vec<_>>().join("."))
}

/// A value as TOML: as it stands if that is a value on one line, else as a string.
fn written(value: &str) -> String {
    let is_value = !value.contains(['\n', '\r', '#'])
        && DeTable::parse(&format!("x = {value}")).is_ok_and(|table| table.get_ref().len() == 1);
    match is_value {
        true => value.to_owned(),
        // A JSON string is a TOML string, and always on one line.
        false => serde_json::Value::from(value).to_string(),
    }
}
