//! `mosquitto.db` of all formats, into a store that a broker opens.

use crate::db_file::{DbFile, Message, state};
use mqtt_import::{DbFault, DbLimits, ImportError, Replace, check_db, import_db};
use mqtt_store::{Recovered, RecoveredSession, Settings, Store};
use proptest::prelude::*;
use std::io::Cursor;
use std::path::Path;

const NEVER: u32 = u32::MAX;

fn import(bytes: &[u8], dir: &Path) -> Result<mqtt_import::DbReport, ImportError> {
    import_db(
        Cursor::new(bytes),
        dir,
        Replace::Never,
        &DbLimits::default(),
    )
}

fn opened(dir: &Path) -> (Store, Recovered) {
    let (store, recovered, _) = Store::open(dir.join("store"), Settings::default()).unwrap();
    (store, recovered)
}

/// What waits for a session: QoS, payload, Subscription Identifiers.
fn queued(store: &Store, session: &RecoveredSession) -> Vec<(u8, String, Vec<u32>)> {
    let entries = session.queued.iter().map(|entry| {
        let message = store.read(session.session, entry.id).unwrap();
        let payload = String::from_utf8(message.payload().to_vec()).unwrap();
        (entry.qos, payload, entry.subscription_ids.clone())
    });
    entries.collect()
}

fn of<'a>(recovered: &'a Recovered, client_id: &str) -> &'a RecoveredSession {
    let mut sessions = recovered.sessions.iter();
    sessions.find(|one| one.client_id == client_id).unwrap()
}

/// A file with something of everything.
fn everything(version: u32) -> DbFile {
    let mut file = DbFile::new(version);
    // Mosquitto writes the newest first.
    for (id, payload) in [(4, "four"), (3, "three"), (2, "two"), (1, "one")] {
        file.message(&Message {
            id,
            topic: if id == 4 { "kept" } else { "t" },
            payload: payload.as_bytes(),
            qos: 2,
            retain: id == 4,
            publisher: "b",
            ..Message::default()
        });
    }
    file.client("a", NEVER, 0);
    file.client_message("a", 1, 11, 1, state::WAIT_FOR_PUBACK, false, Some(9));
    file.client_message("a", 2, 12, 2, state::WAIT_FOR_PUBREC, false, None);
    file.client_message("a", 3, 13, 2, state::WAIT_FOR_PUBCOMP, false, None);
    file.client_message("a", 4, 14, 1, state::QUEUED, false, None);
    file.client("b", NEVER, 0);
    file.client_message("b", 2, 5, 2, state::WAIT_FOR_PUBREL, true, None);
    file.client_message("b", 3, 0, 1, state::QUEUED, false, None);
    file.subscription("a", "t/#", 2, 0);
    file.subscription("b", "+", 1, 0b1000);
    file.retained(4);
    file
}

#[test]
fn every_format_gives_the_same_state() {
    for version in 2..=6 {
        let dir = tempfile::tempdir().unwrap();
        let report = import(&everything(version).bytes, dir.path()).unwrap();
        assert_eq!(
            (report.sessions, report.subscriptions, report.queued),
            (2, 2, 5),
            "format {version}"
        );
        assert_eq!(
            (report.retained, report.under_way, report.incoming),
            (1, 3, 1)
        );
        let (store, recovered) = opened(dir.path());
        let a = of(&recovered, "a");
        assert_eq!((a.expiry_s, a.was_connected), (NEVER, false));
        let ids = if version < 5 { vec![] } else { vec![9] };
        let expected = [
            (1, "one".to_owned(), ids),
            (2, "two".to_owned(), vec![]),
            (1, "four".to_owned(), vec![]),
        ];
        // The third one has arrived; only its identifier counts.
        assert_eq!(queued(&store, a), expected, "format {version}");
        let begun: Vec<u16> = a.begun.iter().map(|(_, id)| id.get()).collect();
        let confirmed: Vec<u16> = a.confirmed.iter().map(|(_, id)| id.get()).collect();
        assert_eq!(
            (begun, confirmed),
            (vec![11, 12], vec![13]),
            "format {version}"
        );
        assert_eq!(a.subscriptions.len(), 1);
        let b = of(&recovered, "b");
        assert_eq!(queued(&store, b), [(1, "three".to_owned(), vec![])]);
        let received: Vec<u16> = b.received.iter().map(|id| id.get()).collect();
        assert_eq!(received, [5], "PUBREL is still to come");
        let options = b
            .subscriptions
            .iter()
            .map(|one| one.options)
            .next()
            .unwrap();
        assert_eq!(options, if version < 5 { 1 } else { 0b1001 });
        let delayed: Vec<_> = recovered
            .delayed
            .iter()
            .map(|one| one.message.payload())
            .collect();
        assert_eq!(delayed, [b"two"], "it is published with the start");
        let kept: Vec<_> = recovered
            .retained
            .iter()
            .map(|one| one.topic_name())
            .collect();
        assert_eq!(kept, ["kept"]);
    }
}

#[test]
fn properties_expiry_and_publisher_are_kept() {
    let mut file = DbFile::new(6);
    // Content Type "x".
    let properties = [4, 0x03, 0, 1, b'x'];
    let in_an_hour = i64::try_from(now_s() + 3600).unwrap();
    file.message(&Message {
        properties: &properties,
        expires_s: in_an_hour,
        publisher: "a",
        ..Message::default()
    });
    file.message(&Message {
        id: 2,
        expires_s: 1,
        ..Message::default()
    });
    file.client("a", 7200, i64::try_from(now_s() + 3600).unwrap());
    file.client_message("a", 1, 1, 1, state::QUEUED, false, None);
    file.client_message("a", 2, 2, 1, state::QUEUED, false, None);
    file.client("gone", 10, 1000);
    let dir = tempfile::tempdir().unwrap();
    let report = import(&file.bytes, dir.path()).unwrap();
    assert_eq!((report.sessions, report.sessions_expired), (1, 1));
    assert_eq!((report.queued, report.messages_expired), (1, 1));
    let (store, recovered) = opened(dir.path());
    let a = of(&recovered, "a");
    let left_s = a.at_ms / 1000 + 7200 - now_s();
    assert!((3590..=3600).contains(&left_s), "{left_s} s are left");
    let entry = a.queued.first().unwrap();
    let message = store.read(a.session, entry.id).unwrap();
    assert_eq!(message.properties(), &properties[1..]);
    assert_eq!(message.publisher, a.session.0);
    assert_eq!(
        message.expires_at_ms,
        Some(u64::try_from(in_an_hour).unwrap() * 1000)
    );
}

#[test]
fn an_old_retained_message_keeps_its_place_in_a_queue() {
    let mut file = DbFile::new(6);
    for (id, payload) in [(3, "new"), (2, "middle"), (1, "old")] {
        file.message(&Message {
            id,
            payload: payload.as_bytes(),
            ..Message::default()
        });
    }
    file.client("a", NEVER, 0);
    for message in [2, 1, 3, 1] {
        file.client_message("a", message, 1, 1, state::QUEUED, false, None);
    }
    file.client("b", NEVER, 0);
    file.client_message("b", 1, 1, 1, state::QUEUED, false, None);
    let dir = tempfile::tempdir().unwrap();
    import(&file.bytes, dir.path()).unwrap();
    let (store, recovered) = opened(dir.path());
    let payloads: Vec<String> = queued(&store, of(&recovered, "a"))
        .into_iter()
        .map(|(_, payload, _)| payload)
        .collect();
    assert_eq!(payloads, ["middle", "old", "new", "old"]);
}

#[test]
fn a_file_cut_anywhere_is_refused_and_nothing_is_written() {
    for version in [3, 6] {
        let whole = everything(version).bytes;
        let mut whole_at = Vec::new();
        for len in 0..whole.len() {
            let dir = tempfile::tempdir().unwrap();
            let cut = whole.get(..len).unwrap();
            match check_db(Cursor::new(cut), &DbLimits::default()) {
                // Between two chunks nothing tells that more was there.
                Ok(_) => whole_at.push(len),
                Err(error) => assert!(error.offset <= u64::try_from(len).unwrap(), "{error}"),
            }
            if len % 64 == 0 && import(cut, dir.path()).is_err() {
                assert_eq!(dir.path().read_dir().unwrap().count(), 0, "cut at {len}");
            }
        }
        assert!(whole_at.len() < 20, "{whole_at:?}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let fault = |bytes: &[u8]| check_db(Cursor::new(bytes), &DbLimits::default()).unwrap_err();
    let line = fault(b"SQLite format 3\0 and more").to_string();
    assert_eq!(line, "at byte 0: this is not a mosquitto.db");
    let line = fault(&DbFile::new(7).bytes).to_string();
    assert_eq!(line, "at byte 19: format 7 is not known, only 2 to 6");
    let mut file = DbFile::new(6);
    let at = u64::try_from(file.bytes.len()).unwrap() + 8;
    file.message(&Message {
        topic: "a/#",
        ..Message::default()
    });
    let error = fault(&file.bytes);
    assert_eq!(error.offset, at);
    assert!(matches!(error.fault, DbFault::Topic), "{error}");
    let mut file = DbFile::new(6);
    file.chunk(9, b"");
    let error = fault(&file.bytes);
    assert!(
        matches!(error.fault, DbFault::Value { value: 9, .. }),
        "{error}"
    );
}

#[test]
fn a_bound_is_told() {
    let limits = DbLimits {
        messages_max: 3,
        ..DbLimits::default()
    };
    let error = check_db(Cursor::new(everything(6).bytes), &limits).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("there are more than 3 messages"),
        "{error}"
    );
}

#[test]
fn state_that_is_there_stays_unless_it_is_to_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = everything(6).bytes;
    import(&bytes, dir.path()).unwrap();
    let error = import(&bytes, dir.path()).unwrap_err();
    assert!(
        matches!(
            error,
            ImportError::NotEmpty {
                sessions: 2,
                retained: 1,
                ..
            }
        ),
        "{error}"
    );
    import_db(
        Cursor::new(&bytes),
        dir.path(),
        Replace::Always,
        &DbLimits::default(),
    )
    .unwrap();
    assert!(dir.path().join("store.replaced").exists());
    let names: Vec<_> = dir
        .path()
        .read_dir()
        .unwrap()
        .map(|one| one.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    // One that has nothing in it is as good as none.
    let dir = tempfile::tempdir().unwrap();
    drop(opened(dir.path()));
    import(&bytes, dir.path()).unwrap();
    assert_eq!(opened(dir.path()).1.sessions.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Bytes that are damaged anywhere give a state or an error, and never more.
    #[test]
    fn damaged_bytes_never_panic(
        version in 2_u32..=6,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = everything(version).bytes;
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        let _ = check_db(Cursor::new(bytes), &DbLimits::default());
    }
}

fn now_s() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
