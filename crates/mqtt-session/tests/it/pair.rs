//! Two sessions over a connection that is late, torn and cut, in processes that die.

use mqtt_codec::ProtocolVersion;
use mqtt_testkit::pair::{Fault, Plan, Range, Report, run_all};

/// Simulations of the size that `cargo xtask test` has many more of.
const SEEDS: u64 = 2_000;
/// Long ones.
const LONG_SEEDS: u64 = 60;

fn simulate(range: Range, plan: fn(u64) -> Plan) -> Report {
    match run_all(range, plan) {
        Ok(report) => report,
        Err(failure) => panic!("{range}\n{failure}"),
    }
}

/// Covers: v5 [MQTT-2.2.1-3], v5 [MQTT-2.2.1-4], v5 [MQTT-3.3.4-7], v5 [MQTT-3.3.4-9], v5 [MQTT-4.3.3-6].
/// Covers: v5 [MQTT-4.3.3-10], v5 [MQTT-4.4.0-1], v5 [MQTT-4.6.0-1], v5 [MQTT-4.6.0-4], v5 [MQTT-4.9.0-2].
/// Covers: v3.1.1 [MQTT-2.3.1-2], v3.1.1 [MQTT-2.3.1-4], v3.1.1 [MQTT-4.3.3-1], v3.1.1 [MQTT-4.3.3-2].
/// Covers: v3.1.1 [MQTT-4.4.0-1], v3.1.1 [MQTT-4.6.0-1], v3.1.1 [MQTT-4.6.0-4].
#[test]
fn nothing_is_lost_or_doubled_in_any_order_of_faults() {
    let report = simulate(Range::from_env(SEEDS), Plan::of_seed);
    println!("{report}");
    assert!(report.counts.steps >= report.range.count * 200);
    if report.range.count >= SEEDS {
        assert_eq!(report.counts.below(1), [], "{report}");
    }
}

#[test]
fn nothing_is_lost_or_doubled_in_long_sessions() {
    let report = simulate(Range::from_env(LONG_SEEDS), |seed| Plan {
        messages: 80,
        rough_steps: 1_000,
        ..Plan::of_seed(seed)
    });
    println!("{report}");
    assert!(report.counts.steps >= report.range.count * 1_000);
}

/// A version without properties can announce no limit and refuse no message, but all else happens in it too.
#[test]
fn every_version_has_every_other_fault() {
    for version in ProtocolVersion::ALL {
        let only: fn(u64) -> Plan = match version {
            ProtocolVersion::V31 => |seed| Plan::of_seed(seed * 4),
            ProtocolVersion::V311 => |seed| Plan::of_seed(seed * 4 + 1),
            ProtocolVersion::V5 => |seed| Plan::of_seed(seed * 4 + 2),
        };
        let report = simulate(
            Range {
                first: 0,
                count: 300,
            },
            only,
        );
        let mut never = report.counts.below(1);
        never.retain(|fault| *fault != Fault::Lapped);
        let expected = match version.has_properties() {
            true => vec![],
            false => vec![
                Fault::TooLarge,
                Fault::TooLargeAgain,
                Fault::RefusedQoS1,
                Fault::RefusedQoS2,
                Fault::RefusalLost,
            ],
        };
        assert_eq!(never, expected, "{version:?}: {report}");
    }
}
