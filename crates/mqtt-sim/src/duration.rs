//! Durations as they are written: `500ms`, `2s`, `1h 30m`.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize as _, Deserializer, de::Error as _};

/// The longest there is, 10,000 days: so sums of them stay times.
const MAX: Duration = Duration::from_secs(10_000 * 86_400);

/// Reads one; a negative one is none.
pub(crate) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).map_err(D::Error::custom)
}

fn parse(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is no duration such as 500ms, 2s or 1h 30m"))?;
    let duration = Duration::try_from(duration).map_err(|_| format!("{text:?} is negative"))?;
    match duration > MAX {
        true => Err(format!("{text:?} is longer than 10000 days")),
        false => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("1h 30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_none_is_named() {
        assert!(parse("5").is_err_and(|error| error.contains("\"5\" is no duration")));
        assert!(parse("-1s").is_err_and(|error| error.contains("negative")));
        assert_eq!(parse("240000h"), Ok(MAX));
        assert!(parse("2500000000000000h").is_err_and(|error| error.contains("longer than")));
    }
}
