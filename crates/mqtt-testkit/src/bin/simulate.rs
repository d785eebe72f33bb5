//! Runs many simulations of two sessions and prints how often what happened: `simulate [COUNT [FIRST]]`.
#![expect(clippy::print_stdout, reason = "it is there to print")]

use mqtt_testkit::pair::{Plan, Range, run_all};
use std::process::ExitCode;

/// How often each fault must have happened in a run of [`SEEDS`].
const FAULTS_MIN: u64 = 100;
/// Seeds unless others are asked for.
const SEEDS: u64 = 20_000;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse());
    let count = numbers.next().unwrap_or(Ok(SEEDS));
    let first = numbers.next().unwrap_or(Ok(0));
    let (Ok(count), Ok(first)) = (count, first) else {
        println!("usage: simulate [COUNT [FIRST]]");
        return ExitCode::FAILURE;
    };
    let range = Range { first, count };
    println!("simulation: {range}");
    match run_all(range, Plan::of_seed) {
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
        Ok(report) => {
            println!("simulation: {report}");
            let rare = report.counts.below(FAULTS_MIN);
            if count >= SEEDS && !rare.is_empty() {
                println!("too rare: {rare:?}");
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
    }
}
