//! Directories written before: those of this version open, and say what they said.

use crate::model::{Model, Random};
use crate::recovery::settings;
use mqtt_store::{Store, check};
use std::fs;
use std::path::Path;

/// A directory of format 1, as it was written when that was new, and what is in it.
const FORMAT_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/format-1");

/// Writes such a directory: rows in the checkpoint, records behind it, messages under way and done.
fn write(dir: &Path) -> Model {
    let mut settings = settings();
    settings.segment_len = 32 << 10;
    let (store, _, _) = Store::open(dir, settings).unwrap();
    let (mut random, mut model) = (Random(20), Model::default());
    for step in 0..150 {
        model.step(&mut random, &store);
        if step == 90 {
            store.checkpoint().unwrap();
        }
    }
    store.flush();
    model
}

/// The directory, copied to where it may be written to: what a new process finds in it.
fn found(from: &Path) -> Model {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("store");
    copy(from, &to);
    assert!(check(&to).unwrap().is_sound());
    let (store, recovered, _) = Store::open(&to, settings()).unwrap();
    let model = Model::of(recovered, &store);
    drop(store);
    model
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn a_directory_of_format_1_opens() {
    let model = found(&Path::new(FORMAT_1).join("store"));
    let expected = fs::read_to_string(Path::new(FORMAT_1).join("expected.txt")).unwrap();
    assert_eq!(model.words(), expected);
}

/// What is in it is also what is written today.
#[test]
fn format_1_means_what_it_meant() {
    let dir = tempfile::tempdir().unwrap();
    let model = write(dir.path());
    let expected = fs::read_to_string(Path::new(FORMAT_1).join("expected.txt")).unwrap();
    assert_eq!(model.words(), expected);
}
