//! The receiving half rule by rule.

use super::{ReceiveFlows, Received, Settling};
use crate::{AckKind, ProtocolError, ReceiveQuota};
use alloc::vec::Vec;
use mqtt_codec::{Delivery, PacketId, ReasonCode};
use proptest::prelude::*;

const OK: ReasonCode = ReasonCode::SUCCESS;
const NOT_FOUND: ReasonCode = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn qos_1(number: u16) -> Delivery {
    Delivery::AtLeastOnce(id(number))
}

fn qos_2(number: u16) -> Delivery {
    Delivery::ExactlyOnce(id(number))
}

/// A receiver with the quota of its connection.
struct Receiver {
    flows: ReceiveFlows,
    quota: ReceiveQuota,
}

impl Receiver {
    fn new(receive_maximum: u16) -> Self {
        Self {
            flows: ReceiveFlows::new(),
            quota: ReceiveQuota::new(receive_maximum),
        }
    }

    fn publish(&mut self, delivery: Delivery) -> Result<Received, ProtocolError> {
        self.flows.handle_publish(&mut self.quota, delivery)
    }

    fn answer(&mut self, delivery: Delivery, reason: ReasonCode) {
        let settling = Settling::of(delivery).unwrap();
        self.flows.settle(&mut self.quota, settling, reason);
    }

    fn pubrel(&mut self, number: u16) -> ReasonCode {
        self.flows.handle_pubrel(&mut self.quota, id(number))
    }

    fn reconnect(&mut self, receive_maximum: u16) {
        self.quota = ReceiveQuota::new(receive_maximum);
    }
}

/// Covers: v5 [MQTT-3.3.4-1], v3.1.1 [MQTT-3.3.4-1], v5 [MQTT-2.2.1-5].
#[test]
fn v5_3_3_4_1_the_answer_follows_the_qos() {
    assert_eq!(Settling::of(Delivery::AtMostOnce), None);
    let (kind, packet_id) = (AckKind::PubAck, id(7));
    assert_eq!(Settling::of(qos_1(7)), Some(Settling { kind, packet_id }));
    let (kind, packet_id) = (AckKind::PubRec, id(8));
    assert_eq!(Settling::of(qos_2(8)), Some(Settling { kind, packet_id }));
}

/// Covers: v5 [MQTT-4.3.2-5], v3.1.1 [MQTT-4.3.2-2].
#[test]
fn v5_4_3_2_5_after_puback_the_identifier_is_new() {
    let mut receiver = Receiver::new(1);
    for _ in 0..3 {
        assert_eq!(receiver.publish(qos_1(1)), Ok(Received::Deliver));
        receiver.answer(qos_1(1), OK);
    }
    assert_eq!(receiver.quota.unfinished(), 0);
    assert!(receiver.flows.unreleased().is_empty());
}

/// Covers: v5 [MQTT-4.3.3-10], v5 [MQTT-4.3.3-12], v3.1.1 [MQTT-4.3.3-2].
#[test]
fn v5_4_3_3_10_a_repeat_before_pubrel_is_no_second_delivery() {
    let mut receiver = Receiver::new(5);
    assert_eq!(receiver.publish(qos_2(1)), Ok(Received::Deliver));
    receiver.answer(qos_2(1), OK);
    assert_eq!(receiver.publish(qos_2(1)), Ok(Received::Duplicate));
    receiver.answer(qos_2(1), OK);
    assert_eq!(receiver.pubrel(1), OK);
    assert_eq!(receiver.publish(qos_2(1)), Ok(Received::Deliver));
}

/// Covers: v5 [MQTT-4.3.3-10], v3.1.1 [MQTT-4.3.3-2], v3.1.1 [MQTT-4.1.0-1].
#[test]
fn v5_4_3_3_10_a_repeat_on_the_next_connection_is_no_second_delivery() {
    for answered in [false, true] {
        let mut receiver = Receiver::new(5);
        assert_eq!(receiver.publish(qos_2(1)), Ok(Received::Deliver));
        if answered {
            receiver.answer(qos_2(1), OK);
        }
        receiver.reconnect(5);
        assert_eq!(receiver.publish(qos_2(1)), Ok(Received::Duplicate));
        receiver.answer(qos_2(1), OK);
        receiver.reconnect(5);
        assert_eq!(receiver.pubrel(1), OK);
        assert_eq!(receiver.publish(qos_2(1)), Ok(Received::Deliver));
    }
}

/// Covers: v5 [MQTT-4.3.3-9].
#[test]
fn v5_4_3_3_9_after_an_error_pubrec_the_identifier_is_new() {
    let mut receiver = Receiver::new(1);
    for _ in 0..3 {
        assert_eq!(receiver.publish(qos_2(1)), Ok(Received::Deliver));
        receiver.answer(qos_2(1), ReasonCode::QUOTA_EXCEEDED);
    }
    assert_eq!(receiver.quota.unfinished(), 0);
    assert_eq!(receiver.pubrel(1), NOT_FOUND);
}

/// Covers: v5 [MQTT-4.3.3-9].
#[test]
fn v5_4_3_3_9_a_refusal_that_did_not_get_through_is_no_consent() {
    let mut receiver = Receiver::new(1);
    assert_eq!(receiver.publish(qos_2(1)), Ok(Received::Deliver));
    receiver.flows.refuse(id(1));
    receiver.reconnect(1);
    assert_eq!(receiver.publish(qos_2(1)), Ok(Received::Deliver));
    receiver.flows.refuse(id(1));
    receiver.answer(qos_2(1), ReasonCode::NOT_AUTHORIZED);
    assert_eq!(receiver.quota.unfinished(), 0);
}

/// Covers: v5 [MQTT-4.3.3-11].
#[test]
fn v5_4_3_3_11_every_pubrel_has_an_answer() {
    let mut receiver = Receiver::new(1);
    assert_eq!(receiver.pubrel(1), NOT_FOUND);
    assert_eq!(receiver.publish(qos_2(1)), Ok(Received::Deliver));
    receiver.answer(qos_2(1), OK);
    assert_eq!(receiver.pubrel(2), NOT_FOUND);
    assert_eq!(receiver.pubrel(1), OK);
    assert_eq!(receiver.pubrel(1), NOT_FOUND);
}

#[test]
fn more_than_the_receive_maximum_is_an_error() {
    for last in [qos_1(3), qos_2(3)] {
        let mut receiver = Receiver::new(2);
        assert_eq!(receiver.publish(qos_1(1)), Ok(Received::Deliver));
        assert_eq!(receiver.publish(qos_2(2)), Ok(Received::Deliver));
        assert_eq!(
            receiver.publish(Delivery::AtMostOnce),
            Ok(Received::Deliver)
        );
        let error = receiver.publish(last).unwrap_err();
        assert_eq!(
            error,
            ProtocolError::ReceiveMaximumExceeded { receive_maximum: 2 }
        );
        assert_eq!(error.reason_code(), ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
        // PUBREC does not end a flow, PUBACK and PUBREL do.
        receiver.answer(qos_2(2), OK);
        assert!(receiver.publish(last).is_err());
        assert_eq!(receiver.pubrel(2), OK);
        assert_eq!(receiver.publish(last), Ok(Received::Deliver));
        receiver.answer(qos_1(1), OK);
        assert_eq!(receiver.publish(qos_1(4)), Ok(Received::Deliver));
    }
}

#[test]
fn repeats_on_one_connection_do_not_use_up_the_quota() {
    let mut receiver = Receiver::new(2);
    for _ in 0..10 {
        for _ in 0..10 {
            receiver.publish(qos_2(1)).unwrap();
            receiver.answer(qos_2(1), OK);
        }
        assert_eq!(receiver.quota.unfinished(), 1);
        assert_eq!(receiver.pubrel(1), OK);
        assert_eq!(receiver.quota.unfinished(), 0);
    }
}

#[test]
fn answers_that_wait_stay_within_the_receive_maximum_whatever_the_peer_does() {
    let mut receiver = Receiver::new(3);
    let mut waiting = 0;
    for _ in 0..20 {
        if receiver.publish(qos_2(1)).is_ok() {
            waiting += 1;
        }
        // A peer that releases what nobody has confirmed.
        receiver.pubrel(1);
    }
    assert!(waiting <= 2 * 3, "{waiting} answers wait");
}

#[test]
fn a_peer_that_counts_pubcomp_of_an_earlier_connection_is_served() {
    let mut receiver = Receiver::new(1);
    receiver.publish(qos_2(1)).unwrap();
    receiver.answer(qos_2(1), OK);
    receiver.reconnect(1);
    // PUBREL of the resume, a PUBLISH, and one more for the PUBCOMP.
    assert_eq!(receiver.pubrel(1), OK);
    assert_eq!(receiver.publish(qos_1(2)), Ok(Received::Deliver));
    assert_eq!(receiver.publish(qos_1(3)), Ok(Received::Deliver));
    assert!(receiver.publish(qos_1(4)).is_err());
}

/// Covers: v5 [MQTT-3.1.2-4], v3.1.1 [MQTT-3.1.2-6].
#[test]
fn v5_3_1_2_4_a_cleared_session_knows_no_duplicates() {
    let mut receiver = Receiver::new(5);
    receiver.publish(qos_2(1)).unwrap();
    receiver.flows.clear();
    receiver.reconnect(5);
    assert_eq!(receiver.publish(qos_2(1)), Ok(Received::Deliver));
}

#[test]
fn an_identifier_from_a_store_is_a_duplicate() {
    let mut receiver = Receiver::new(5);
    receiver.flows.restore(id(9));
    assert!(receiver.flows.unreleased().contains(id(9)));
    assert_eq!(receiver.publish(qos_2(9)), Ok(Received::Duplicate));
}

proptest! {
    /// A peer that keeps to the rules, over several connections: everything is delivered once, nothing of the
    /// quota is lost.
    #[test]
    fn no_delivery_and_no_quota_is_lost(
        receive_maximum in 1u16..6,
        steps in proptest::collection::vec((0u8..6, 1u16..12, any::<bool>()), 0..300),
    ) {
        let mut receiver = Receiver::new(receive_maximum);
        let mut open: Vec<(u16, bool)> = Vec::new();
        let mut counted: Vec<u16> = Vec::new();
        for (kind, number, refuse) in steps {
            let state = open.iter().position(|(open, _)| *open == number);
            let room = counted.len() < usize::from(receive_maximum);
            match (kind, state) {
                // First sending, or again on this connection as long as it is not counted there.
                (0..=2, None) if room => {
                    prop_assert_eq!(receiver.publish(qos_2(number)), Ok(Received::Deliver));
                    let reason = if refuse { ReasonCode::QUOTA_EXCEEDED } else { OK };
                    receiver.answer(qos_2(number), reason);
                    if !refuse {
                        open.push((number, true));
                        counted.push(number);
                    }
                }
                (0..=2, Some(at)) if room && !open[at].1 => {
                    open[at].1 = true;
                    counted.push(number);
                    prop_assert_eq!(receiver.publish(qos_2(number)), Ok(Received::Duplicate));
                    receiver.answer(qos_2(number), OK);
                }
                (3, Some(at)) => {
                    open.remove(at);
                    counted.retain(|counted| *counted != number);
                    prop_assert_eq!(receiver.pubrel(number), OK);
                }
                (4, _) if refuse => {
                    receiver.reconnect(receive_maximum);
                    open.iter_mut().for_each(|(_, here)| *here = false);
                    counted.clear();
                }
                _ => {}
            }
            prop_assert_eq!(usize::from(receiver.quota.unfinished()), counted.len());
            prop_assert_eq!(receiver.flows.unreleased().len(), open.len());
        }
    }
}
