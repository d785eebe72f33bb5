//! All devices of a scenario, and what happens next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use mqtt_template::Random;

use crate::device::Device;
use crate::{Scenario, ScenarioError};

/// The devices of a scenario, in a time that only steps move.
///
/// The same scenario, seed and start give the same steps again.
#[derive(Clone, Debug)]
pub struct Fleet {
    devices: Vec<Device>,
    /// The soonest first; equal ones in the order they were planned.
    plan: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    /// Nanoseconds since 1970 at the start.
    start_unix_ns: u64,
}

/// What one device does at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When, since the start.
    pub at: Duration,
    /// Which device, from 0.
    pub device: usize,
    /// What.
    pub what: What,
}

/// What a device does.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// It connects.
    Connect,
    /// It publishes.
    Publish(Said),
    /// It ends its connection, or loses it.
    Disconnect {
        /// Whether it is lost.
        abrupt: bool,
    },
}

/// A message of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The Topic Name.
    pub topic_name: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// 0 to 2.
    pub qos: u8,
    /// Whether the broker keeps it.
    pub retain: bool,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Planned {
    at: Duration,
    order: u64,
    device: usize,
    /// The device's connection it belongs to.
    connection: u64,
    deed: Deed,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Deed {
    Connect,
    Disconnect,
    Say {
        speech: usize,
        /// When it would be without jitter.
        due: Duration,
    },
}

impl Fleet {
    /// The devices of `scenario` at its start.
    ///
    /// # Errors
    /// A template that is none, or a value that does not go with another.
    pub fn new(scenario: &Scenario, seed: u64, start_unix_ns: u64) -> Result<Self, ScenarioError> {
        let mut random = Random::seeded(seed);
        let mut fleet = Self {
            devices: Vec::new(),
            plan: BinaryHeap::new(),
            planned: 0,
            start_unix_ns,
        };
        for devices in &scenario.devices {
            for (number, _) in (0_u64..).zip(0..devices.count) {
                let device = Device::new(devices, number, Random::seeded(random.number()))?;
                fleet.devices.push(device);
            }
        }
        for device in 0..fleet.devices.len() {
            let at = fleet
                .devices
                .get_mut(device)
                .map(|device| device.within(scenario.spread));
            fleet.plan(at.unwrap_or_default(), device, Deed::Connect);
        }
        Ok(fleet)
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// The Client Identifier of a device; none when there is no such.
    pub fn client_id(&self, device: usize) -> Option<&str> {
        Some(&self.devices.get(device)?.client_id)
    }

    /// The Will Message of a device, if it has one.
    pub fn will(&self, device: usize) -> Option<&Said> {
        self.devices.get(device)?.will.as_ref()
    }

    /// What happens next; none when nobody does anything any more.
    pub fn next_step(&mut self) -> Option<Step> {
        while let Some(Reverse(planned)) = self.plan.pop() {
            let Planned {
                at,
                device,
                connection,
                deed,
                ..
            } = planned;
            let what = match deed {
                Deed::Connect => self.connect(device, at),
                // What was planned before a connection ended is not done after.
                _ if self
                    .devices
                    .get(device)
                    .is_none_or(|device| device.connection != connection) =>
                {
                    None
                }
                Deed::Disconnect => self.disconnect(device, at),
                Deed::Say { speech, due } => self.say(device, speech, at, due),
            };
            if let Some(what) = what {
                return Some(Step { at, device, what });
            }
        }
        None
    }

    fn connect(&mut self, number: usize, at: Duration) -> Option<What> {
        let device = self.devices.get_mut(number)?;
        device.connection += 1;
        let mut deeds = Vec::new();
        for speech in 0..device.messages.len() {
            let interval = device
                .messages
                .get(speech)
                .and_then(|speech| speech.interval);
            let first = match interval {
                // Not all of them at once.
                Some(interval) => at + device.within(interval),
                None => at,
            };
            deeds.push((first, Deed::Say { speech, due: first }));
        }
        if let Some(offline) = device.offline.clone() {
            deeds.push((at + device.about(offline.every), Deed::Disconnect));
        }
        for (at, deed) in deeds {
            self.plan(at, number, deed);
        }
        Some(What::Connect)
    }

    fn disconnect(&mut self, number: usize, at: Duration) -> Option<What> {
        let device = self.devices.get_mut(number)?;
        let offline = device.offline.clone()?;
        device.connection += 1;
        let back = at + device.about(offline.lasts);
        self.plan(back, number, Deed::Connect);
        Some(What::Disconnect {
            abrupt: offline.abrupt,
        })
    }

    fn say(&mut self, number: usize, speech: usize, at: Duration, due: Duration) -> Option<What> {
        let device = self.devices.get_mut(number)?;
        let since = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let said = device.say(speech, self.start_unix_ns.saturating_add(since), at);
        if let Some((interval, late)) = device.jitter(speech) {
            let jitter = device
                .messages
                .get(speech)
                .map_or(Duration::ZERO, |speech| speech.jitter());
            let due = due + interval;
            let next = (due + late).saturating_sub(jitter).max(at);
            self.plan(next, number, Deed::Say { speech, due });
        }
        said.map(What::Publish)
    }

    fn plan(&mut self, at: Duration, device: usize, deed: Deed) {
        let connection = self
            .devices
            .get(device)
            .map_or(0, |device| device.connection);
        self.planned += 1;
        self.plan.push(Reverse(Planned {
            at,
            order: self.planned,
            device,
            connection,
            deed,
        }));
    }
}
