//! `rumqttc`'s codec for v5: splits packets and topics off a `BytesMut`.

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::Error;
use rumqttc::v5::mqttbytes::v5::Packet;

use crate::cases::Case;
use crate::codec::Codec;
use crate::seen::Seen;

/// The codec of `rumqttc` for v5.
pub struct Rumqttc;

impl Codec for Rumqttc {
    const NAME: &'static str = "rumqttc";

    type Input = BytesMut;
    type Decoded<'i> = Result<Packet, Error>;

    fn input(bytes: &[u8], _: Option<BytesMut>) -> BytesMut {
        BytesMut::from(bytes)
    }

    #[inline(always)]
    fn decode(input: &mut BytesMut) -> Result<Packet, Error> {
        Packet::read(input, None)
    }

    fn seen(decoded: &Result<Packet, Error>) -> Seen {
        match decoded.as_ref().unwrap() {
            Packet::Publish(publish) => Seen::publish(
                std::str::from_utf8(&publish.topic).unwrap(),
                publish.qos as u8,
                publish.pkid,
                &publish.payload,
                publish
                    .properties
                    .as_ref()
                    .and_then(|properties| properties.content_type.as_deref()),
            ),
            Packet::PubAck(ack) => Seen::puback(ack.pkid),
            Packet::Subscribe(subscribe) => Seen::subscribe(
                subscribe.pkid,
                subscribe
                    .filters
                    .iter()
                    .map(|filter| (filter.path.as_str(), filter.qos as u8)),
            ),
            Packet::Connect(connect, will, _) => Seen::connect(
                &connect.client_id,
                connect.keep_alive,
                will.as_ref().map(|will| &will.message[..]),
            ),
            _ => Seen::default(),
        }
    }

    type Source<'b> = Packet;
    type Outgoing<'s> = &'s Packet;
    type Output = BytesMut;

    fn sources(case: &Case) -> Vec<Packet> {
        let mut input = BytesMut::from(&case.bytes[..]);
        (0..case.packets.len())
            .map(|_| Self::decode(&mut input).unwrap())
            .collect()
    }

    fn outgoing(source: &Packet) -> &Packet {
        source
    }

    fn output(capacity: usize) -> BytesMut {
        BytesMut::with_capacity(capacity)
    }

    #[inline(always)]
    fn encode(packet: &Packet, output: &mut BytesMut) {
        packet.write(output, None).unwrap();
    }

    fn written(output: &BytesMut) -> &[u8] {
        output
    }

    fn clear(output: &mut BytesMut) {
        output.clear();
    }
}
