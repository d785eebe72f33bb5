//! Captures of TCP connections with MQTT in them.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use mqtt_dissect::{
    CaptureError, CaptureReport, CaptureSettings, Note, Side, What, is_capture, read_capture,
};

use crate::capture_file::{File, Flags, Link};

const CONNECT: &[u8] = b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01c";
const CONNACK: &[u8] = b"\x20\x02\0\0";
const PUBLISH: &[u8] = b"\x32\x0A\0\x03a/b\0\x07hey";
const PUBACK: &[u8] = b"\x40\x02\0\x07";

const SYN: Flags = Flags {
    syn: true,
    ack: false,
    fin: false,
};
const SYN_ACK: Flags = Flags {
    syn: true,
    ack: true,
    fin: false,
};
const ACK: Flags = Flags {
    syn: false,
    ack: true,
    fin: false,
};

fn ends(port: u16) -> (SocketAddr, SocketAddr) {
    (
        "10.0.0.1:40000".parse().unwrap(),
        SocketAddr::new("10.0.0.2".parse().unwrap(), port),
    )
}

fn ends_v6() -> (SocketAddr, SocketAddr) {
    (
        "[fd00::1]:40000".parse().unwrap(),
        "[fd00::2]:1883".parse().unwrap(),
    )
}

const fn back((client, server): (SocketAddr, SocketAddr)) -> (SocketAddr, SocketAddr) {
    (server, client)
}

/// Names, sides and events of a capture, with the report.
fn read(file: &[u8], settings: &CaptureSettings) -> (Vec<String>, CaptureReport) {
    let mut heard = Vec::new();
    let report = read_capture(file, settings, |item| {
        heard.push(match item.what {
            What::Packet(spoken) => format!("{} {}", spoken.side.name(), spoken.packet.name()),
            What::Gap { side, len } => format!("{} gap {len}", side.name()),
            other => format!("{other:?}"),
        });
        ControlFlow::Continue(())
    });
    (heard, report.unwrap())
}

fn read_default(file: &File) -> (Vec<String>, CaptureReport) {
    read(&file.pcap(), &CaptureSettings::default())
}

const WHOLE: [&str; 4] = [
    "client CONNECT",
    "server CONNACK",
    "client PUBLISH",
    "server PUBACK",
];

fn session(link: Link, ends: (SocketAddr, SocketAddr)) -> File {
    let mut file = File::new(link);
    file.segment(ends, 100, SYN, b"");
    file.segment(back(ends), 500, SYN_ACK, b"");
    file.segment(ends, 101, ACK, CONNECT);
    file.segment(back(ends), 501, ACK, CONNACK);
    file.segment(ends, 116, ACK, PUBLISH);
    file.segment(back(ends), 505, ACK, PUBACK);
    file
}

#[test]
fn every_link_in_both_kinds_of_file_is_read() {
    for link in Link::ALL {
        for ends in [ends(1883), ends_v6()] {
            let file = session(link, ends);
            for bytes in [file.pcap(), file.pcapng()] {
                assert!(is_capture(&bytes));
                let (heard, report) = read(&bytes, &CaptureSettings::default());
                assert_eq!(heard, WHOLE, "{link:?}");
                assert_eq!((report.frames, report.segments), (6, 6));
                assert_eq!((report.streams, report.mqtt_streams), (1, 1));
                assert_eq!((report.packets, report.faults, report.unread), (4, 0, 0));
            }
        }
    }
}

/// Gives a byte at a time, as a pipe may.
struct ByteByByte<'a>(&'a [u8]);

impl Read for ByteByByte<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(1);
        self.0.read(&mut buffer[..len])
    }
}

#[test]
fn a_file_may_come_byte_by_byte() {
    let file = session(Link::Ethernet, ends(1883));
    for bytes in [file.pcap(), file.pcapng()] {
        let report = read_capture(ByteByByte(&bytes), &CaptureSettings::default(), |_| {
            ControlFlow::Continue(())
        });
        assert_eq!(report.unwrap().packets, 4);
    }
}

#[test]
fn times_and_round_trips_are_those_of_the_capture() {
    let file = session(Link::Ethernet, ends(1883));
    for bytes in [file.pcap(), file.pcapng()] {
        let mut after = None;
        read_capture(&bytes[..], &CaptureSettings::default(), |item| {
            assert_eq!(item.stream.client, ends(1883).0);
            if let What::Packet(spoken) = item.what
                && spoken.packet.name() == "PUBACK"
            {
                assert_eq!(item.time.as_micros(), 1_700_000_000_006_000);
                assert!(
                    matches!(spoken.notes[..], [Note::Answers { number: 3, after: since, .. }] if {
                        after = since;
                        true
                    })
                );
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(after, Some(Duration::from_millis(1)));
    }
}

#[test]
fn segments_out_of_order_and_again_are_put_right() {
    let mut file = File::new(Link::Ethernet);
    let ends = ends(1883);
    file.segment(ends, 100, SYN, b"");
    let stream = [CONNECT, PUBLISH].concat();
    file.segment(ends, 101 + 10, ACK, &stream[10..]);
    file.segment(ends, 101, ACK, &stream[..4]);
    file.segment(ends, 101, ACK, &stream[..4]);
    file.segment(ends, 101 + 2, ACK, &stream[2..12]);
    let (heard, report) = read_default(&file);
    assert_eq!(heard, ["client CONNECT", "client PUBLISH"]);
    assert_eq!((report.missing, report.repeated), (0, 4 + 2 + 2));
}

#[test]
fn what_the_capture_lost_is_said_and_the_next_packet_found() {
    let mut file = File::new(Link::Ethernet);
    let ends = ends(1883);
    file.segment(ends, 100, SYN, b"");
    file.segment(ends, 101, ACK, CONNECT);
    // Half a PUBLISH, then nothing for four bytes of it, then its end and a PINGREQ.
    file.segment(ends, 116, ACK, &PUBLISH[..6]);
    file.segment(ends, 126, ACK, &[&PUBLISH[10..], b"\xC0\0"].concat());
    let (heard, report) = read_default(&file);
    assert_eq!(
        heard,
        [
            "client CONNECT",
            "client gap 4",
            "client PUBLISH",
            "client PINGREQ"
        ]
    );
    assert_eq!((report.missing, report.faults), (4, 1));
}

#[test]
fn frames_that_were_cut_leave_a_gap() {
    let mut file = File::new(Link::Ethernet);
    let ends = ends(1883);
    let mut long = b"\x30\xC8\x01\0\x01t".to_vec();
    long.resize(203, b'p');
    file.segment(ends, 100, SYN, b"");
    file.segment(ends, 101, ACK, CONNECT);
    file.cut_segment(ends, 116, ACK, &long, 96);
    file.segment(ends, 116 + 203, ACK, b"\xC0\0");
    let (heard, report) = read_default(&file);
    assert_eq!(
        heard,
        [
            "client CONNECT",
            "client gap 161",
            "client PUBLISH",
            "client PINGREQ"
        ]
    );
    assert_eq!(report.missing, 161);
}

#[test]
fn the_client_is_the_one_that_opens_or_calls_the_port() {
    // From the middle, the server heard first.
    let ends = ends(1883);
    let mut file = File::new(Link::Ethernet);
    file.segment(back(ends), 900, ACK, b"\xD0\0");
    file.segment(ends, 300, ACK, PUBLISH);
    assert_eq!(read_default(&file).0, ["server PINGRESP", "client PUBLISH"]);
}

#[test]
fn other_ports_need_to_be_named_or_to_begin_with_a_connect() {
    assert_eq!(read_default(&session(Link::Ethernet, ends(9999))).0, WHOLE);
    let mut file = File::new(Link::Ethernet);
    file.segment(ends(9999), 300, ACK, PUBLISH);
    assert_eq!(read_default(&file).0, [""; 0]);
    let settings = CaptureSettings {
        ports: vec![9999],
        ..CaptureSettings::default()
    };
    assert_eq!(read(&file.pcap(), &settings).0, ["client PUBLISH"]);
    // Whoever says CONNECT is the client, even from a lower port and in the middle.
    let mut file = File::new(Link::Ethernet);
    let backwards = back(ends(9999));
    file.segment(backwards, 300, ACK, CONNECT);
    file.segment(back(backwards), 300, ACK, CONNACK);
    assert_eq!(read_default(&file).0, ["client CONNECT", "server CONNACK"]);
}

#[test]
fn tls_is_recognised() {
    let mut file = File::new(Link::Ethernet);
    file.segment(ends(8883), 100, SYN, b"");
    file.segment(ends(8883), 101, ACK, b"\x16\x03\x01\x02\0");
    assert_eq!(read_default(&file).0, ["Tls"]);
}

#[test]
fn websockets_are_unwrapped() {
    let mut file = File::new(Link::Ethernet);
    let ends = ends(9001);
    let request = b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    file.segment(ends, 100, SYN, b"");
    file.segment(ends, 101, ACK, request);
    file.segment(back(ends), 501, ACK, answer);
    let mut frame = vec![0x82, 0x80 | 15, 1, 2, 3, 4];
    let mask = [1, 2, 3, 4].into_iter().cycle();
    frame.extend(CONNECT.iter().zip(mask).map(|(byte, key)| byte ^ key));
    let seq = 101 + u32::try_from(request.len()).unwrap();
    file.segment(ends, seq, ACK, &frame);
    let seq = 501 + u32::try_from(answer.len()).unwrap();
    // A packet in two fragments.
    file.segment(back(ends), seq, ACK, b"\x02\x02\x20\x02");
    file.segment(back(ends), seq + 4, ACK, b"\x80\x02\0\0");
    assert_eq!(
        read_default(&file).0,
        ["WebSocket", "client CONNECT", "server CONNACK"]
    );
}

#[test]
fn a_port_that_is_used_again_is_another_connection() {
    let mut file = session(Link::Ethernet, ends(1883));
    let ends = ends(1883);
    file.segment(ends, 7000, SYN, b"");
    file.segment(ends, 7001, ACK, CONNECT);
    let (heard, report) = read_default(&file);
    assert_eq!(heard.last().unwrap(), "client CONNECT");
    assert_eq!((report.streams, report.faults), (2, 0));
}

#[test]
fn streams_are_bounded() {
    let mut file = File::new(Link::Ethernet);
    for port in 0..40 {
        let client = SocketAddr::new("10.0.0.1".parse().unwrap(), 30_000 + port);
        let ends = (client, ends(1883).1);
        file.segment(ends, 100, SYN, b"");
        file.segment(ends, 101, ACK, CONNECT);
    }
    let settings = CaptureSettings {
        streams_max: 8,
        ..CaptureSettings::default()
    };
    let (heard, report) = read(&file.pcap(), &settings);
    assert_eq!(heard.len(), 40);
    assert!(report.given_up >= 30, "{report:?}");
}

#[test]
fn what_is_no_capture_or_a_damaged_one_is_refused() {
    let settings = CaptureSettings::default();
    let read = |bytes: &[u8]| read_capture(bytes, &settings, |_| ControlFlow::Continue(()));
    assert_eq!(read(b"hello"), Err(CaptureError::NotACapture));
    let whole = session(Link::Raw, ends(1883)).pcap();
    let cut = read(&whole[..whole.len() - 3]).unwrap();
    assert!(cut.cut_short);
    assert_eq!(cut.packets, 3);
}

#[test]
fn an_unfinished_packet_comes_out_at_the_end() {
    let mut file = File::new(Link::Ethernet);
    file.segment(ends(1883), 100, SYN, b"");
    file.segment(ends(1883), 101, ACK, &CONNECT[..9]);
    let mut packets = Vec::new();
    read_capture(&file.pcap()[..], &CaptureSettings::default(), |item| {
        if let What::Packet(spoken) = item.what {
            assert_eq!(spoken.side, Side::Client);
            packets.push(spoken.packet);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(packets.len(), 1);
    assert!(!packets[0].complete);
    assert_eq!(
        packets[0].find("protocol version").unwrap().number(),
        Some(4)
    );
}
