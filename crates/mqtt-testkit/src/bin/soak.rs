//! Many clients against the `mqtt` program: `soak --broker PATH [--seconds N] [--clients N] [--rate N] [--seed N]`.
#![expect(clippy::print_stdout, reason = "it is there to print")]

use mqtt_testkit::soak::{Broker, Plan, run};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let Some((program, plan)) = arguments(std::env::args().skip(1)) else {
        println!("usage: soak --broker PATH [--seconds N] [--clients N] [--rate N] [--seed N]");
        return ExitCode::FAILURE;
    };
    println!("soak: {plan:?}");
    let broker = match Broker::start(&program) {
        Ok(broker) => broker,
        Err(error) => {
            println!("{} cannot be started: {error}", program.display());
            return ExitCode::FAILURE;
        }
    };
    let report = run(&plan, broker.addr(), Some(broker.pid()), &mut |line| {
        println!("soak: {line}");
    });
    println!("{report}");
    if report.violation_count == 0 {
        return ExitCode::SUCCESS;
    }
    println!("the broker's log ends:");
    for line in broker.last_words(10) {
        println!("{line}");
    }
    println!("repeat with --seed {}", plan.seed);
    ExitCode::FAILURE
}

fn arguments(mut words: impl Iterator<Item = String>) -> Option<(PathBuf, Plan)> {
    let mut program = None;
    let mut plan = Plan {
        seed: 0,
        clients: 200,
        time: Duration::from_secs(60),
        rate: 400,
    };
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--broker" => program = Some(value.into()),
            "--seconds" => plan.time = Duration::from_secs(value.parse().ok()?),
            "--clients" => plan.clients = value.parse().ok()?,
            "--rate" => plan.rate = value.parse().ok()?,
            "--seed" => plan.seed = value.parse().ok()?,
            _ => return None,
        }
    }
    Some((program?, plan))
}
