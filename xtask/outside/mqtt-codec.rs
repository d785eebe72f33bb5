//! Reads a PINGREQ and writes it again.

use mqtt_codec::{PACKET_LEN_MAX, Packet, ProtocolVersion, frame};

const PINGREQ: [u8; 2] = [0xC0, 0x00];

fn main() {
    let version = ProtocolVersion::V5;
    let read = frame(&PINGREQ, PACKET_LEN_MAX)
        .expect("well formed")
        .expect("whole");
    let packet = Packet::decode(read, version).expect("a PINGREQ");
    let mut written = [0; 2];
    assert_eq!(packet.encode(version, &mut written), Ok(2));
    assert_eq!(written, PINGREQ);
}
