//! Sizes and times as the configuration writes them: `1MB`, `15s`.

use std::fmt;

/// A number of bytes, written `512KB`, `1MB`, `2GB` or as a bare number of bytes.
///
/// The units are powers of 1024. What it counts lies in memory, so a `usize` holds it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ByteSize(usize);

impl ByteSize {
    /// So many bytes.
    pub const fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    /// So many times 1024 bytes.
    pub const fn from_kb(kb: usize) -> Self {
        Self(kb.saturating_mul(1 << 10))
    }

    /// So many times 1024 * 1024 bytes.
    pub const fn from_mb(mb: usize) -> Self {
        Self(mb.saturating_mul(1 << 20))
    }

    /// In bytes.
    pub const fn get(self) -> usize {
        self.0
    }

    /// Reads `1MB`, `512 KB`, `1000B` or `1000`; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let unit: usize = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1 << 10,
            "mb" => 1 << 20,
            "gb" => 1 << 30,
            _ => return None,
        };
        usize::try_from(number).ok()?.checked_mul(unit).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")];
        match units
            .into_iter()
            .find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit))
        {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// How much memory is too much.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MemoryMark {
    /// A part of what the machine or its container has, in percent, 1 to 100.
    Percent(u8),
    /// So much.
    Size(ByteSize),
    /// Nothing is.
    Infinity,
}

impl MemoryMark {
    /// In bytes; `available` says what there is, and without that a part of it is no mark.
    pub fn bytes(self, available: impl FnOnce() -> Option<usize>) -> Option<usize> {
        match self {
            Self::Percent(percent) => available().map(|all| all / 100 * usize::from(percent)),
            Self::Size(size) => Some(size.get()),
            Self::Infinity => None,
        }
    }
}

/// A length of time, written `500ms`, `15s`, `5m`, `2h` or `7d`.
///
/// Where there may be no end to it, the configuration has an `Option<Duration>` whose `None` is
/// written `infinity`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Duration(std::time::Duration);

impl Duration {
    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(std::time::Duration::from_millis(millis))
    }

    /// So many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(std::time::Duration::from_secs(secs))
    }

    /// As the standard library's type.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }

    /// Reads `15s`, `500 ms`, `1d`; `None` for anything else, a bare number too: it has no unit.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let millis: u64 = match unit.to_ascii_lowercase().as_str() {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            "d" => 24 * 60 * 60 * 1000,
            _ => return None,
        };
        number.checked_mul(millis).map(Self::from_millis)
    }
}

impl From<std::time::Duration> for Duration {
    fn from(duration: std::time::Duration) -> Self {
        Self(duration)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [
            (24 * 60 * 60 * 1000, "d"),
            (60 * 60 * 1000, "h"),
            (60 * 1000, "m"),
            (1000, "s"),
        ];
        match units
            .into_iter()
            .find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit))
        {
            Some((unit, name)) => write!(f, "{}{name}", millis / unit),
            None => write!(f, "{millis}ms"),
        }
    }
}

/// Splits `15 s` into 15 and `s`. Only whole numbers; underscores may group the digits.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    Some((digits.replace('_', "").parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("1_000", 1000),
            ("512KB", 512 << 10),
            ("1MB", 1 << 20),
            (" 2 gb", 2 << 30),
        ] {
            assert_eq!(ByteSize::parse(text), Some(ByteSize(bytes)), "{text}");
        }
        for text in [
            "",
            "MB",
            "1.5MB",
            "-1",
            "1TB",
            "1 M B",
            "99999999999999999999",
            "20000000000GB",
        ] {
            assert_eq!(ByteSize::parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_need_a_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("15s", 15_000),
            ("5m", 300_000),
            ("2 h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(
                Duration::parse(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "",
            "15",
            "s",
            "1w",
            "1.5s",
            "-1s",
            "1h30m",
            "infinity",
            "300000000000000d",
        ] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn values_are_shown_as_they_are_written() {
        for text in ["0B", "1023B", "1025B", "512KB", "1MB", "3GB"] {
            assert_eq!(ByteSize::parse(text).unwrap().to_string(), text);
        }
        for text in ["0ms", "500ms", "1500ms", "15s", "90s", "5m", "2h", "7d"] {
            assert_eq!(Duration::parse(text).unwrap().to_string(), text);
        }
    }
}
