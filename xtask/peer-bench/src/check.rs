//! Nobody is timed who does not do the same work.

use mqtt_codec::{PACKET_LEN_MAX, Packet, Property, frame};

use crate::cases::Case;
use crate::codec::Codec;
use crate::ours::Ours;
use crate::seen::Seen;

/// Checks that `C` finds in every packet of `case` what we find, and that what it writes is the
/// same packet again. There may be longer ways to write it: `rmqtt-codec` spells out a PUBACK that
/// says success.
///
/// # Panics
/// When it does not.
pub fn agrees<C: Codec>(case: &Case) {
    let mut input = C::input(&case.bytes, None);
    for (index, ours) in case.packets.iter().enumerate() {
        let decoded = C::decode(&mut input);
        let who = format!("{} on {}, packet {index}", C::NAME, case.name);
        assert_eq!(C::seen(&decoded), seen(ours), "{who}");
    }
    let mut output = C::output(case.bytes.len());
    for (source, ours) in C::sources(case).iter().zip(&case.packets) {
        C::clear(&mut output);
        C::encode(C::outgoing(source), &mut output);
        let found = frame(C::written(&output), PACKET_LEN_MAX).unwrap().unwrap();
        let again = Packet::decode(found, case.version).unwrap();
        let who = format!("{} on {}", C::NAME, case.name);
        assert_eq!(found.len, C::written(&output).len(), "{who}");
        assert_eq!(seen(&again), seen(ours), "{who}");
        assert_eq!(properties(&again), properties(ours), "{who}");
    }
}

fn seen(packet: &Packet<'_>) -> Seen {
    Ours::<true>::seen(&Ok(*packet))
}

/// The properties in an order that does not depend on the codec.
fn properties<'p>(packet: &Packet<'p>) -> Vec<Property<'p>> {
    let properties = match packet {
        Packet::Publish(publish) => publish.properties,
        Packet::Connect(connect) => connect.properties,
        _ => return Vec::new(),
    };
    let mut list: Vec<_> = properties.iter().collect();
    list.sort_by_key(|property| property.id());
    list
}
