//! What the broker publishes about itself below `$SYS`, for those who subscribed to it.
//!
//! Nothing is made unless somebody gets it; between that only counters count. No tokio, no clock.

mod clients;
mod load;
mod memory;
mod time;
mod values;

use crate::config::{Config, SysTopics};
use crate::core::live::{Live, TooManyValues};
use crate::core::message::{Message, Source};
use crate::core::session_cell::SessionKey;
use crate::core::{Batch, Core, Incoming};
use load::Loads;
use mqtt_codec::{PacketType, Properties, PropertyScope, QoS, TopicFilter, TopicName};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// How often the averages of load are carried on, in milliseconds.
const SAMPLE_EVERY_MS: u64 = 10_000;

/// The broker's own topics.
#[derive(Debug)]
pub(crate) struct Sys {
    node: Box<str>,
    started: SystemTime,
    /// What the broker's clock showed then, in milliseconds.
    started_ms: u64,
    settings: Live<Settings>,
    next_stats_ms: AtomicU64,
    next_heartbeat_ms: AtomicU64,
    next_sample_ms: AtomicU64,
    loads: Mutex<Loads>,
}

/// What of it is published, and how often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Settings {
    /// How often statistics are published, in milliseconds; none for never.
    stats_every_ms: Option<u64>,
    /// How often uptime and date are published, in milliseconds; none for never.
    heartbeat_every_ms: Option<u64>,
    tells_connected: bool,
    tells_disconnected: bool,
}

impl Settings {
    fn of(config: &SysTopics) -> Self {
        let millis = |time: Option<crate::config::Duration>| {
            time.map(|time| u64::try_from(time.get().as_millis()).unwrap_or(u64::MAX))
        };
        Self {
            stats_every_ms: millis(config.sys_msg_interval),
            heartbeat_every_ms: millis(config.sys_heartbeat_interval),
            tells_connected: config.client_connected,
            tells_disconnected: config.client_disconnected,
        }
    }
}

/// One topic with what it says now.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Value {
    topic_name: String,
    text: String,
}

impl Sys {
    /// `started_ms`: what the broker's clock shows now, in milliseconds.
    pub(crate) fn new(config: &Config, started_ms: u64) -> Self {
        let settings = Settings::of(&config.sys_topics);
        let first = |every_ms: Option<u64>| {
            AtomicU64::new(started_ms.saturating_add(every_ms.unwrap_or(0)))
        };
        Self {
            node: config.node.name.as_str().into(),
            started: SystemTime::now(),
            started_ms,
            settings: Live::new(settings),
            next_stats_ms: first(settings.stats_every_ms),
            next_heartbeat_ms: first(settings.heartbeat_every_ms),
            next_sample_ms: first(Some(SAMPLE_EVERY_MS)),
            loads: Mutex::new(Loads::new(started_ms)),
        }
    }
}

impl Sys {
    /// Other intervals from now on, each counted from `now_ms`.
    pub(crate) fn reload(&self, config: &SysTopics, now_ms: u64) -> Result<(), TooManyValues> {
        let settings = Settings::of(config);
        let before = *self.settings;
        self.settings.put(settings)?;
        let next = |at: &AtomicU64, before: Option<u64>, every_ms: Option<u64>| {
            if before != every_ms {
                let next_ms = now_ms.saturating_add(every_ms.unwrap_or(0));
                at.store(next_ms, Ordering::Relaxed);
            }
        };
        next(
            &self.next_stats_ms,
            before.stats_every_ms,
            settings.stats_every_ms,
        );
        next(
            &self.next_heartbeat_ms,
            before.heartbeat_every_ms,
            settings.heartbeat_every_ms,
        );
        Ok(())
    }

    /// How long the broker has run at `now_ms`, in milliseconds.
    const fn uptime_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.started_ms)
    }

    /// The date at `now_ms`.
    fn date(&self, now_ms: u64) -> SystemTime {
        time::after(self.started, self.uptime_ms(now_ms))
    }
}

impl Core {
    /// Publishes what is due at `now_ms`.
    pub(crate) fn tick_sys(&self, batch: &mut Batch, now_ms: u64) {
        let sys = &self.sys;
        if is_due(&sys.next_sample_ms, Some(SAMPLE_EVERY_MS), now_ms) {
            sys.loads.lock().sample(&self.counters.totals(), now_ms);
        }
        if is_due(&sys.next_stats_ms, sys.settings.stats_every_ms, now_ms) {
            let all = values::statistics(self, now_ms).into_iter();
            for value in all.chain(values::about(self)) {
                self.publish_sys(&value, batch, now_ms);
            }
        }
        if is_due(
            &sys.next_heartbeat_ms,
            sys.settings.heartbeat_every_ms,
            now_ms,
        ) {
            for value in values::heartbeat(self, now_ms) {
                self.publish_sys(&value, batch, now_ms);
            }
        }
    }

    /// What a new subscription to `topic_filter` gets at once, as if it were retained.
    pub(crate) fn sys_matching(&self, topic_filter: &str, now_ms: u64) -> Vec<Arc<Message>> {
        if !topic_filter.starts_with("$SYS/") {
            return Vec::new();
        }
        let Ok(topic_filter) = TopicFilter::try_new(topic_filter) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        if self.sys.settings.stats_every_ms.is_some() {
            all.extend(values::statistics(self, now_ms));
            all.extend(values::about(self));
        }
        if self.sys.settings.heartbeat_every_ms.is_some() {
            all.extend(values::heartbeat(self, now_ms));
        }
        let matching = all.iter().filter_map(|value| {
            let source = source(&value.topic_name, value.text.as_bytes())?;
            let is_wanted = topic_filter.matches(source.topic_name);
            is_wanted.then(|| {
                let (qos, publisher) = (QoS::AtMostOnce, SessionKey::BROKER);
                Arc::new(Message::new(&source, qos, true, None, publisher))
            })
        });
        matching.collect()
    }

    fn publish_sys(&self, value: &Value, batch: &mut Batch, now_ms: u64) {
        self.publish_text(&value.topic_name, value.text.as_bytes(), batch, now_ms);
    }

    /// Publishes at QoS 0: statistics are not worth a place in the queue of somebody who is away.
    fn publish_text(&self, topic_name: &str, payload: &[u8], batch: &mut Batch, now_ms: u64) {
        let Some(source) = source(topic_name, payload) else {
            return;
        };
        let routes = self.router.routes(topic_name);
        if routes.is_empty() {
            return;
        }
        let incoming = Incoming {
            source,
            qos: QoS::AtMostOnce,
            retain: false,
            expires_at_ms: None,
            publisher: SessionKey::BROKER,
            publisher_id: "",
            as_received: None,
            received: None,
        };
        // At QoS 0 and without the flag there is nothing that could be full.
        let _ = self.publish(batch, now_ms, &incoming, &routes);
    }
}

/// Whether it is time, and then moves the time on.
fn is_due(next_ms: &AtomicU64, every_ms: Option<u64>, now_ms: u64) -> bool {
    let Some(every_ms) = every_ms else {
        return false;
    };
    if now_ms < next_ms.load(Ordering::Relaxed) {
        return false;
    }
    next_ms.store(now_ms.saturating_add(every_ms), Ordering::Relaxed);
    true
}

fn source<'a>(topic_name: &'a str, payload: &'a [u8]) -> Option<Source<'a>> {
    Some(Source {
        topic_name: TopicName::try_new(topic_name).ok()?,
        properties: Properties::EMPTY,
        scope: PropertyScope::Packet(PacketType::Publish),
        expiry_left_s: None,
        payload,
    })
}
