//! Inputs that a fuzz target once failed on, or that reach far into it, and those fuzzing starts
//! from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mqtt_codec::{PacketType, PropertyId, ProtocolVersion};
use mqtt_testkit::oracles::TARGETS;
use mqtt_testkit::seeds;

fn inputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/inputs")
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The names in a folder, without `extension`.
fn names(folder: &Path, extension: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names
        .map(|name| name.trim_end_matches(extension).to_owned())
        .collect()
}

/// Every file below `tests/it/inputs/<target>` goes through the oracle of that target.
fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(inputs().join(name)).unwrap() {
        (target.oracle)(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "no input for {name}");
}

macro_rules! replays {
    ($($name:ident)*) => {
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*
    };
}

replays! {
    decode_v31 decode_v311 decode_v5 split reencode any_packet properties topic_match publish acks
    frame
}

#[test]
fn every_fuzz_target_is_replayed() {
    let known: BTreeSet<String> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(names(&inputs(), ""), known);
    let folder = fuzz().join("fuzz_targets");
    let mut targets = names(&folder, ".rs");
    // The others belong to other crates.
    targets.retain(|name| {
        let source = fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
        source.contains("use mqtt_testkit::oracles;")
    });
    assert_eq!(targets, known);
    let replayed: BTreeSet<String> = REPLAYED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(replayed, known);
}

#[test]
fn what_fuzzing_starts_from_passes() {
    let seeds = seeds::all();
    for target in TARGETS {
        let mut count = 0;
        for seed in seeds.iter().filter(|seed| seed.target == target.name) {
            (target.oracle)(&seed.bytes);
            count += 1;
        }
        assert!(count > 0, "no seed for {}", target.name);
    }
}

#[test]
fn the_fuzzing_dictionary_has_headers_properties_and_names() {
    let dictionary = fs::read_to_string(fuzz().join("mqtt.dict")).unwrap();
    let values: BTreeSet<&str> = dictionary
        .lines()
        .filter_map(|line| line.split_once('=').map(|(_, value)| value))
        .collect();
    let has_byte = |byte: u8| values.contains(format!("\"\\x{byte:02X}\"").as_str());
    for packet_type in PacketType::ALL {
        assert!(has_byte(packet_type.first_byte()), "{packet_type}");
    }
    for id in PropertyId::ALL {
        assert!(has_byte(id.get()), "{id}");
    }
    for version in ProtocolVersion::ALL {
        let name = version.protocol_name();
        let level = version.level();
        let value = format!("\"\\x00\\x{:02X}{name}\\x{level:02X}\"", name.len());
        assert!(values.contains(value.as_str()), "{value}");
    }
}
