//! Prints a message by a format.

use mqtt_format::{Format, Message, Zoned};

fn main() {
    let format = Format::parse("%t").expect("a format");
    let message = Message {
        topic_name: "a/b",
        ..Message::default()
    };
    let mut out = Vec::new();
    format
        .write(&message, &Zoned::now(), &mut out)
        .expect("all of it can be printed");
    assert_eq!(out, b"a/b");
}
