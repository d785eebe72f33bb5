//! Every packet type in every version, as text and as JSON: what is printed is kept in `golden/`.
//!
//! With `MQTT_GOLDEN=write` in the environment the files are written anew, to be read before they are kept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use mqtt_codec::{PacketType, ProtocolVersion};
use mqtt_dissect::{Conversation, Settings, Spoken, Start, Style};

use crate::packets;

fn spoken(version: ProtocolVersion) -> Vec<Spoken> {
    let mut conversation = Conversation::new(Settings::default(), Start::Beginning);
    packets::all(version)
        .into_iter()
        .flat_map(|(side, bytes)| conversation.feed(side, None, &bytes))
        .collect()
}

fn file(version: ProtocolVersion, extension: &str) -> PathBuf {
    let name = format!("level_{}.{extension}", version.level());
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(name)
}

fn compare(version: ProtocolVersion, extension: &str, printed: &str) {
    let file = file(version, extension);
    if env::var_os("MQTT_GOLDEN").is_some_and(|value| value == "write") {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, printed).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap();
    for (number, (kept, printed)) in kept.lines().zip(printed.lines()).enumerate() {
        assert_eq!(printed, kept, "line {} of {}", number + 1, file.display());
    }
    assert_eq!(printed.len(), kept.len(), "{}", file.display());
}

#[test]
fn text_is_as_it_was() {
    for version in ProtocolVersion::ALL {
        let mut printed = String::new();
        for packet in spoken(version) {
            printed.push_str(&packet.to_line(Style::Plain));
            printed.push('\n');
            printed.push_str(&packet.to_tree(Style::Plain));
            printed.push('\n');
        }
        compare(version, "txt", &printed);
    }
}

#[test]
fn json_is_as_it_was() {
    for version in ProtocolVersion::ALL {
        let lines = spoken(version).into_iter().map(|packet| {
            let line = serde_json::to_string(&packet).unwrap();
            line + "\n"
        });
        compare(version, "ndjson", &lines.collect::<String>());
    }
}

#[test]
fn every_packet_type_is_there_and_right() {
    for version in ProtocolVersion::ALL {
        let spoken = spoken(version);
        let types: BTreeSet<_> = spoken
            .iter()
            .filter_map(|packet| packet.packet.packet_type)
            .collect();
        let expected: BTreeSet<_> = PacketType::ALL
            .into_iter()
            .filter(|packet_type| *packet_type != PacketType::Auth || version.has_auth())
            .collect();
        assert_eq!(types, expected);
        for packet in spoken {
            assert!(packet.packet.is_right(), "{}", packet.to_tree(Style::Plain));
            assert_eq!(packet.packet.find("not read"), None);
        }
    }
}

#[test]
fn every_property_is_there() {
    let spoken = spoken(ProtocolVersion::V5);
    for id in mqtt_codec::PropertyId::ALL {
        let is_there = spoken
            .iter()
            .any(|packet| packet.packet.find(id.name()).is_some());
        assert!(is_there, "{id}");
    }
}
