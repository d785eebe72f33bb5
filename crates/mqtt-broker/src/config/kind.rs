//! The kinds of values a key can have: how each is read, and how its allowed values are told.

use std::{fmt::Display, ops::RangeInclusive, path::PathBuf};

use toml::de::{DeInteger, DeValue};

use super::{ByteSize, Duration, LogLevel, MemoryMark};
use crate::core::pace::Rate;

/// What is written for no bound.
const INFINITY: &str = "infinity";

/// Reads values into a `T`.
pub(super) trait Kind<T> {
    /// `None` for a value of another type, form or size.
    fn read(&self, value: &DeValue<'_>) -> Option<T>;
    /// What `read` takes, to follow "it must be".
    fn allowed(&self) -> String;
    /// The word for the type in the table of keys.
    fn type_name(&self) -> &'static str;
    /// What `read` takes of that type, for the table of keys; empty for all of it.
    fn range(&self) -> String;
    /// `value` as a configuration writes it; empty for none.
    fn show(&self, value: &T) -> String;
    /// Whether what is written must not be shown.
    fn is_secret(&self) -> bool {
        false
    }
}

/// A whole number within a range.
pub(super) struct Number<T>(pub(super) RangeInclusive<T>);

/// A length of time within a range.
pub(super) struct Time(pub(super) RangeInclusive<Duration>);

/// A number of bytes within a range.
pub(super) struct Size(pub(super) RangeInclusive<ByteSize>);

/// Another kind, or `infinity`, which is read as `None`.
pub(super) struct OrInfinity<K>(pub(super) K);

/// Another kind, or this word, which is read as `None`.
pub(super) struct OrWord<K>(pub(super) &'static str, pub(super) K);

/// Another kind, of a key that may be left out.
pub(super) struct Maybe<K>(pub(super) K);

/// One of these words.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

/// Any text.
pub(super) struct Text;

/// A size, a part of the machine's memory such as `80%`, or `infinity`.
pub(super) struct Mark(pub(super) Size);

/// So many in a time, such as `1000/s`.
pub(super) struct Frequency;

/// So many bytes in a time, such as `1MB/s`.
pub(super) struct Throughput;

/// A length of time in whole seconds, which are also taken as a bare number.
pub(super) struct Seconds(pub(super) RangeInclusive<u64>);

/// `true` or `false`.
pub(super) struct Flag;

/// A directory.
pub(super) struct Directory;

/// A log level.
pub(super) struct Level;

/// A list of values of another kind.
pub(super) struct Each<K>(pub(super) K);

/// A list that is not empty.
pub(super) struct NotEmpty<K>(pub(super) K);

/// A file.
pub(super) struct FilePath;

impl<T: TryFrom<i64> + PartialOrd + Display> Kind<T> for Number<T> {
    fn read(&self, value: &DeValue<'_>) -> Option<T> {
        T::try_from(integer(value.as_integer()?)?)
            .ok()
            .filter(|number| self.0.contains(number))
    }

    fn allowed(&self) -> String {
        format!("a whole number from {} to {}", self.0.start(), self.0.end())
    }

    fn type_name(&self) -> &'static str {
        "number"
    }

    fn range(&self) -> String {
        format!("{} to {}", self.0.start(), self.0.end())
    }

    fn show(&self, value: &T) -> String {
        value.to_string()
    }
}

impl Kind<Duration> for Time {
    fn read(&self, value: &DeValue<'_>) -> Option<Duration> {
        Duration::parse(value.as_str()?).filter(|time| self.0.contains(time))
    }

    fn allowed(&self) -> String {
        format!("a time from \"{}\" to \"{}\"", self.0.start(), self.0.end())
    }

    fn type_name(&self) -> &'static str {
        "time"
    }

    fn range(&self) -> String {
        format!("{} to {}", self.0.start(), self.0.end())
    }

    fn show(&self, value: &Duration) -> String {
        format!("\"{value}\"")
    }
}

impl Kind<ByteSize> for Size {
    fn read(&self, value: &DeValue<'_>) -> Option<ByteSize> {
        let size = match value {
            DeValue::Integer(number) => ByteSize::new(usize::try_from(integer(number)?).ok()?),
            value => ByteSize::parse(value.as_str()?)?,
        };
        self.0.contains(&size).then_some(size)
    }

    fn allowed(&self) -> String {
        format!("a size from \"{}\" to \"{}\"", self.0.start(), self.0.end())
    }

    fn type_name(&self) -> &'static str {
        "size"
    }

    fn range(&self) -> String {
        format!("{} to {}", self.0.start(), self.0.end())
    }

    fn show(&self, value: &ByteSize) -> String {
        format!("\"{value}\"")
    }
}

impl<T, K: Kind<T>> Kind<Option<T>> for OrInfinity<K> {
    fn read(&self, value: &DeValue<'_>) -> Option<Option<T>> {
        read_or(INFINITY, &self.0, value)
    }

    fn allowed(&self) -> String {
        format!("{} or \"{INFINITY}\"", self.0.allowed())
    }

    fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    fn range(&self) -> String {
        format!("{}, `\"{INFINITY}\"`", self.0.range())
    }

    fn show(&self, value: &Option<T>) -> String {
        show_or(INFINITY, &self.0, value)
    }
}

impl<T, K: Kind<T>> Kind<Option<T>> for OrWord<K> {
    fn read(&self, value: &DeValue<'_>) -> Option<Option<T>> {
        read_or(self.0, &self.1, value)
    }

    fn allowed(&self) -> String {
        format!("{} or \"{}\"", self.1.allowed(), self.0)
    }

    fn type_name(&self) -> &'static str {
        self.1.type_name()
    }

    fn range(&self) -> String {
        format!("{}, `\"{}\"`", self.1.range(), self.0)
    }

    fn show(&self, value: &Option<T>) -> String {
        show_or(self.0, &self.1, value)
    }
}

impl<T: Copy + PartialEq> Kind<T> for Choice<T> {
    fn read(&self, value: &DeValue<'_>) -> Option<T> {
        let word = value.as_str()?;
        let found = self.0.iter().find(|(known, _)| *known == word);
        found.map(|(_, value)| *value)
    }

    fn allowed(&self) -> String {
        self.words("\"").join(" or ")
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        self.words("`").join(", ")
    }

    fn show(&self, value: &T) -> String {
        let found = self.0.iter().find(|(_, known)| known == value);
        found.map_or_else(String::new, |(word, _)| format!("\"{word}\""))
    }
}

impl<T> Choice<T> {
    fn words(&self, quote: &str) -> Vec<String> {
        let words = self.0.iter();
        words
            .map(|(word, _)| format!("{quote}{word}{quote}"))
            .collect()
    }
}

impl Kind<String> for Text {
    fn read(&self, value: &DeValue<'_>) -> Option<String> {
        value.as_str().map(str::to_owned)
    }

    fn allowed(&self) -> String {
        "a string".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        String::new()
    }

    fn show(&self, value: &String) -> String {
        format!("{value:?}")
    }
}

impl Kind<MemoryMark> for Mark {
    fn read(&self, value: &DeValue<'_>) -> Option<MemoryMark> {
        let percent = value.as_str().and_then(|text| text.strip_suffix('%'));
        match percent {
            Some(percent) => {
                let percent = percent.parse().ok()?;
                (1..=100)
                    .contains(&percent)
                    .then_some(MemoryMark::Percent(percent))
            }
            None if value.as_str() == Some("infinity") => Some(MemoryMark::Infinity),
            None => self.0.read(value).map(MemoryMark::Size),
        }
    }

    fn allowed(&self) -> String {
        format!("{}, \"1%\" to \"100%\" or \"infinity\"", self.0.allowed())
    }

    fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    fn range(&self) -> String {
        format!("{}, `\"1%\"` to `\"100%\"`, `\"infinity\"`", self.0.range())
    }

    fn show(&self, value: &MemoryMark) -> String {
        match value {
            MemoryMark::Percent(percent) => format!("\"{percent}%\""),
            MemoryMark::Size(size) => self.0.show(size),
            MemoryMark::Infinity => "\"infinity\"".to_owned(),
        }
    }
}

impl Kind<Rate> for Frequency {
    fn read(&self, value: &DeValue<'_>) -> Option<Rate> {
        let (count, per) = value.as_str()?.split_once('/')?;
        rate(count.trim().replace('_', "").parse().ok()?, per)
    }

    fn allowed(&self) -> String {
        "a rate such as \"1000/s\" or \"5/10s\"".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "rate"
    }

    fn range(&self) -> String {
        "1 to 1 000 000 000 in 1ms to 1h".to_owned()
    }

    fn show(&self, value: &Rate) -> String {
        format!("\"{}/{}\"", value.count, Duration::from(value.per))
    }
}

impl Kind<Rate> for Throughput {
    fn read(&self, value: &DeValue<'_>) -> Option<Rate> {
        let (size, per) = value.as_str()?.split_once('/')?;
        rate(u64::try_from(ByteSize::parse(size)?.get()).ok()?, per)
    }

    fn allowed(&self) -> String {
        "a rate such as \"1MB/s\" or \"512KB/10s\"".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "rate"
    }

    fn range(&self) -> String {
        "1B to 1 000 000 000B in 1ms to 1h".to_owned()
    }

    fn show(&self, value: &Rate) -> String {
        let size = ByteSize::new(usize::try_from(value.count).unwrap_or(usize::MAX));
        format!("\"{size}/{}\"", Duration::from(value.per))
    }
}

/// `s` is `1s`.
fn rate(count: u64, per: &str) -> Option<Rate> {
    let per = per.trim();
    let per = match per.starts_with(|first: char| first.is_ascii_digit()) {
        true => Duration::parse(per)?,
        false => Duration::parse(&format!("1{per}"))?,
    };
    let times = Duration::from_millis(1)..=Duration::from_secs(60 * 60);
    let is_allowed = (1..=1_000_000_000).contains(&count) && times.contains(&per);
    is_allowed.then_some(Rate {
        count,
        per: per.get(),
    })
}

impl Kind<Duration> for Seconds {
    fn read(&self, value: &DeValue<'_>) -> Option<Duration> {
        let time = match value {
            DeValue::Integer(number) => Duration::from_secs(u64::try_from(integer(number)?).ok()?),
            value => Duration::parse(value.as_str()?)?,
        };
        let whole = time.get().subsec_nanos() == 0;
        (whole && self.0.contains(&time.get().as_secs())).then_some(time)
    }

    fn allowed(&self) -> String {
        let (start, end) = (self.0.start(), self.0.end());
        format!("{start} to {end} seconds, as a number or a time such as \"90s\" or \"5m\",")
    }

    fn type_name(&self) -> &'static str {
        "seconds"
    }

    fn range(&self) -> String {
        format!("{} to {} s", self.0.start(), self.0.end())
    }

    fn show(&self, value: &Duration) -> String {
        format!("\"{value}\"")
    }
}

impl Kind<bool> for Flag {
    fn read(&self, value: &DeValue<'_>) -> Option<bool> {
        value.as_bool()
    }

    fn allowed(&self) -> String {
        "true or false".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "flag"
    }

    fn range(&self) -> String {
        String::new()
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }
}

impl Kind<Option<PathBuf>> for Directory {
    fn read(&self, value: &DeValue<'_>) -> Option<Option<PathBuf>> {
        let path = value.as_str().filter(|path| !path.is_empty())?;
        Some(Some(PathBuf::from(path)))
    }

    fn allowed(&self) -> String {
        "the path of a directory, as a string".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        String::new()
    }

    fn show(&self, value: &Option<PathBuf>) -> String {
        value.as_ref().map_or_else(String::new, |path| {
            format!("{:?}", path.display().to_string())
        })
    }
}

impl<T, K: Kind<T>> Kind<Option<T>> for Maybe<K> {
    fn read(&self, value: &DeValue<'_>) -> Option<Option<T>> {
        self.0.read(value).map(Some)
    }

    fn allowed(&self) -> String {
        self.0.allowed()
    }

    fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    fn range(&self) -> String {
        self.0.range()
    }

    fn show(&self, value: &Option<T>) -> String {
        value
            .as_ref()
            .map_or_else(String::new, |value| self.0.show(value))
    }

    fn is_secret(&self) -> bool {
        self.0.is_secret()
    }
}

impl Kind<LogLevel> for Level {
    fn read(&self, value: &DeValue<'_>) -> Option<LogLevel> {
        LogLevel::from_name(value.as_str()?)
    }

    fn allowed(&self) -> String {
        "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        let levels = LogLevel::ALL.iter().map(|level| format!("`{level}`"));
        levels.collect::<Vec<_>>().join(", ")
    }

    fn show(&self, value: &LogLevel) -> String {
        format!("\"{value}\"")
    }
}

impl<T, K: Kind<T>> Kind<Vec<T>> for Each<K> {
    fn read(&self, value: &DeValue<'_>) -> Option<Vec<T>> {
        let values = value.as_array()?.iter();
        values.map(|value| self.0.read(value.get_ref())).collect()
    }

    fn allowed(&self) -> String {
        format!("a list, each of it {}", self.0.allowed())
    }

    fn type_name(&self) -> &'static str {
        "list"
    }

    fn range(&self) -> String {
        match self.0.range() {
            range if range.is_empty() => range,
            range => format!("each {range}"),
        }
    }

    fn show(&self, value: &Vec<T>) -> String {
        let values: Vec<_> = value.iter().map(|value| self.0.show(value)).collect();
        format!("[{}]", values.join(", "))
    }
}

impl<T, K: Kind<Vec<T>>> Kind<Vec<T>> for NotEmpty<K> {
    fn read(&self, value: &DeValue<'_>) -> Option<Vec<T>> {
        self.0.read(value).filter(|values| !values.is_empty())
    }

    fn allowed(&self) -> String {
        format!("{}, at least one", self.0.allowed())
    }

    fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    fn range(&self) -> String {
        self.0.range()
    }

    fn show(&self, value: &Vec<T>) -> String {
        self.0.show(value)
    }
}

impl Kind<PathBuf> for FilePath {
    fn read(&self, value: &DeValue<'_>) -> Option<PathBuf> {
        let path = value.as_str().filter(|path| !path.is_empty())?;
        Some(PathBuf::from(path))
    }

    fn allowed(&self) -> String {
        "the path of a file, as a string".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        String::new()
    }

    fn show(&self, value: &PathBuf) -> String {
        format!("{:?}", value.display().to_string())
    }
}

fn read_or<T>(word: &str, kind: &impl Kind<T>, value: &DeValue<'_>) -> Option<Option<T>> {
    match value.as_str() {
        Some(text) if text == word => Some(None),
        _ => kind.read(value).map(Some),
    }
}

fn show_or<T>(word: &str, kind: &impl Kind<T>, value: &Option<T>) -> String {
    match value {
        Some(value) => kind.show(value),
        None => format!("\"{word}\""),
    }
}

pub(super) fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}
