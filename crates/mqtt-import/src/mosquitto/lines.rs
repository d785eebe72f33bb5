//! The lines of a `mosquitto.conf` and of the files it includes.

use super::Surroundings;
use crate::remark::{Class, Remark};

/// Lines of all files together; unit: lines.
const LINES_MAX: usize = 100_000;

/// A directive with its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) at: At,
    pub(super) directive: &'a str,
    /// What stands behind it, without blanks around it.
    pub(super) value: &'a str,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct At {
    /// The place of its file in [`Files::names`].
    pub(super) file: usize,
    /// From 1; 0 for what no line says.
    pub(super) line: u32,
}

/// The configuration file and those it includes.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) names: Vec<String>,
    texts: Vec<String>,
    /// What is read in which order: a file's lines from one to another, from 0.
    spans: Vec<(usize, usize, usize)>,
}

impl Files {
    /// Reads the files of each `include_dir` of the main file: those that end with `.conf`, by their names.
    pub(super) fn gather(
        name: &str,
        text: &str,
        surroundings: &dyn Surroundings,
        remarks: &mut Vec<Remark>,
    ) -> Self {
        let mut files = Self {
            names: vec![name.to_owned()],
            texts: vec![text.to_owned()],
            spans: Vec::new(),
        };
        let mut from = 0;
        let mut left = LINES_MAX;
        let mut refuse = |line: usize, directive: &str, text: String| {
            remarks.push(Remark {
                origin: name.to_owned(),
                line: u32::try_from(line).unwrap_or(u32::MAX),
                directive: directive.to_owned(),
                class: Class::Refused,
                text,
            });
        };
        for (nth, line) in text.lines().enumerate() {
            let Some(Line { value, .. }) =
                split(line, At::default()).filter(|line| line.directive == "include_dir")
            else {
                continue;
            };
            files.spans.push((0, from, nth));
            from = nth + 1;
            match surroundings.conf_files_in(value) {
                Ok(found) => {
                    for (name, text) in found {
                        left = left.saturating_sub(text.lines().count());
                        files.spans.push((files.texts.len(), 0, usize::MAX));
                        files.names.push(name);
                        files.texts.push(text);
                    }
                }
                Err(error) => refuse(nth + 1, "include_dir", format!("{value}: {error}")),
            }
        }
        files.spans.push((0, from, usize::MAX));
        if text.lines().count() > left {
            refuse(0, "include_dir", format!("more than {LINES_MAX} lines"));
            files.spans.clear();
        }
        files
    }

    /// All directives in the order Mosquitto reads them; true with the first one of a file.
    pub(super) fn lines(&self) -> impl Iterator<Item = (Line<'_>, bool)> {
        self.spans.iter().flat_map(move |(file, from, to)| {
            let text = self.texts.get(*file).map_or("", String::as_str);
            let lines = text.lines().enumerate();
            let lines = lines.skip(*from).take(to.saturating_sub(*from));
            let is_included = *file > 0;
            let mut is_first = is_included;
            lines.filter_map(move |(nth, line)| {
                let at = At {
                    file: *file,
                    line: u32::try_from(nth + 1).unwrap_or(u32::MAX),
                };
                let line = split(line, at)?;
                Some((line, std::mem::take(&mut is_first)))
            })
        })
    }

    /// A remark about a place.
    pub(super) fn remark(&self, at: At, directive: &str, class: Class, text: &str) -> Remark {
        Remark {
            origin: self.names.get(at.file).cloned().unwrap_or_default(),
            line: at.line,
            directive: directive.to_owned(),
            class,
            text: text.to_owned(),
        }
    }
}

/// Comments begin with `#` at the start of a line, as Mosquitto has it: elsewhere it belongs to the value.
fn split(line: &str, at: At) -> Option<Line<'_>> {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.starts_with('#') {
        return None;
    }
    let line = line.trim_start_matches(' ');
    let (directive, value) = line.split_once(' ').unwrap_or((line, ""));
    if directive.is_empty() {
        return None;
    }
    Some(Line {
        at,
        directive,
        value: value.trim_matches([' ', '\t']),
    })
}
