//! A packet of every type in every version with every field it can have, written by hand: no encoder of ours had a part
//! in them.

use mqtt_codec::ProtocolVersion;
use mqtt_dissect::Side;

use Side::{Client, Server};

/// A string or bytes with two bytes of length in front.
fn field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let len = u16::try_from(bytes.len()).unwrap();
    [&len.to_be_bytes()[..], bytes].concat()
}

/// Any parts with one byte of length in front.
fn counted(parts: &[&[u8]]) -> Vec<u8> {
    let parts = parts.concat();
    let len = u8::try_from(parts.len()).unwrap();
    assert!(len < 0x80, "a length of one byte");
    [&[len], &*parts].concat()
}

/// A packet: its first byte, its length, its parts.
fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let len = match u8::try_from(body.len()) {
        Ok(len) if len < 0x80 => vec![len],
        _ => vec![
            u8::try_from(body.len() % 128).unwrap() | 0x80,
            u8::try_from(body.len() / 128).unwrap(),
        ],
    };
    [&[first], &*len, &*body].concat()
}

/// A property with a text or bytes.
fn text(id: u8, value: &str) -> Vec<u8> {
    [&[id], &*field(value)].concat()
}

fn user(name: &str, value: &str) -> Vec<u8> {
    [&[0x26], &*field(name), &*field(value)].concat()
}

/// In an order in which they could be said.
pub(crate) fn all(version: ProtocolVersion) -> Vec<(Side, Vec<u8>)> {
    if version.has_properties() {
        return all_v5();
    }
    let has_failure = version.has_suback_failure();
    let connect = packet(
        0x10,
        &[
            &field(version.protocol_name()),
            &[version.level(), 0xF6, 0, 60],
            &field("client-1"),
            &field("will/topic"),
            &field("gone"),
            &field("user"),
            &field("secret"),
        ],
    );
    let granted: &[u8] = if has_failure { &[0, 0x80] } else { &[0, 2] };
    vec![
        (Client, connect),
        (Server, packet(0x20, &[&[u8::from(has_failure), 0]])),
        (
            Client,
            packet(0x82, &[&[0, 1], &field("a/+"), &[0], &field("b/#"), &[2]]),
        ),
        (Server, packet(0x90, &[&[0, 1], granted])),
        (Client, packet(0x31, &[&field("a/b"), b"21.5"])),
        (Client, packet(0x32, &[&field("a/b"), &[0, 2], b"one"])),
        (Server, packet(0x40, &[&[0, 2]])),
        (
            Client,
            packet(0x3C, &[&field("a/b"), &[0, 3], &[0xFF, 0, 1]]),
        ),
        (Server, packet(0x50, &[&[0, 3]])),
        (Client, packet(0x62, &[&[0, 3]])),
        (Server, packet(0x70, &[&[0, 3]])),
        (
            Client,
            packet(0xA2, &[&[0, 4], &field("a/+"), &field("b/#")]),
        ),
        (Server, packet(0xB0, &[&[0, 4]])),
        (Client, packet(0xC0, &[])),
        (Server, packet(0xD0, &[])),
        (Client, packet(0xE0, &[])),
    ]
}

fn all_v5() -> Vec<(Side, Vec<u8>)> {
    let reasoned = |reason: &str| counted(&[&text(0x1F, reason), &user("k", "v")]);
    let connect = packet(
        0x10,
        &[
            &field("MQTT"),
            &[5, 0xF6, 0, 60],
            &counted(&[
                &[0x11, 0, 0, 0x0E, 0x10],
                &[0x21, 0, 20],
                &[0x27, 0, 1, 0, 0],
                &[0x22, 0, 10],
                &[0x19, 1],
                &[0x17, 0],
                &user("k", "v"),
                &text(0x15, "METHOD"),
                &text(0x16, "data"),
            ]),
            &field("client-1"),
            &counted(&[
                &[0x18, 0, 0, 0, 5],
                &[0x01, 1],
                &[0x02, 0, 0, 0, 60],
                &text(0x03, "text/plain"),
                &text(0x08, "will/answer"),
                &text(0x09, "corr"),
                &user("w", "x"),
            ]),
            &field("will/topic"),
            &field("gone"),
            &field("user"),
            &field("secret"),
        ],
    );
    let connack = packet(
        0x20,
        &[
            &[1, 0],
            &counted(&[
                &[0x11, 0, 0, 0, 120],
                &[0x21, 0, 30],
                &[0x24, 1],
                &[0x25, 1],
                &[0x27, 0, 2, 0, 0],
                &text(0x12, "given"),
                &[0x22, 0, 5],
                &text(0x1F, "welcome"),
                &user("k", "v"),
                &[0x28, 1],
                &[0x29, 1],
                &[0x2A, 0],
                &[0x13, 0, 90],
                &text(0x1A, "answers/"),
                &text(0x1C, "other:1883"),
                &text(0x15, "METHOD"),
                &text(0x16, "done"),
            ]),
        ],
    );
    let publish = packet(
        0x3B,
        &[
            &field("a/b"),
            &[0, 2],
            &counted(&[
                &[0x01, 1],
                &[0x02, 0, 0, 0, 30],
                &[0x23, 0, 3],
                &text(0x08, "answer/to"),
                &text(0x09, "corr"),
                &user("k", "v"),
                &text(0x03, "text/plain"),
            ]),
            b"one",
        ],
    );
    let subscribe = packet(
        0x82,
        &[
            &[0, 1],
            &counted(&[&[0x0B, 0x80, 0x01], &user("k", "v")]),
            &field("a/+"),
            &[0x2D],
            &field("b/#"),
            &[0x12],
        ],
    );
    vec![
        (Client, connect),
        (
            Server,
            packet(
                0xF0,
                &[
                    &[0x18],
                    &counted(&[&text(0x15, "METHOD"), &text(0x16, "ask")]),
                ],
            ),
        ),
        (
            Client,
            packet(
                0xF0,
                &[&[0x18], &counted(&[&text(0x15, "METHOD"), &user("k", "v")])],
            ),
        ),
        (Server, connack),
        (Client, subscribe),
        (
            Server,
            packet(0x90, &[&[0, 1], &reasoned("so"), &[1, 0x87]]),
        ),
        (Client, packet(0x30, &[&field("a/b"), &[0], b"21.5"])),
        (Client, publish),
        (
            Server,
            packet(0x40, &[&[0, 2], &[0x10], &reasoned("nobody")]),
        ),
        (
            Client,
            packet(0x34, &[&field(""), &[0, 3], &[3, 0x23, 0, 3], &[0xFF, 0]]),
        ),
        (
            Server,
            packet(0x50, &[&[0, 3], &[0x00], &reasoned("got it")]),
        ),
        (Client, packet(0x62, &[&[0, 3], &[0x00]])),
        (Server, packet(0x70, &[&[0, 3], &[0x92], &reasoned("what")])),
        (
            Server,
            packet(0x30, &[&field("a/b"), &[5, 0x0B, 1, 0x0B, 0x80, 0x01], b""]),
        ),
        (
            Client,
            packet(
                0xA2,
                &[
                    &[0, 4],
                    &counted(&[&user("k", "v")]),
                    &field("a/+"),
                    &field("c"),
                ],
            ),
        ),
        (
            Server,
            packet(0xB0, &[&[0, 4], &reasoned("so"), &[0, 0x11]]),
        ),
        (Client, packet(0xC0, &[])),
        (Server, packet(0xD0, &[])),
        (
            Server,
            packet(
                0xE0,
                &[
                    &[0x9C],
                    &counted(&[
                        &text(0x1F, "moved"),
                        &user("k", "v"),
                        &text(0x1C, "other:1883"),
                    ]),
                ],
            ),
        ),
        (
            Client,
            packet(0xE0, &[&[0x04], &counted(&[&[0x11, 0, 0, 0, 9]])]),
        ),
    ]
}
