//! Finds a PINGREQ in a stream of bytes that cuts it in two.
// dependency: mqtt-codec = { path = '{root}/crates/mqtt-codec' }

use mqtt_codec::Frame;
use mqtt_io::{Fed, PacketReader, Verdict};

fn main() {
    let mut reader = PacketReader::new(1024);
    let mut packets = 0;
    for byte in [0xC0, 0x00] {
        let fed = reader.feed(&[byte], &mut |_: Frame<'_>| {
            packets += 1;
            Verdict::Continue
        });
        assert_eq!(fed, Ok(Fed::All));
    }
    assert_eq!(packets, 1);
}
