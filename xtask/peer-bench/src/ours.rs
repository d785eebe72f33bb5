//! `mqtt-codec`: borrows from a slice, writes into a slice.

use mqtt_codec::{DecodeError, PACKET_LEN_MAX, Packet, ProtocolVersion, frame};

use crate::cases::{Case, V5, V311};
use crate::codec::{Codec, Slice};
use crate::seen::Seen;

/// `mqtt-codec` for v5 or for v3.1.1.
pub struct Ours<const IS_V5: bool>;

impl<const IS_V5: bool> Ours<IS_V5> {
    const VERSION: ProtocolVersion = if IS_V5 { V5 } else { V311 };
}

/// A read buffer and how much of it has been read.
pub struct Input {
    bytes: Vec<u8>,
    at: usize,
}

impl<const IS_V5: bool> Codec for Ours<IS_V5> {
    const NAME: &'static str = "mqtt-codec";

    type Input = Input;
    type Decoded<'i> = Result<Packet<'i>, DecodeError>;

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
    fn decode(input: &mut Input) -> Result<Packet<'_>, DecodeError> {
        let found = frame(&input.bytes[input.at..], PACKET_LEN_MAX)?.unwrap();
        input.at += found.len;
        Packet::decode(found, Self::VERSION)
    }

    fn seen(decoded: &Self::Decoded<'_>) -> Seen {
        match decoded.as_ref().unwrap() {
            Packet::Publish(publish) => Seen::publish(
                publish.topic_name.unwrap().as_str(),
                publish.delivery.qos().get(),
                publish.delivery.packet_id().map_or(0, |id| id.get()),
                publish.payload,
                publish.properties.content_type(),
            ),
            Packet::PubAck(ack) => Seen::puback(ack.packet_id.get()),
            Packet::Subscribe(subscribe) => Seen::subscribe(
                subscribe.packet_id.get(),
                subscribe
                    .filters
                    .iter()
                    .map(|(filter, options)| (filter.as_str(), options.qos.get())),
            ),
            Packet::Connect(connect) => Seen::connect(
                connect.client_id,
                connect.keep_alive_s,
                connect.will.map(|will| will.payload),
            ),
            _ => Seen::default(),
        }
    }

    type Source<'b> = Packet<'b>;
    type Outgoing<'s> = &'s Packet<'s>;
    type Output = Slice;

    fn sources(case: &Case) -> Vec<Packet<'_>> {
        if case.built {
            return case.packets.clone();
        }
        let mut rest = case.bytes.as_slice();
        let mut packets = Vec::new();
        while let Some(found) = frame(rest, PACKET_LEN_MAX).unwrap() {
            packets.push(Packet::decode(found, Self::VERSION).unwrap());
            rest = &rest[found.len..];
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
        output.len += packet.encode(Self::VERSION, output.free()).unwrap();
    }

    fn written(output: &Slice) -> &[u8] {
        output.written()
    }

    fn clear(output: &mut Slice) {
        output.len = 0;
    }
}
