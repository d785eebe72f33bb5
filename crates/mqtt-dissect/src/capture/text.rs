//! What is heard in a capture, as text.

use std::fmt::Write;
use std::time::Duration;

use super::{Heard, What};
use crate::text::{Part, Style};

const SECONDS_OF_A_DAY: u64 = 86_400;

impl Heard<'_> {
    /// One line: time, connection, and what it is.
    #[must_use]
    pub fn to_line(&self, style: Style) -> String {
        let mut line = self.head(style);
        line.push_str("  ");
        line.push_str(&self.what.to_line(style));
        line
    }

    /// Time and connection on one line, and below it all fields of a packet.
    #[must_use]
    pub fn to_tree(&self, style: Style) -> String {
        match &self.what {
            What::Packet(spoken) => {
                format!("{}\n{}", self.head(style), spoken.to_tree(style))
            }
            _ => format!("{}\n", self.to_line(style)),
        }
    }

    fn head(&self, style: Style) -> String {
        let mut head = utc_text(self.time);
        let stream = self.stream;
        let _ = write!(
            head,
            " {} {} > {}",
            stream.number, stream.client, stream.server
        );
        style.paint(Part::Offset, &head)
    }
}

impl What {
    /// What it is, on one line.
    #[must_use]
    pub fn to_line(&self, style: Style) -> String {
        match self {
            Self::Packet(spoken) => spoken.to_line(style),
            what => style.paint(part_of(what), &event_text(what)),
        }
    }
}

const fn part_of(what: &What) -> Part {
    match what {
        What::Opened | What::Ended { .. } | What::Closed { reason: None, .. } => Part::Name,
        _ => Part::Fault,
    }
}

fn event_text(what: &What) -> String {
    match what {
        What::Packet(_) => String::new(),
        What::Gap { side, len } => {
            format!("{len} bytes of the {} are not in the capture", side.name())
        }
        What::Tls => "TLS, which cannot be read".to_owned(),
        What::WebSocket => "WebSocket".to_owned(),
        What::Compressed => "compressed WebSocket, which cannot be read".to_owned(),
        What::NoWebSocket => "HTTP, and no WebSocket for MQTT".to_owned(),
        What::Opened => "opened".to_owned(),
        What::Ended { side } => format!("{} sends no more", side.name()),
        What::Closed { reason, unread } => closed_text(reason.as_deref(), *unread),
    }
}

fn closed_text(reason: Option<&str>, unread: u64) -> String {
    let mut text = "closed".to_owned();
    if let Some(reason) = reason {
        let _ = write!(text, ": {reason}");
    }
    if unread > 0 {
        let _ = write!(text, ", {unread} bytes were no packets");
    }
    text
}

/// A time since the start of 1970 in UTC, to the microsecond.
#[must_use]
pub fn utc_text(time: Duration) -> String {
    let days = time.as_secs() / SECONDS_OF_A_DAY;
    let second = time.as_secs() % SECONDS_OF_A_DAY;
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        time.subsec_micros()
    )
}

/// Year, month and day of a number of days since the start of 1970, in the Gregorian calendar.
const fn date(days: u64) -> (u64, u64, u64) {
    // Counted from the first of March of the year 0, so that a leap day ends its year.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_454, (2026, 1, 1)),
            (20_818, (2026, 12, 31)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), expected);
        }
        let time = Duration::from_micros(1_700_000_000_000_042);
        assert_eq!(utc_text(time), "2023-11-14T22:13:20.000042Z");
    }
}
