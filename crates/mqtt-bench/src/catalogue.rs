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
const QOS_2: Scenario = Scenario {
    qos: QoS::ExactlyOnce,
    window: 64,
    ..BASE
};

const SCENARIOS: &[Scenario] = &[
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
        name: "pair1-lat",
        publishers: 1,
        subscribers: 1,
        window: 1,
        ..BASE
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
        name: "rate5k-q1",
        publishers: 50,
        subscribers: 50,
        window: 4096,
        loop_kind: LoopKind::Open { rate_per_s: 5_000 },
        ..QOS_1
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
];

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
}
