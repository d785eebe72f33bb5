//! What is written as a capture is read back as what it was.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use mqtt_dissect::{
    CaptureReport, CaptureSettings, CaptureWriter, Side, Stream, What, is_capture, read_capture,
};

const CONNECT: &[u8] = b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01c";
const CONNACK: &[u8] = b"\x20\x02\0\0";
const NOW: Duration = Duration::from_micros(1_700_000_000_000_042);

fn stream(number: u64, client: &str, server: &str) -> Stream {
    Stream {
        number,
        client: client.parse().unwrap(),
        server: server.parse().unwrap(),
    }
}

/// Who is on a connection, what was said, and when.
#[derive(Debug, Eq, PartialEq)]
struct Said(SocketAddr, SocketAddr, String, Duration);

fn read(file: &[u8]) -> (Vec<Said>, CaptureReport) {
    assert!(is_capture(file));
    let mut said = Vec::new();
    let report = read_capture(file, &CaptureSettings::default(), |heard| {
        let What::Packet(spoken) = heard.what else {
            panic!("{heard:?}");
        };
        let text = format!("{} {}", spoken.side.name(), spoken.packet.name());
        said.push(Said(
            heard.stream.client,
            heard.stream.server,
            text,
            heard.time,
        ));
        ControlFlow::Continue(())
    });
    (said, report.unwrap())
}

#[test]
fn what_was_written_is_read_back() {
    for (client, server) in [
        ("127.0.0.1:50000", "192.0.2.1:1883"),
        ("[::1]:50000", "[2001:db8::1]:1883"),
    ] {
        let stream = stream(7, client, server);
        let mut writer = CaptureWriter::begin(Vec::new(), "a test").unwrap();
        writer.open(&stream, NOW).unwrap();
        writer.write(&stream, Side::Client, NOW, CONNECT).unwrap();
        writer.write(&stream, Side::Server, NOW, CONNACK).unwrap();
        writer.end(&stream, Side::Client, NOW).unwrap();
        writer.end(&stream, Side::Server, NOW).unwrap();
        assert_eq!(writer.open_streams(), 1);
        writer.close(&stream);
        assert_eq!(writer.open_streams(), 0);
        let (said, report) = read(&writer.into_inner());
        let names = [("client CONNECT", NOW), ("server CONNACK", NOW)];
        let expected =
            names.map(|(name, time)| Said(stream.client, stream.server, name.to_owned(), time));
        assert_eq!(said, expected);
        assert_eq!((report.faults, report.missing, report.repeated), (0, 0, 0));
        assert_eq!((report.frames, report.segments), (7, 7));
    }
}

#[test]
fn ends_of_two_families_are_written_as_one() {
    let stream = stream(1, "127.0.0.1:50000", "[2001:db8::1]:1883");
    let mut writer = CaptureWriter::begin(Vec::new(), "").unwrap();
    writer.open(&stream, NOW).unwrap();
    writer.write(&stream, Side::Client, NOW, CONNECT).unwrap();
    let (said, report) = read(&writer.into_inner());
    assert_eq!(said[0].0, "[::ffff:127.0.0.1]:50000".parse().unwrap());
    assert_eq!((report.unread, report.faults), (0, 0));
}

#[test]
fn a_long_piece_is_several_segments() {
    let mut publish = b"\x30\x83\x80\x10\0\x01t".to_vec();
    publish.resize(publish.len() + 262_144, b'p');
    let stream = stream(1, "127.0.0.1:50000", "127.0.0.1:1883");
    let mut writer = CaptureWriter::begin(Vec::new(), &"ü".repeat(1000)).unwrap();
    writer.open(&stream, NOW).unwrap();
    writer.write(&stream, Side::Client, NOW, CONNECT).unwrap();
    writer.write(&stream, Side::Client, NOW, &publish).unwrap();
    let (said, report) = read(&writer.into_inner());
    assert_eq!(said[1].2, "client PUBLISH");
    assert_eq!((report.frames, report.faults, report.missing), (9, 0, 0));
}

#[test]
fn a_file_that_takes_nothing_is_told() {
    #[derive(Debug)]
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let begun = CaptureWriter::begin(Full, "");
    assert_eq!(begun.unwrap_err().kind(), io::ErrorKind::StorageFull);
}
