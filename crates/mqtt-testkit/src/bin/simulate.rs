//! Runs many simulations of two sessions and prints how often what happened: `simulate [COUNT [FIRST]]`.
//!
//! Without arguments `MQTT_SEED` and `MQTT_SEEDS` say which; see `docs/development.md`.
#![expect(clippy::print_stdout, reason = "it is there to print")]

use mqtt_testkit::pair::{Plan, Range, run_all};
use std::process::ExitCode;

/// How often each fault must have happened in a run of [`SEEDS`].
const FAULTS_MIN: u64 = 100;
/// Seeds unless others are asked for.
const SEEDS: u64 = 20_000;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse());
    let range = match (numbers.next(), numbers.next()) {
        (None, _) => Range::from_env(SEEDS),
        (Some(Ok(count)), None) => Range { first: 0, count },
        (Some(Ok(count)), Some(Ok(first))) => Range { first, count },
        _ => {
            println!("usage: simulate [COUNT [FIRST]]");
            return ExitCode::FAILURE;
        }
    };
    println!("simulation: {range}");
    let report = match run_all(range, Plan::of_seed) {
        Ok(report) => report,
        Err(failure) => {
            println!("{failure}");
            return ExitCode::FAILURE;
        }
    };
    println!("simulation: {}", report.summary());
    println!("{}", report.counts);
    let rare = report.counts.below(FAULTS_MIN);
    if range.count >= SEEDS && !rare.is_empty() {
        println!("less than {FAULTS_MIN} times: {rare:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
