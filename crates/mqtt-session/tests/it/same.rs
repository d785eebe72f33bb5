//! A client with its tables on the heap and one with tables of fixed size do the same, as long as nothing is full.

use crate::kit::{Message, V5, ack, bytes, framed, message, publish};
use core::num::NonZeroU16;
use mqtt_codec::{
    ConnAck, Connect, Delivery, Packet, PacketId, Properties, Property, PropertyList, Publish, QoS,
    ReasonCode, SubscriptionOptions, TopicFilter,
};
use mqtt_session::{
    AckToken, ClientConnection, ClientEvent, ClientSession, ClientSettings, Fixed, Heap, Output,
    OutputBuffer, Storage, UnknownSession,
};
use proptest::prelude::*;

const SETTINGS: ClientSettings = ClientSettings {
    ping_answer_within_ms: 1000,
    unknown_session: UnknownSession::Refuse,
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish(QoS),
    Subscribe,
    /// PUBACK, PUBREC, PUBCOMP or PUBREL of a flow, maybe with an error.
    Ack(u8, u16, bool),
    Message(Delivery, Option<u16>),
    Acknowledge(usize, bool),
    Reconnect(bool),
    Wait(u16),
}

fn delivery() -> impl Strategy<Value = Delivery> {
    let qos = prop_oneof![
        Just(QoS::AtMostOnce),
        Just(QoS::AtLeastOnce),
        Just(QoS::ExactlyOnce)
    ];
    (qos, 1u16..6)
        .prop_map(|(qos, number)| {
            Delivery::new(
                qos,
                PacketId::new(number).filter(|_| qos != QoS::AtMostOnce),
            )
        })
        .prop_map(|delivery| delivery.unwrap())
}

fn step() -> impl Strategy<Value = Step> {
    let qos = prop_oneof![
        Just(QoS::AtMostOnce),
        Just(QoS::AtLeastOnce),
        Just(QoS::ExactlyOnce)
    ];
    prop_oneof![
        6 => qos.prop_map(Step::Publish),
        1 => Just(Step::Subscribe),
        12 => (0u8..4, 1u16..12, prop::bool::weighted(0.1)).prop_map(|(kind, number, error)| Step::Ack(kind, number, error)),
        6 => (delivery(), prop::option::of(1u16..5)).prop_map(|(delivery, alias)| Step::Message(delivery, alias)),
        5 => (0usize..4, prop::bool::weighted(0.1)).prop_map(|(at, error)| Step::Acknowledge(at, error)),
        1 => any::<bool>().prop_map(Step::Reconnect),
        1 => (0u16..20_000).prop_map(Step::Wait),
    ]
}

/// A client, and everything it has said and sent.
struct Client<S: Storage, O> {
    connection: ClientConnection<Message, u8, S>,
    tokens: Vec<AckToken>,
    now_ms: u64,
    out: O,
    said: Vec<String>,
}

impl<S: Storage, O: Output> Client<S, O> {
    fn new(out: O) -> Self {
        let mut session = ClientSession::default();
        let mut client = Self {
            connection: connecting(&mut session, 0),
            tokens: Vec::new(),
            now_ms: 0,
            out,
            said: Vec::new(),
        };
        client.accept(false);
        client
    }

    fn accept(&mut self, session_present: bool) {
        let connack = ConnAck {
            session_present,
            ..ConnAck::default()
        };
        self.handle(&Packet::ConnAck(connack));
        while let Some(lost) = self.connection.poll_lost() {
            self.said.push(format!("lost {lost:?}"));
        }
    }

    /// `false` when the connection is over.
    fn handle(&mut self, packet: &Packet<'_>) -> bool {
        let bytes = bytes(V5, packet);
        let handled = self
            .connection
            .handle_frame(framed(&bytes), self.now_ms, &mut self.out);
        self.said.push(format!("{handled:?}"));
        match handled {
            Ok(ClientEvent::Message { ack, .. }) => self.tokens.extend(ack),
            Ok(_) => {}
            Err(_) => return false,
        }
        true
    }

    fn take(&mut self, step: Step) {
        let (now_ms, out) = (self.now_ms, &mut self.out);
        let goes_on = match step {
            Step::Publish(qos) => {
                let sent = self.connection.publish(message("t", qos), now_ms, out);
                self.said.push(format!("{sent:?}"));
                true
            }
            Step::Subscribe => {
                let topic_filter = TopicFilter::try_new("a/#").unwrap();
                let filters = [(topic_filter, SubscriptionOptions::default())];
                let sent = self
                    .connection
                    .subscribe(&filters, Properties::EMPTY, 7, now_ms, out);
                self.said.push(format!("{sent:?}"));
                true
            }
            Step::Ack(kind, number, error) => {
                let reason = match error {
                    true => ReasonCode::UNSPECIFIED_ERROR,
                    false => ReasonCode::SUCCESS,
                };
                let plain = ack(number, ReasonCode::SUCCESS);
                self.handle(&match kind {
                    0 => Packet::PubAck(ack(number, reason)),
                    1 => Packet::PubRec(ack(number, reason)),
                    2 => Packet::PubComp(plain),
                    _ => Packet::PubRel(plain),
                })
            }
            Step::Message(delivery, alias) => {
                let alias = alias.and_then(NonZeroU16::new).map(Property::TopicAlias);
                let list: Vec<_> = alias.into_iter().collect();
                let list = PropertyList::new(&list);
                self.handle(&Packet::Publish(Publish {
                    properties: Properties::from(&list),
                    ..publish("a/b", delivery)
                }))
            }
            Step::Acknowledge(at, error) => {
                if at < self.tokens.len() {
                    let token = self.tokens.remove(at);
                    let reason = match error {
                        true => ReasonCode::QUOTA_EXCEEDED,
                        false => ReasonCode::SUCCESS,
                    };
                    self.connection.acknowledge(token, reason, now_ms, out);
                }
                true
            }
            Step::Reconnect(session_present) => {
                self.reconnect(session_present);
                true
            }
            Step::Wait(ms) => {
                self.now_ms += u64::from(ms);
                let waited = self.connection.handle_timeout(self.now_ms, out);
                self.said.push(format!("{waited:?}"));
                waited.is_ok()
            }
        };
        if !goes_on {
            self.reconnect(true);
        }
        let (now_ms, out) = (self.now_ms, &mut self.out);
        while let Some(given_up) = self.connection.poll_resend(now_ms, out) {
            self.said.push(format!("given up {given_up:?}"));
        }
        let state = (self.connection.inflight(), self.connection.unacknowledged());
        let deadline = self.connection.next_deadline_ms();
        self.said.push(format!("{state:?} {deadline:?}"));
    }

    fn reconnect(&mut self, session_present: bool) {
        let mut session = ClientSession::default();
        let next = connecting(&mut session, self.now_ms);
        let mut old = std::mem::replace(&mut self.connection, next);
        let requests: Vec<u8> = old.end_requests().collect();
        self.said.push(format!("{requests:?}"));
        let mut session = old.into_session();
        self.connection = connecting(&mut session, self.now_ms);
        self.accept(session_present);
    }
}

fn connecting<S: Storage>(
    session: &mut ClientSession<Message, u8, S>,
    now_ms: u64,
) -> ClientConnection<Message, u8, S> {
    let announced = [
        Property::ReceiveMaximum(NonZeroU16::new(6).unwrap()),
        Property::TopicAliasMaximum(4),
    ];
    let announced = PropertyList::new(&announced);
    let connect = Connect {
        clean_start: false,
        keep_alive_s: 10,
        properties: Properties::from(&announced),
        ..Connect::new(V5, "me")
    };
    ClientConnection::connect(session, &connect, SETTINGS, now_ms, &mut Vec::new()).unwrap()
}

proptest! {
    #[test]
    fn on_the_heap_and_in_fixed_memory(steps in proptest::collection::vec(step(), 0..150)) {
        let mut memory = vec![0; 64 * 1024];
        let mut heap = Client::<Heap, _>::new(Vec::new());
        let mut fixed = Client::<Fixed<160, 6, 4, 8>, _>::new(OutputBuffer::new(&mut memory));
        for step in steps {
            heap.take(step);
            fixed.take(step);
            prop_assert_eq!(&heap.said, &fixed.said);
            heap.said.clear();
            fixed.said.clear();
            prop_assert_eq!(heap.out.as_slice(), fixed.out.filled());
        }
    }
}
