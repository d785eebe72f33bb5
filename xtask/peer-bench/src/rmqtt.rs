//! `rmqtt-codec`: splits packets, topics and properties off a `BytesMut`; takes packets by value.

use bytes::BytesMut;
use rmqtt_codec::error::DecodeError;
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder, Encoder};

use crate::cases::Case;
use crate::codec::Codec;
use crate::seen::Seen;

/// `rmqtt-codec` for v3.1.1.
pub struct V3;

/// `rmqtt-codec` for v5.
pub struct V5;

impl Codec for V3 {
    const NAME: &'static str = "rmqtt-codec";

    type Input = (v3::Codec, BytesMut);
    type Decoded<'i> = Result<Option<(v3::Packet, u32)>, DecodeError>;

    fn input(bytes: &[u8], _: Option<Self::Input>) -> Self::Input {
        (v3::Codec::default(), BytesMut::from(bytes))
    }

    #[inline(always)]
    fn decode((codec, bytes): &mut Self::Input) -> Self::Decoded<'_> {
        codec.decode(bytes)
    }

    fn seen(decoded: &Self::Decoded<'_>) -> Seen {
        match &decoded.as_ref().unwrap().as_ref().unwrap().0 {
            v3::Packet::Publish(publish) => Seen::publish(
                &publish.topic,
                publish.qos.value(),
                publish.packet_id.map_or(0, u16::from),
                &publish.payload,
                None,
            ),
            v3::Packet::PublishAck { packet_id } => Seen::puback(packet_id.get()),
            v3::Packet::Subscribe {
                packet_id,
                topic_filters,
            } => Seen::subscribe(
                packet_id.get(),
                topic_filters
                    .iter()
                    .map(|(filter, qos)| (&filter[..], qos.value())),
            ),
            v3::Packet::Connect(connect) => Seen::connect(
                &connect.client_id,
                connect.keep_alive,
                connect.last_will.as_ref().map(|will| &will.message[..]),
            ),
            _ => Seen::default(),
        }
    }

    type Source<'b> = v3::Packet;
    type Outgoing<'s> = v3::Packet;
    type Output = (v3::Codec, BytesMut);

    fn sources(case: &Case) -> Vec<v3::Packet> {
        let mut input = Self::input(&case.bytes, None);
        (0..case.packets.len())
            .map(|_| Self::decode(&mut input).unwrap().unwrap().0)
            .collect()
    }

    fn outgoing(source: &v3::Packet) -> v3::Packet {
        source.clone()
    }

    fn output(capacity: usize) -> Self::Output {
        (v3::Codec::default(), BytesMut::with_capacity(capacity))
    }

    #[inline(always)]
    fn encode(packet: v3::Packet, (codec, output): &mut Self::Output) {
        codec.encode(packet, output).unwrap();
    }

    fn written((_, output): &Self::Output) -> &[u8] {
        output
    }

    fn clear((_, output): &mut Self::Output) {
        output.clear();
    }
}

impl Codec for V5 {
    const NAME: &'static str = "rmqtt-codec";

    type Input = (v5::Codec, BytesMut);
    type Decoded<'i> = Result<Option<(v5::Packet, u32)>, DecodeError>;

    fn input(bytes: &[u8], _: Option<Self::Input>) -> Self::Input {
        (v5::Codec::default(), BytesMut::from(bytes))
    }

    #[inline(always)]
    fn decode((codec, bytes): &mut Self::Input) -> Self::Decoded<'_> {
        codec.decode(bytes)
    }

    fn seen(decoded: &Self::Decoded<'_>) -> Seen {
        match &decoded.as_ref().unwrap().as_ref().unwrap().0 {
            v5::Packet::Publish(publish) => Seen::publish(
                &publish.topic,
                publish.qos.value(),
                publish.packet_id.map_or(0, u16::from),
                &publish.payload,
                publish
                    .properties
                    .as_ref()
                    .and_then(|properties| properties.content_type.as_deref()),
            ),
            v5::Packet::PublishAck(ack) => Seen::puback(ack.packet_id.get()),
            v5::Packet::Subscribe(subscribe) => Seen::subscribe(
                subscribe.packet_id.get(),
                subscribe
                    .topic_filters
                    .iter()
                    .map(|(filter, options)| (&filter[..], options.qos.value())),
            ),
            v5::Packet::Connect(connect) => Seen::connect(
                &connect.client_id,
                connect.keep_alive,
                connect.last_will.as_ref().map(|will| &will.message[..]),
            ),
            _ => Seen::default(),
        }
    }

    type Source<'b> = v5::Packet;
    type Outgoing<'s> = v5::Packet;
    type Output = (v5::Codec, BytesMut);

    fn sources(case: &Case) -> Vec<v5::Packet> {
        let mut input = Self::input(&case.bytes, None);
        (0..case.packets.len())
            .map(|_| Self::decode(&mut input).unwrap().unwrap().0)
            .collect()
    }

    fn outgoing(source: &v5::Packet) -> v5::Packet {
        source.clone()
    }

    fn output(capacity: usize) -> Self::Output {
        (v5::Codec::default(), BytesMut::with_capacity(capacity))
    }

    #[inline(always)]
    fn encode(packet: v5::Packet, (codec, output): &mut Self::Output) {
        codec.encode(packet, output).unwrap();
    }

    fn written((_, output): &Self::Output) -> &[u8] {
        output
    }

    fn clear((_, output): &mut Self::Output) {
        output.clear();
    }
}
