//! The outbox of a slow reader against a list of packets.

use super::*;
use mqtt_codec::{Packet, PacketType, PropertyScope, TopicName};
use std::num::NonZeroU16;
use std::task::{Context, Poll, Waker};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// One packet that should be in the outbox: its number, length, and whether it may be dropped.
#[derive(Clone, Copy, Debug)]
struct Expected {
    number: u64,
    len: usize,
    may_go: bool,
}

/// The numbers, which start each payload, of everything in the outbox.
fn drain(outbox: &mut Outbox) -> Vec<u64> {
    let mut queue = WriteQueue::new();
    outbox.take_into(&mut queue);
    let mut written = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(
        queue.poll_flush(&mut written, &mut cx),
        Poll::Ready(Ok(_))
    ));
    let (mut numbers, mut rest) = (Vec::new(), &written[..]);
    while let Ok(Some(frame)) = mqtt_codec::frame(rest, u32::MAX) {
        match Packet::decode(frame, ProtocolVersion::V5).unwrap() {
            Packet::Publish(publish) => {
                numbers.push(u64::from_be_bytes(publish.payload[..8].try_into().unwrap()));
            }
            Packet::PubRel(ack) => numbers.push(u64::from(ack.packet_id.get())),
            other => panic!("{other:?}"),
        }
        rest = &rest[frame.len..];
    }
    assert!(rest.is_empty());
    numbers
}

#[test]
fn room_is_made_by_the_oldest_of_qos_0_and_nothing_else() {
    for seed in 1..200 {
        let mut random = Random(seed);
        let (mut outbox, mut forms) = (Outbox::default(), Forms::default());
        let mut expected: Vec<Expected> = Vec::new();
        let len_max = 40_000;
        for number in 1..400_u64 {
            let payload_len = [8, 100, 900, SHARE_FROM, SHARE_FROM + 5]
                [usize::try_from(random.below(5)).unwrap()];
            let mut payload = vec![0; payload_len];
            payload[..8].copy_from_slice(&number.to_be_bytes());
            let source = Source {
                topic_name: TopicName::try_new("some/topic").unwrap(),
                properties: Properties::EMPTY,
                scope: PropertyScope::Packet(PacketType::Publish),
                expiry_left_s: None,
                payload: &payload,
            };
            let qos = if random.below(3) == 0 {
                QoS::AtLeastOnce
            } else {
                QoS::AtMostOnce
            };
            let packet_id =
                PacketId::new(u16::try_from(number).unwrap()).filter(|_| qos != QoS::AtMostOnce);
            let topic = match random.below(8) {
                0 => TopicForm::NameAndAlias(NonZeroU16::MIN),
                1 => TopicForm::Alias(NonZeroU16::MIN),
                _ => TopicForm::Name,
            };
            forms.begin();
            let form = match topic {
                TopicForm::Name => {
                    forms.shared(&source, None, ProtocolVersion::V5, packet_id.is_some())
                }
                _ => forms.shared_aliased(&source, ProtocolVersion::V5, packet_id.is_some(), topic),
            };
            let form = form.unwrap();
            let len = form.packet_len();
            let mut dropped = 0;
            if outbox.len() + len > len_max {
                dropped = outbox.make_room(len, len_max);
            }
            let mut gone = 0;
            let mut total: usize = expected.iter().map(|one| one.len).sum();
            expected.retain(|one| {
                let goes = one.may_go && total + len > len_max;
                if goes {
                    total -= one.len;
                    gone += 1;
                }
                !goes
            });
            assert_eq!((dropped, outbox.len()), (gone, total), "seed {seed}");
            if qos == QoS::AtMostOnce && total + len > len_max {
                continue;
            }
            let shared = (payload.len() >= SHARE_FROM).then(|| Bytes::from(payload.clone()));
            let stamp = Stamp {
                qos,
                retain: false,
                dup: false,
                packet_id,
                topic,
            };
            outbox.push(&forms, None, form, stamp, shared.as_ref());
            let sets_alias = matches!(topic, TopicForm::NameAndAlias(_));
            expected.push(Expected {
                number,
                len,
                may_go: qos == QoS::AtMostOnce && !sets_alias,
            });
            if random.below(10) == 0 {
                super::super::push_ack(
                    outbox.bytes_mut(),
                    ProtocolVersion::V5,
                    PacketType::PubRel,
                    PacketId::new(u16::try_from(number).unwrap()).unwrap(),
                    mqtt_codec::ReasonCode::SUCCESS,
                );
                expected.push(Expected {
                    number,
                    len: 4,
                    may_go: false,
                });
            }
            if random.below(60) == 0 {
                let numbers: Vec<_> = expected.drain(..).map(|one| one.number).collect();
                assert_eq!(drain(&mut outbox), numbers, "seed {seed}");
                assert_eq!(outbox.len(), 0);
            }
        }
        let numbers: Vec<_> = expected.iter().map(|one| one.number).collect();
        assert_eq!(drain(&mut outbox), numbers, "seed {seed}");
    }
}

/// Property blocks of a PUBLISH, each with its length in front.
const BLOCKS: [&[u8]; 4] = [
    &[0],
    &[2, 0x01, 1],
    &[9, 0x02, 0, 0, 0, 60, 0x09, 0, 1, 7],
    &[7, 0x26, 0, 1, b'k', 0, 1, b'v'],
];

/// A PUBLISH with its fixed header, as a client sends it.
fn packet(version: ProtocolVersion, first: u8, block: &[u8], payload_len: usize) -> Vec<u8> {
    let mut body = vec![0, 4, b'a', b'/', b'b', b'c'];
    if first & 0x06 != 0 {
        body.extend([0x12, 0x34]);
    }
    if version.has_properties() {
        body.extend(block);
    }
    body.extend((0..=u8::MAX).cycle().take(payload_len));
    let mut packet = vec![first];
    let mut left = body.len();
    while left >= 0x80 {
        packet.push(u8::try_from(left % 0x80).unwrap() | 0x80);
        left /= 0x80;
    }
    packet.push(u8::try_from(left).unwrap());
    packet.extend(body);
    packet
}

#[test]
fn a_packet_passed_on_is_what_the_encoder_writes() {
    for version in [ProtocolVersion::V311, ProtocolVersion::V5] {
        for first in [0x30, 0x31, 0x32, 0x3A, 0x34, 0x3D] {
            for (block, payload_len) in BLOCKS.into_iter().zip([0, 100, 300, SHARE_FROM - 1]) {
                let packet = packet(version, first, block, payload_len);
                let frame = mqtt_codec::frame(&packet, 1 << 20).unwrap().unwrap();
                let publish = Publish::decode(frame, version).unwrap();
                let as_received = AsReceived::of(frame, &publish, version).unwrap();
                let source = Source {
                    topic_name: publish.topic_name.unwrap(),
                    properties: publish.properties,
                    scope: PropertyScope::Packet(PacketType::Publish),
                    expiry_left_s: None,
                    payload: publish.payload,
                };
                for (to, qos) in [
                    (version, publish.delivery.qos()),
                    (version, QoS::AtMostOnce),
                    (ProtocolVersion::V311, QoS::AtMostOnce),
                    (ProtocolVersion::V5, publish.delivery.qos()),
                ] {
                    let with_packet_id = qos != QoS::AtMostOnce;
                    let stamp = Stamp {
                        qos,
                        retain: false,
                        dup: false,
                        packet_id: with_packet_id.then_some(PacketId::MAX),
                        topic: TopicForm::Name,
                    };
                    let written = [None, Some(&as_received)].map(|as_received| {
                        let (mut outbox, mut forms) = (Outbox::default(), Forms::default());
                        let form = forms.shared(&source, as_received, to, with_packet_id);
                        outbox.push(&forms, as_received, form.unwrap(), stamp, None);
                        assert_eq!(outbox.len(), form.unwrap().packet_len());
                        std::mem::take(outbox.bytes_mut())
                    });
                    let [encoded, passed_on] = written;
                    assert_eq!(
                        encoded, passed_on,
                        "{version:?} {first:#x} to {to:?} {qos:?}"
                    );
                }
            }
        }
    }
}
