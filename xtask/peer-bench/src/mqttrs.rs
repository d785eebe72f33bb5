//! `mqttrs`: borrows from a slice, writes into a slice; v3.1.1 only.

use mqttrs::{Error, Packet, QosPid, decode_slice, encode_slice};

use crate::cases::Case;
use crate::codec::{Codec, Slice};
use crate::seen::Seen;

/// `mqttrs` for v3.1.1.
pub struct Mqttrs;

/// A read buffer and how much of it has been read.
pub struct Input {
    bytes: Vec<u8>,
    at: usize,
}

/// The length of the first packet; the decoder does not say how much it took.
#[inline]
fn packet_len(bytes: &[u8]) -> usize {
    let mut len = 0;
    for (index, byte) in bytes[1..].iter().enumerate() {
        len |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return 2 + index + len;
        }
    }
    panic!("no whole packet");
}

impl Codec for Mqttrs {
    const NAME: &'static str = "mqttrs";

    type Input = Input;
    type Decoded<'i> = Result<Option<Packet<'i>>, Error>;

    fn input(bytes: &[u8], old: Option<Input>) -> Input {
        let mut input = old.unwrap_or(Input {
            bytes: Vec::new(),
            at: 0,
        });
        input.bytes.clear();
        input.bytes.extend_from_slice(bytes);
        input.at = 0;
        input
    }

    #[inline(always)]
    fn decode(input: &mut Input) -> Self::Decoded<'_> {
        let rest = &input.bytes[input.at..];
        input.at += packet_len(rest);
        decode_slice(rest)
    }

    fn seen(decoded: &Self::Decoded<'_>) -> Seen {
        match decoded.as_ref().unwrap().as_ref().unwrap() {
            Packet::Publish(publish) => {
                let (qos, packet_id) = match publish.qospid {
                    QosPid::AtMostOnce => (0, 0),
                    QosPid::AtLeastOnce(pid) => (1, pid.get()),
                    QosPid::ExactlyOnce(pid) => (2, pid.get()),
                };
                Seen::publish(publish.topic_name, qos, packet_id, publish.payload, None)
            }
            Packet::Puback(pid) => Seen::puback(pid.get()),
            Packet::Subscribe(subscribe) => Seen::subscribe(
                subscribe.pid.get(),
                subscribe
                    .topics
                    .iter()
                    .map(|topic| (topic.topic_path.as_str(), topic.qos as u8)),
            ),
            Packet::Connect(connect) => Seen::connect(
                connect.client_id,
                connect.keep_alive,
                connect.last_will.as_ref().map(|will| will.message),
            ),
            _ => Seen::default(),
        }
    }

    type Source<'b> = Packet<'b>;
    type Outgoing<'s> = &'s Packet<'s>;
    type Output = Slice;

    fn sources(case: &Case) -> Vec<Packet<'_>> {
        let mut rest = case.bytes.as_slice();
        let mut packets = Vec::new();
        while !rest.is_empty() {
            packets.push(decode_slice(rest).unwrap().unwrap());
            rest = &rest[packet_len(rest)..];
        }
        packets
    }

    fn outgoing<'s>(source: &'s Packet<'_>) -> &'s Packet<'s> {
        source
    }

    fn output(capacity: usize) -> Slice {
        Slice::new(capacity)
    }

    #[inline(always)]
    fn encode(packet: &Packet<'_>, output: &mut Slice) {
        output.len += encode_slice(packet, output.free()).unwrap();
    }

    fn written(output: &Slice) -> &[u8] {
        output.written()
    }

    fn clear(output: &mut Slice) {
        output.len = 0;
    }
}
