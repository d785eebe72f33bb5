//! On a directory of the operating system, with the thread.

use mqtt_log::{
    AppendError, Durability, Entry, Log, OpenError, Position, ReadError, RealDisk, Record,
    Recovery, RecoveryReport, Settings,
};
use std::{
    convert::Infallible,
    num::NonZeroU8,
    path::Path,
    sync::{Arc, mpsc},
    task::{Wake, Waker},
};

const KIND: NonZeroU8 = NonZeroU8::MIN;

fn small() -> Settings {
    Settings {
        segment_len: 64 << 10,
        buffer_len_max: 16 << 10,
        ..Settings::default()
    }
}

fn open(path: &Path, settings: Settings) -> (Log, RecoveryReport, Vec<(Position, Vec<u8>)>) {
    let mut found = Vec::new();
    let keep = |record: Record<'_>| {
        found.push((record.position, record.payload.to_vec()));
        Ok::<_, Infallible>(())
    };
    let recovery = Recovery::open(RealDisk::new(path).unwrap(), settings).unwrap();
    let (log, report) = recovery
        .replay(Position::ZERO, Position::ZERO, keep)
        .unwrap();
    (log, report, found)
}

struct Bell(mpsc::Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

fn wait_for(log: &Log, position: Position) {
    let (ring, heard) = mpsc::channel();
    let waker = Waker::from(Arc::new(Bell(ring)));
    while log.durable() < position && log.failure().is_none() {
        log.wake_when_durable(position, &waker);
        heard.recv().unwrap();
    }
    assert!(log.failure().is_none());
}

fn append(log: &Log, payload: &[u8]) -> Position {
    loop {
        match log.append(Entry::new(KIND, &[payload]).held()) {
            Ok(position) => return position,
            Err(AppendError::BufferFull | AppendError::DiskFull) => wait_for(log, log.appended()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_is_durable_is_found_again_in_order_over_many_segments() {
    for durability in [Durability::Fsync, Durability::Os] {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            durability,
            ..small()
        };
        let mut written = Vec::new();
        for round in 0..5_u32 {
            let (log, report, found) = open(directory.path(), settings.clone());
            assert_eq!(report.cut, None);
            assert_eq!(found, written, "{durability:?} {round}");
            for number in 0..400_u32 {
                let payload = [number.to_le_bytes(), round.to_le_bytes()]
                    .concat()
                    .repeat(32);
                written.push((append(&log, &payload), payload));
            }
            wait_for(&log, log.appended());
            for (position, payload) in written.iter().step_by(7) {
                let mut memory = Vec::new();
                for payload_len in [0, 256, 1000] {
                    let record = log.read(*position, payload_len, &mut memory).unwrap();
                    assert_eq!(record.payload, payload);
                }
            }
            let positions: Vec<_> = written.iter().map(|(position, _)| *position).collect();
            let mut read = Vec::new();
            let taken = log.read_batch(&positions, 256, |record| {
                read.push((record.position, record.payload.to_vec()));
                true
            });
            assert_eq!(taken.unwrap(), written.len());
            assert_eq!(read, written);
            if round % 2 == 0 {
                log.close().unwrap();
            }
        }
    }
}

#[test]
fn a_record_is_read_before_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _, _) = open(directory.path(), small());
    for number in 0..200_u32 {
        let position = append(&log, &number.to_le_bytes());
        let mut memory = Vec::new();
        let record = log.read(position, 0, &mut memory).unwrap();
        assert_eq!(record.payload, number.to_le_bytes());
    }
}

#[test]
fn segments_nobody_needs_are_dropped_and_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _, _) = open(directory.path(), small());
    let mut first = None;
    for round in 0..40 {
        let mut positions = Vec::new();
        for number in 0..200_u32 {
            positions.push(append(&log, &number.to_le_bytes().repeat(64)));
        }
        first = first.or(positions.first().copied());
        wait_for(&log, log.appended());
        log.set_replay_from(log.durable());
        for position in positions {
            log.release(position, 256);
        }
        assert!(log.space().segments < 8, "{round} {:?}", log.space());
    }
    assert!(log.stats().dropped_segments > 20, "{:?}", log.stats());
    assert!(log.stats().recycled > 10, "{:?}", log.stats());
    let mut memory = Vec::new();
    let gone = log.read(first.unwrap(), 256, &mut memory);
    assert!(matches!(gone, Err(ReadError::Gone)));
    log.close().unwrap();
    let (log, _, found) = open(directory.path(), small());
    assert!(found.len() < 2000);
    drop(log);
}

#[test]
fn a_second_user_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _, _) = open(directory.path(), small());
    let second = Recovery::open(RealDisk::new(directory.path()).unwrap(), small());
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    log.close().unwrap();
    open(directory.path(), small());
}
