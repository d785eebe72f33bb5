//! What the log says and when: durable, full, failed; on a faulty disk, with and without the thread.

use mqtt_log::{
    AppendError, Durability, Entry, Event, Log, Operation, Position, ReadError, Record, Recovery,
    Settings, SettingsError, Step, Writer,
    fault::{Faults, SimDisk},
};
use std::{
    convert::Infallible,
    num::NonZeroU8,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    task::{Wake, Waker},
};

const KIND: NonZeroU8 = NonZeroU8::MIN;

fn settings() -> Settings {
    Settings {
        segment_len: 16 << 10,
        buffer_len_max: 4 << 10,
        ..Settings::default()
    }
}

fn manual(disk: &SimDisk, settings: Settings) -> (Log, Writer) {
    let recovery = Recovery::open(disk.clone(), settings).unwrap();
    let visit = |_: Record<'_>| Ok::<_, Infallible>(());
    let replayed = recovery.replay_manual(Position::ZERO, Position::ZERO, visit);
    let (log, writer, _) = replayed.unwrap();
    (log, writer)
}

fn threaded(disk: &SimDisk, settings: Settings) -> Log {
    let recovery = Recovery::open(disk.clone(), settings).unwrap();
    let visit = |_: Record<'_>| Ok::<_, Infallible>(());
    recovery
        .replay(Position::ZERO, Position::ZERO, visit)
        .unwrap()
        .0
}

/// Counts how often it is woken, and tells.
struct Bell {
    rung: AtomicU32,
    ring: mpsc::Sender<()>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        let _ = self.ring.send(());
    }
}

fn bell() -> (Arc<Bell>, Waker, mpsc::Receiver<()>) {
    let (ring, heard) = mpsc::channel();
    let bell = Arc::new(Bell {
        rung: AtomicU32::new(0),
        ring,
    });
    (bell.clone(), Waker::from(bell), heard)
}

/// Settings that write down all events.
fn listening(settings: Settings) -> (Settings, Arc<Mutex<Vec<Event>>>, mpsc::Receiver<()>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let (tell, told) = mpsc::channel();
    let heard = events.clone();
    let on_event = move |event| {
        heard.lock().unwrap().push(event);
        let _ = tell.send(());
    };
    (
        Settings {
            on_event: Some(Arc::new(on_event)),
            ..settings
        },
        events,
        told,
    )
}

#[test]
fn each_waker_is_woken_once_when_its_group_is_synced() {
    let disk = SimDisk::new(1);
    let (log, mut writer) = manual(&disk, settings());
    let first = log.append(Entry::new(KIND, &[b"one"])).unwrap();
    assert_eq!(writer.step(), Step::Committed);
    assert!(log.durable() >= first && log.written() >= first && log.synced() >= first);
    let second = log.append(Entry::new(KIND, &[b"two"])).unwrap();
    assert!(log.durable() < second && log.appended() == second);
    let (early, waker, _early) = bell();
    log.wake_when_durable(first, &waker);
    assert_eq!(early.rung.load(Ordering::SeqCst), 1);
    let (late, waker, _late) = bell();
    for _ in 0..100 {
        log.wake_when_durable(second, &waker);
    }
    let (written, written_waker, _written) = bell();
    log.wake_when_written(second, &written_waker);
    assert_eq!(log.stats().waiting, 2);
    assert_eq!(late.rung.load(Ordering::SeqCst), 0);
    assert_eq!(writer.step(), Step::Committed);
    assert_eq!(late.rung.load(Ordering::SeqCst), 1);
    assert_eq!(written.rung.load(Ordering::SeqCst), 1);
    assert_eq!((log.stats().waiting, log.stats().buffered_len), (0, 0));
}

#[test]
fn who_waits_for_room_is_woken_once_the_disk_has_caught_up() {
    let disk = SimDisk::new(1);
    let (log, mut writer) = manual(&disk, settings());
    let record = [0; 1000];
    let (early, waker, _early) = bell();
    log.wake_when_room(&waker);
    assert_eq!(early.rung.load(Ordering::SeqCst), 1);
    for _ in 0..2 {
        log.append(Entry::new(KIND, &[&record])).unwrap();
        assert!(!log.is_behind());
    }
    log.append(Entry::new(KIND, &[&record])).unwrap();
    assert!(log.is_behind());
    let (late, waker, _late) = bell();
    for _ in 0..10 {
        log.wake_when_room(&waker);
    }
    // Records are taken all the same, and those that give space back even after that.
    log.append(Entry::new(KIND, &[&record])).unwrap();
    let refused = log.append(Entry::new(KIND, &[&record]));
    assert_eq!(refused, Err(AppendError::BufferFull));
    log.append(Entry::new(KIND, &[&record]).freeing()).unwrap();
    assert_eq!(late.rung.load(Ordering::SeqCst), 0);
    assert_eq!(writer.step(), Step::Committed);
    assert!(!log.is_behind());
    assert_eq!(late.rung.load(Ordering::SeqCst), 1);
    assert_eq!(early.rung.load(Ordering::SeqCst), 1);
}

#[test]
fn under_os_what_is_written_is_synced_when_somebody_asks() {
    let disk = SimDisk::new(1);
    let settings = Settings {
        durability: Durability::Os,
        ..settings()
    };
    let (log, mut writer) = manual(&disk, settings.clone());
    let written = log.append(Entry::new(KIND, &[b"one"])).unwrap();
    assert_eq!(writer.step(), Step::Committed);
    assert!(log.synced() < written);
    log.sync_soon();
    assert_eq!(writer.step(), Step::Idle);
    assert!(log.synced() >= written);
    let waiting = log.append(Entry::new(KIND, &[b"two"])).unwrap();
    log.sync_soon();
    assert_eq!(writer.step(), Step::Committed);
    assert!(log.synced() >= waiting);
    let later = log.append(Entry::new(KIND, &[b"three"])).unwrap();
    assert_eq!(writer.step(), Step::Committed);
    assert!(log.synced() < later);
    drop((log, writer));
    // The thread does so too, idle as it is.
    let log = threaded(&disk.copy(), settings);
    let position = log.append(Entry::new(KIND, &[b"four"])).unwrap();
    log.sync_soon();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while log.synced() < position {
        assert!(std::time::Instant::now() < deadline, "not synced");
        std::thread::yield_now();
    }
}

#[test]
fn under_os_written_is_durable_and_synced_comes_later() {
    let disk = SimDisk::new(1);
    let settings = Settings {
        durability: Durability::Os,
        ..settings()
    };
    let (log, mut writer) = manual(&disk, settings);
    let position = log.append(Entry::new(KIND, &[b"one"])).unwrap();
    assert_eq!(writer.step(), Step::Committed);
    assert!(log.durable() >= position && log.synced() < position);
    writer.finish().unwrap();
    assert!(log.synced() >= position);
}

#[test]
fn a_failed_sync_ends_the_log_and_is_told() {
    let disk = SimDisk::new(1);
    let (settings, events, told) = listening(settings());
    let log = threaded(&disk, settings);
    disk.set_faults(Faults {
        failed_sync: 1000,
        ..Faults::default()
    });
    let position = log.append(Entry::new(KIND, &[b"lost"])).unwrap();
    let (_, waker, heard) = bell();
    log.wake_when_durable(position, &waker);
    heard.recv().unwrap();
    told.recv().unwrap();
    let failure = log.failure().unwrap();
    assert_eq!(failure.operation, Operation::Sync);
    assert!(failure.to_string().contains("sync failed"), "{failure}");
    assert!(log.durable() < position);
    assert!(matches!(
        events.lock().unwrap().as_slice(),
        [Event::Failed(_)]
    ));
    // Who comes too late is woken as well.
    log.wake_when_durable(position, &waker);
    heard.recv().unwrap();
    // It is not tried again.
    disk.set_faults(Faults::default());
    assert_eq!(
        log.append(Entry::new(KIND, &[b"more"])),
        Err(AppendError::Ended)
    );
    assert!(log.durable() < position);
    assert!(log.close().is_err());
}

#[test]
fn a_full_disk_refuses_and_goes_on_by_itself_when_there_is_room() {
    let disk = SimDisk::new(1);
    let (settings, events, told) = listening(settings());
    let log = threaded(&disk, settings);
    disk.set_capacity(disk.used());
    let payload = [1; 1000];
    let mut last = Position::ZERO;
    let refused = loop {
        match log.append(Entry::new(KIND, &[&payload])) {
            Ok(position) => last = position,
            Err(AppendError::BufferFull) => std::thread::yield_now(),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, AppendError::DiskFull);
    told.recv().unwrap();
    assert!(matches!(events.lock().unwrap().as_slice(), [Event::Full]));
    assert!(log.space().is_full);
    // What was taken becomes durable, and what gives space back is still taken.
    let freeing = log.append(Entry::new(KIND, &[b"done"]).freeing()).unwrap();
    let (_, waker, heard) = bell();
    while log.durable() < freeing {
        log.wake_when_durable(freeing, &waker);
        heard.recv().unwrap();
    }
    assert!(freeing > last && log.failure().is_none());
    disk.set_capacity(u64::MAX);
    told.recv().unwrap();
    assert!(matches!(
        events.lock().unwrap().as_slice(),
        [Event::Full, Event::Room]
    ));
    log.append(Entry::new(KIND, &[&payload])).unwrap();
    log.close().unwrap();
}

#[test]
fn a_full_log_is_emptied_by_records_that_give_space_back() {
    let disk = SimDisk::new(1);
    let (settings, events, _) = listening(Settings {
        total_len_max: 200 << 10,
        ..settings()
    });
    let (log, mut writer) = manual(&disk, settings);
    let payload = [1; 1000];
    let mut held = Vec::new();
    loop {
        match log.append(Entry::new(KIND, &[&payload]).held()) {
            Ok(position) => held.push(position),
            Err(AppendError::BufferFull) => assert_eq!(writer.step(), Step::Committed),
            Err(error) => {
                assert_eq!(error, AppendError::DiskFull);
                assert!(log.space().is_full, "{:?}", log.space());
                break;
            }
        }
    }
    while writer.step() == Step::Committed {}
    let space = log.space();
    assert!(
        space.is_full && space.is_alarmed && space.on_disk <= space.len_max,
        "{space:?}"
    );
    assert_eq!(
        (space.held_records, space.held_len),
        (held.len() as u64, held.len() as u64 * 1000)
    );
    {
        let events = events.lock().unwrap();
        assert!(
            matches!(
                events.as_slice(),
                [Event::AlarmOn { .. }, Event::Full] | [Event::Full, Event::AlarmOn { .. }]
            ),
            "{events:?}"
        );
    }
    for position in held {
        log.append(Entry::new(KIND, &[&position.number().to_le_bytes()]).freeing())
            .unwrap();
        log.release(position, payload.len());
        writer.step();
        log.set_replay_from(log.synced());
    }
    while writer.step() == Step::Committed {}
    let space = log.space();
    assert!(
        !space.is_full && !space.is_alarmed && space.held_records == 0,
        "{space:?}"
    );
    log.append(Entry::new(KIND, &[&payload])).unwrap();
}

#[test]
fn what_waits_for_the_disk_is_bounded() {
    let disk = SimDisk::new(1);
    let (log, mut writer) = manual(&disk, settings());
    let len_max = settings().buffer_len_max;
    let long = vec![0; len_max];
    let refused = log.append(Entry::new(KIND, &[&long])).unwrap_err();
    assert_eq!(
        refused,
        AppendError::TooLong {
            len: len_max + 12,
            len_max
        }
    );
    let half = vec![0; len_max / 2];
    log.append(Entry::new(KIND, &[&half])).unwrap();
    assert_eq!(
        log.append(Entry::new(KIND, &[&half])),
        Err(AppendError::BufferFull)
    );
    let mut positions = Vec::new();
    let parts: [&[u8]; 1] = [&half];
    let both = [Entry::new(KIND, &[b"small"]), Entry::new(KIND, &parts)];
    assert_eq!(
        log.append_all(&both, &mut positions),
        Err(AppendError::BufferFull)
    );
    assert!(positions.is_empty());
    assert_eq!(log.stats().refused, 3);
    assert_eq!(writer.step(), Step::Committed);
    log.append_all(&both, &mut positions).unwrap();
    assert_eq!(positions.len(), 2);
}

#[test]
fn a_record_costs_little_more_than_its_payload() {
    let disk = SimDisk::new(1);
    let (log, mut writer) = manual(&disk, Settings::default());
    for _ in 0..5 {
        for _ in 0..1000 {
            log.append(Entry::new(KIND, &[&[7; 256]])).unwrap();
        }
        assert_eq!(writer.step(), Step::Committed);
    }
    let stats = log.stats();
    assert_eq!((stats.groups, stats.syncs, stats.records), (5, 5, 5000));
    assert!(stats.written_len <= stats.records * (256 + 14), "{stats:?}");
}

#[test]
fn the_end_is_marked_once_when_nothing_happens() {
    let disk = SimDisk::new(1);
    let (log, mut writer) = manual(&disk, settings());
    assert_eq!(writer.mark(), Step::Idle);
    log.append(Entry::new(KIND, &[b"one"])).unwrap();
    writer.step();
    let (groups, syncs) = (log.stats().groups, log.stats().syncs);
    assert_eq!(writer.mark(), Step::Committed);
    assert_eq!(writer.mark(), Step::Idle);
    writer.finish().unwrap();
    assert_eq!(log.stats().groups, groups + 1);
    assert!(log.stats().syncs >= syncs);
}

#[test]
fn settings_that_contradict_themselves_are_refused() {
    let refused = |settings| match Recovery::open(SimDisk::new(1), settings) {
        Err(mqtt_log::OpenError::Settings(error)) => error,
        other => panic!("{other:?}"),
    };
    let tiny = Settings {
        segment_len: 512,
        ..settings()
    };
    assert_eq!(refused(tiny), SettingsError::SegmentLen(512));
    let odd = Settings {
        segment_len: (16 << 10) + 1,
        ..settings()
    };
    assert_eq!(refused(odd), SettingsError::SegmentLen((16 << 10) + 1));
    let wide = Settings {
        buffer_len_max: 8 << 10,
        ..settings()
    };
    assert_eq!(refused(wide), SettingsError::BufferLen(8 << 10));
    let narrow = Settings {
        total_len_max: 20 << 10,
        ..settings()
    };
    assert_eq!(refused(narrow), SettingsError::TotalLen(20 << 10));
}

#[test]
fn a_position_where_nothing_stands_is_not_read() {
    let disk = SimDisk::new(1);
    let (log, mut writer) = manual(&disk, settings());
    let position = log.append(Entry::new(KIND, &[b"one"])).unwrap();
    for writes in [false, true] {
        if writes {
            writer.step();
        }
        let mut memory = Vec::new();
        assert_eq!(log.read(position, 0, &mut memory).unwrap().payload, b"one");
        for number in [0, position.number() - 1, position.number() + 1, 1 << 40] {
            let read = log.read(Position::new(number), 0, &mut memory);
            assert!(
                matches!(read, Err(ReadError::Gone | ReadError::Damaged { .. })),
                "{number}"
            );
        }
    }
}

#[test]
fn what_a_session_waits_for_is_read_in_batches() {
    let disk = SimDisk::new(1);
    let (log, mut writer) = manual(&disk, settings());
    let mut positions = Vec::new();
    for number in 0..400_u32 {
        let payload = number
            .to_le_bytes()
            .repeat(usize::try_from(number % 60).unwrap());
        let position = loop {
            match log.append(Entry::new(KIND, &[&payload]).held()) {
                Ok(position) => break position,
                Err(_) => assert_eq!(writer.step(), Step::Committed),
            }
        };
        positions.push((position, payload));
    }
    // Every third, the last ones not written yet.
    let wanted: Vec<_> = positions.iter().step_by(3).cloned().collect();
    let only: Vec<_> = wanted.iter().map(|(position, _)| *position).collect();
    for payload_len in [0, 100, 4000] {
        let mut read = Vec::new();
        let taken = log.read_batch(&only, payload_len, |record| {
            read.push((record.position, record.payload.to_vec()));
            read.len() < 100
        });
        assert_eq!(taken.unwrap(), 100);
        assert!(read == wanted[..100]);
        let taken = log.read_batch(&only[100..], payload_len, |record| {
            read.push((record.position, record.payload.to_vec()));
            true
        });
        assert_eq!(taken.unwrap(), only.len() - 100);
        assert!(read == wanted);
    }
}
