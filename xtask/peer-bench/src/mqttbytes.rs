//! `mqttbytes`: splits packets off a `BytesMut`, copies topics into strings.

use bytes::BytesMut;
use mqttbytes::{Error, v4, v5};

use crate::cases::Case;
use crate::codec::Codec;
use crate::seen::Seen;

/// Larger than any packet here.
const SIZE_MAX: usize = 1 << 20;

/// `mqttbytes` for v3.1.1.
pub struct V4;

/// `mqttbytes` for v5.
pub struct V5;

impl Codec for V4 {
    const NAME: &'static str = "mqttbytes";

    type Input = BytesMut;
    type Decoded<'i> = Result<v4::Packet, Error>;

    fn input(bytes: &[u8], _: Option<BytesMut>) -> BytesMut {
        BytesMut::from(bytes)
    }

    #[inline(always)]
    fn decode(input: &mut BytesMut) -> Result<v4::Packet, Error> {
        v4::read(input, SIZE_MAX)
    }

    fn seen(decoded: &Result<v4::Packet, Error>) -> Seen {
        match decoded.as_ref().unwrap() {
            v4::Packet::Publish(publish) => Seen::publish(
                &publish.topic,
                publish.qos as u8,
                publish.pkid,
                &publish.payload,
                None,
            ),
            v4::Packet::PubAck(ack) => Seen::puback(ack.pkid),
            v4::Packet::Subscribe(subscribe) => Seen::subscribe(
                subscribe.pkid,
                subscribe
                    .filters
                    .iter()
                    .map(|filter| (filter.path.as_str(), filter.qos as u8)),
            ),
            v4::Packet::Connect(connect) => Seen::connect(
                &connect.client_id,
                connect.keep_alive,
                connect.last_will.as_ref().map(|will| &will.message[..]),
            ),
            _ => Seen::default(),
        }
    }

    type Source<'b> = v4::Packet;
    type Outgoing<'s> = &'s v4::Packet;
    type Output = BytesMut;

    fn sources(case: &Case) -> Vec<v4::Packet> {
        let mut input = BytesMut::from(&case.bytes[..]);
        (0..case.packets.len())
            .map(|_| Self::decode(&mut input).unwrap())
            .collect()
    }

    fn outgoing(source: &v4::Packet) -> &v4::Packet {
        source
    }

    fn output(capacity: usize) -> BytesMut {
        BytesMut::with_capacity(capacity)
    }

    #[inline(always)]
    fn encode(packet: &v4::Packet, output: &mut BytesMut) {
        match packet {
            v4::Packet::Connect(packet) => packet.write(output),
            v4::Packet::Publish(packet) => packet.write(output),
            v4::Packet::PubAck(packet) => packet.write(output),
            v4::Packet::Subscribe(packet) => packet.write(output),
            v4::Packet::PingReq => v4::PingReq.write(output),
            other => panic!("{other:?} is in no case"),
        }
        .unwrap();
    }

    fn written(output: &BytesMut) -> &[u8] {
        output
    }

    fn clear(output: &mut BytesMut) {
        output.clear();
    }
}

impl Codec for V5 {
    const NAME: &'static str = "mqttbytes";

    type Input = BytesMut;
    type Decoded<'i> = Result<v5::Packet, Error>;

    fn input(bytes: &[u8], _: Option<BytesMut>) -> BytesMut {
        BytesMut::from(bytes)
    }

    #[inline(always)]
    fn decode(input: &mut BytesMut) -> Result<v5::Packet, Error> {
        v5::read(input, SIZE_MAX)
    }

    fn seen(decoded: &Result<v5::Packet, Error>) -> Seen {
        match decoded.as_ref().unwrap() {
            v5::Packet::Publish(publish) => Seen::publish(
                &publish.topic,
                publish.qos as u8,
                publish.pkid,
                &publish.payload,
                publish
                    .properties
                    .as_ref()
                    .and_then(|properties| properties.content_type.as_deref()),
            ),
            v5::Packet::PubAck(ack) => Seen::puback(ack.pkid),
            v5::Packet::Subscribe(subscribe) => Seen::subscribe(
                subscribe.pkid,
                subscribe
                    .filters
                    .iter()
                    .map(|filter| (filter.path.as_str(), filter.qos as u8)),
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
    type Outgoing<'s> = &'s v5::Packet;
    type Output = BytesMut;

    fn sources(case: &Case) -> Vec<v5::Packet> {
        let mut input = BytesMut::from(&case.bytes[..]);
        (0..case.packets.len())
            .map(|_| Self::decode(&mut input).unwrap())
            .collect()
    }

    fn outgoing(source: &v5::Packet) -> &v5::Packet {
        source
    }

    fn output(capacity: usize) -> BytesMut {
        BytesMut::with_capacity(capacity)
    }

    #[inline(always)]
    fn encode(packet: &v5::Packet, output: &mut BytesMut) {
        match packet {
            v5::Packet::Connect(packet) => packet.write(output),
            v5::Packet::Publish(packet) => packet.write(output),
            v5::Packet::PubAck(packet) => packet.write(output),
            v5::Packet::Subscribe(packet) => packet.write(output),
            v5::Packet::PingReq => v5::PingReq.write(output),
            other => panic!("{other:?} is in no case"),
        }
        .unwrap();
    }

    fn written(output: &BytesMut) -> &[u8] {
        output
    }

    fn clear(output: &mut BytesMut) {
        output.clear();
    }
}
