//! The sending half rule by rule.

use super::{NotNow, NotNowReason, PubRecOutcome, Resend, SendFlows, UnexpectedAck};
use crate::SendQuota;
use alloc::vec;
use alloc::vec::Vec;
use mqtt_codec::{PacketId, QoS, ReasonCode};

const QOS_1: QoS = QoS::AtLeastOnce;
const QOS_2: QoS = QoS::ExactlyOnce;

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn begin(flows: &mut SendFlows<u32>, quota: &mut SendQuota, qos: QoS, message: u32) -> u16 {
    flows.begin_publish(quota, qos, message).unwrap().get()
}

/// PUBREL by its identifier, PUBLISH by identifier and message.
fn resends(flows: &mut SendFlows<u32>, quota: &mut SendQuota) -> Vec<(u16, Option<u32>)> {
    let mut sent = Vec::new();
    while let Some(resend) = flows.poll_resend(quota) {
        sent.push(match resend {
            Resend::PubRel { packet_id } => (packet_id.get(), None),
            Resend::Publish {
                packet_id, message, ..
            } => (packet_id.get(), Some(*message)),
        });
    }
    sent
}

fn release(flows: &mut SendFlows<u32>, quota: &mut SendQuota, number: u16) {
    let outcome = flows.handle_pubrec(quota, id(number), ReasonCode::SUCCESS);
    assert!(matches!(outcome, Ok(PubRecOutcome::Release(_))));
}

/// Covers: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-2].
#[test]
fn v5_2_2_1_3_identifiers_of_all_three_requests_are_one_space() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(10));
    assert_eq!(begin(&mut flows, &mut quota, QOS_1, 0), 1);
    assert_eq!(flows.begin_request(1), Ok(id(2)));
    assert_eq!(begin(&mut flows, &mut quota, QOS_2, 2), 3);
    assert_eq!(flows.begin_request(3), Ok(id(4)));
}

/// Covers: v5 [MQTT-2.2.1-3], v5 [MQTT-2.2.1-4], v3.1.1 [MQTT-2.3.1-2], v3.1.1 [MQTT-2.3.1-4].
#[test]
fn v5_2_2_1_3_zero_is_stepped_over_after_the_last_identifier() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(10));
    flows.last_packet_id = u16::MAX - 1;
    assert_eq!(begin(&mut flows, &mut quota, QOS_1, 0), u16::MAX);
    assert_eq!(begin(&mut flows, &mut quota, QOS_1, 1), 1);
    assert_eq!(begin(&mut flows, &mut quota, QOS_1, 2), 2);
}

#[test]
fn an_identifier_is_free_after_its_last_acknowledgement_only() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(10));
    assert_eq!(begin(&mut flows, &mut quota, QOS_2, 0), 1);
    flows.last_packet_id = u16::MAX;
    assert_eq!(begin(&mut flows, &mut quota, QOS_1, 1), 2);
    release(&mut flows, &mut quota, 1);
    flows.last_packet_id = u16::MAX;
    assert_eq!(begin(&mut flows, &mut quota, QOS_1, 2), 3);
    assert_eq!(flows.handle_pubcomp(&mut quota, id(1)), Ok(0));
    flows.last_packet_id = u16::MAX;
    assert_eq!(begin(&mut flows, &mut quota, QOS_1, 3), 1);
}

#[test]
fn one_stuck_flow_does_not_block_the_others() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(3));
    assert_eq!(begin(&mut flows, &mut quota, QOS_1, u32::MAX), 1);
    let mut expected = 1u16;
    for message in 0..150_000u32 {
        expected = if expected == u16::MAX {
            2
        } else {
            expected + 1
        };
        assert_eq!(begin(&mut flows, &mut quota, QOS_1, message), expected);
        assert_eq!(flows.handle_puback(&mut quota, id(expected)), Ok(message));
    }
    assert_eq!((flows.len(), quota.left()), (1, 2));
    assert_eq!(flows.handle_puback(&mut quota, id(1)), Ok(u32::MAX));
    assert!(!flows.lapped, "it searches as before");
}

/// Covers: v5 [MQTT-4.9.0-1], v5 [MQTT-4.9.0-2], v5 [MQTT-3.3.4-7], v5 [MQTT-3.3.4-9].
#[test]
fn v5_4_9_0_2_nothing_above_the_receive_maximum() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(2));
    begin(&mut flows, &mut quota, QOS_1, 0);
    begin(&mut flows, &mut quota, QOS_2, 1);
    let refused = Err(NotNow {
        message: 2,
        reason: NotNowReason::Quota,
    });
    assert_eq!(flows.begin_publish(&mut quota, QOS_1, 2), refused);
    release(&mut flows, &mut quota, 2);
    assert_eq!(
        flows.begin_publish(&mut quota, QOS_1, 2),
        refused,
        "PUBREC gives nothing back"
    );
    assert_eq!(flows.handle_pubcomp(&mut quota, id(2)), Ok(1));
    assert_eq!(begin(&mut flows, &mut quota, QOS_1, 2), 3);
    assert_eq!(flows.handle_puback(&mut quota, id(1)), Ok(0));
    assert_eq!(quota.left(), 1);
}

/// Covers: v5 [MQTT-4.9.0-3], v5 [MQTT-3.3.4-8].
#[test]
fn v5_4_9_0_3_a_full_window_delays_no_request_and_no_pubrel() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(1));
    begin(&mut flows, &mut quota, QOS_2, 0);
    assert_eq!(quota.left(), 0);
    assert_eq!(flows.begin_request(1), Ok(id(2)));
    release(&mut flows, &mut quota, 1);
}

/// Covers: v5 [MQTT-4.9.0-1].
#[test]
fn v5_4_9_0_1_an_answer_to_a_request_gives_no_quota() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(2));
    begin(&mut flows, &mut quota, QOS_1, 0);
    assert_eq!(flows.begin_request(1), Ok(id(2)));
    assert_eq!(flows.handle_answer(&mut quota, id(2)), Ok(1));
    assert_eq!(quota.left(), 1);
}

#[test]
fn a_cancelled_packet_gives_back_identifier_and_quota() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(1));
    let number = begin(&mut flows, &mut quota, QOS_2, 7);
    assert_eq!(flows.cancel(&mut quota, id(number)), Ok(7));
    assert_eq!((flows.len(), quota.left()), (0, 1));
    let again = flows.cancel(&mut quota, id(number));
    assert_eq!(again, Err(UnexpectedAck::Unknown));
    assert_eq!(quota.left(), 1);
}

/// Covers: v5 [MQTT-4.3.2-3].
#[test]
fn v5_4_3_2_3_only_puback_ends_qos_1() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(5));
    begin(&mut flows, &mut quota, QOS_1, 0);
    let wrong = Err(UnexpectedAck::WrongKind);
    assert_eq!(flows.handle_pubcomp(&mut quota, id(1)), wrong);
    assert_eq!(flows.handle_answer(&mut quota, id(1)), wrong);
    for reason in [ReasonCode::SUCCESS, ReasonCode::QUOTA_EXCEEDED] {
        let outcome = flows.handle_pubrec(&mut quota, id(1), reason);
        assert_eq!(outcome, Err(UnexpectedAck::WrongKind));
    }
    assert_eq!((flows.len(), quota.left()), (1, 4));
    assert_eq!(flows.handle_puback(&mut quota, id(1)), Ok(0));
    assert_eq!((flows.len(), quota.left()), (0, 5));
}

/// Covers: v5 [MQTT-4.3.3-3], v5 [MQTT-4.3.3-5], v3.1.1 [MQTT-4.3.3-1].
#[test]
fn v5_4_3_3_3_qos_2_waits_for_pubrec_and_then_for_pubcomp() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(5));
    begin(&mut flows, &mut quota, QOS_2, 0);
    let wrong = Err(UnexpectedAck::WrongKind);
    assert_eq!(flows.handle_puback(&mut quota, id(1)), wrong);
    assert_eq!(flows.handle_pubcomp(&mut quota, id(1)), wrong);
    release(&mut flows, &mut quota, 1);
    assert_eq!(flows.handle_puback(&mut quota, id(1)), wrong);
    let again = flows.handle_pubrec(&mut quota, id(1), ReasonCode::SUCCESS);
    assert_eq!(again, Ok(PubRecOutcome::ReleaseAgain));
    assert_eq!(flows.handle_pubcomp(&mut quota, id(1)), Ok(0));
    let late = flows.handle_pubrec(&mut quota, id(1), ReasonCode::SUCCESS);
    assert_eq!(late, Err(UnexpectedAck::Unknown));
}

/// Covers: v5 [MQTT-4.4.0-2].
#[test]
fn v5_4_4_0_2_a_refused_publish_is_not_sent_again() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(5));
    begin(&mut flows, &mut quota, QOS_1, 0);
    begin(&mut flows, &mut quota, QOS_2, 1);
    assert_eq!(flows.handle_puback(&mut quota, id(1)), Ok(0));
    let outcome = flows.handle_pubrec(&mut quota, id(2), ReasonCode::NOT_AUTHORIZED);
    assert_eq!(outcome, Ok(PubRecOutcome::Refused(1)));
    assert_eq!(quota.left(), 5);
    flows.begin_resume();
    assert_eq!(resends(&mut flows, &mut quota), vec![]);
}

/// Covers: v5 [MQTT-4.6.0-1], v3.1.1 [MQTT-4.6.0-1], v5 [MQTT-4.4.0-1], v3.1.1 [MQTT-4.4.0-1], v3.1.1 [MQTT-2.3.1-3].
#[test]
fn v5_4_6_0_1_publishes_are_sent_again_in_their_first_order() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(10));
    flows.last_packet_id = u16::MAX - 2;
    for message in 0..5 {
        begin(&mut flows, &mut quota, QOS_1, message);
    }
    assert_eq!(flows.handle_puback(&mut quota, id(u16::MAX)), Ok(1));
    let mut quota = SendQuota::new(10);
    flows.begin_resume();
    let sent = resends(&mut flows, &mut quota);
    let expected = [
        (u16::MAX - 1, Some(0)),
        (1, Some(2)),
        (2, Some(3)),
        (3, Some(4)),
    ];
    assert_eq!(sent, expected);
    assert_eq!(quota.left(), 6);
    assert!(!flows.is_resuming());
}

/// Covers: v5 [MQTT-4.6.0-4], v3.1.1 [MQTT-4.6.0-4].
#[test]
fn v5_4_6_0_4_pubrels_are_sent_again_in_the_order_of_pubrecs() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(10));
    flows.next_released = u32::MAX - 1;
    for message in 0..4 {
        begin(&mut flows, &mut quota, QOS_2, message);
    }
    for number in [3, 1, 4] {
        release(&mut flows, &mut quota, number);
    }
    for _ in 0..2 {
        let mut quota = SendQuota::new(10);
        flows.begin_resume();
        let sent = resends(&mut flows, &mut quota);
        assert_eq!(sent, [(3, None), (1, None), (4, None), (2, Some(1))]);
        assert_eq!(quota.left(), 9, "PUBREL costs nothing");
    }
}

/// Covers: v5 [MQTT-4.3.3-6].
#[test]
fn v5_4_3_3_6_no_publish_again_after_pubrel() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(10));
    begin(&mut flows, &mut quota, QOS_2, 0);
    begin(&mut flows, &mut quota, QOS_2, 1);
    flows.begin_resume();
    let mut quota = SendQuota::new(1);
    assert!(matches!(
        flows.poll_resend(&mut quota),
        Some(Resend::Publish { .. })
    ));
    // A peer may answer from memory before the resume has come to the second one: PUBREL leaves at once.
    release(&mut flows, &mut quota, 2);
    assert!(!flows.is_resuming());
    assert_eq!(resends(&mut flows, &mut quota), vec![]);
    assert_eq!(flows.handle_pubcomp(&mut quota, id(2)), Ok(1));
    assert_eq!(
        quota.left(),
        0,
        "what was not sent again gives no quota back"
    );
}

/// Covers: v5 [MQTT-4.9.0-2], v5 [MQTT-3.3.4-7].
#[test]
fn v5_4_9_0_2_a_resume_keeps_to_the_quota_of_its_own_connection() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(100));
    for message in 0..100 {
        begin(&mut flows, &mut quota, QOS_1, message);
    }
    let mut quota = SendQuota::new(3);
    flows.begin_resume();
    for message in 0..100u16 {
        let sent = resends(&mut flows, &mut quota);
        let due = if message == 0 {
            3
        } else {
            usize::from(message < 98)
        };
        assert_eq!(sent.len(), due);
        assert_eq!(flows.is_resuming(), message < 97);
        if flows.is_resuming() {
            let refused = flows.begin_publish(&mut quota, QOS_1, 1000);
            assert!(refused.is_err(), "a new message would go before an old one");
        }
        let ended = flows.handle_puback(&mut quota, id(message + 1));
        assert_eq!(ended, Ok(u32::from(message)));
        if flows.is_resuming() {
            let refused = flows.begin_publish(&mut quota, QOS_1, 1000);
            assert!(refused.is_err(), "the quota given back is for an old one");
        }
    }
    assert_eq!((flows.len(), quota.left()), (0, 3));
}

#[test]
fn what_ended_before_its_turn_is_not_sent_again() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(10));
    for message in 0..3 {
        begin(&mut flows, &mut quota, QOS_1, message);
    }
    flows.begin_resume();
    let mut quota = SendQuota::new(10);
    assert_eq!(flows.handle_puback(&mut quota, id(3)), Ok(2));
    assert_eq!(flows.cancel(&mut quota, id(1)), Ok(0));
    // A request may use an identifier again before the resume is through.
    flows.last_packet_id = 2;
    assert_eq!(flows.begin_request(9), Ok(id(3)));
    assert_eq!(resends(&mut flows, &mut quota), [(2, Some(1))]);
    assert_eq!(quota.left(), 9);
}

#[test]
fn requests_end_with_their_connection_and_are_not_sent_again() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(10));
    assert_eq!(flows.begin_request(0), Ok(id(1)));
    begin(&mut flows, &mut quota, QOS_1, 1);
    assert_eq!(flows.begin_request(2), Ok(id(3)));
    assert!(flows.end_requests().eq([0, 2]));
    flows.begin_resume();
    assert_eq!(resends(&mut flows, &mut quota), [(2, Some(1))]);
    let late = flows.handle_answer(&mut quota, id(3));
    assert_eq!(late, Err(UnexpectedAck::Unknown));
}

/// Covers: v3.1.1 [MQTT-3.1.2-6].
#[test]
fn v311_3_1_2_6_a_cleared_session_sends_nothing_again() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(10));
    for message in 0..3 {
        begin(&mut flows, &mut quota, QOS_2, message);
    }
    release(&mut flows, &mut quota, 2);
    flows.begin_resume();
    assert!(flows.clear().eq([0, 1, 2]));
    assert!(!flows.is_resuming() && flows.is_empty());
    let mut quota = SendQuota::new(10);
    assert_eq!(resends(&mut flows, &mut quota), vec![]);
    assert_eq!(
        begin(&mut flows, &mut quota, QOS_1, 3),
        4,
        "late answers name nothing new"
    );
}

#[test]
fn what_has_ended_takes_no_memory_for_long() {
    let (mut flows, mut quota) = (SendFlows::new(), SendQuota::new(u16::MAX));
    for message in 0..10_000 {
        begin(&mut flows, &mut quota, QOS_1, message);
    }
    for number in 2..=10_000 {
        flows.handle_puback(&mut quota, id(number)).unwrap();
        let (len, open) = (flows.flows.len(), flows.len());
        assert!(len <= 2 * open + super::ENDED_MAX, "{len} for {open}");
    }
    flows.handle_puback(&mut quota, id(1)).unwrap();
    assert_eq!(flows.flows.capacity(), 0);
    flows.begin_resume();
    assert!(!crate::storage::Queue::is_roomy(&flows.due, 0));
}
