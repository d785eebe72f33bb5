//! What must hold for any bytes that are taken apart for people: each function takes input of no particular form, and a
//! test or a fuzz target calls it and nothing else.

use mqtt_codec::{PACKET_LEN_MAX, Packet, ProtocolVersion, frame};
use mqtt_dissect::{
    CaptureSettings, Dissection, Dissector, Field, InputFormat, Settings, Style, What, read_capture,
};
use std::ops::ControlFlow;

/// The most of an input that is cut into single bytes.
const PIECES_LEN_MAX: usize = 2048;

/// Packets are taken apart without leaving a byte out, in any pieces the same way; what is wrong is what the codec says,
/// no more and no less; and all of it can be printed.
///
/// The first byte is the version, modulo 3.
///
/// # Panics
/// When it does not hold.
pub fn dissect(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else {
        return;
    };
    let Some(version) = ProtocolVersion::ALL.get(usize::from(*first) % 3).copied() else {
        return;
    };
    let settings = Settings {
        version: Some(version),
        ..Settings::default()
    };
    let mut dissector = Dissector::new(settings);
    let packets = dissector.feed(bytes);
    let cut = dissector.finish();
    for packet in packets.iter().chain(&cut) {
        check(packet);
    }
    let mut in_pieces = Dissector::new(settings);
    let start = bytes.get(..PIECES_LEN_MAX).unwrap_or(bytes);
    let pieces: Vec<Dissection> = start
        .chunks(1)
        .flat_map(|piece| in_pieces.feed(piece))
        .collect();
    assert_eq!(Some(&*pieces), packets.get(..pieces.len()));
    // Hexadecimal, Base64 and what they look like are for any text.
    for format in [
        InputFormat::Hex,
        InputFormat::Base64,
        InputFormat::guess(bytes),
    ] {
        let _ = format.decode(bytes);
    }
}

fn check(packet: &Dissection) {
    let said = match frame(&packet.bytes, PACKET_LEN_MAX) {
        Ok(Some(found)) => Packet::decode(found, packet.version).err(),
        Ok(None) => None,
        Err(error) => Some(error),
    };
    assert_eq!(packet.fault, said, "{packet:?}");
    assert!(packet.bytes.len() <= packet.len);
    let covered = packet.fields.iter().fold(0, |at, field| {
        assert_eq!(field.at, at, "{packet:?}");
        at + field.len
    });
    assert_eq!(covered, packet.bytes.len(), "{packet:?}");
    packet.fields.iter().for_each(check_parts);
    assert!(!packet.to_line(Style::Coloured).contains('\n'));
    let tree = packet.to_tree(Style::Plain);
    let is_shown = |character: char| character == '\n' || !character.is_control();
    assert!(tree.chars().all(is_shown), "{tree:?}");
    assert!(serde_json::to_string(packet).is_ok());
}

/// The parts of a field lie in it.
fn check_parts(field: &Field) {
    for part in &field.fields {
        assert!(
            part.at >= field.at && part.at + part.len <= field.at + field.len,
            "{field:?}"
        );
        check_parts(part);
    }
}

/// A capture file is read or refused; no side of a connection says more than it sent, and all of it can be printed.
///
/// The first byte says what the others are: a file, or segments of one connection in a file that is right. A segment is
/// a byte of flags, a byte by which its sequence number goes on, a byte of length and so many bytes.
///
/// # Panics
/// When it does not hold.
pub fn capture(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let file = match kind & 1 {
        0 => bytes.to_vec(),
        _ => segments(bytes),
    };
    let settings = CaptureSettings {
        streams_max: 4,
        held_len_max: 256,
        ..CaptureSettings::default()
    };
    let mut packets = 0;
    let mut said = 0;
    let report = read_capture(file.as_slice(), &settings, |heard| {
        if let What::Packet(spoken) = &heard.what {
            packets += 1;
            said += spoken.packet.bytes.len();
            check(&spoken.packet);
        }
        assert!(!heard.to_line(Style::Plain).contains('\n'));
        assert!(serde_json::to_string(&heard).is_ok());
        ControlFlow::Continue(())
    });
    assert!(said <= file.len(), "{said} bytes of {}", file.len());
    if let Ok(report) = report {
        assert_eq!(report.packets, packets);
    }
}

/// A pcap file of raw IP.
fn segments(mut bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0];
    file.extend([0; 8]);
    file.extend([0xFF, 0xFF, 0, 0, 101, 0, 0, 0]);
    let mut next = [1_u32; 2];
    while let [flags, step, len, rest @ ..] = bytes {
        let (payload, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        bytes = rest;
        let from_server = flags & 0x80 != 0;
        let [client, server] = &mut next;
        let own = if from_server { server } else { client };
        // Small steps go forward, large ones back.
        let seq = own.wrapping_add_signed(i32::from(step.cast_signed()));
        *own = seq.wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
        let port: u16 = if flags & 0x40 == 0 { 1883 } else { 8083 };
        let (source, target) = if from_server {
            (port, 40_000)
        } else {
            (40_000, port)
        };
        let len = u16::try_from(40 + payload.len()).unwrap_or(u16::MAX);
        let mut packet = vec![0x45, 0];
        packet.extend(len.to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0]);
        let ends = if from_server { [2, 1] } else { [1, 2] };
        packet.extend(ends.iter().flat_map(|end| [10, 0, 0, *end]));
        packet.extend(source.to_be_bytes());
        packet.extend(target.to_be_bytes());
        packet.extend(seq.to_be_bytes());
        // FIN, SYN, RST and ACK as they come.
        packet.extend([0, 0, 0, 0, 0x50, flags & 0x17, 4, 0, 0, 0, 0, 0]);
        packet.extend(payload);
        let captured = u32::from(len).to_le_bytes();
        file.extend([0; 8]);
        file.extend(captured);
        file.extend(captured);
        file.extend(&packet);
    }
    file
}
