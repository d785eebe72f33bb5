//! `--at`: a time of the clock.

use std::{str::FromStr, time::Duration};

use mqtt_format::Zoned;

/// When to begin.
#[derive(Clone, Debug)]
pub(crate) struct StartAt(Zoned);

impl StartAt {
    /// How long until then; nothing once it is past.
    pub(crate) fn left(&self) -> Duration {
        self.after(&Zoned::now())
    }

    fn after(&self, now: &Zoned) -> Duration {
        self.0.duration_since(now).try_into().unwrap_or_default()
    }

    fn parse(text: &str, now: &Zoned) -> Option<Self> {
        if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
            return Some(Self(timestamp.to_zoned(now.time_zone().clone())));
        }
        if let Ok(datetime) = text.parse::<jiff::civil::DateTime>()
            && text.contains(['T', ' '])
        {
            return Some(Self(datetime.to_zoned(now.time_zone().clone()).ok()?));
        }
        let time: jiff::civil::Time = text.parse().ok()?;
        let today = now.with().time(time).build().ok()?;
        match today >= *now {
            true => Some(Self(today)),
            false => today.tomorrow().ok().map(Self),
        }
    }
}

impl FromStr for StartAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, &Zoned::now()).ok_or_else(|| {
            "say a time as in 20:00, 20:00:30, 2026-11-22T20:00:00 or 2026-11-22T20:00:00Z"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_the_next_one() {
        let now: Zoned = "2026-11-22T19:30:00[UTC]".parse().unwrap();
        for (text, seconds) in [
            ("19:30", 0),
            ("20:00", 1800),
            ("19:29:30", 86_370),
            ("2026-11-22T19:31:00Z", 60),
            ("2026-11-22T19:31:00+01:00", 0),
            ("2026-11-22T19:32:00", 120),
            ("2020-01-01T00:00:00Z", 0),
        ] {
            let at = StartAt::parse(text, &now).unwrap();
            assert_eq!(at.after(&now), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "soon", "25:00", "2026-11-22"] {
            assert!(StartAt::parse(text, &now).is_none(), "{text}");
        }
    }
}
