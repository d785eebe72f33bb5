//! `Template`: fields and text in their order, and how they are written.

use crate::{Moment, Random};
use jiff::Timestamp;
use std::io::Write;

/// A text with fields that are filled in for each message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

/// Text, or a field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Text(Box<[u8]>),
    Field(Field),
}

/// What is filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    /// The message's number, with so many digits at least.
    Message {
        width: usize,
    },
    /// The client's number, with so many digits at least.
    Client {
        width: usize,
    },
    ClientId,
    Username,
    Hostname,
    TopicName,
    /// The time, in units of so many nanoseconds.
    Time {
        ns: u64,
    },
    Iso,
    Uuid,
    /// Both bounds included, in units of the last decimal.
    Rand {
        low: i64,
        high: i64,
        decimals: usize,
    },
    Choice(Box<[Box<[u8]>]>),
    Hex {
        bytes: u32,
    },
    Letters {
        len: u32,
    },
}

impl Template {
    pub(crate) const fn of(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    /// The text, if there is nothing to fill in.
    #[must_use]
    pub fn as_literal(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(&[]),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the text with its fields filled in.
    pub fn render(&self, moment: &Moment<'_>, random: &mut Random, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Field(field) => field.render(moment, random, out),
            }
        }
    }

    /// The text with its fields filled in.
    #[must_use]
    pub fn to_bytes(&self, moment: &Moment<'_>, random: &mut Random) -> Vec<u8> {
        let mut out = Vec::new();
        self.render(moment, random, &mut out);
        out
    }
}

impl Field {
    fn render(&self, moment: &Moment<'_>, random: &mut Random, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = match self {
            Self::Message { width } => write!(out, "{:0width$}", moment.message),
            Self::Client { width } => write!(out, "{:0width$}", moment.client),
            Self::ClientId => out.write_all(moment.client_id.as_bytes()),
            Self::Username => out.write_all(moment.username.as_bytes()),
            Self::Hostname => out.write_all(moment.hostname.as_bytes()),
            Self::TopicName => out.write_all(moment.topic_name.as_bytes()),
            Self::Time { ns } => write!(out, "{}", moment.unix_ns / ns),
            Self::Iso => {
                let moment = Timestamp::from_nanosecond(moment.unix_ns.into()).unwrap_or_default();
                write!(out, "{moment:.3}")
            }
            Self::Uuid => {
                let uuid = uuid::Builder::from_random_bytes(random.bytes()).into_uuid();
                write!(out, "{uuid}")
            }
            Self::Rand {
                low,
                high,
                decimals,
            } => write_scaled(random.between(*low, *high), *decimals, out),
            Self::Choice(words) => match words.get(random.below(words.len())) {
                Some(word) => out.write_all(word),
                None => Ok(()),
            },
            Self::Hex { bytes } => write_hex(*bytes, random, out),
            Self::Letters { len } => {
                out.extend((0..*len).map(|_| random.alphanumeric()));
                Ok(())
            }
        };
    }
}

/// A number whose last digits stand behind its point.
fn write_scaled(number: i64, decimals: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
    if decimals == 0 {
        return write!(out, "{number}");
    }
    let sign = if number < 0 { "-" } else { "" };
    let number = number.unsigned_abs();
    let unit = 10u64.pow(u32::try_from(decimals).unwrap_or(0));
    write!(out, "{sign}{}.{:0decimals$}", number / unit, number % unit)
}

fn write_hex(bytes: u32, random: &mut Random, out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut left = bytes;
    while left >= 8 {
        write!(out, "{:016x}", random.number())?;
        left -= 8;
    }
    let digits = usize::try_from(left * 2).unwrap_or(0);
    let rest = random.number() & 1u64.checked_shl(left * 8).unwrap_or(0).wrapping_sub(1);
    match digits {
        0 => Ok(()),
        digits => write!(out, "{rest:0digits$x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Problem;

    const MOMENT: Moment<'_> = Moment {
        message: 7,
        client: 3,
        unix_ns: 1_700_000_000_123_456_789,
        client_id: "c",
        username: "u",
        hostname: "h",
        topic_name: "a/b",
    };

    fn rendered(text: &str, seed: u64) -> String {
        let template = Template::parse(text).unwrap();
        let bytes = template.to_bytes(&MOMENT, &mut Random::seeded(seed));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn fields_are_filled_in_and_all_else_stays() {
        for (text, expected) in [
            ("", ""),
            ("no fields, { braces } }} {", "no fields, { braces } }} {"),
            ("{{i}}/{{ i 3 }}", "7/007"),
            ("{{client}}{{client 4}}", "30003"),
            ("{{client_id}}{{username}}{{hostname}} {{topic}}", "cuh a/b"),
            ("{{ts}} {{ts_ms}}", "1700000000 1700000000123"),
            (
                "{{ts_us}} {{ts_ns}}",
                "1700000000123456 1700000000123456789",
            ),
            ("{{iso}}", "2023-11-14T22:13:20.123Z"),
            ("{{{{i}} {\"a\":{\"b\":{{i}}}}", "{{i}} {\"a\":{\"b\":7}}"),
            ("{{rand 5 5}} {{rand -0.50 -0.5}} {{choice x}}", "5 -0.50 x"),
        ] {
            assert_eq!(rendered(text, 1), expected, "{text}");
        }
    }

    #[test]
    fn the_short_form_has_letters_behind_a_percent_sign() {
        let template = Template::parse_percent("d/%i/%s/%c/%u/%h/100%%").unwrap();
        let bytes = template.to_bytes(&MOMENT, &mut Random::seeded(1));
        assert_eq!(bytes, b"d/3/7/c/u/h/100%");
        let random = Template::parse_percent("%r").unwrap();
        assert_eq!(random.to_bytes(&MOMENT, &mut Random::seeded(1)).len(), 8);
    }

    #[test]
    fn random_values_stay_within_their_bounds_and_reach_both() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let number: f64 = rendered("{{rand -1.5 1}}", seed).parse().unwrap();
            assert!((-1.5..=1.0).contains(&number), "seed {seed}: {number}");
            seen.insert(rendered("{{rand 8 11}}", seed));
            seen.insert(rendered("{{choice a b}}", seed));
        }
        assert_eq!(
            seen.into_iter().collect::<Vec<_>>(),
            ["10", "11", "8", "9", "a", "b"]
        );
        for bytes in [1, 4, 7, 8, 9, 20] {
            assert_eq!(
                rendered(&format!("{{{{hex {bytes}}}}}"), 1).len(),
                bytes * 2
            );
        }
        assert!(
            rendered("{{text 40}}", 1)
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric())
        );
    }

    #[test]
    fn a_uuid_is_of_version_4() {
        let uuid = rendered("{{uuid}}", 1);
        assert_eq!((uuid.len(), uuid.get(14..15)), (36, Some("4")), "{uuid}");
    }

    #[test]
    fn a_seed_repeats_everything() {
        let text = "{{uuid}} {{rand 0 1000000}} {{hex 9}} {{text 9}} {{choice a b c d e f g}}";
        assert_eq!(rendered(text, 9), rendered(text, 9));
        assert_ne!(rendered(text, 9), rendered(text, 10));
    }

    #[test]
    fn what_is_no_field_is_refused_where_it_stands() {
        for (text, at, says) in [
            ("ab{{i", 2, "{{ without }}"),
            ("{{}}", 0, "there is no field \"\""),
            (
                "{{i}} {{colour}}",
                6,
                "there is no field \"colour\", only i, client, ",
            ),
            ("{{uuid 4}}", 0, "uuid takes nothing"),
            ("{{rand 1}}", 0, "rand takes two numbers"),
            ("{{rand 2 1}}", 0, "rand takes two numbers"),
            ("{{rand 0 1e9}}", 0, "rand takes two numbers"),
            ("{{rand 0 1000000000000000}}", 0, "rand takes two numbers"),
            ("{{choice}}", 0, "choice takes the words"),
            ("{{hex 0}}", 0, "hex takes a number"),
            ("{{i 21}}", 0, "i takes nothing, or"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert_eq!(error.at, at, "{text}");
            assert!(
                error.problem.to_string().starts_with(says),
                "{text}: {error}"
            );
        }
        let error = Template::parse_percent("ab%x").unwrap_err();
        assert_eq!(
            (error.at, error.problem),
            (2, Problem::Percent { letter: "x".into() })
        );
        assert!(Template::parse_percent("50%").is_err());
    }

    #[test]
    fn a_text_without_fields_is_known_as_such() {
        assert_eq!(
            Template::parse("a{{{{b").unwrap().as_literal(),
            Some(&b"a{{b"[..])
        );
        assert_eq!(Template::literal("{{i}}").as_literal(), Some(&b"{{i}}"[..]));
        assert_eq!(Template::literal("").as_literal(), Some(&b""[..]));
        assert_eq!(Template::parse("{{i}}").unwrap().as_literal(), None);
    }
}
