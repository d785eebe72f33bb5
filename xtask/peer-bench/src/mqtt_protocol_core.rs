//! `mqtt-protocol-core`: copies every packet out of the read buffer and encodes into a new `Vec`.

use std::io::IoSlice;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{PacketBuildResult, PacketBuilder, PacketData};
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait, Packet, Property, SubEntry, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use crate::cases::Case;
use crate::codec::Codec;
use crate::seen::Seen;

/// `mqtt-protocol-core` for v5 or for v3.1.1.
pub struct ProtocolCore<const IS_V5: bool>;

/// Its framer, the read buffer, and how much of that has been read.
pub struct Input {
    builder: PacketBuilder,
    bytes: Vec<u8>,
    at: u64,
}

/// The pieces of a packet where they are, without copying them together.
#[must_use]
pub fn pieces(packet: &Packet) -> Vec<IoSlice<'_>> {
    packet.to_buffers()
}

fn entries(entries: &[SubEntry]) -> impl Iterator<Item = (&str, u8)> {
    entries
        .iter()
        .map(|entry| (entry.topic_filter(), entry.sub_opts().qos() as u8))
}

fn content_type(properties: &[Property]) -> Option<&str> {
    properties.iter().find_map(|property| match property {
        Property::ContentType(content_type) => Some(content_type.val()),
        _ => None,
    })
}

impl<const IS_V5: bool> Codec for ProtocolCore<IS_V5> {
    const NAME: &'static str = "mqtt-protocol-core";

    type Input = Input;
    type Decoded<'i> = Result<Packet, MqttError>;

    fn input(bytes: &[u8], old: Option<Input>) -> Input {
        let mut input = old.unwrap_or_else(|| Input {
            builder: PacketBuilder::new(),
            bytes: Vec::new(),
            at: 0,
        });
        input.bytes.clear();
        input.bytes.extend_from_slice(bytes);
        input.at = 0;
        input
    }

    #[inline(always)]
    fn decode(input: &mut Input) -> Result<Packet, MqttError> {
        let mut cursor = Cursor::new(&input.bytes[..]);
        cursor.set_position(input.at);
        let PacketBuildResult::Complete(raw) = input.builder.feed(&mut cursor) else {
            panic!("no whole packet");
        };
        input.at = cursor.position();
        Ok(match (raw.packet_type(), IS_V5) {
            (1, true) => raw.parse_exact(v5_0::Connect::parse)?.into(),
            (1, false) => raw.parse_exact(v3_1_1::Connect::parse)?.into(),
            (3, _) => {
                let flags = raw.flags();
                let PacketData::Publish(data) = raw.data else {
                    panic!("a PUBLISH as something else");
                };
                if IS_V5 {
                    v5_0::Publish::parse(flags, data)?.0.into()
                } else {
                    v3_1_1::Publish::parse(flags, data)?.0.into()
                }
            }
            (4, true) => raw.parse_exact(v5_0::Puback::parse)?.into(),
            (4, false) => raw.parse_exact(v3_1_1::Puback::parse)?.into(),
            (8, true) => raw.parse_exact(v5_0::Subscribe::parse)?.into(),
            (8, false) => raw.parse_exact(v3_1_1::Subscribe::parse)?.into(),
            (12, true) => raw.parse_exact(v5_0::Pingreq::parse)?.into(),
            (12, false) => raw.parse_exact(v3_1_1::Pingreq::parse)?.into(),
            (other, _) => panic!("type {other} is in no case"),
        })
    }

    fn seen(decoded: &Result<Packet, MqttError>) -> Seen {
        match decoded.as_ref().unwrap() {
            Packet::V3_1_1Publish(publish) => Seen::publish(
                publish.topic_name(),
                publish.qos() as u8,
                publish.packet_id().unwrap_or_default(),
                publish.payload().as_slice(),
                None,
            ),
            Packet::V5_0Publish(publish) => Seen::publish(
                publish.topic_name(),
                publish.qos() as u8,
                publish.packet_id().unwrap_or_default(),
                publish.payload().as_slice(),
                content_type(publish.props()),
            ),
            Packet::V3_1_1Puback(ack) => Seen::puback(ack.packet_id()),
            Packet::V5_0Puback(ack) => Seen::puback(ack.packet_id()),
            Packet::V3_1_1Subscribe(subscribe) => {
                Seen::subscribe(subscribe.packet_id(), entries(subscribe.entries()))
            }
            Packet::V5_0Subscribe(subscribe) => {
                Seen::subscribe(subscribe.packet_id(), entries(subscribe.entries()))
            }
            Packet::V3_1_1Connect(connect) => Seen::connect(
                connect.client_id(),
                connect.keep_alive(),
                connect.will_payload(),
            ),
            Packet::V5_0Connect(connect) => Seen::connect(
                connect.client_id(),
                connect.keep_alive(),
                connect.will_payload(),
            ),
            _ => Seen::default(),
        }
    }

    type Source<'b> = Packet;
    type Outgoing<'s> = &'s Packet;
    /// The last packet: each is encoded into memory of its own.
    type Output = Vec<u8>;

    fn sources(case: &Case) -> Vec<Packet> {
        let mut input = Self::input(&case.bytes, None);
        (0..case.packets.len())
            .map(|_| Self::decode(&mut input).unwrap())
            .collect()
    }

    fn outgoing(source: &Packet) -> &Packet {
        source
    }

    fn output(_: usize) -> Vec<u8> {
        Vec::new()
    }

    #[inline(always)]
    fn encode(packet: &Packet, output: &mut Vec<u8>) {
        *output = packet.to_continuous_buffer();
    }

    fn written(output: &Vec<u8>) -> &[u8] {
        output
    }

    fn clear(output: &mut Vec<u8>) {
        output.clear();
    }
}
