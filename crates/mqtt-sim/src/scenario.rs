//! A scenario as it is written.

use std::time::Duration;

use serde::Deserialize;

use crate::{Field, ScenarioError, duration};

/// Devices of one scenario, all kinds together.
pub(crate) const DEVICES_MAX: usize = 10_000;

/// Messages of one device, and fields of one message.
pub(crate) const PARTS_MAX: usize = 256;

/// The shortest time between two messages of a kind.
pub(crate) const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// What a file describes.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is, in one line.
    #[serde(default)]
    pub title: String,
    /// Over how long the devices connect at the start; one second when not set.
    #[serde(default = "one_second", deserialize_with = "duration::read")]
    pub spread: Duration,
    /// The kinds of devices.
    #[serde(default)]
    pub devices: Vec<Devices>,
}

/// Devices of one kind.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Devices {
    /// What they are called in errors.
    pub name: String,
    /// How many there are.
    #[serde(default = "one")]
    pub count: usize,
    /// The Client Identifier, a template; `NAME-{{client}}` when not set.
    pub client_id: Option<String>,
    /// Whether and how they lose their connection now and then.
    pub offline: Option<Offline>,
    /// The Will Message.
    pub will: Option<Will>,
    /// What they say.
    #[serde(default)]
    pub messages: Vec<Message>,
}

/// Times without a connection.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Offline {
    /// How long it is connected, on average.
    #[serde(deserialize_with = "duration::read")]
    pub every: Duration,
    /// How long it is not, on average.
    #[serde(rename = "for", deserialize_with = "duration::read")]
    pub lasts: Duration,
    /// Whether the connection is cut, so that the Will Message is published.
    #[serde(default)]
    pub abrupt: bool,
}

/// A Will Message.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Will {
    /// The Topic Name, a template.
    pub topic: String,
    /// The payload, a template.
    #[serde(default)]
    pub payload: String,
    /// 0 to 2.
    #[serde(default)]
    pub qos: u8,
    /// Whether the broker keeps it.
    #[serde(default)]
    pub retain: bool,
}

/// A message that is said again and again.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The Topic Name, a template.
    pub topic: String,
    /// The time between two; not set, it is said once after each connecting.
    #[serde(default, deserialize_with = "interval")]
    pub interval: Option<Duration>,
    /// Each comes so much earlier or later, by chance.
    #[serde(default, deserialize_with = "duration::read")]
    pub jitter: Duration,
    /// 0 to 2.
    #[serde(default)]
    pub qos: u8,
    /// Whether the broker keeps it.
    #[serde(default)]
    pub retain: bool,
    /// The payload, a template; not together with fields.
    pub payload: Option<String>,
    /// The members of a JSON object.
    #[serde(default)]
    pub fields: toml::map::Map<String, toml::Value>,
}

impl Scenario {
    /// Reads and checks one.
    ///
    /// # Errors
    /// What is wrong and where.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        if scenario.devices.is_empty() {
            return Err(ScenarioError::NoDevices);
        }
        // Everything else is found out by making the devices.
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let mut count = 0_usize;
        for devices in &self.devices {
            count = count.saturating_add(devices.count);
            devices.check()?;
        }
        if count > DEVICES_MAX {
            return Err(ScenarioError::Value {
                place: "devices".to_owned(),
                problem: format!("{count} are more than {DEVICES_MAX}"),
            });
        }
        Ok(())
    }

    /// How many devices there are.
    pub fn count(&self) -> usize {
        self.devices.iter().map(|devices| devices.count).sum()
    }
}

impl Devices {
    fn check(&self) -> Result<(), ScenarioError> {
        let wrong = |place: String, problem: &str| {
            Err(ScenarioError::Value {
                place,
                problem: problem.to_owned(),
            })
        };
        let place = format!("devices {:?}", self.name);
        if let Some(offline) = &self.offline
            && (offline.every.is_zero() || offline.lasts.is_zero())
        {
            return wrong(
                format!("{place}, offline"),
                "every and for are longer than 0s",
            );
        }
        if self.will.as_ref().is_some_and(|will| will.qos > 2) {
            return wrong(format!("{place}, will"), "qos is 0, 1 or 2");
        }
        if self.messages.len() > PARTS_MAX {
            return wrong(place, "more than 256 messages");
        }
        for message in &self.messages {
            let place = format!("{place}, message {:?}", message.topic);
            if message.qos > 2 {
                return wrong(place, "qos is 0, 1 or 2");
            }
            if message
                .interval
                .is_some_and(|interval| interval < INTERVAL_MIN)
            {
                return wrong(place, "interval is 1ms or longer");
            }
            if message
                .interval
                .is_some_and(|interval| message.jitter > interval)
            {
                return wrong(place, "jitter is longer than interval");
            }
            if message.payload.is_some() && !message.fields.is_empty() {
                return wrong(place, "payload and fields do not go together");
            }
            if message.fields.len() > PARTS_MAX {
                return wrong(place, "more than 256 fields");
            }
            for (name, value) in &message.fields {
                Field::read(value).map_err(|problem| ScenarioError::Value {
                    place: format!("{place}, field {name:?}"),
                    problem,
                })?;
            }
        }
        crate::device::check(self)
    }
}

fn one() -> usize {
    1
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

fn interval<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration::read(from).map(Some)
}
