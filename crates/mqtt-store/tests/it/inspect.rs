//! Damaged stores: what is said about them, and what can be saved.

use crate::model::{Model, Random};
use crate::recovery::settings;
use mqtt_store::{OpenError, Store, check, salvage};
use std::fs;
use std::path::{Path, PathBuf};

/// A closed store in a directory, and what it must remember.
fn closed(dir: &Path) -> Model {
    let mut random = Random(7);
    let mut model = Model::default();
    let (store, _, _) = Store::open(dir, settings()).unwrap();
    for step in 0..800 {
        model.step(&mut random, &store);
        if step == 400 {
            store.checkpoint().unwrap();
        }
    }
    store.close().unwrap();
    model
}

fn open(dir: &Path) -> Result<Model, OpenError> {
    let (store, recovered, _) = Store::open(dir, settings())?;
    Ok(Model::of(recovered, &store))
}

/// Turns over a bit in the middle of a segment of the log.
fn damage_log(dir: &Path) {
    let files = fs::read_dir(dir.join("log")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "seg"));
    files.sort();
    let used = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let middle = used(&fs::read(&files[0]).unwrap()) / 2;
    flip(&files[0], middle);
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_sound_store_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    let model = closed(dir.path());
    let found = check(dir.path()).unwrap();
    assert!(found.is_sound(), "{found:?}");
    assert!(found.log.records > 0 && found.rows > 0);
    assert_eq!(model.difference(&open(dir.path()).unwrap()), None);
}

#[test]
fn a_damaged_log_is_told_and_the_rest_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    let model = closed(dir.path());
    damage_log(dir.path());
    let found = check(dir.path()).unwrap();
    assert!(
        !found.is_sound() && found.log.damage.len() == 1,
        "{found:?}"
    );
    assert!(matches!(open(dir.path()), Err(OpenError::Log(_))));
    let to = tempfile::tempdir().unwrap();
    let saved = salvage(dir.path(), to.path()).unwrap();
    assert_eq!(saved.log.damage, found.log.damage);
    assert_eq!(saved.checkpoint, None);
    assert!(check(to.path()).unwrap().is_sound());
    let rest = open(to.path()).unwrap();
    assert_eq!(rest.sessions.len(), model.sessions.len());
}

#[test]
fn a_lost_checkpoint_is_told() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    fs::remove_file(dir.path().join("checkpoint.redb")).unwrap();
    assert!(!check(dir.path()).unwrap().is_sound());
    let refused = open(dir.path());
    assert!(matches!(refused, Err(OpenError::CheckpointMissing { .. })));
}

#[test]
fn rows_of_a_damaged_checkpoint_are_saved() {
    let dir = tempfile::tempdir().unwrap();
    let model = closed(dir.path());
    let path = dir.path().join("checkpoint.redb");
    let client_id = &model.sessions.values().next().unwrap().client_id;
    let bytes = fs::read(&path).unwrap();
    for (at, found) in bytes.windows(client_id.len()).enumerate() {
        if found == client_id.as_bytes() {
            flip(&path, at);
        }
    }
    let found = check(dir.path()).unwrap();
    assert!(found.checkpoint.is_some() && !found.is_sound(), "{found:?}");
    assert!(open(dir.path()).is_err());
    let to = tempfile::tempdir().unwrap();
    let saved = salvage(dir.path(), to.path()).unwrap();
    assert!(
        saved.checkpoint.is_some() && saved.sessions > 0,
        "{saved:?}"
    );
    assert!(check(to.path()).unwrap().is_sound());
    assert!(!open(to.path()).unwrap().sessions.is_empty());
}
