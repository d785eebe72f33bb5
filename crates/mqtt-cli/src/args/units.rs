//! Times and sizes as people write them.

use std::time::Duration;

/// Seconds that a field of four bytes holds: a number alone, or with `s`, `m`, `h`, `d` or `w` behind it.
pub(super) fn seconds(text: &str) -> Result<u32, String> {
    let wrong = || {
        format!(
            "say seconds from 0 to {}, or as in 90s, 15m, 1h, 7d",
            u32::MAX
        )
    };
    let (number, unit) = number_and_unit(text);
    let factor = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

/// A time: a number of seconds, with decimals if there are any, or with `ms`, `s`, `m` or `h` behind it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "say seconds as in 0.5, or as in 20ms, 90s, 15m, 1h".to_owned();
    let (number, unit) = number_and_unit(text);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| wrong())
}

/// A size: a number of bytes, or with `KB` or `MB` behind it, of 1024 and 1024 times 1024 bytes.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let wrong = || "say bytes up to 256MB, as in 100, 1KB, 10MB".to_owned();
    let (number, unit) = number_and_unit(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        _ => return Err(wrong()),
    };
    let number: usize = number.parse().map_err(|_| wrong())?;
    let size = number.checked_mul(factor).filter(|size| *size < 1 << 28);
    size.ok_or_else(wrong)
}

fn number_and_unit(text: &str) -> (&str, &str) {
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let end = text.find(|letter| !is_number(letter)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(
            ["0", "90s", "15m", "1h", "7d"].map(|text| seconds(text).unwrap()),
            [0, 90, 900, 3600, 604_800]
        );
        for text in ["", "h", "-1", "1.5", "1y", "4294967296", "9999999w"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!(
            ["0.5", "20ms", "2m"].map(|text| duration(text).unwrap().as_millis()),
            [500, 20, 120_000]
        );
        for text in ["", "-1", "1.2.3", "x", "1d"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(
            ["7", "1KB", "2MiB"].map(|text| size(text).unwrap()),
            [7, 1024, 2 << 20]
        );
        for text in ["", "-1", "1GB", "256MB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
