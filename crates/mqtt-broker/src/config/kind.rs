//! The kinds of values a key can have: how each is read, and how its allowed values are told.

use std::{fmt::Display, ops::RangeInclusive, path::PathBuf};

use toml::de::{DeInteger, DeValue};

use super::{Bind, ByteSize, Duration, LogLevel};

/// Reads values into a `T`.
pub(super) trait Kind<T> {
    /// `None` for a value of another type, form or size.
    fn read(&self, value: &DeValue<'_>) -> Option<T>;
    /// What `read` takes, to follow "it must be".
    fn allowed(&self) -> String;
}

/// A whole number within a range.
pub(super) struct Number<T>(pub(super) RangeInclusive<T>);

/// A length of time within a range.
pub(super) struct Time(pub(super) RangeInclusive<Duration>);

/// A number of bytes within a range.
pub(super) struct Size(pub(super) RangeInclusive<ByteSize>);

/// Another kind, or `infinity`, which is read as `None`.
pub(super) struct OrInfinity<K>(pub(super) K);

/// A length of time in whole seconds, which are also taken as a bare number.
pub(super) struct Seconds(pub(super) RangeInclusive<u64>);

/// `true` or `false`.
pub(super) struct Flag;

/// A directory.
pub(super) struct Directory;

/// A log level.
pub(super) struct Level;

/// A place to listen: text or a bare port.
pub(super) struct Place;

impl<T: TryFrom<i64> + PartialOrd + Display> Kind<T> for Number<T> {
    fn read(&self, value: &DeValue<'_>) -> Option<T> {
        T::try_from(integer(value.as_integer()?)?)
            .ok()
            .filter(|number| self.0.contains(number))
    }

    fn allowed(&self) -> String {
        format!("a whole number from {} to {}", self.0.start(), self.0.end())
    }
}

impl Kind<Duration> for Time {
    fn read(&self, value: &DeValue<'_>) -> Option<Duration> {
        Duration::parse(value.as_str()?).filter(|time| self.0.contains(time))
    }

    fn allowed(&self) -> String {
        format!("a time from \"{}\" to \"{}\"", self.0.start(), self.0.end())
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
}

impl<T, K: Kind<T>> Kind<Option<T>> for OrInfinity<K> {
    fn read(&self, value: &DeValue<'_>) -> Option<Option<T>> {
        if value.as_str() == Some("infinity") {
            Some(None)
        } else {
            self.0.read(value).map(Some)
        }
    }

    fn allowed(&self) -> String {
        format!("{} or \"infinity\"", self.0.allowed())
    }
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
}

impl Kind<bool> for Flag {
    fn read(&self, value: &DeValue<'_>) -> Option<bool> {
        value.as_bool()
    }

    fn allowed(&self) -> String {
        "true or false".to_owned()
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
}

impl Kind<LogLevel> for Level {
    fn read(&self, value: &DeValue<'_>) -> Option<LogLevel> {
        LogLevel::from_name(value.as_str()?)
    }

    fn allowed(&self) -> String {
        "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"".to_owned()
    }
}

impl Kind<Bind> for Place {
    fn read(&self, value: &DeValue<'_>) -> Option<Bind> {
        match value {
            DeValue::Integer(port) => Some(Bind::AllAddresses(u16::try_from(integer(port)?).ok()?)),
            value => value.as_str()?.parse().ok(),
        }
    }

    fn allowed(&self) -> String {
        Bind::ALLOWED.to_owned()
    }
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}
