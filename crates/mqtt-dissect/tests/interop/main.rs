//! What we say of a capture against what Wireshark says of it.
//!
//! What a test needs is named by the environment, which `cargo xtask interop` sets.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod leaves;
#[path = "../it/packets.rs"]
mod packets;
mod wireshark;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;

use mqtt_codec::ProtocolVersion;
use mqtt_dissect::{CaptureSettings, Side, Spoken, What, read_capture};
use tempfile::tempdir;

use wireshark::{Capture, dissected};

/// Sends every packet, each in a segment of its own, and takes it at the other end.
fn talk(version: ProtocolVersion, listener: &TcpListener) {
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    for end in [&client, &server] {
        end.set_nodelay(true).unwrap();
    }
    for (side, packet) in packets::all(version) {
        let (from, to) = match side {
            Side::Client => (&mut client, &mut server),
            Side::Server => (&mut server, &mut client),
        };
        from.write_all(&packet).unwrap();
        let mut taken = vec![0; packet.len()];
        to.read_exact(&mut taken).unwrap();
    }
}

/// Our packets of a capture, in its order.
fn ours(file: &[u8], port: u16) -> Vec<Spoken> {
    let settings = CaptureSettings {
        ports: vec![port],
        ..CaptureSettings::default()
    };
    let mut packets = Vec::new();
    let report = read_capture(file, &settings, |heard| {
        if let What::Packet(spoken) = heard.what {
            packets.push(spoken);
        }
        ControlFlow::Continue(())
    });
    assert_eq!(report.unwrap().missing, 0);
    packets
}

/// Every field that tshark has of every packet is one of ours with the same value, and the other way round.
fn agrees(version: ProtocolVersion) {
    let folder = tempdir().unwrap();
    let file = folder.path().join("capture.pcapng");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let expected = packets::all(version).len();
    let capture = Capture::start(&file, &listener);
    talk(version, &listener);
    capture.stop_when(|| fs::read(&file).is_ok_and(|bytes| ours(&bytes, port).len() == expected));

    let ours = ours(&fs::read(&file).unwrap(), port);
    let theirs = dissected(&file, port);
    assert_eq!((ours.len(), theirs.len()), (expected, expected));
    for (spoken, theirs) in ours.iter().zip(&theirs) {
        assert!(spoken.packet.is_right());
        let ours = leaves::of(spoken);
        assert_eq!(&ours, theirs, "{}", spoken.packet.name());
    }
}

#[test]
fn tshark_v31() {
    agrees(ProtocolVersion::V31);
}

#[test]
fn tshark_v311() {
    agrees(ProtocolVersion::V311);
}

#[test]
fn tshark_v5() {
    agrees(ProtocolVersion::V5);
}
