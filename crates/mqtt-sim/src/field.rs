//! What a member of a payload is, as it is written.

use std::time::Duration;

use serde::Deserialize;

use crate::duration;

/// Where the value of a member comes from. A plain value in a file stands for itself.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Field {
    /// The same value each time.
    Constant {
        /// It.
        value: toml::Value,
    },
    /// Text made from a template.
    Text {
        /// The template.
        template: String,
    },
    /// The time: milliseconds since 1970, or text as of ISO 8601.
    Time {
        /// Whether as text.
        #[serde(default)]
        iso: bool,
    },
    /// A number that grows with each message.
    Counter {
        /// The first one.
        #[serde(default)]
        start: i64,
        /// What is added.
        #[serde(default = "one")]
        step: i64,
        /// After this one it starts again.
        max: Option<i64>,
    },
    /// A wave between two numbers; each device begins at another point of it.
    Sine {
        /// The lowest number.
        min: f64,
        /// The highest one.
        max: f64,
        /// How long a wave takes.
        #[serde(deserialize_with = "duration::read")]
        period: Duration,
        /// How much is added or taken away by chance.
        #[serde(default)]
        noise: f64,
        /// Digits behind the point, 0 to 9.
        #[serde(default = "two")]
        decimals: u8,
    },
    /// A number that changes a little with each message.
    Walk {
        /// The first one.
        start: f64,
        /// The most it changes by.
        step: f64,
        /// The lowest number.
        min: f64,
        /// The highest one.
        max: f64,
        /// Digits behind the point, 0 to 9.
        #[serde(default = "two")]
        decimals: u8,
    },
    /// A number by chance.
    Random {
        /// The lowest one.
        min: f64,
        /// The highest one.
        max: f64,
        /// Digits behind the point, 0 to 9.
        #[serde(default)]
        decimals: u8,
    },
    /// One of some values.
    Choice {
        /// They.
        values: Vec<toml::Value>,
        /// How often each is taken beside the others; all as often when not set.
        #[serde(default)]
        weights: Vec<u32>,
        /// The chance that it is chosen anew with a message, above 0 to 1.
        #[serde(default = "whole")]
        change: f64,
    },
    /// A place on a way, as an object of `lat`, `lon`, `heading` and `speed_kmh`.
    Gps(Gps),
}

/// A way, and how fast it is gone.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Gps {
    /// Latitude and longitude of its corners, in degrees; from the last it goes back to the first.
    pub points: Vec<[f64; 2]>,
    /// In km/h.
    pub speed_kmh: f64,
}

impl Field {
    /// Reads one; a value that is no table with a `type` stands for itself.
    pub(crate) fn read(value: &toml::Value) -> Result<Self, String> {
        let is_described = value.get("type").is_some_and(toml::Value::is_str);
        let field = match is_described {
            true => value.clone().try_into().map_err(|error| one_line(&error))?,
            false => Self::Constant {
                value: value.clone(),
            },
        };
        field.check()?;
        Ok(field)
    }

    fn check(&self) -> Result<(), String> {
        let is_right = match self {
            Self::Constant { value } => return is_plain(value),
            Self::Text { .. } | Self::Time { .. } => true,
            Self::Counter { start, max, .. } => max.is_none_or(|max| max >= *start),
            Self::Sine {
                min,
                max,
                period,
                noise,
                decimals,
            } => {
                are_finite(&[*min, *max, *noise])
                    && min <= max
                    && !period.is_zero()
                    && *decimals <= 9
            }
            Self::Walk {
                start,
                step,
                min,
                max,
                decimals,
            } => {
                are_finite(&[*start, *step, *min, *max])
                    && min <= start
                    && start <= max
                    && *decimals <= 9
            }
            Self::Random { min, max, decimals } => {
                are_finite(&[*min, *max]) && min <= max && *decimals <= 9
            }
            Self::Choice {
                values,
                weights,
                change,
            } => {
                for value in values {
                    is_plain(value)?;
                }
                let are_weighed = weights.is_empty() || weights.len() == values.len();
                let has_weight = weights.is_empty() || weights.iter().any(|weight| *weight > 0);
                !values.is_empty() && are_weighed && has_weight && *change > 0.0 && *change <= 1.0
            }
            Self::Gps(gps) => gps.is_right(),
        };
        match is_right {
            true => Ok(()),
            false => Err(self.rule().to_owned()),
        }
    }

    /// What its numbers have to be.
    fn rule(&self) -> &'static str {
        match self {
            Self::Counter { .. } => "max is not below start",
            Self::Sine { .. } => {
                "min is not above max, period is longer than 0s, decimals is 0 to 9"
            }
            Self::Walk { .. } => "start is between min and max, decimals is 0 to 9",
            Self::Choice { .. } => {
                "values are at least one, weights as many as values and not all 0, change above 0 and at most 1"
            }
            Self::Gps(_) => {
                "points are at least two, not all the same, latitudes -90 to 90, longitudes -180 to 180, speed_kmh above 0"
            }
            _ => "min is not above max, decimals is 0 to 9",
        }
    }
}

impl Gps {
    fn is_right(&self) -> bool {
        let in_range = |[lat, lon]: &[f64; 2]| lat.abs() <= 90.0 && lon.abs() <= 180.0;
        let is_way = self
            .points
            .windows(2)
            .any(|pair| pair.first() != pair.last());
        is_way
            && self.points.iter().all(in_range)
            && self.speed_kmh > 0.0
            && self.speed_kmh.is_finite()
    }
}

fn are_finite(numbers: &[f64]) -> bool {
    numbers.iter().all(|number| number.is_finite())
}

/// Only what JSON can say.
fn is_plain(value: &toml::Value) -> Result<(), String> {
    serde_json::to_value(value)
        .map(drop)
        .map_err(|error| error.to_string())
}

fn one_line(error: &toml::de::Error) -> String {
    error.message().to_owned()
}

fn one() -> i64 {
    1
}

fn two() -> u8 {
    2
}

fn whole() -> f64 {
    1.0
}
