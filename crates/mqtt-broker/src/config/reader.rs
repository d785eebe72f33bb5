//! Reads TOML key by key and remembers which keys were asked for, so that a key nobody asked for
//! is refused by name and line. Each key is thus known in one place: where it is read.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use mqtt_access::{RULE_KEYS, Rule};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{ConfigError, Origin, kind::Kind};

/// Stands for a name the user makes up, where only the keys are asked for.
const ANY_NAME: &str = "<name>";

/// A key as the table of keys shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyDescription {
    /// Its whole path, with dots; `<name>` stands for a name and `[]` for any element of a list.
    pub key: String,
    /// The word for its type.
    pub type_name: &'static str,
    /// Its default as a configuration writes it; empty where there is none.
    pub default: String,
    /// The values of its type that are allowed; empty for all.
    pub range: String,
    /// What it does.
    pub meaning: &'static str,
}

/// A text being read.
pub(super) struct Reader<'a> {
    text: &'a str,
    source: Source<'a>,
    /// The path of every key and table asked for so far.
    asked: RefCell<BTreeSet<Vec<String>>>,
    /// The path of every list that is read as a whole, with all keys below it.
    whole: RefCell<BTreeSet<Vec<String>>>,
    /// Every key, in the order of reading; filled only when that is what is asked for.
    described: RefCell<Option<Vec<KeyDescription>>>,
    /// Every key with its value, in the order of reading; filled only when that is what is asked for.
    shown: RefCell<Option<Vec<Shown>>>,
}

/// A key of a configuration with its value, as the configuration would write it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Shown {
    /// Its whole path, with dots.
    pub(super) key: String,
    /// Its value; empty where there is none.
    pub(super) value: String,
}

/// Where the text comes from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// A file, or what stands for it.
    File(&'a str),
    /// Variables of the environment: the name of each by the line it became.
    Environment(&'a BTreeMap<usize, String>),
    /// Nowhere: what is there already is looked at. The names that were made up, by the path of their table.
    Present(&'a BTreeMap<String, Vec<String>>),
}

/// One table of a document, or the place where it would be.
pub(super) struct Section<'a> {
    reader: &'a Reader<'a>,
    path: Vec<String>,
    table: Option<&'a DeTable<'a>>,
    /// Where the section begins in the text.
    at: usize,
}

impl<'a> Reader<'a> {
    /// Parses `text` and lets `read` take what it knows; what is left is refused.
    pub(super) fn read(
        text: &str,
        source: Source<'_>,
        read: impl FnOnce(&Section<'_>) -> Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        let reader = Reader::new(text, source);
        let document = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            origin: reader.origin(error.span().map_or(0, |span| span.start)),
            message: error.message().replace('\n', ", "),
        })?;
        read(&reader.root(document.get_ref()))?;
        match reader.first_unknown(document.get_ref(), &[]) {
            Some((at, path)) => Err(reader.unknown_key(at, &path)),
            None => Ok(()),
        }
    }

    /// Every key that `read` asks for, in its order.
    pub(super) fn describe(
        read: impl FnOnce(&Section<'_>) -> Result<(), ConfigError>,
    ) -> Vec<KeyDescription> {
        let reader = Reader::new("", Source::File(""));
        *reader.described.borrow_mut() = Some(Vec::new());
        let table = DeTable::new();
        // Where nothing is given nothing can be wrong.
        let _ = read(&reader.root(&table));
        reader.described.take().unwrap_or_default()
    }

    /// Every key that `read` asks for with the value it finds there, lists of tables left out.
    pub(super) fn show(
        names: &BTreeMap<String, Vec<String>>,
        read: impl FnOnce(&Section<'_>) -> Result<(), ConfigError>,
    ) -> Vec<Shown> {
        let reader = Reader::new("", Source::Present(names));
        *reader.shown.borrow_mut() = Some(Vec::new());
        let table = DeTable::new();
        // Where nothing is given nothing can be wrong.
        let _ = read(&reader.root(&table));
        reader.shown.take().unwrap_or_default()
    }

    fn new(text: &'a str, source: Source<'a>) -> Self {
        Self {
            text,
            source,
            asked: RefCell::default(),
            whole: RefCell::default(),
            described: RefCell::default(),
            shown: RefCell::default(),
        }
    }

    fn root<'r>(&'r self, table: &'r DeTable<'r>) -> Section<'r>
    where
        'a: 'r,
    {
        Section {
            reader: self,
            path: Vec::new(),
            table: Some(table),
            at: 0,
        }
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
            if self.whole.borrow().contains(&path) {
                return None;
            }
            match value.get_ref() {
                DeValue::Table(table) => self.first_unknown(table, &path),
                DeValue::Array(elements) => {
                    let tables = elements.iter().enumerate().filter_map(|(index, element)| {
                        let table = element.get_ref().as_table()?;
                        self.first_unknown(table, &child(&path, &index_name(index)))
                    });
                    tables.min()
                }
                _ => None,
            }
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
            origin: self.origin(at),
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
            origin: self.origin(value.span().start),
            key: dotted(path),
            found: found(self.text, value),
            allowed,
        }
    }

    /// Where the byte at `at` comes from.
    fn origin(&self, at: usize) -> Origin {
        let line = line_of(self.text, at);
        match &self.source {
            Source::File(file) => Origin::Line {
                file: (*file).to_owned(),
                line,
            },
            Source::Present(_) => Origin::Line {
                file: String::new(),
                line,
            },
            Source::Environment(names) => Origin::Variable {
                name: names.get(&line).cloned().unwrap_or_default(),
            },
        }
    }
}

impl<'a> Section<'a> {
    /// The table under `key`; an empty one if the document has none.
    pub(super) fn section(&self, key: &str) -> Result<Section<'a>, ConfigError> {
        let path = self.ask(key);
        let value = self.value(key);
        let table = match value {
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
            at: value.map_or(self.at, |value| value.span().start),
        })
    }

    /// The tables in the list under `key`; `None` if the document has no such list.
    pub(super) fn tables(&self, key: &str) -> Result<Option<Vec<Section<'a>>>, ConfigError> {
        let path = self.ask(key);
        let element = |index: &str, table, at| Section {
            reader: self.reader,
            path: child(&path, index),
            table,
            at,
        };
        if self.is_described() {
            return Ok(Some(vec![element("[]", None, 0)]));
        }
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let allowed = || format!("a list of tables: `[[{}]]`", dotted(&path));
        let elements = match value.get_ref() {
            DeValue::Array(elements) => elements,
            _ => return Err(self.reader.wrong_value(&path, value, allowed())),
        };
        let tables = elements.iter().enumerate().map(|(index, value)| {
            let table = value.get_ref().as_table();
            let table = table.ok_or_else(|| self.reader.wrong_value(&path, value, allowed()))?;
            let index = index_name(index);
            self.reader.ask(child(&path, &index));
            Ok(element(&index, Some(table), value.span().start))
        });
        tables.collect::<Result<_, _>>().map(Some)
    }

    /// The rules in the list under `key`, whose keys [`RULE_KEYS`] has; `None` if the document has no such list.
    pub(super) fn rules(&self, key: &str) -> Result<Option<Vec<Rule>>, ConfigError> {
        let path = self.ask(key);
        if let Some(described) = &mut *self.reader.described.borrow_mut() {
            described.extend(RULE_KEYS.iter().map(|rule_key| KeyDescription {
                key: format!("{}[].{}", dotted(&path), rule_key.name),
                type_name: rule_key.type_name,
                default: rule_key.default.to_owned(),
                range: rule_key.range.to_owned(),
                meaning: rule_key.meaning,
            }));
        }
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let DeValue::Array(rules) = value.get_ref() else {
            let allowed = format!("a list of tables: `[[{}]]`", dotted(&path));
            return Err(self.reader.wrong_value(&path, value, allowed));
        };
        self.reader.whole.borrow_mut().insert(path);
        let source = |at| match self.reader.origin(at) {
            Origin::Line { file, line } => (file, line),
            Origin::Variable { name } => (name, 1),
        };
        let source = |at| {
            let (file, line) = source(at);
            let file = Arc::new(PathBuf::from(file));
            mqtt_access::Source { file, line }
        };
        let rules = rules.iter().map(|rule| {
            Rule::from_toml(rule, source).map_err(|(at, cause)| ConfigError::Rule {
                origin: self.reader.origin(at),
                cause,
            })
        });
        rules.collect::<Result<_, _>>().map(Some)
    }

    /// The names of the tables in this one, for a table whose keys the user makes up.
    pub(super) fn names(&self) -> Vec<&'a str> {
        if self.is_described() {
            return vec![ANY_NAME];
        }
        if let Source::Present(names) = self.reader.source {
            let names = names.get(&dotted(&self.path)).into_iter().flatten();
            return names.map(String::as_str).collect();
        }
        let keys = self.table.into_iter().flat_map(DeTable::keys);
        keys.map(|key| key.get_ref().as_ref()).collect()
    }

    /// Whether what is read changes single values of a configuration that is there.
    pub(super) fn is_overlay(&self) -> bool {
        !matches!(self.reader.source, Source::File(_))
    }

    /// Puts the value of `key` into `field`, which keeps its default if there is none.
    pub(super) fn set<T>(
        &self,
        key: &str,
        meaning: &'static str,
        field: &mut T,
        kind: &impl Kind<T>,
    ) -> Result<(), ConfigError> {
        if let Some((outer, inner)) = key.split_once('.') {
            return self.section(outer)?.set(inner, meaning, field, kind);
        }
        let path = self.ask(key);
        self.describe(&path, meaning, kind, || kind.show(field));
        if let Some(shown) = &mut *self.reader.shown.borrow_mut() {
            shown.push(Shown {
                key: dotted(&path),
                value: kind.show(field),
            });
        }
        if let Some(value) = self.value(key) {
            *field = self.parse(&path, value, kind)?;
        }
        Ok(())
    }

    /// The value of `key`, which has no default; `None` while only the keys are asked for.
    pub(super) fn need<T>(
        &self,
        key: &str,
        meaning: &'static str,
        kind: &impl Kind<T>,
    ) -> Result<Option<T>, ConfigError> {
        let path = self.ask(key);
        self.describe(&path, meaning, kind, String::new);
        match self.value(key) {
            Some(value) => self.parse(&path, value, kind).map(Some),
            None if self.is_described() => Ok(None),
            None => Err(ConfigError::MissingKey {
                origin: self.reader.origin(self.at),
                key: dotted(&path),
                allowed: kind.allowed(),
            }),
        }
    }

    fn parse<T>(
        &self,
        path: &[String],
        value: &Spanned<DeValue<'_>>,
        kind: &impl Kind<T>,
    ) -> Result<T, ConfigError> {
        // A kind that takes a table takes the whole of it.
        for key in value
            .get_ref()
            .as_table()
            .into_iter()
            .flat_map(DeTable::keys)
        {
            self.reader.ask(child(path, key.get_ref()));
        }
        kind.read(value.get_ref())
            .ok_or_else(|| match kind.is_secret() {
                true => ConfigError::WrongValue {
                    origin: self.reader.origin(value.span().start),
                    key: dotted(path),
                    found: format!("of type {}", value.get_ref().type_str()),
                    allowed: kind.allowed(),
                },
                false => self.reader.wrong_value(path, value, kind.allowed()),
            })
    }

    fn describe<T>(
        &self,
        path: &[String],
        meaning: &'static str,
        kind: &impl Kind<T>,
        default: impl FnOnce() -> String,
    ) {
        if let Some(described) = &mut *self.reader.described.borrow_mut() {
            let key = dotted(path).replace(&format!("{ANY_NAME:?}"), ANY_NAME);
            // A key that several kinds of an element have is one, if it means the same.
            let meaning = meaning.trim();
            let is_same = |known: &KeyDescription| known.key == key && known.meaning == meaning;
            if described.iter().any(is_same) {
                return;
            }
            described.push(KeyDescription {
                key,
                type_name: kind.type_name(),
                default: default(),
                range: kind.range(),
                meaning,
            });
        }
    }

    fn is_described(&self) -> bool {
        self.reader.described.borrow().is_some()
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.and_then(|table| table.get(key))
    }

    fn ask(&self, key: &str) -> Vec<String> {
        self.reader.ask(child(&self.path, key))
    }
}

impl Reader<'_> {
    fn ask(&self, path: Vec<String>) -> Vec<String> {
        self.asked.borrow_mut().insert(path.clone());
        path
    }
}

fn child(parent: &[String], key: &str) -> Vec<String> {
    parent.iter().cloned().chain([key.to_owned()]).collect()
}

/// How an element of a list is called in a path.
fn index_name(index: usize) -> String {
    format!("[{index}]")
}

/// How a path is written in TOML; an element of a list as `[0]` behind its list.
fn dotted(path: impl AsRef<[String]>) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut text = String::new();
    for key in path.as_ref() {
        let is_element = key.starts_with('[') && key.ends_with(']');
        if !text.is_empty() && !is_element {
            text.push('.');
        }
        if is_element || !key.is_empty() && key.chars().all(is_bare) {
            text.push_str(key);
        } else {
            text.push_str(&format!("{key:?}"));
        }
    }
    text
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
