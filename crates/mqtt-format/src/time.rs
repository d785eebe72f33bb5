//! Parts of the time, by the letters of `strftime` in the C locale.

use jiff::Zoned;
use jiff::fmt::strtime;

/// Letters that are printed as the C library does without help.
const LETTERS: &str = "aAbBCdDeFgGhHIjklmMnpPRsStTuUVwWyYzZ";

/// What stands for `@` and this letter.
pub(crate) fn part(letter: char, now: &Zoned) -> String {
    let composed = match letter {
        'N' => return format!("{:09}", now.subsec_nanosecond()),
        // Those that depend on the locale.
        'c' => "%a %b %e %H:%M:%S %Y",
        'x' => "%m/%d/%y",
        'X' => "%H:%M:%S",
        'r' => "%I:%M:%S %p",
        letter if LETTERS.contains(letter) => return formatted(&format!("%{letter}"), now),
        '%' => return "%".to_owned(),
        // As the C library prints what it does not know.
        letter => return format!("%{letter}"),
    };
    formatted(composed, now)
}

/// As `%I`: ISO 8601 with the offset from UTC.
pub(crate) fn iso(now: &Zoned) -> String {
    formatted("%Y-%m-%dT%H:%M:%S%z", now)
}

/// Seconds since 1970 and nanoseconds.
pub(crate) fn unix(now: &Zoned) -> String {
    format!("{}.{:09}", formatted("%s", now), now.subsec_nanosecond())
}

/// The time in JSON: both a `Z` and an offset, as scripts know it.
pub(crate) fn in_json(now: &Zoned) -> String {
    let micros = now.subsec_nanosecond() / 1000;
    let date = formatted("%Y-%m-%dT%H:%M:%S", now);
    format!("{date}.{micros:06}Z{}", formatted("%z", now))
}

fn formatted(format: &str, now: &Zoned) -> String {
    // All formats are ours and known to be right.
    strtime::format(format, now).unwrap_or_default()
}
