//! Everything passes as it is, and nothing piles up.

use std::net::SocketAddr;
use std::ops::ControlFlow;

use mqtt_dissect::{CaptureSettings, read_capture};
use mqtt_spy::{Capture, Filter, Limits, Recording, Seen, Side, Style, What};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::link::{CONNACK, CONNECT, Link, PATIENCE, packets};

fn closed(seen: &[Seen]) -> (Option<String>, u64) {
    match &seen.last().unwrap().what {
        What::Closed { reason, unread } => (reason.clone(), *unread),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn malformed_bytes_pass_and_are_shown_as_such() {
    let mut link = Link::plain().await;
    let mut both = link.open().await;
    both.pass(Side::Client, CONNECT).await;
    // QoS 3.
    both.pass(Side::Client, b"\x36\x05\0\x01a\0\x01").await;
    both.pass(Side::Client, b"\xC0\0").await;
    // A length of five bytes, and what nobody can read behind it.
    both.pass(Side::Client, b"\x30\xFF\xFF\xFF\xFF\xFF").await;
    both.pass(Side::Client, b"\xC0\0").await;
    both.pass(Side::Server, CONNACK).await;
    both.end().await;
    let seen = link.seen_until_closed().await;
    let names = packets(&seen);
    assert_eq!(names.len(), 5, "{names:?}");
    let lines: Vec<String> = seen.iter().map(|seen| seen.to_line(Style::Plain)).collect();
    let publish = lines.iter().find(|line| line.contains("PUBLISH")).unwrap();
    assert!(publish.contains("MQTT-3.3.1-4"), "{publish}");
    let (reason, unread) = closed(&seen);
    assert_eq!((reason, unread), (None, 2));
    assert_eq!(link.observer.totals().faults, 2);
}

#[tokio::test]
async fn what_is_no_mqtt_passes_too() {
    let mut link = Link::plain().await;
    let mut both = link.open().await;
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    both.pass(Side::Client, &all).await;
    both.pass(Side::Server, &all).await;
    both.end().await;
    link.seen_until_closed().await;
    assert_eq!(link.observer.totals().bytes, 200_000);
}

#[tokio::test]
async fn an_end_of_one_side_is_handed_on_as_that() {
    let mut link = Link::plain().await;
    let mut both = link.open().await;
    both.pass(Side::Client, CONNECT).await;
    both.client.shutdown().await.unwrap();
    assert_eq!(both.server.read(&mut [0]).await.unwrap(), 0);
    // The other direction goes on.
    both.pass(Side::Server, CONNACK).await;
    both.server.shutdown().await.unwrap();
    assert_eq!(both.client.read(&mut [0]).await.unwrap(), 0);
    let seen = link.seen_until_closed().await;
    assert_eq!(packets(&seen).len(), 2);
    assert_eq!(closed(&seen), (None, 0));
}

#[tokio::test]
async fn a_packet_that_is_cut_off_is_shown_as_far_as_it_came() {
    let mut link = Link::plain().await;
    let mut both = link.open().await;
    both.pass(Side::Client, CONNECT).await;
    both.pass(Side::Client, b"\x30\x0A\0\x01a").await;
    both.end().await;
    let seen = link.seen_until_closed().await;
    let lines: Vec<String> = seen.iter().map(|seen| seen.to_line(Style::Plain)).collect();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("of 12 bytes are missing")),
        "{lines:?}"
    );
}

/// The proxy closes what it cannot connect, and says why.
#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let mut link = Link::plain().await;
    let port = link.server.local_addr().unwrap().port();
    drop(std::mem::replace(
        &mut link.server,
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
    ));
    let mut client = link.dial().await;
    assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
    let seen = link.seen_until_closed().await;
    let (reason, _) = closed(&seen);
    assert!(reason.unwrap().contains(&port.to_string()));
    assert_eq!(link.observer.totals().failed, 1);
}

#[tokio::test]
async fn one_client_too_many_is_closed_at_once() {
    let limits = Limits {
        clients_max: 1,
        ..Limits::default()
    };
    let mut link = Link::new(limits, Filter::default()).await;
    let mut both = link.open().await;
    both.pass(Side::Client, CONNECT).await;
    let mut second = link.dial().await;
    assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0);
    let seen = link.seen_until_closed().await;
    assert_eq!(seen.last().unwrap().stream.number, 2);
    assert!(closed(&seen).0.unwrap().contains("1 clients"));
    both.end().await;
    link.seen_until_closed().await;
    // There is room again.
    let mut third = link.open().await;
    third.pass(Side::Client, CONNECT).await;
}

/// With one place in the queue of events and nobody who takes any, a client soon cannot go on;
/// as soon as somebody does, everything arrives.
#[tokio::test]
async fn events_that_nobody_takes_hold_the_sender_back() {
    const LEN: usize = 64 << 20;
    let limits = Limits {
        events_max: 1,
        ..Limits::default()
    };
    let mut link = Link::new(limits, Filter::default()).await;
    let mut both = link.open().await;
    let sender = tokio::spawn(async move {
        both.client.write_all(&vec![7; LEN]).await.unwrap();
        both.client.shutdown().await.unwrap();
        both.client
    });
    // `Opened` fills the queue: nothing may reach the server before it is taken.
    let mut chunk = vec![0; 1 << 16];
    let early = both.server.try_read(&mut chunk);
    assert!(early.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    let watcher = tokio::spawn(async move {
        let mut told = 0;
        while let Some(event) = link.events.recv().await {
            if let mqtt_spy::Happening::Bytes { bytes, .. } = event.happening {
                assert!(bytes.len() <= 16 << 10);
                told += bytes.len();
            }
        }
        told
    });
    let mut received = 0;
    loop {
        let read = timeout(PATIENCE, both.server.read(&mut chunk))
            .await
            .unwrap()
            .unwrap();
        if read == 0 {
            break;
        }
        received += read;
    }
    assert_eq!(received, LEN);
    drop(sender.await.unwrap());
    watcher.abort();
}

#[tokio::test]
async fn a_capture_of_it_is_read_back() {
    let mut link = Link::plain().await;
    let mut both = link.open().await;
    both.pass(Side::Client, CONNECT).await;
    both.pass(Side::Server, CONNACK).await;
    both.pass(Side::Client, b"\x36\x05\0\x01a\0\x01").await;
    both.end().await;
    let mut file = Vec::new();
    let mut capture = Capture::begin(&mut file).unwrap();
    let mut expected = Vec::new();
    loop {
        let event = link.event().await;
        capture.take(&event).unwrap();
        for seen in link.observer.take(&event) {
            if let What::Packet(spoken) = seen.what {
                expected.push(spoken.packet.bytes);
            }
        }
        if matches!(event.happening, mqtt_spy::Happening::Closed { .. }) {
            break;
        }
    }
    capture.flush().unwrap();
    let mut read = Vec::new();
    let report = read_capture(file.as_slice(), &CaptureSettings::default(), |heard| {
        assert_eq!(
            heard.stream.server,
            SocketAddr::from(([127, 0, 0, 1], 1883))
        );
        if let What::Packet(spoken) = heard.what {
            read.push(spoken.packet.bytes);
        }
        ControlFlow::Continue(())
    });
    let report = report.unwrap();
    assert_eq!((report.missing, report.repeated, report.unread), (0, 0, 0));
    assert_eq!(read, expected);
    assert_eq!(read.len(), 3);
}

/// Publications of the client are recorded once each, those by Topic Alias under their topic.
#[tokio::test]
async fn what_a_client_publishes_is_recorded() {
    let mut link = Link::plain().await;
    let mut both = link.open().await;
    both.pass(Side::Client, b"\x10\x0D\0\x04MQTT\x05\x02\0\x3C\0\0\0")
        .await;
    both.pass(Side::Server, b"\x20\x06\0\0\x03\x22\0\x05").await;
    both.pass(Side::Client, b"\x30\x08\0\x01a\x03\x23\0\x01x")
        .await;
    both.pass(Side::Client, b"\x30\x07\0\0\x03\x23\0\x01y")
        .await;
    both.pass(Side::Client, b"\x33\x07\0\x01b\0\x01\0z").await;
    both.pass(Side::Client, b"\x3B\x07\0\x01b\0\x01\0z").await;
    both.pass(Side::Server, b"\x30\x05\0\x01c\0x").await;
    both.end().await;
    let seen = link.seen_until_closed().await;
    let mut file = Vec::new();
    let started = seen.first().unwrap().time;
    let mut recording = Recording::begin(&mut file, started).unwrap();
    seen.iter().for_each(|seen| recording.take(seen).unwrap());
    recording.flush().unwrap();
    assert_eq!(recording.count(), 3);
    let reader = mqtt_record::Reader::begin(file.as_slice()).unwrap();
    assert_eq!(reader.started().as_micros(), started.as_micros());
    let said: Vec<_> = reader
        .map(Result::unwrap)
        .map(|record| {
            let payload = String::from_utf8(record.payload).unwrap();
            (record.topic_name, payload, record.qos.get(), record.retain)
        })
        .collect();
    let expected = [
        ("a", "x", 0, false),
        ("a", "y", 0, false),
        ("b", "z", 1, true),
    ];
    let expected = expected.map(|(topic_name, payload, qos, retain)| {
        (topic_name.to_owned(), payload.to_owned(), qos, retain)
    });
    assert_eq!(said, expected);
}

/// What is too long to be kept passes, and its absence is told.
#[tokio::test]
async fn what_is_too_long_to_be_recorded_is_counted() {
    let mut link = Link::plain().await;
    let mut both = link.open().await;
    both.pass(Side::Client, b"\x10\x0D\0\x04MQTT\x05\x02\0\x3C\0\0\0")
        .await;
    // A remaining length of 1,048,580.
    let mut long = b"\x30\x84\x80\x40\0\x01a\0".to_vec();
    long.resize(long.len() + (1 << 20), b'x');
    both.pass(Side::Client, &long).await;
    both.pass(Side::Client, b"\x30\x05\0\x01b\0y").await;
    both.end().await;
    let seen = link.seen_until_closed().await;
    let mut file = Vec::new();
    let started = seen.first().unwrap().time;
    let mut recording = Recording::begin(&mut file, started).unwrap();
    seen.iter().for_each(|seen| recording.take(seen).unwrap());
    assert_eq!((recording.count(), recording.left_out()), (1, 1));
}
