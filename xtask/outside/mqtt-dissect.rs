//! Takes a packet apart.

use mqtt_dissect::{Dissector, Settings, Style};

fn main() {
    let packets = Dissector::new(Settings::default()).feed(b"\xC0\0");
    let lines: Vec<String> = packets
        .iter()
        .map(|packet| packet.to_line(Style::Plain))
        .collect();
    assert_eq!(lines, ["PINGREQ"]);
}
