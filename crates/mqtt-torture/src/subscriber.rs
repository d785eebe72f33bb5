//! A client that receives everything, and knows what must not happen.

use crate::link::{Link, is_silence};
use crate::random::Random;
use crate::report::{Shared, Violation};
use mqtt_codec::{
    Delivery, Packet, PacketId, PacketType, Properties, QoS, Subscribe, SubscribeFilters,
    SubscriptionOptions, TopicFilter,
};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a client waits before it tries to connect again.
const RETRY: Duration = Duration::from_millis(5);
/// How long those who come and go stay, and stay away, at most.
const STAY_MAX: Duration = Duration::from_millis(300);
/// Silence after which the state is looked at.
const LOOK_AFTER: Duration = Duration::from_millis(50);
/// How long what is left may take to come once the broker is not killed any more.
const REST_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Subscriber<'a> {
    shared: &'a Shared,
    number: u8,
    client_id: String,
    is_restless: bool,
    random: Random,
    is_subscribed: bool,
    had_session: bool,
    /// The next number of each topic.
    next: HashMap<String, u64>,
    /// QoS 2 messages received and not released.
    unreleased: HashSet<PacketId>,
    /// When something came last.
    active_at: Instant,
}

/// What came.
enum Came {
    Message {
        topic_name: String,
        number: Option<u64>,
        delivery: Delivery,
    },
    Release(PacketId),
    Subscribed,
    Other,
}

/// Receives until all has come.
pub(crate) fn run(shared: &Shared, number: u8, seed: u64) {
    let mut subscriber = Subscriber {
        shared,
        number,
        client_id: format!("torture-subscriber-{number}"),
        is_restless: number % 2 == 1,
        random: Random::new(seed),
        is_subscribed: false,
        had_session: false,
        next: HashMap::new(),
        unreleased: HashSet::new(),
        active_at: Instant::now(),
    };
    while !subscriber.is_done() {
        // Whatever ends a connection, the next one goes on.
        let _ = subscriber.serve();
        std::thread::sleep(RETRY);
    }
}

impl Subscriber<'_> {
    /// Whether all has come, or will not come any more.
    fn is_done(&mut self) -> bool {
        let Some(published) = self.shared.published() else {
            // While others are busy nobody has to hurry.
            self.active_at = Instant::now();
            return false;
        };
        let next = |topic_name: &String| self.next.get(topic_name).copied().unwrap_or(0);
        let left = |(topic_name, count): &(String, u64)| count.saturating_sub(next(topic_name));
        if published.iter().all(|topic| left(topic) == 0) {
            return true;
        }
        if self.active_at.elapsed() < REST_WITHIN {
            return false;
        }
        for topic in &published {
            let messages = left(topic);
            if messages > 0 {
                self.shared.note(Violation::Lost {
                    subscriber: self.number,
                    topic_name: topic.0.clone(),
                    messages,
                });
            }
        }
        true
    }

    /// One connection, up to its end.
    fn serve(&mut self) -> io::Result<()> {
        let (mut link, present) = Link::open(self.shared.addr, &self.client_id, false)?;
        if self.had_session && !present {
            let client_id = self.client_id.clone();
            self.shared.note(Violation::SessionLost { client_id });
            (self.is_subscribed, self.unreleased) = (false, HashSet::new());
        }
        let resumed = &self.shared.resumed;
        resumed.fetch_add(u64::from(present), Ordering::Relaxed);
        self.had_session = true;
        if !self.is_subscribed {
            subscribe(&mut link)?;
        }
        link.set_patience(LOOK_AFTER)?;
        let leave_at = Instant::now() + self.random.duration(STAY_MAX);
        loop {
            match link.receive(came) {
                Ok(came) => self.handle(&mut link, came)?,
                Err(error) if is_silence(&error) => {}
                Err(error) => return Err(error),
            }
            if link.has_packet() {
                continue;
            }
            link.flush()?;
            if self.is_done() {
                return Ok(());
            }
            if self.is_restless && !self.shared.is_stopped() && Instant::now() >= leave_at {
                drop(link);
                std::thread::sleep(self.random.duration(STAY_MAX));
                return Ok(());
            }
        }
    }

    fn handle(&mut self, link: &mut Link, came: Came) -> io::Result<()> {
        match came {
            Came::Subscribed => {
                if !self.is_subscribed {
                    self.shared.note_subscribed();
                }
                self.is_subscribed = true;
            }
            Came::Release(packet_id) => {
                self.unreleased.remove(&packet_id);
                link.push_ack(PacketType::PubComp, packet_id)?;
            }
            Came::Message {
                topic_name,
                number,
                delivery,
            } => match delivery {
                Delivery::AtMostOnce => {}
                Delivery::AtLeastOnce(packet_id) => {
                    self.check(topic_name, number, QoS::AtLeastOnce);
                    link.push_ack(PacketType::PubAck, packet_id)?;
                }
                Delivery::ExactlyOnce(packet_id) => {
                    if self.unreleased.insert(packet_id) {
                        self.check(topic_name, number, QoS::ExactlyOnce);
                    }
                    link.push_ack(PacketType::PubRec, packet_id)?;
                }
            },
            Came::Other => {}
        }
        Ok(())
    }

    fn check(&mut self, topic_name: String, number: Option<u64>, qos: QoS) {
        self.active_at = Instant::now();
        let Some(number) = number else { return };
        let next = self.next.entry(topic_name.clone()).or_default();
        let expected = *next;
        let subscriber = self.number;
        if number < expected {
            match qos {
                QoS::ExactlyOnce => self.shared.note(Violation::Duplicate {
                    subscriber,
                    topic_name,
                    number,
                }),
                _ => drop(self.shared.repeats.fetch_add(1, Ordering::Relaxed)),
            }
            return;
        }
        *next = number + 1;
        self.shared.received.fetch_add(1, Ordering::Relaxed);
        if number > expected {
            self.shared.note(Violation::OutOfOrder {
                subscriber,
                topic_name,
                expected,
                found: number,
            });
        }
    }
}

fn subscribe(link: &mut Link) -> io::Result<()> {
    let Ok(filter) = TopicFilter::try_new("torture/#") else {
        return Ok(());
    };
    let filters = [(filter, SubscriptionOptions::new(QoS::ExactlyOnce))];
    link.push(&Packet::Subscribe(Subscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: SubscribeFilters::from(&filters[..]),
    }))?;
    link.flush()
}

fn came(packet: &Packet<'_>) -> Came {
    match packet {
        Packet::Publish(publish) => Came::Message {
            topic_name: publish
                .topic_name
                .map(|name| name.as_str().to_owned())
                .unwrap_or_default(),
            number: std::str::from_utf8(publish.payload)
                .ok()
                .and_then(|text| text.parse().ok()),
            delivery: publish.delivery,
        },
        Packet::PubRel(ack) => Came::Release(ack.packet_id),
        Packet::SubAck(_) => Came::Subscribed,
        _ => Came::Other,
    }
}
