//! The table of keys in `docs/configuration.md`, made from the types that are read.

use std::fmt::Write as _;

use super::{Config, Effect, KeyDescription, reader::Reader};

impl Config {
    /// Every key there is, in the order of the file.
    pub fn keys() -> Vec<KeyDescription> {
        let mut config = Self::default();
        Reader::describe(|root| config.read(root))
    }

    /// The keys as a Markdown table: key, type, default, range, what a change takes, meaning.
    pub fn reference() -> String {
        let mut page = String::from(
            "| key | type | default | range | changed by | meaning |\n|---|---|---|---|---|---|\n",
        );
        for row in Self::keys() {
            let default = match row.default.is_empty() {
                true => String::new(),
                false => format!("`{}`", row.default),
            };
            // Writing to a `String` cannot fail.
            let _ = writeln!(
                page,
                "| `{}` | {} | {default} | {} | {} | {} |",
                row.key,
                row.type_name,
                row.range,
                changed_by(Effect::of_key(&row.key)),
                row.meaning
            );
        }
        page
    }
}

/// What a change of a key takes.
const fn changed_by(effect: Effect) -> &'static str {
    match effect {
        Effect::Live => "reload",
        Effect::NewConnections => "reload, for new connections",
        Effect::Restart => "restart",
    }
}
