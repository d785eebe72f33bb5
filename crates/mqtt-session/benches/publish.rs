//! What a message costs in two sessions, beyond what the codec takes for the same packets.
//!
//! `cargo bench -p mqtt-session` prints the difference for each QoS and version behind criterion's own rows. It is
//! taken from the fastest of many short rounds of both in turn, so that a busy machine changes it little.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and may panic"
)]

use criterion::{Criterion, Throughput, criterion_group};
use mqtt_codec::{ProtocolVersion, QoS};
use mqtt_testkit::exchange::{CodecAlone, Exchange};
use std::time::Instant;

/// Messages of one round.
const ROUND: u32 = 2_000;
/// Rounds of each kind.
const ROUNDS: u32 = 400;

/// What is measured: QoS, and what a session may add at most, in nanoseconds.
const TARGETS: [(QoS, f64); 3] = [
    (QoS::AtMostOnce, 60.0),
    (QoS::AtLeastOnce, 150.0),
    (QoS::ExactlyOnce, 300.0),
];

fn rows(criterion: &mut Criterion) {
    for version in ProtocolVersion::ALL.into_iter().skip(1) {
        for (qos, _) in TARGETS {
            let mut group = criterion.benchmark_group(format!("{version:?} {qos:?}"));
            group.throughput(Throughput::Elements(1));
            let mut exchange = Exchange::new(version).unwrap();
            group.bench_function("sessions", |bencher| {
                bencher.iter(|| exchange.publish(qos).unwrap());
            });
            let mut codec = CodecAlone::new(version);
            group.bench_function("codec", |bencher| {
                bencher.iter(|| codec.publish(qos).unwrap());
            });
            group.finish();
        }
    }
}

/// Nanoseconds for one call, in the fastest of a round.
fn round(mut publish: impl FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..ROUND {
        publish();
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(ROUND)
}

fn differences() {
    println!("\n| version | QoS | sessions ns | codec ns | difference ns | at most ns |");
    println!("|---|---|---|---|---|---|");
    for version in ProtocolVersion::ALL.into_iter().skip(1) {
        for (qos, target) in TARGETS {
            let mut exchange = Exchange::new(version).unwrap();
            let mut codec = CodecAlone::new(version);
            let (mut with, mut without) = (f64::MAX, f64::MAX);
            for _ in 0..ROUNDS {
                with = with.min(round(|| exchange.publish(qos).unwrap()));
                without = without.min(round(|| codec.publish(qos).unwrap()));
            }
            let more = with - without;
            println!("| {version:?} | {qos:?} | {with:.1} | {without:.1} | {more:.1} | {target} |");
        }
    }
}

criterion_group!(benches, rows);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    differences();
}
