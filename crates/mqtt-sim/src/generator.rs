//! The values of one member, one after another.

use std::f64::consts::TAU;
use std::time::Duration;

use mqtt_template::{Moment, Random, Template};
use serde_json::{Number, Value, json};

use crate::{Field, Gps};

/// Metres of a degree of latitude.
const METRES_PER_DEGREE: f64 = 111_195.0;

/// A field of one device, with what it remembers.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    field: Field,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Nothing,
    Text(Template),
    /// The next number.
    Counter(i64),
    /// The last number.
    Walk(f64),
    /// Where in its wave a device begins, 0 to 1, or how far on its way.
    Phase(f64),
    /// Which value was chosen last.
    Chosen(Option<usize>),
}

impl Generator {
    /// # Errors
    /// A template that is none.
    pub(crate) fn new(
        field: Field,
        random: &mut Random,
    ) -> Result<Self, mqtt_template::TemplateError> {
        let state = match &field {
            Field::Text { template } => State::Text(Template::parse(template)?),
            Field::Counter { start, .. } => State::Counter(*start),
            Field::Walk { start, .. } => State::Walk(*start),
            Field::Sine { .. } | Field::Gps(_) => State::Phase(random.fraction()),
            Field::Choice { .. } => State::Chosen(None),
            _ => State::Nothing,
        };
        Ok(Self { field, state })
    }

    /// The value of a message that is said after this time since the start.
    pub(crate) fn next(
        &mut self,
        moment: &Moment<'_>,
        since: Duration,
        random: &mut Random,
    ) -> Value {
        match (&self.field, &mut self.state) {
            (Field::Constant { value }, _) => json!(value),
            (Field::Text { .. }, State::Text(template)) => {
                let text = template.to_bytes(moment, random);
                json!(String::from_utf8_lossy(&text))
            }
            (Field::Time { iso: false }, _) => json!(moment.unix_ns / 1_000_000),
            (Field::Time { iso: true }, _) => {
                let time = jiff::Timestamp::from_nanosecond(i128::from(moment.unix_ns));
                json!(time.map(|time| format!("{time:.3}")).unwrap_or_default())
            }
            (Field::Counter { start, step, max }, State::Counter(next)) => {
                let now = *next;
                *next = now.saturating_add(*step);
                if max.is_some_and(|max| *next > max) {
                    *next = *start;
                }
                json!(now)
            }
            (
                Field::Sine {
                    min,
                    max,
                    period,
                    noise,
                    decimals,
                },
                State::Phase(phase),
            ) => {
                let turns = since.as_secs_f64() / period.as_secs_f64() + *phase;
                let middle = f64::midpoint(*min, *max);
                let wave = middle + (max - min) / 2.0 * (turns * TAU).sin();
                let value = wave + noise * (random.fraction() * 2.0 - 1.0);
                number(value, *decimals)
            }
            (
                Field::Walk {
                    step,
                    min,
                    max,
                    decimals,
                    ..
                },
                State::Walk(last),
            ) => {
                *last = (*last + step * (random.fraction() * 2.0 - 1.0)).clamp(*min, *max);
                number(*last, *decimals)
            }
            (Field::Random { min, max, decimals }, _) => {
                number(min + (max - min) * random.fraction(), *decimals)
            }
            (
                Field::Choice {
                    values,
                    weights,
                    change,
                },
                State::Chosen(chosen),
            ) => {
                if chosen.is_none() || random.fraction() < *change {
                    *chosen = Some(choose(values.len(), weights, random));
                }
                let value = chosen.and_then(|at| values.get(at));
                json!(value)
            }
            (Field::Gps(gps), State::Phase(phase)) => place(gps, *phase, since),
            // A state is made for its field.
            _ => Value::Null,
        }
    }
}

/// With so many digits behind the point; a whole number has no point.
fn number(value: f64, decimals: u8) -> Value {
    let text = format!("{value:.*}", usize::from(decimals));
    // A zero has no sign.
    let text = match text
        .trim_start_matches('-')
        .bytes()
        .all(|byte| matches!(byte, b'0' | b'.'))
    {
        true => text.trim_start_matches('-'),
        false => &text,
    };
    serde_json::from_str::<Number>(text).map_or(Value::Null, Value::Number)
}

fn choose(count: usize, weights: &[u32], random: &mut Random) -> usize {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if total == 0 {
        return random.below(count);
    }
    let mut left = usize::try_from(total).map_or(0, |total| random.below(total));
    for (at, weight) in weights.iter().enumerate() {
        let weight = usize::try_from(*weight).unwrap_or(usize::MAX);
        match left.checked_sub(weight) {
            Some(rest) => left = rest,
            None => return at,
        }
    }
    0
}

/// Where on its way a device is.
fn place(gps: &Gps, phase: f64, since: Duration) -> Value {
    let ends = gps.points.iter().cycle().skip(1);
    let legs: Vec<_> = gps
        .points
        .iter()
        .zip(ends)
        .map(|(from, to)| Leg::new(*from, *to))
        .collect();
    let way: f64 = legs.iter().map(|leg| leg.metres).sum();
    let gone = phase * way + gps.speed_kmh / 3.6 * since.as_secs_f64();
    let mut left = gone % way.max(f64::MIN_POSITIVE);
    let mut here = legs.first();
    for leg in &legs {
        here = Some(leg);
        if left < leg.metres {
            break;
        }
        left -= leg.metres;
    }
    let Some(leg) = here else { return Value::Null };
    let share = if leg.metres > 0.0 {
        (left / leg.metres).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let [from, to] = leg.ends;
    let between = |from: f64, to: f64| from + (to - from) * share;
    json!({
        "lat": number(between(from[0], to[0]), 6),
        "lon": number(between(from[1], to[1]), 6),
        "heading": number(leg.heading, 0),
        "speed_kmh": number(gps.speed_kmh, 1),
    })
}

/// From one corner to the next, short enough for the earth to be flat.
struct Leg {
    ends: [[f64; 2]; 2],
    metres: f64,
    /// Degrees from north, clockwise.
    heading: f64,
}

impl Leg {
    fn new(from: [f64; 2], to: [f64; 2]) -> Self {
        let north = (to[0] - from[0]) * METRES_PER_DEGREE;
        let middle = f64::midpoint(from[0], to[0]).to_radians();
        let east = (to[1] - from[1]) * METRES_PER_DEGREE * middle.cos();
        Self {
            ends: [from, to],
            metres: north.hypot(east),
            heading: east.atan2(north).to_degrees().rem_euclid(360.0),
        }
    }
}
