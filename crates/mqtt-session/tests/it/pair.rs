//! Two sessions over a connection that is late, torn and cut.

use mqtt_codec::ProtocolVersion;
use mqtt_testkit::pair::{Counts, Plan, run, seeds};

const SEEDS: u64 = 300;

fn simulate(version: ProtocolVersion, seed: u64) -> Counts {
    let plan = Plan {
        version,
        messages: 80,
        rough_steps: 1_000,
        steps_max: 20_000,
    };
    match run(seed, &plan) {
        Ok(counts) => counts,
        Err(failure) => panic!("{version:?}\n{failure}"),
    }
}

/// Covers: v5 [MQTT-2.2.1-3], v5 [MQTT-2.2.1-4], v5 [MQTT-3.3.4-7], v5 [MQTT-3.3.4-9], v5 [MQTT-4.3.3-6].
/// Covers: v5 [MQTT-4.3.3-10], v5 [MQTT-4.4.0-1], v5 [MQTT-4.6.0-1], v5 [MQTT-4.6.0-4], v5 [MQTT-4.9.0-2].
/// Covers: v3.1.1 [MQTT-2.3.1-2], v3.1.1 [MQTT-2.3.1-4], v3.1.1 [MQTT-4.3.3-1], v3.1.1 [MQTT-4.3.3-2].
/// Covers: v3.1.1 [MQTT-4.4.0-1], v3.1.1 [MQTT-4.6.0-1], v3.1.1 [MQTT-4.6.0-4].
#[test]
fn nothing_is_lost_or_doubled_in_any_order_of_faults() {
    let mut counts = Counts::default();
    for seed in seeds(SEEDS) {
        let version = match seed % 3 {
            0 => ProtocolVersion::V311,
            _ => ProtocolVersion::V5,
        };
        counts.add(&simulate(version, seed));
    }
    println!("{counts}");
    if seeds(SEEDS).len() > 1 {
        assert_eq!(counts.missing(), [], "{counts}");
    }
}
