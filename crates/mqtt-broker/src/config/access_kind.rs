//! Kinds of values that keys about access have.

use super::Secret;
use super::kind::{Kind, Text};
use super::secret::SecretText;
use std::collections::BTreeMap;
use toml::{Spanned, de::DeValue};

/// A list of names.
pub(super) struct Names;

impl Kind<Vec<String>> for Names {
    fn read(&self, value: &DeValue<'_>) -> Option<Vec<String>> {
        let names = value.as_array()?.iter();
        let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        names.map(|value| name(value.get_ref().as_str()?)).collect()
    }

    fn allowed(&self) -> String {
        "a list of names".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "list"
    }

    fn range(&self) -> String {
        "names".to_owned()
    }

    fn show(&self, value: &Vec<String>) -> String {
        format!("{value:?}")
    }
}

/// An address of a service.
pub(super) struct Url;

/// A table of texts by name.
pub(super) struct Texts;

/// A table of secrets by name.
pub(super) struct Headers;

impl Kind<String> for Url {
    fn read(&self, value: &DeValue<'_>) -> Option<String> {
        let text = value.as_str()?;
        let rest = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))?;
        // Credentials in an address end up in logs.
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        (!host.is_empty() && !host.contains('@')).then(|| text.to_owned())
    }

    fn allowed(&self) -> String {
        "an address that begins with http:// or https://, without user and password".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        "`http://..`, `https://..`".to_owned()
    }

    fn show(&self, value: &String) -> String {
        Text.show(value)
    }
}

impl Kind<BTreeMap<String, String>> for Texts {
    fn read(&self, value: &DeValue<'_>) -> Option<BTreeMap<String, String>> {
        let entries = value.as_table()?.iter();
        let entry = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = name.get_ref();
            Some((name.to_string(), value.get_ref().as_str()?.to_owned()))
        };
        entries.map(entry).collect()
    }

    fn allowed(&self) -> String {
        "a table of texts".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "table"
    }

    fn range(&self) -> String {
        "texts".to_owned()
    }

    fn show(&self, _value: &BTreeMap<String, String>) -> String {
        "{}".to_owned()
    }
}

impl Kind<BTreeMap<String, Secret>> for Headers {
    fn read(&self, value: &DeValue<'_>) -> Option<BTreeMap<String, Secret>> {
        let entries = value.as_table()?.iter();
        let entry = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = name.get_ref();
            Some((name.to_lowercase(), SecretText.read(value.get_ref())?))
        };
        entries.map(entry).collect()
    }

    fn allowed(&self) -> String {
        format!("a table, each value {}", SecretText.allowed())
    }

    fn type_name(&self) -> &'static str {
        "table"
    }

    fn range(&self) -> String {
        SecretText.range()
    }

    fn show(&self, _value: &BTreeMap<String, Secret>) -> String {
        "{}".to_owned()
    }

    fn is_secret(&self) -> bool {
        true
    }
}
