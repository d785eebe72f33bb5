//! Reads TOML key by key and remembers which keys were asked for, so that a key nobody asked for
//! is refused by name and line. Each key is thus known in one place: where it is read.

use std::{cell::RefCell, collections::BTreeSet};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{ConfigError, kind::Kind};

/// One document being read.
pub(super) struct Reader<'a> {
    origin: &'a str,
    text: &'a str,
    /// The path of every key and table asked for so far.
    asked: RefCell<BTreeSet<Vec<String>>>,
}

/// One table of a document, or the place where it would be.
pub(super) struct Section<'a> {
    reader: &'a Reader<'a>,
    path: Vec<String>,
    table: Option<&'a DeTable<'a>>,
}

impl<'a> Reader<'a> {
    /// Parses `text` and lets `read` take what it knows; what is left is refused.
    pub(super) fn read(
        text: &str,
        origin: &str,
        read: impl FnOnce(&Section<'_>) -> Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        let reader = Reader {
            origin,
            text,
            asked: RefCell::default(),
        };
        let document = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            origin: origin.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().replace('\n', ", "),
        })?;
        let root = Section {
            reader: &reader,
            path: Vec::new(),
            table: Some(document.get_ref()),
        };
        read(&root)?;
        match reader.first_unknown(document.get_ref(), &[]) {
            Some((at, path)) => Err(reader.unknown_key(at, &path)),
            None => Ok(()),
        }
    }

    /// Every key that `read` takes from a document; tables are left out.
    #[cfg(test)]
    pub(super) fn keys(
        text: &str,
        read: impl FnOnce(&Section<'_>) -> Result<(), ConfigError>,
    ) -> BTreeSet<String> {
        let reader = Reader {
            origin: "",
            text,
            asked: RefCell::default(),
        };
        let document = DeTable::parse(text).unwrap();
        let root = Section {
            reader: &reader,
            path: Vec::new(),
            table: Some(document.get_ref()),
        };
        read(&root).unwrap();
        let asked = reader.asked.take();
        let is_table = |key: &Vec<String>| {
            asked
                .iter()
                .any(|other| other.len() > key.len() && other.starts_with(key))
        };
        asked
            .iter()
            .filter(|key| !is_table(key))
            .map(dotted)
            .collect()
    }

    /// The first key in the text, by place, that nobody asked for.
    fn first_unknown(
        &self,
        table: &DeTable<'_>,
        parent: &[String],
    ) -> Option<(usize, Vec<String>)> {
        let unknown = table.iter().filter_map(|(key, value)| {
            let path = child(parent, key.get_ref());
            if !self.asked.borrow().contains(&path) {
                return Some((key.span().start, path));
            }
            self.first_unknown(value.get_ref().as_table()?, &path)
        });
        unknown.min()
    }

    fn unknown_key(&self, at: usize, path: &[String]) -> ConfigError {
        let (last, parent) = path
            .split_last()
            .map_or(("", path), |(last, all)| (last, all));
        let asked = self.asked.borrow();
        let siblings = asked.iter().filter(|key| {
            key.split_last()
                .is_some_and(|(_, key_parent)| key_parent == parent)
        });
        ConfigError::UnknownKey {
            origin: self.origin.to_owned(),
            line: line_of(self.text, at),
            key: dotted(path),
            suggestion: suggestion(&asked, parent, last).map(dotted),
            known: siblings.filter_map(|key| key.last().cloned()).collect(),
        }
    }

    fn wrong_value(
        &self,
        path: &[String],
        value: &Spanned<DeValue<'_>>,
        allowed: String,
    ) -> ConfigError {
        ConfigError::WrongValue {
            origin: self.origin.to_owned(),
            line: line_of(self.text, value.span().start),
            key: dotted(path),
            found: found(self.text, value),
            allowed,
        }
    }
}

impl<'a> Section<'a> {
    /// The table under `key`; an empty one if the document has none.
    pub(super) fn section(&self, key: &str) -> Result<Section<'a>, ConfigError> {
        let path = self.ask(key);
        let table = match self.value(key) {
            None => None,
            Some(value) => Some(value.get_ref().as_table().ok_or_else(|| {
                self.reader
                    .wrong_value(&path, value, format!("a table: `[{}]`", dotted(&path)))
            })?),
        };
        Ok(Section {
            reader: self.reader,
            path,
            table,
        })
    }

    /// The names of the tables in this one, for a table whose keys the user makes up.
    pub(super) fn names(&self) -> Vec<&'a str> {
        let keys = self.table.into_iter().flat_map(DeTable::keys);
        keys.map(|key| key.get_ref().as_ref()).collect()
    }

    /// Puts the value of `key` into `field`, which keeps its default if there is none.
    pub(super) fn set<T>(
        &self,
        key: &str,
        field: &mut T,
        kind: &impl Kind<T>,
    ) -> Result<(), ConfigError> {
        let path = self.ask(key);
        if let Some(value) = self.value(key) {
            *field = kind
                .read(value.get_ref())
                .ok_or_else(|| self.reader.wrong_value(&path, value, kind.allowed()))?;
        }
        Ok(())
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.and_then(|table| table.get(key))
    }

    fn ask(&self, key: &str) -> Vec<String> {
        let path = child(&self.path, key);
        self.reader.asked.borrow_mut().insert(path.clone());
        path
    }
}

fn child(parent: &[String], key: &str) -> Vec<String> {
    parent.iter().cloned().chain([key.to_owned()]).collect()
}

/// How a path is written in TOML.
fn dotted(path: impl AsRef<[String]>) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let quoted = path.as_ref().iter().map(|key| {
        if !key.is_empty() && key.chars().all(is_bare) {
            key.clone()
        } else {
            format!("{key:?}")
        }
    });
    quoted.collect::<Vec<_>>().join(".")
}

/// The known key that is most like `last`: a neighbour that is similar, else one elsewhere that
/// is nearly the same.
fn suggestion<'k>(
    asked: &'k BTreeSet<Vec<String>>,
    parent: &[String],
    last: &str,
) -> Option<&'k Vec<String>> {
    let likeness = |key: &&Vec<String>| {
        let (key_last, key_parent) = key.split_last()?;
        let likeness = strsim::normalized_damerau_levenshtein(last, key_last);
        let enough = if key_parent == parent { 0.6 } else { 0.85 };
        (likeness >= enough).then_some((likeness, key_parent == parent))
    };
    let like = asked
        .iter()
        .filter_map(|key| likeness(&key).map(|likeness| (likeness, key)));
    like.max_by(|(a, _), (b, _)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
        .map(|(_, key)| key)
}

/// The value as the file has it, if that is short; its type else.
fn found(text: &str, value: &Spanned<DeValue<'_>>) -> String {
    const LEN_MAX: usize = 60;
    match text.get(value.span()) {
        Some(source) if source.len() <= LEN_MAX && !source.contains(['\n', '\r']) => {
            format!("`{source}`")
        }
        _ => format!("of type {}", value.get_ref().type_str()),
    }
}

/// The line, from 1, of the byte at `at`.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
