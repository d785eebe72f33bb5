//! Records of 256 bytes: what a thousand in one group cost, how many threads get durable, and how fast they are read.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking and says what it wrote"
)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mqtt_log::{
    AppendError, Durability, Entry, Log, Position, RealDisk, Record, Recovery, Settings, Step,
    Writer,
};
use std::{convert::Infallible, num::NonZeroU8, path::Path, time::Duration};

const KIND: NonZeroU8 = NonZeroU8::MIN;
const PAYLOAD: [u8; 256] = [0x5a; 256];
const BATCH: u64 = 1000;

fn settings(durability: Durability) -> Settings {
    Settings {
        durability,
        total_len_max: 1 << 30,
        ..Settings::default()
    }
}

fn recovery(path: &Path, durability: Durability) -> Recovery {
    Recovery::open(RealDisk::new(path).unwrap(), settings(durability)).unwrap()
}

fn manual(path: &Path, durability: Durability) -> (Log, Writer) {
    let visit = |_: Record<'_>| Ok::<_, Infallible>(());
    let replayed = recovery(path, durability).replay_manual(Position::ZERO, Position::ZERO, visit);
    let (log, writer, _) = replayed.unwrap();
    (log, writer)
}

fn append(log: &Log) -> bool {
    match log.append(Entry::new(KIND, &[&PAYLOAD])) {
        Ok(_) => true,
        Err(AppendError::BufferFull | AppendError::DiskFull) => false,
        Err(error) => panic!("{error}"),
    }
}

/// One group of a thousand records; what is written is given back at once, so that files are used again.
fn group(log: &Log, writer: &mut Writer) {
    for _ in 0..BATCH {
        while !append(log) {
            writer.step();
        }
    }
    assert_eq!(writer.step(), Step::Committed);
    log.set_replay_from(log.synced());
}

fn groups(criterion: &mut Criterion) {
    let mut benches = criterion.benchmark_group("group of 1000");
    benches.throughput(Throughput::Elements(BATCH));
    for durability in [Durability::Os, Durability::Fsync] {
        let directory = tempfile::tempdir().unwrap();
        let (log, mut writer) = manual(directory.path(), durability);
        benches.bench_function(format!("{durability:?}"), |bencher| {
            bencher.iter(|| group(&log, &mut writer));
        });
        let stats = log.stats();
        let per_record = stats.written_len.checked_div(stats.records).unwrap_or(0);
        println!("{per_record} bytes written per record of 256, {stats:?}");
    }
    benches.finish();
}

fn single(criterion: &mut Criterion) {
    let mut benches = criterion.benchmark_group("group of 1");
    for (name, spares_max) in [("files used again", 2), ("new files", 0)] {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(directory.path()).unwrap();
        let settings = Settings {
            segment_len: 256 << 10,
            buffer_len_max: 16 << 10,
            spares_max,
            ..Settings::default()
        };
        let visit = |_: Record<'_>| Ok::<_, Infallible>(());
        let recovery = Recovery::open(disk, settings).unwrap();
        let (log, mut writer, _) = recovery
            .replay_manual(Position::ZERO, Position::ZERO, visit)
            .unwrap();
        benches.bench_function(name, |bencher| {
            bencher.iter(|| {
                assert!(append(&log));
                assert_eq!(writer.step(), Step::Committed);
                log.set_replay_from(log.synced());
            });
        });
        println!("{:?}", log.stats());
    }
    benches.finish();
}

fn replay(criterion: &mut Criterion) {
    let mut benches = criterion.benchmark_group("replay");
    let directory = tempfile::tempdir().unwrap();
    let (log, mut writer) = manual(directory.path(), Durability::Os);
    let count = 200 * BATCH;
    for _ in 0..200 {
        for _ in 0..BATCH {
            assert!(append(&log));
        }
        assert_eq!(writer.step(), Step::Committed);
    }
    writer.finish().unwrap();
    drop(log);
    benches.throughput(Throughput::Elements(count));
    benches.bench_function("200000 records", |bencher| {
        bencher.iter_batched(
            || recovery(directory.path(), Durability::Os),
            |recovery| {
                let mut len = 0;
                let visit = |record: Record<'_>| {
                    len += record.payload.len();
                    Ok::<_, Infallible>(())
                };
                drop(
                    recovery
                        .replay_manual(Position::ZERO, Position::ZERO, visit)
                        .unwrap(),
                );
                len
            },
            BatchSize::PerIteration,
        );
    });
    benches.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = groups, single, replay
}
criterion_main!(benches);
