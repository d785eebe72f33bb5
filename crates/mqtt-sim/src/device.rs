//! One device: its names, and what it says next.

use std::time::Duration;

use mqtt_template::{Moment, Random, Template};
use serde_json::{Map, Value};

use crate::generator::Generator;
use crate::{Devices, Field, Message, Offline, Said, ScenarioError, Will};

/// A device that is not there.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    /// Its place among those of its kind, from 0.
    number: u64,
    pub(crate) client_id: String,
    pub(crate) will: Option<Said>,
    pub(crate) offline: Option<Offline>,
    pub(crate) messages: Vec<Speech>,
    pub(crate) random: Random,
    /// How often it has connected, so that what was planned before is not said after.
    pub(crate) connection: u64,
}

/// One kind of message of one device.
#[derive(Clone, Debug)]
pub(crate) struct Speech {
    topic: Template,
    payload: Payload,
    pub(crate) interval: Option<Duration>,
    jitter: Duration,
    qos: u8,
    retain: bool,
    /// Messages so far.
    said: u64,
}

#[derive(Clone, Debug)]
enum Payload {
    Template(Template),
    Fields(Vec<(String, Generator)>),
}

/// Whether devices of this kind can be made.
pub(crate) fn check(devices: &Devices) -> Result<(), ScenarioError> {
    Device::new(devices, 0, Random::seeded(0)).map(drop)
}

impl Device {
    pub(crate) fn new(
        devices: &Devices,
        number: u64,
        mut random: Random,
    ) -> Result<Self, ScenarioError> {
        let place = format!("devices {:?}", devices.name);
        let client_id = match &devices.client_id {
            Some(client_id) => template(client_id, || format!("{place}, client_id"))?,
            None => Template::literal(format!("{}-{number}", devices.name)),
        };
        let moment = Moment {
            client: number,
            ..Moment::default()
        };
        let client_id = text(&client_id, &moment, &mut random);
        let moment = Moment {
            client_id: &client_id,
            ..moment
        };
        let will = match &devices.will {
            Some(will) => Some(Self::will(will, &place, &moment, &mut random)?),
            None => None,
        };
        let messages = devices.messages.iter();
        let messages = messages.map(|message| Speech::new(message, &place, &mut random));
        let messages = messages.collect::<Result<_, _>>()?;
        Ok(Self {
            number,
            will,
            offline: devices.offline.clone(),
            messages,
            random,
            client_id,
            connection: 0,
        })
    }

    fn will(
        will: &Will,
        place: &str,
        moment: &Moment<'_>,
        random: &mut Random,
    ) -> Result<Said, ScenarioError> {
        let topic = template(&will.topic, || format!("{place}, will, topic"))?;
        let payload = template(&will.payload, || format!("{place}, will, payload"))?;
        Ok(Said {
            topic_name: text(&topic, moment, random),
            payload: payload.to_bytes(moment, random),
            qos: will.qos,
            retain: will.retain,
        })
    }

    /// What it says of this kind, at this time of the world and since the start.
    pub(crate) fn say(&mut self, speech: usize, unix_ns: u64, since: Duration) -> Option<Said> {
        let Self {
            number,
            client_id,
            messages,
            random,
            ..
        } = self;
        let speech = messages.get_mut(speech)?;
        let moment = Moment {
            message: speech.said,
            client: *number,
            unix_ns,
            client_id,
            ..Moment::default()
        };
        speech.said += 1;
        let topic_name = text(&speech.topic, &moment, random);
        let moment = Moment {
            topic_name: &topic_name,
            ..moment
        };
        let payload = match &mut speech.payload {
            Payload::Template(template) => template.to_bytes(&moment, random),
            Payload::Fields(fields) => {
                let fields = fields.iter_mut();
                let object: Map<String, Value> = fields
                    .map(|(name, field)| (name.clone(), field.next(&moment, since, random)))
                    .collect();
                Value::Object(object).to_string().into_bytes()
            }
        };
        Some(Said {
            topic_name,
            payload,
            qos: speech.qos,
            retain: speech.retain,
        })
    }

    /// A time of this length on average, between half of it and one and a half.
    pub(crate) fn about(&mut self, length: Duration) -> Duration {
        length.mul_f64(0.5 + self.random.fraction())
    }

    /// A moment of this time.
    pub(crate) fn within(&mut self, length: Duration) -> Duration {
        length.mul_f64(self.random.fraction())
    }

    /// How much the next message of this kind is early or late: behind the earliest it can be.
    pub(crate) fn jitter(&mut self, speech: usize) -> Option<(Duration, Duration)> {
        let speech = self.messages.get(speech)?;
        let (interval, jitter) = (speech.interval?, speech.jitter);
        let late = (jitter * 2).mul_f64(self.random.fraction());
        Some((interval, late))
    }
}

impl Speech {
    pub(crate) const fn jitter(&self) -> Duration {
        self.jitter
    }

    fn new(message: &Message, place: &str, random: &mut Random) -> Result<Self, ScenarioError> {
        let place = format!("{place}, message {:?}", message.topic);
        let topic = template(&message.topic, || format!("{place}, topic"))?;
        let payload = match &message.payload {
            Some(payload) => Payload::Template(template(payload, || format!("{place}, payload"))?),
            None => Payload::Fields(fields(message, &place, random)?),
        };
        Ok(Self {
            topic,
            payload,
            interval: message.interval,
            jitter: message.jitter,
            qos: message.qos,
            retain: message.retain,
            said: 0,
        })
    }
}

fn fields(
    message: &Message,
    place: &str,
    random: &mut Random,
) -> Result<Vec<(String, Generator)>, ScenarioError> {
    let fields = message.fields.iter().map(|(name, value)| {
        let place = || format!("{place}, field {name:?}");
        let field = Field::read(value).map_err(|problem| ScenarioError::Value {
            place: place(),
            problem,
        })?;
        let generator = Generator::new(field, random).map_err(|error| ScenarioError::Template {
            place: place(),
            error,
        })?;
        Ok((name.clone(), generator))
    });
    fields.collect()
}

fn template(text: &str, place: impl FnOnce() -> String) -> Result<Template, ScenarioError> {
    Template::parse(text).map_err(|error| ScenarioError::Template {
        place: place(),
        error,
    })
}

fn text(template: &Template, moment: &Moment<'_>, random: &mut Random) -> String {
    String::from_utf8_lossy(&template.to_bytes(moment, random)).into_owned()
}
