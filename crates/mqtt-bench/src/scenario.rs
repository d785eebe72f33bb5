//! What a load looks like: who publishes, who listens, how much, how fast.

use crate::topics::{Choice, Layout};

/// The protocol version the generator speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5.0, protocol level 5.
    V5,
}

/// The QoS of both the publishers and the subscriptions of a scenario.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QoS {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce,
    /// QoS 2.
    ExactlyOnce,
}

impl QoS {
    /// The two bits on the wire: 0, 1 or 2.
    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

/// Which subscriber wants which publisher's topic. Publisher `p` has one topic of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Topics {
    /// Subscriber `s` wants the topic of publisher `s` modulo the number of publishers.
    Own,
    /// Each subscriber wants the topics of all publishers, by one filter with `+`.
    All,
    /// The subscribers are one shared group that wants the topics of all publishers.
    Shared,
    /// Each message goes to a random one of many topics. The subscribers divide the topics among
    /// them, each topic by a filter of its own, every second with a `+`.
    Spread {
        /// Topics with a subscription. 1 to 1 000 000.
        matched: u32,
        /// Subscriptions besides, which match nothing that is published. 0 to 1 000 000.
        others: u32,
    },
}

/// How the load is paced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LoopKind {
    /// A publisher sends while fewer than `window` of its messages are unfinished.
    Closed,
    /// All publishers together send this many messages per second, in turns, whether or not the
    /// broker keeps up; `window` still bounds what is unfinished. Latency counts from the time a
    /// message was due.
    Open {
        /// Messages per second of all publishers together, at least 1.
        rate_per_s: u32,
    },
    /// No messages: `subscribers` clients connect and stay.
    Idle,
    /// No messages: `subscribers` clients connect, subscribe and leave, 64 at a time; three times.
    Churn,
    /// The publishers retain so many messages, a topic each; then single clients read them all,
    /// and some of them by a filter with `+` in the middle. No subscribers.
    Retain {
        /// Retained messages. 1 to 100 000.
        messages: u32,
    },
    /// The publishers send so many messages to persistent sessions that are away; then these come
    /// back and take them. `subscribers` is the number of sessions, a multiple of `publishers`.
    Offline {
        /// Messages in all. 1 to 10 000 000.
        messages: u32,
        /// Messages per second of all publishers together, in turns; none for as fast as the
        /// window allows. Then the time until each is acknowledged is measured.
        rate_per_s: Option<u32>,
    },
}

/// One load. [`crate::scenarios`] lists the ready ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scenario {
    /// A short name, as typed by users.
    pub name: &'static str,
    /// The version of all connections.
    pub version: Version,
    /// Clients that publish, each to its own topic. 0 for idle and churn, else 1 to 10 000.
    pub publishers: u16,
    /// Clients that listen while the load runs; for idle and churn the number of clients.
    /// 1 to 60 000.
    pub subscribers: u16,
    /// Who wants what.
    pub topics: Topics,
    /// QoS of messages and subscriptions.
    pub qos: QoS,
    /// Payload of a message in bytes, 8 to 1 048 576.
    pub payload_len: u32,
    /// Messages of one publisher that may be unfinished: not yet delivered to all its live
    /// subscribers, or not yet acknowledged to the publisher. 1 to 32 768.
    pub window: u16,
    /// Whether the live subscribers keep their session when they leave.
    pub persistent: bool,
    /// Persistent sessions per topic that subscribe and leave before the load starts.
    pub offline_per_topic: u16,
    /// The pace.
    pub loop_kind: LoopKind,
}

impl Scenario {
    /// Whether each message is timed: where messages come singly, at a fixed rate, or to sessions that last and are
    /// all there.
    #[must_use]
    pub fn measures_latency(&self) -> bool {
        let is_lasting = self.persistent && self.offline_per_topic == 0;
        self.window == 1 || self.rate_per_s().is_some() || is_lasting
    }

    /// Messages per second of all publishers together, where that is fixed.
    pub(crate) const fn rate_per_s(&self) -> Option<u32> {
        match self.loop_kind {
            LoopKind::Open { rate_per_s } => Some(rate_per_s),
            LoopKind::Offline { rate_per_s, .. } => rate_per_s,
            _ => None,
        }
    }

    /// How many live subscribers get each message of `publisher`.
    pub(crate) fn deliveries_per_message(&self, publisher: u16) -> u32 {
        match self.topics {
            _ if self.delivers_later() => 0,
            Topics::All => u32::from(self.subscribers),
            Topics::Shared | Topics::Spread { .. } => 1,
            Topics::Own => {
                let whole = self.subscribers / self.publishers.max(1);
                let rest = self.subscribers % self.publishers.max(1);
                u32::from(whole) + u32::from(publisher < rest)
            }
        }
    }

    /// How the topics of the scenario look.
    pub(crate) fn layout(&self) -> Layout {
        match (self.loop_kind, self.topics) {
            (LoopKind::Retain { .. }, _) => Layout::Retained,
            (_, Topics::Spread { .. }) => Layout::Spread,
            _ => Layout::Flat,
        }
    }

    /// The topics publisher `publisher` sends to.
    pub(crate) fn choice(&self, publisher: u16) -> Choice {
        let number = u32::from(publisher);
        let publishers = u32::from(self.publishers.max(1));
        match (self.loop_kind, self.topics) {
            (LoopKind::Retain { messages }, _) => {
                let count = messages / publishers;
                Choice::InTurn {
                    first: number * count,
                    count,
                }
            }
            (LoopKind::Offline { .. }, _) => {
                let count = u32::from(self.subscribers) / publishers;
                Choice::InTurn {
                    first: number * count,
                    count,
                }
            }
            (_, Topics::Spread { matched, .. }) => Choice::random(matched),
            _ => Choice::One(number),
        }
    }

    /// How many messages each publisher sends in all, where that is fixed.
    pub(crate) fn messages_each(&self) -> Option<u64> {
        match self.loop_kind {
            LoopKind::Retain { messages } | LoopKind::Offline { messages, .. } => {
                Some(u64::from(messages) / u64::from(self.publishers.max(1)))
            }
            _ => None,
        }
    }

    /// The filters subscriber `subscriber` asks for.
    pub(crate) fn topic_filters(&self, subscriber: u16) -> Vec<String> {
        let (layout, number) = (self.layout(), u32::from(subscriber));
        match self.topics {
            Topics::Own => {
                let topic = match self.loop_kind {
                    LoopKind::Offline { .. } => number,
                    _ => number % u32::from(self.publishers.max(1)),
                };
                vec![layout.topic_name(topic)]
            }
            Topics::All => vec!["bench/+".to_owned()],
            Topics::Shared => vec!["$share/bench/bench/+".to_owned()],
            Topics::Spread { matched, others } => {
                let step = usize::from(self.subscribers.max(1));
                let matched = (number..matched).step_by(step);
                let others = (number..others).step_by(step);
                let matched = matched.map(|index| layout.topic_filter(index));
                let others = others.map(|index| layout.other_filter(index));
                matched.chain(others).collect()
            }
        }
    }

    /// Subscriptions made before the load, for scenarios that are about them.
    pub(crate) fn subscriptions(&self) -> u32 {
        match self.topics {
            Topics::Spread { matched, others } => matched + others,
            _ => 0,
        }
    }

    /// Subscribers that are connected while the load runs.
    pub(crate) fn live_subscribers(&self) -> u16 {
        match self.delivers_later() {
            true => 0,
            false => self.subscribers,
        }
    }

    /// Whether nobody gets the messages while they are published.
    fn delivers_later(&self) -> bool {
        self.messages_each().is_some()
    }

    /// What makes the scenario impossible to run, if anything does.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let no_messages = matches!(self.loop_kind, LoopKind::Idle | LoopKind::Churn);
        let retains = matches!(self.loop_kind, LoopKind::Retain { .. });
        if !(1..=60_000).contains(&self.subscribers) && !retains {
            Some("subscribers must be 1 to 60000")
        } else if no_messages {
            None
        } else if !(1..=10_000).contains(&self.publishers) {
            Some("publishers must be 1 to 10000")
        } else if !(8..=1_048_576).contains(&self.payload_len) {
            Some("the payload must be 8 to 1048576 bytes")
        } else if !(1..=32_768).contains(&self.window) {
            Some("the window must be 1 to 32768")
        } else if self.rate_per_s() == Some(0) {
            Some("the rate must be at least 1 message per second")
        } else if self.topics == Topics::Shared && self.version == Version::V311 {
            Some("shared subscriptions need version 5")
        } else if self.delivers_later() && self.qos == QoS::AtMostOnce {
            Some("messages that are counted by acknowledgements need QoS 1 or 2")
        } else if self.topics == Topics::Own && self.subscribers < self.publishers && !retains {
            Some("each publisher needs a subscriber")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_follow_the_topic_layout() {
        let fan_out = crate::find("fanout100").unwrap();
        assert_eq!(fan_out.deliveries_per_message(0), 100);
        let fan_in = crate::find("fanin200").unwrap();
        assert_eq!(fan_in.deliveries_per_message(199), 1);
        let uneven = Scenario {
            publishers: 3,
            subscribers: 7,
            ..crate::find("pair10-q0").unwrap()
        };
        let deliveries: Vec<u32> = (0..3).map(|p| uneven.deliveries_per_message(p)).collect();
        assert_eq!(deliveries, [3, 2, 2]);
    }

    #[test]
    fn impossible_scenarios_are_named() {
        let base = crate::find("pair10-q0").unwrap();
        assert_eq!(base.fault(), None);
        assert!(Scenario { window: 0, ..base }.fault().is_some());
        assert!(
            Scenario {
                payload_len: 7,
                ..base
            }
            .fault()
            .is_some()
        );
        assert!(
            Scenario {
                topics: Topics::Shared,
                ..base
            }
            .fault()
            .is_some()
        );
        assert!(
            Scenario {
                subscribers: 9,
                ..base
            }
            .fault()
            .is_some()
        );
    }
}
