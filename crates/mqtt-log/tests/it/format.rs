//! Files written before: those of this version open, those of a newer one are refused.

use mqtt_log::{Entry, OpenError, Position, Record, Recovery, Settings, Step, fault::SimDisk};
use std::{convert::Infallible, num::NonZeroU8, path::Path};

/// Files of format 1, as they were written when it was new.
const FORMAT_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/format-1");

/// What stands in them.
fn expected() -> Vec<(u64, u8, u8, Vec<u8>)> {
    (0..40_u8)
        .map(|number| {
            (
                u64::from(number),
                1 + number % 5,
                number % 3,
                vec![number; usize::from(number) * 9],
            )
        })
        .collect()
}

#[test]
fn files_of_format_1_open() {
    let disk = SimDisk::new(1);
    let mut files = 0;
    for entry in Path::new(FORMAT_1).read_dir().unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        disk.put(&name, &std::fs::read(entry.path()).unwrap());
        files += 1;
    }
    assert!(files >= 2, "the files are missing");
    let mut found = Vec::new();
    let keep = |record: Record<'_>| {
        found.push((record.kind, record.version, record.payload.to_vec()));
        Ok::<_, Infallible>(())
    };
    let recovery = Recovery::open(disk, Settings::default()).unwrap();
    let (log, _, report) = recovery
        .replay_manual(Position::ZERO, Position::ZERO, keep)
        .unwrap();
    assert_eq!(report.cut, None);
    let expected: Vec<_> = expected()
        .into_iter()
        .map(|(_, kind, version, payload)| (kind, version, payload))
        .collect();
    assert_eq!(found, expected);
    drop(log);
}

/// The bytes of format 1 do not change by accident: the same records are written as the same bytes.
#[test]
fn format_1_is_written_as_it_was() {
    let disk = write();
    for entry in Path::new(FORMAT_1).read_dir().unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let before = std::fs::read(entry.path()).unwrap();
        let now = disk.bytes(&name).unwrap_or_default();
        assert!(
            now.get(..before.len()) == Some(before.as_slice()),
            "{name} is written in another way"
        );
    }
}

/// A log in two lives; `MQTT_LOG_WRITE=DIR` keeps its files there.
fn write() -> SimDisk {
    let disk = SimDisk::new(1);
    let records = expected();
    for half in records.chunks(20) {
        let recovery = Recovery::open(
            disk.clone(),
            Settings {
                segment_len: 16 << 10,
                buffer_len_max: 4 << 10,
                ..Settings::default()
            },
        )
        .unwrap();
        let visit = |_: Record<'_>| Ok::<_, Infallible>(());
        let (log, mut writer, _) = recovery
            .replay_manual(Position::ZERO, Position::ZERO, visit)
            .unwrap();
        for (number, kind, version, payload) in half {
            log.append(Entry::new(NonZeroU8::new(*kind).unwrap(), &[payload]).version(*version))
                .unwrap();
            if number % 6 == 5 {
                assert_eq!(writer.step(), Step::Committed);
            }
        }
        writer.finish().unwrap();
    }
    if let Ok(directory) = std::env::var("MQTT_LOG_WRITE") {
        for name in mqtt_log::Disk::list(&disk).unwrap() {
            let mut bytes = disk.bytes(&name).unwrap();
            let used = bytes
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |last| (last + 1).next_multiple_of(512));
            if name.ends_with(".seg") {
                bytes.truncate(used);
            }
            if !name.ends_with(".spare") {
                std::fs::write(Path::new(&directory).join(&name), bytes).unwrap();
            }
        }
    }
    disk
}

#[test]
fn a_newer_format_is_refused() {
    let disk = SimDisk::new(1);
    disk.put("format", b"mqtt-log 2\n");
    let error = Recovery::open(disk, Settings::default()).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::NewerFormat {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn segments_of_an_unknown_format_are_refused() {
    let written = write();
    for format in [None, Some("mqtt-log 0\n"), Some("something else"), Some("")] {
        let disk = written.copy();
        mqtt_log::Disk::remove(&disk, "format").unwrap();
        if let Some(format) = format {
            disk.put("format", format.as_bytes());
        }
        let error = Recovery::open(disk, Settings::default()).unwrap_err();
        assert!(matches!(error, OpenError::UnknownFormat { .. }), "{error}");
    }
}
