//! Malformed packets: what is said of each, where, by which statement, and what can be read all the same.

use mqtt_codec::ProtocolVersion;
use mqtt_dissect::Dissection;

struct Case {
    level: u8,
    bytes: &'static [u8],
    /// The complaint and its offset.
    text: &'static str,
    at: u32,
    /// The statement, or the section where there is none.
    source: &'static str,
    /// The last field that is shown in front of what is not read.
    last: &'static str,
}

const fn case(
    level: u8,
    bytes: &'static [u8],
    text: &'static str,
    at: u32,
    source: &'static str,
    last: &'static str,
) -> Case {
    Case {
        level,
        bytes,
        text,
        at,
        source,
        last,
    }
}

#[rustfmt::skip]
const CASES: [Case; 44] = [
    // Fixed headers.
    case(5, b"\x00\x00", "reserved packet type", 0, "v5 §2.1.2", "remaining length"),
    case(5, b"\x36\x05\0\x01t\0\x01", "quality of service 3", 0, "v5 [MQTT-3.3.1-4]", "packet identifier"),
    case(4, b"\x38\x03\0\x01t", "dup set at quality of service 0", 0, "v3.1.1 [MQTT-3.3.1-2]", "payload"),
    case(5, b"\x60\x02\0\x01", "wrong fixed header flags in PUBREL", 0, "v5 [MQTT-3.6.1-1]", "packet identifier"),
    case(4, b"\x80\x06\0\x01\0\x01t\0", "wrong fixed header flags in SUBSCRIBE", 0, "v3.1.1 [MQTT-3.8.1-1]", "subscription"),
    case(4, b"\xC1\x00", "wrong fixed header flags in PINGREQ", 0, "v3.1.1 [MQTT-2.2.2-1]", "remaining length"),
    case(5, b"\x30\xFF\xFF\xFF\xFF", "variable byte integer of more than four bytes", 1, "v5 §1.5.5", "fixed header"),
    case(5, b"\xC0\x80\x00", "variable byte integer not in its shortest form", 1, "v5 [MQTT-1.5.5-1]", "remaining length"),
    case(4, b"\xF0\x00", "AUTH does not exist in this version", 0, "v3.1.1 §2.2.1", "remaining length"),
    case(4, b"\xC0\x01\0", "bytes after the last field", 2, "v3.1.1 §4.8", "remaining length"),
    // CONNECT.
    case(5, b"\x10\x0D\0\x04MQTX\x05\x02\0\x3C\0\0\0", "unknown protocol name", 2, "v5 [MQTT-3.1.2-1]", "client identifier"),
    case(5, b"\x10\x0D\0\x04MQTT\x06\x02\0\x3C\0\0\0", "unsupported protocol level 6", 8, "v5 [MQTT-3.1.2-2]", "client identifier"),
    case(5, b"\x10\x0D\0\x04MQTT\x05\x03\0\x3C\0\0\0", "reserved connect flag set", 9, "v5 [MQTT-3.1.2-3]", "client identifier"),
    case(4, b"\x10\x0C\0\x04MQTT\x04\x22\0\x3C\0\0", "will flags set without a will", 9, "v3.1.1 [MQTT-3.1.2-11]", "client identifier"),
    case(5, b"\x10\x14\0\x04MQTT\x05\x1E\0\x3C\0\0\0\0\0\x01w\0\x01p", "will with quality of service 3", 9, "v5 [MQTT-3.1.2-12]", "will payload"),
    case(4, b"\x10\x0F\0\x04MQTT\x04\x42\0\x3C\0\0\0\x01p", "password without user name", 9, "v3.1.1 [MQTT-3.1.2-22]", "password"),
    case(4, b"\x10\x0C\0\x04MQTT\x04\x00\0\x3C\0\0", "empty client identifier", 12, "v3.1.1 [MQTT-3.1.3-8]", "client identifier"),
    case(5, b"\x10\x14\0\x04MQTT\x05\x06\0\x3C\0\0\0\0\0\x01#\0\x01p", "wildcard in a topic name", 16, "v5 [MQTT-3.3.2-2]", "will payload"),
    case(5, b"\x10\x0D\0\x04MQTT\x05\x02\0\x3C\0\0\x05", "field runs past the end", 15, "v5 §4.13.1", "property length"),
    // CONNACK.
    case(5, b"\x20\x03\x02\0\0", "reserved connect acknowledge flags set", 2, "v5 [MQTT-3.2.2-1]", "property length"),
    case(4, b"\x20\x02\x01\x05", "session present in a refusal", 2, "v3.1.1 [MQTT-3.2.2-4]", "reason code"),
    case(4, b"\x20\x02\x00\x06", "reason code 0x06 is not one of CONNACK", 3, "v3.1.1 §3.2.2.3", "reason code"),
    // PUBLISH and its answers.
    case(5, b"\x30\x04\0\x01+\0", "wildcard in a topic name", 4, "v5 [MQTT-3.3.2-2]", "payload"),
    case(4, b"\x30\x02\0\0", "empty topic name", 2, "v3.1.1 [MQTT-4.7.3-1]", "payload"),
    case(4, b"\x30\x03\0\x01\xFF", "ill-formed utf-8", 4, "v3.1.1 [MQTT-1.5.3-1]", "payload"),
    case(4, b"\x30\x05\0\x03a\0b", "null character in a string", 4, "v3.1.1 [MQTT-1.5.3-2]", "payload"),
    case(5, b"\x32\x06\0\x01t\0\0\0", "packet identifier 0", 5, "v5 [MQTT-2.2.1-3]", "payload"),
    case(4, b"\x32\x04\0\x01t\0", "field runs past the end", 5, "v3.1.1 §4.8", "topic name"),
    case(5, b"\x30\x07\0\x01t\x03\x23\0\0", "value of property topic alias out of range", 7, "v5 [MQTT-3.3.2-8]", "payload"),
    case(5, b"\x30\x06\0\x01t\x02\x7F\0", "unknown property 0x7F", 6, "v5 §3.3.2.3", "payload"),
    case(5, b"\x30\x07\0\x01t\x03\x21\0\x05", "property receive maximum not allowed here", 6, "v5 §2.2.2.2", "payload"),
    case(5, b"\x30\x08\0\x01t\x04\x01\0\x01\0", "property payload format indicator repeated", 8, "v5 §3.3.2.3.2", "payload"),
    case(5, b"\x30\x06\0\x01t\x02\x01\x02", "value of property payload format indicator out of range", 7, "v5 §3.3.2.3.2", "payload"),
    case(5, b"\x40\x03\0\x01\x01", "reason code 0x01 is not one of PUBACK", 4, "v5 [MQTT-3.4.2-1]", "reason code"),
    case(4, b"\x40\x03\0\x01\x00", "bytes after the last field", 4, "v3.1.1 §4.8", "packet identifier"),
    // SUBSCRIBE, UNSUBSCRIBE and their answers.
    case(4, b"\x82\x02\0\x01", "no topic filter in SUBSCRIBE", 4, "v3.1.1 [MQTT-3.8.3-3]", "packet identifier"),
    case(4, b"\x82\x06\0\x01\0\x01a\x04", "reserved subscription options bits set", 7, "v3.1.1 [MQTT-3.8.3-4]", "subscription"),
    case(5, b"\x82\x07\0\x01\0\0\x01a\x30", "retain handling 3", 8, "v5 §3.8.3.1", "subscription"),
    case(5, b"\x82\x0A\0\x01\0\0\x03a/#\0\x00", "field runs past the end", 11, "v5 §4.13.1", "subscription"),
    case(5, b"\x82\x08\0\x01\0\0\x02#a\0", "misplaced multi-level wildcard in a topic filter", 5, "v5 [MQTT-4.7.1-1]", "subscription"),
    case(5, b"\xA2\x07\0\x01\0\0\x02a+", "misplaced single-level wildcard in a topic filter", 5, "v5 [MQTT-4.7.1-2]", "topic filter"),
    case(3, b"\x90\x03\0\x01\x80", "reason code 0x80 is not one of SUBACK", 4, "v3.1.1 [MQTT-3.9.3-2]", "reason code"),
    // DISCONNECT and AUTH.
    case(5, b"\xE0\x01\x01", "reason code 0x01 is not one of DISCONNECT", 2, "v5 [MQTT-3.14.2-1]", "reason code"),
    case(5, b"\xF0\x02\x18\x00", "authentication method missing", 3, "v5 §3.15.2.2.1", "property length"),
];

/// Covers: v5 [MQTT-2.2.1-3], v5 [MQTT-3.3.1-4], v3.1.1 [MQTT-3.3.1-2].
#[test]
fn each_mistake_is_said_where_it_is() {
    let mut wrong = Vec::new();
    for case in &CASES {
        let version = ProtocolVersion::from_level(case.level).unwrap();
        let packet = Dissection::of(case.bytes, version).unwrap();
        let shown = packet.to_tree(mqtt_dissect::Style::Plain);
        let fault = packet.fault.unwrap_or_else(|| panic!("{}", shown));
        let source = packet
            .statement()
            .or_else(|| packet.fault_citation().map(|citation| citation.to_string()));
        let read = packet.fields.iter().rfind(|field| field.name != "not read");
        let text = fault.kind.to_string();
        let source = source.unwrap_or_default();
        let found = (text.as_str(), fault.at, source.as_str(), read.unwrap().name);
        if found != (case.text, case.at, case.source, case.last) {
            wrong.push(format!("{found:?}\n{shown}"));
        }
        let complaint = format!("{:04x}  ^ {text}", fault.at);
        assert!(shown.contains(&complaint), "{shown}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The complaint stands below the field it is about.
#[test]
fn the_complaint_stands_below_its_field() {
    let packet = Dissection::of(b"\x32\x06\0\x01t\0\0\0", ProtocolVersion::V5).unwrap();
    let shown = packet.to_tree(mqtt_dissect::Style::Plain);
    let lines: Vec<&str> = shown.lines().collect();
    let complaint = lines.iter().position(|line| line.contains('^')).unwrap();
    assert!(
        lines[complaint - 1].contains("packet identifier: 0"),
        "{shown}"
    );
}
