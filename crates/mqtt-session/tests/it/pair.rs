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
