//! Bits that turn over and files that disappear: found, reported, never served; and what can be saved of the rest.

use mqtt_log::{
    AppendError, CheckReport, Damage, DamageKind, DumpItem, Entry, Log, OpenError, Position,
    ReadError, Record, Recovery, RecoveryReport, ReplayError, Settings, Step, Writer, check, dump,
    fault::SimDisk, salvage,
};
use std::{collections::BTreeMap, convert::Infallible, num::NonZeroU8};

const KIND: NonZeroU8 = NonZeroU8::MIN;
const GROUP_HEAD: u64 = 32;

type Records = Vec<(Position, Vec<u8>)>;

fn settings() -> Settings {
    Settings {
        segment_len: 16 << 10,
        buffer_len_max: 4 << 10,
        ..Settings::default()
    }
}

fn open_from(
    disk: &SimDisk,
    known_synced: Position,
) -> Result<(Log, Writer, RecoveryReport, Records), OpenError> {
    let mut found = Vec::new();
    let keep = |record: Record<'_>| {
        found.push((record.position, record.payload.to_vec()));
        Ok::<_, Infallible>(())
    };
    let recovery = Recovery::open(disk.clone(), settings())?;
    match recovery.replay_manual(Position::ZERO, known_synced, keep) {
        Ok((log, writer, report)) => Ok((log, writer, report, found)),
        Err(ReplayError::Open(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

fn open(disk: &SimDisk) -> Result<(Log, Writer, RecoveryReport, Records), OpenError> {
    open_from(disk, Position::ZERO)
}

fn append(log: &Log, writer: &mut Writer, payload: &[u8]) -> Position {
    loop {
        match log.append(Entry::new(KIND, &[payload]).held()) {
            Ok(position) => return position,
            Err(AppendError::BufferFull) => assert_eq!(writer.step(), Step::Committed),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A closed log of three segments, with a dropped one before them.
fn closed() -> (SimDisk, Records) {
    let disk = SimDisk::new(1);
    let (log, mut writer, _, _) = open(&disk).unwrap();
    let mut records = Vec::new();
    for number in 0..270_u32 {
        let payload = number
            .to_le_bytes()
            .repeat(40 + usize::try_from(number % 7).unwrap());
        records.push((append(&log, &mut writer, &payload), payload));
        if number % 9 == 0 {
            writer.step();
        }
    }
    while writer.step() == Step::Committed {}
    log.set_replay_from(log.durable());
    for (position, payload) in &records {
        if position.number() < 16 << 10 {
            log.release(*position, payload.len());
        }
    }
    records.retain(|(position, _)| position.number() >= 15 << 10);
    while writer.step() == Step::Committed {}
    assert_eq!(log.stats().dropped_segments, 1);
    writer.finish().unwrap();
    drop(log);
    let (log, writer, report, found) = open(&disk).unwrap();
    drop((log, writer));
    let first = found.first().unwrap().0;
    records.retain(|(position, _)| *position >= first);
    assert_eq!((report.cut, found == records), (None, true));
    (disk, records)
}

/// Where the segment in a file starts.
fn base(name: &str) -> u64 {
    u64::from_str_radix(name.strip_suffix(".seg").unwrap(), 16).unwrap()
}

/// Names of the files of segments.
fn segments(disk: &SimDisk) -> Vec<String> {
    let names = mqtt_log::Disk::list(disk).unwrap();
    names
        .into_iter()
        .filter(|name| name.ends_with(".seg"))
        .collect()
}

#[test]
fn no_bit_that_turns_over_is_served() {
    let (disk, records) = closed();
    let mut refused = [0_u32; 3];
    let mut cut = 0;
    let used = used(&disk);
    let names = mqtt_log::Disk::list(&disk).unwrap();
    for (index, name) in names.iter().enumerate() {
        let len = disk.bytes(name).unwrap().len();
        let stride = if name.ends_with(".spare") { 512 } else { 7 };
        for offset in (0..len).step_by(stride) {
            let copy = disk.copy();
            assert!(copy.flip(name, offset, u32::try_from(offset % 8).unwrap()));
            match open(&copy) {
                Err(OpenError::Rot(rot)) => {
                    assert!(
                        rot.file.ends_with(name.as_str()),
                        "{index} {name} {offset}: {rot}"
                    );
                    assert!(rot.offset <= offset as u64, "{name} {offset}: {rot}");
                    refused[0] += 1;
                }
                Err(OpenError::UnknownFormat { .. }) => refused[1] += 1,
                Err(OpenError::NewerFormat { .. }) => refused[2] += 1,
                Err(error) => panic!("{name} {offset}: {error}"),
                Ok((_, _, report, found)) => {
                    assert!(found == records, "{name} {offset}");
                    // Only the closing mark, behind which nothing stands, can be taken for unfinished or for
                    // nothing, and only what no group uses can be anything.
                    cut += u32::from(report.cut.is_some());
                    let is_used = used.get(name).is_some_and(|used| offset < *used);
                    assert!(report.cut.is_some() || !is_used, "{name} {offset}");
                }
            }
        }
    }
    assert!(refused[0] > 3000 && refused[1] > 0, "{refused:?}");
    assert!((1..100).contains(&cut), "{cut}");
}

/// Bytes of each segment file up to the end of its last group with records.
fn used(disk: &SimDisk) -> BTreeMap<String, usize> {
    let mut used = BTreeMap::new();
    let mut name = String::new();
    dump(disk.copy(), Position::ZERO, |item| match item {
        DumpItem::Segment { file, .. } => name = file.to_owned(),
        DumpItem::Group {
            offset,
            len,
            records: 1..,
            ..
        } => {
            used.insert(name.clone(), usize::try_from(offset + len).unwrap());
        }
        _ => {}
    })
    .unwrap();
    used
}

#[test]
fn a_record_that_rots_while_the_log_is_open_is_not_served() {
    let (disk, records) = closed();
    let (log, _writer, _, _) = open(&disk).unwrap();
    let mut damaged = 0;
    for (index, (position, payload)) in records.iter().enumerate() {
        let name = segments(&disk)
            .into_iter()
            .rfind(|name| base(name) <= position.number())
            .unwrap();
        let base = base(&name);
        let offset = usize::try_from(position.number() - base).unwrap();
        let at = offset + index % (12 + payload.len());
        disk.flip(&name, at, 3);
        let mut memory = Vec::new();
        match log.read(*position, payload.len(), &mut memory) {
            Err(ReadError::Damaged { offset: told, .. }) => {
                assert_eq!(told, offset as u64);
                damaged += 1;
            }
            other => panic!("{position}: {other:?}"),
        }
        disk.flip(&name, at, 3);
        assert_eq!(
            log.read(*position, 0, &mut memory).unwrap().payload,
            payload
        );
    }
    assert_eq!(damaged, records.len());
}

#[test]
fn a_lost_segment_is_told() {
    let (disk, records) = closed();
    for name in segments(&disk) {
        let copy = disk.copy();
        mqtt_log::Disk::remove(&copy, &name).unwrap();
        // Nothing but its owner knows of the last one.
        let known_synced = records.last().unwrap().0;
        let error = open_from(&copy, known_synced).err().unwrap();
        assert!(matches!(&error, OpenError::Rot(_)), "{name}: {error}");
        let report = check(copy.kill(), known_synced).unwrap();
        assert!(!report.is_sound());
    }
}

#[test]
fn a_sound_log_is_sound() {
    let (disk, records) = closed();
    let report = check(disk.clone(), Position::ZERO).unwrap();
    let CheckReport {
        records: count,
        segments: there,
        damage,
        ..
    } = &report;
    assert_eq!(
        (*count, *there),
        (records.len() as u64, segments(&disk).len())
    );
    assert_eq!(*damage, []);
    assert!(report.is_sound());
    let mut dumped = Vec::new();
    let again = dump(disk, Position::ZERO, |item| {
        if let DumpItem::Record { record, .. } = item
            && record.kind == KIND.get()
        {
            dumped.push((record.position, record.payload.to_vec()));
        }
    });
    assert_eq!(again.unwrap(), report);
    assert!(dumped == records);
}

#[test]
fn what_is_whole_is_saved_at_its_place() {
    let (disk, records) = closed();
    for (index, (position, payload)) in records.iter().enumerate().step_by(11) {
        let names = segments(&disk);
        let name = names
            .iter()
            .rfind(|name| base(name) <= position.number())
            .unwrap();
        let copy = disk.copy();
        let offset = usize::try_from(position.number() - base(name)).unwrap();
        copy.flip(name, offset + index % (12 + payload.len()), 0);
        if index % 2 == 0 {
            copy.flip(name, 20, 1);
        }
        let refused = open(&copy).err().unwrap();
        assert!(matches!(refused, OpenError::Rot(_)), "{refused}");
        let report = check(copy.kill(), Position::ZERO).unwrap();
        let rot = report
            .damage
            .iter()
            .filter(|damage| damage.kind == DamageKind::Rot)
            .count();
        assert_eq!(rot, 1 + usize::from(index % 2 == 0), "{:?}", report.damage);

        let saved = SimDisk::new(2);
        let report = salvage(copy.kill(), saved.clone(), Position::ZERO).unwrap();
        let is_there =
            |damage: &Damage| damage.position <= *position && position.since_start(damage);
        assert!(report.damage.iter().any(is_there), "{:?}", report.damage);
        assert_eq!(report.records + report.rescued, records.len() as u64 - 1);
        let (log, _writer, _, found) = open(&saved).unwrap();
        let expected: Vec<_> = records
            .iter()
            .filter(|(other, _)| other != position)
            .cloned()
            .collect();
        assert!(found == expected);
        let mut memory = Vec::new();
        for (position, payload) in expected.iter().step_by(20) {
            assert_eq!(
                log.read(*position, 300, &mut memory).unwrap().payload,
                payload
            );
        }
    }
}

/// Whether a position lies in damage that starts before it.
trait SinceStart {
    fn since_start(&self, damage: &Damage) -> bool;
}

impl SinceStart for Position {
    fn since_start(&self, damage: &Damage) -> bool {
        self.number() < damage.position.number() + damage.len
    }
}

#[test]
fn a_log_without_a_segment_is_saved_around_it() {
    let (disk, records) = closed();
    let names = segments(&disk);
    for name in &names[..names.len() - 1] {
        let copy = disk.copy();
        mqtt_log::Disk::remove(&copy, name).unwrap();
        copy.flip("format", 3, 1);
        let saved = SimDisk::new(3);
        let report = salvage(copy, saved.clone(), Position::ZERO).unwrap();
        let missing: Vec<_> = report
            .damage
            .iter()
            .filter(|damage| damage.kind == DamageKind::Missing)
            .collect();
        assert_eq!(missing.len(), 1, "{:?}", report.damage);
        let (gone, len) = (missing[0].position, missing[0].len);
        let is_there =
            |position: &Position| *position < gone || position.number() >= gone.number() + len;
        let expected: Vec<_> = records
            .iter()
            .filter(|(position, _)| is_there(position))
            .cloned()
            .collect();
        let (_, _, _, found) = open(&saved).unwrap();
        assert!(found == expected && found.len() < records.len());
    }
}

#[test]
fn a_tail_nobody_was_promised_is_cut_off_and_told() {
    let disk = SimDisk::new(4);
    let (log, mut writer, _, _) = open(&disk).unwrap();
    let first = append(&log, &mut writer, b"first");
    writer.step();
    let second = append(&log, &mut writer, b"second");
    writer.step();
    drop((log, writer));
    // As if the second had never been synced: nothing behind it says that it was.
    let disk = disk.kill();
    let name = segments(&disk).remove(0);
    let offset = usize::try_from(second.number()).unwrap();
    disk.flip(&name, offset + 13, 0);
    let report = check(disk.clone(), Position::ZERO).unwrap();
    assert_eq!(report.damage.len(), 1);
    assert_eq!(report.damage[0].kind, DamageKind::TornTail);
    let (log, writer, report, found) = open(&disk.kill()).unwrap();
    assert_eq!(found, [(first, b"first".to_vec())]);
    let cut = report.cut.unwrap();
    assert_eq!(
        (cut.position.number(), cut.groups),
        (second.number() - GROUP_HEAD, 0)
    );
    drop((log, writer));
    let (_, _, report, found) = open(&disk.kill()).unwrap();
    assert_eq!((report.cut, found.len()), (None, 1));
}

#[test]
fn damage_below_what_its_owner_knows_to_be_synced_is_rot() {
    let disk = SimDisk::new(4);
    let (log, mut writer, _, _) = open(&disk).unwrap();
    let position = append(&log, &mut writer, b"first");
    writer.step();
    let durable = log.durable();
    drop((log, writer));
    let disk = disk.kill();
    let name = segments(&disk).remove(0);
    disk.flip(&name, usize::try_from(position.number()).unwrap(), 0);
    let error = open_from(&disk.copy(), durable).err().unwrap();
    assert!(matches!(error, OpenError::Rot(_)));
    assert!(open(&disk).is_ok());
}
