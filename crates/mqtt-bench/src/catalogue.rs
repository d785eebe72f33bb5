//! The ready scenarios, by name.

use crate::scenario::{LoopKind, QoS, Scenario, Topics, Version};

/// What most scenarios share: ten pairs, QoS 0, 64 bytes.
const BASE: Scenario = Scenario {
    name: "pair10-q0",
    version: Version::V311,
    publishers: 10,
    subscribers: 10,
    topics: Topics::Own,
    qos: QoS::AtMostOnce,
    payload_len: 64,
    window: 100,
    persistent: false,
    offline_per_topic: 0,
    loop_kind: LoopKind::Closed,
};

const QOS_1: Scenario = Scenario {
    qos: QoS::AtLeastOnce,
    window: 64,
    ..BASE
};
/// Many publishers, and each message for one of a thousand sessions that are away.
const DURABLE: Scenario = Scenario {
    publishers: 200,
    subscribers: 1_000,
    payload_len: 256,
    window: 20,
    loop_kind: LoopKind::Offline {
        messages: 1_000_000,
        rate_per_s: None,
    },
    ..QOS_1
};
const QOS_2: Scenario = Scenario {
    qos: QoS::ExactlyOnce,
    window: 64,
    ..BASE
};

/// Each client has as many subscriptions as brokers commonly allow, and as many messages are under way as with ten
/// publishers.
const SPREAD: Scenario = Scenario {
    publishers: 1,
    subscribers: 20,
    window: 1000,
    ..BASE
};

/// Sparse traffic comes first: it is what most brokers see most of the time.
const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pair1-lat",
        publishers: 1,
        subscribers: 1,
        window: 1,
        ..BASE
    },
    Scenario {
        name: "rate5k-q1",
        publishers: 50,
        subscribers: 50,
        window: 4096,
        loop_kind: LoopKind::Open { rate_per_s: 5_000 },
        ..QOS_1
    },
    Scenario {
        name: "subs200k",
        topics: Topics::Spread {
            matched: 200_000,
            others: 0,
        },
        ..SPREAD
    },
    Scenario {
        name: "subs200k-wide",
        subscribers: 200,
        topics: Topics::Spread {
            matched: 200_000,
            others: 0,
        },
        ..SPREAD
    },
    BASE,
    Scenario {
        name: "pair10-q1",
        ..QOS_1
    },
    Scenario {
        name: "pair10-q2",
        ..QOS_2
    },
    Scenario {
        name: "v5pair10-q1",
        version: Version::V5,
        ..QOS_1
    },
    Scenario {
        name: "pair100-1k",
        publishers: 100,
        subscribers: 100,
        payload_len: 1024,
        window: 20,
        ..BASE
    },
    Scenario {
        name: "pair10-64k",
        payload_len: 65_536,
        window: 8,
        ..BASE
    },
    Scenario {
        name: "fanout100",
        publishers: 1,
        subscribers: 100,
        window: 20,
        ..BASE
    },
    Scenario {
        name: "fanout1000",
        publishers: 1,
        subscribers: 1_000,
        window: 10,
        ..BASE
    },
    Scenario {
        name: "fanin200",
        publishers: 200,
        subscribers: 1,
        topics: Topics::All,
        window: 20,
        ..BASE
    },
    Scenario {
        name: "share10",
        version: Version::V5,
        topics: Topics::Shared,
        ..BASE
    },
    Scenario {
        name: "mixed-q1",
        persistent: true,
        offline_per_topic: 10,
        ..QOS_1
    },
    Scenario {
        name: "mixed-q2",
        persistent: true,
        offline_per_topic: 10,
        ..QOS_2
    },
    Scenario {
        name: "idle15k",
        publishers: 0,
        subscribers: 15_000,
        loop_kind: LoopKind::Idle,
        ..BASE
    },
    Scenario {
        name: "churn10k",
        publishers: 0,
        subscribers: 10_000,
        loop_kind: LoopKind::Churn,
        ..BASE
    },
    Scenario {
        name: "retain100k",
        publishers: 1,
        subscribers: 0,
        window: 20,
        loop_kind: LoopKind::Retain { messages: 100_000 },
        ..QOS_1
    },
    Scenario {
        name: "retain200p",
        publishers: 200,
        subscribers: 0,
        window: 20,
        loop_kind: LoopKind::Retain { messages: 100_000 },
        ..QOS_1
    },
    Scenario {
        name: "offline",
        publishers: 10,
        subscribers: 100,
        payload_len: 256,
        loop_kind: LoopKind::Offline {
            messages: 200_000,
            rate_per_s: None,
        },
        ..QOS_1
    },
    Scenario {
        name: "durable-q1",
        ..DURABLE
    },
    Scenario {
        name: "durable-q1-75k",
        loop_kind: LoopKind::Offline {
            messages: 300_000,
            rate_per_s: Some(75_000),
        },
        ..DURABLE
    },
    Scenario {
        name: "durable-online",
        publishers: 100,
        subscribers: 100,
        payload_len: 256,
        window: 20,
        persistent: true,
        ..QOS_1
    },
    Scenario {
        name: "durable-online-20k",
        publishers: 100,
        subscribers: 100,
        payload_len: 256,
        window: 200,
        persistent: true,
        loop_kind: LoopKind::Open { rate_per_s: 20_000 },
        ..QOS_1
    },
    Scenario {
        name: "q2-1k",
        payload_len: 1024,
        ..QOS_2
    },
    Scenario {
        name: "conns50",
        publishers: 50,
        subscribers: 50,
        window: 4096,
        loop_kind: LoopKind::Open { rate_per_s: 5_000 },
        ..BASE
    },
    Scenario {
        name: "conns200",
        publishers: 200,
        subscribers: 200,
        window: 4096,
        loop_kind: LoopKind::Open { rate_per_s: 5_000 },
        ..BASE
    },
    Scenario {
        name: "others2k",
        topics: Topics::Spread {
            matched: 2_000,
            others: 1_980,
        },
        ..SPREAD
    },
    Scenario {
        name: "others200k",
        topics: Topics::Spread {
            matched: 2_000,
            others: 198_000,
        },
        ..SPREAD
    },
];

/// Two scenarios that differ in size: by how much does a message cost more in the larger one?
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// What grows, in words.
    pub what: &'static str,
    /// The name of the smaller scenario.
    pub small: &'static str,
    /// The name of the larger scenario.
    pub large: &'static str,
    /// What is asked for.
    pub allowed: Allowed,
}

/// By how much a message may cost more in the larger of two scenarios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowed {
    /// So many times as much.
    Times(f64),
    /// So many times by how much it costs the relay more.
    TimesTheRelay(f64),
}

const GROWTHS: &[Growth] = &[
    Growth {
        what: "4x the connections, same rate",
        small: "conns50",
        large: "conns200",
        allowed: Allowed::TimesTheRelay(1.3),
    },
    Growth {
        what: "10x the matching subscribers",
        small: "fanout100",
        large: "fanout1000",
        allowed: Allowed::TimesTheRelay(1.0),
    },
    Growth {
        what: "100x other subscriptions",
        small: "others2k",
        large: "others200k",
        allowed: Allowed::Times(1.1),
    },
];

/// All comparisons of a scenario with a larger one, by CPU time per delivered message.
#[must_use]
pub fn growths() -> &'static [Growth] {
    GROWTHS
}

/// All ready scenarios, in the order they are usually shown.
#[must_use]
pub fn scenarios() -> &'static [Scenario] {
    SCENARIOS
}

/// The ready scenario of this name.
#[must_use]
pub fn find(name: &str) -> Option<Scenario> {
    SCENARIOS
        .iter()
        .find(|scenario| scenario.name == name)
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_scenarios_can_run_and_names_are_unique() {
        for (index, scenario) in scenarios().iter().enumerate() {
            assert_eq!(scenario.fault(), None, "{}", scenario.name);
            let same_name = scenarios()
                .iter()
                .position(|other| other.name == scenario.name);
            assert_eq!(same_name, Some(index));
        }
    }

    #[test]
    fn growths_compare_ready_scenarios() {
        for growth in growths() {
            assert!(find(growth.small).is_some(), "{growth:?}");
            assert!(find(growth.large).is_some(), "{growth:?}");
        }
    }
}
