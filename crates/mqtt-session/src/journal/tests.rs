//! What a session tells its journal, and what comes back after a crash.

use super::*;
use crate::{GivenUp, ReceiveFlows};
use crate::{Link, NotNowReason, PubRecOutcome, Received, Resend, SendFlows, Session, Settling};
use alloc::vec::Vec;
use mqtt_codec::{Delivery, ReasonCode};
use proptest::prelude::*;

type Journaled = Session<u32, MemoryJournal<u32>>;

const OK: ReasonCode = ReasonCode::SUCCESS;

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn journaled() -> (Journaled, Link) {
    (
        Session::new().with_journal(MemoryJournal::new(100)),
        Link::new(100, 100),
    )
}

fn make_all_durable(session: &mut Journaled) {
    let appended = session.journal().appended();
    session.journal_mut().make_durable(appended);
}

/// The process ends and another one takes over what is durable.
fn crashed(session: Journaled) -> Journaled {
    session.into_journal().into_session()
}

fn resent(session: &mut Journaled) -> Vec<(u16, Option<u32>)> {
    let mut link = Link::new(100, 100);
    session.begin_resume();
    let mut sent = Vec::new();
    while let Some(resend) = session.poll_resend(&mut link) {
        sent.push(match resend {
            Resend::Publish {
                packet_id, message, ..
            } => (packet_id.get(), Some(*message)),
            Resend::PubRel { packet_id } => (packet_id.get(), None),
        });
    }
    sent
}

#[test]
fn what_must_be_durable_before_a_packet_moves_the_barrier() {
    let (mut session, mut link) = journaled();
    let none = session.barrier();
    let sent = session
        .send_publish(&mut link, QoS::ExactlyOnce, 1)
        .unwrap();
    let begun = session.barrier();
    assert!(none < begun, "PUBLISH waits");
    session.handle_pubrec(&mut link, sent, OK).unwrap();
    let released = session.barrier();
    assert!(begun < released, "PUBREL waits");
    session.handle_pubrec(&mut link, sent, OK).unwrap();
    assert_eq!(
        released,
        session.barrier(),
        "PUBREL again waits for the same"
    );
    session.handle_pubcomp(&mut link, sent).unwrap();
    assert_eq!(released, session.barrier(), "nothing waits for an end");

    let delivery = Delivery::ExactlyOnce(id(9));
    session.handle_publish(&mut link, delivery).unwrap();
    assert_eq!(
        released,
        session.barrier(),
        "an application may lose it still"
    );
    session.settle(&mut link, Settling::of(delivery).unwrap(), OK);
    let received = session.barrier();
    assert!(released < received, "PUBREC waits");
    session.handle_pubrel(&mut link, id(9));
    let forgotten = session.barrier();
    assert!(received < forgotten, "PUBCOMP waits");
    session.handle_pubrel(&mut link, id(9));
    assert_eq!(
        forgotten,
        session.barrier(),
        "PUBCOMP again waits for the same"
    );
    session.clear();
    assert!(forgotten < session.barrier(), "a new session waits");
}

#[test]
fn a_crash_forgets_what_is_not_durable_and_nothing_else() {
    let (mut session, mut link) = journaled();
    for message in 1..=4 {
        session
            .send_publish(&mut link, QoS::ExactlyOnce, message)
            .unwrap();
    }
    session
        .send_publish(&mut link, QoS::AtLeastOnce, 5)
        .unwrap();
    for number in [3, 2] {
        session.handle_pubrec(&mut link, id(number), OK).unwrap();
    }
    make_all_durable(&mut session);
    session.handle_pubrec(&mut link, id(1), OK).unwrap();
    session
        .send_publish(&mut link, QoS::AtLeastOnce, 6)
        .unwrap();
    assert_eq!(session.journal().volatile().count(), 2);
    let mut session = crashed(session);
    let expected = [
        (3, None),
        (2, None),
        (1, Some(1)),
        (4, Some(4)),
        (5, Some(5)),
    ];
    assert_eq!(resent(&mut session), expected);
    let mut link = Link::new(100, 100);
    while session.poll_resend(&mut link).is_some() {}
    let next = session.send_publish(&mut link, QoS::AtLeastOnce, 6);
    assert_eq!(next, Ok(id(6)), "no identifier is used again at once");
}

#[test]
fn a_message_the_application_had_not_finished_with_comes_again_after_a_crash() {
    let (mut session, mut link) = journaled();
    for number in [1, 2] {
        let delivery = Delivery::ExactlyOnce(id(number));
        session.handle_publish(&mut link, delivery).unwrap();
    }
    session.accept(id(2));
    make_all_durable(&mut session);
    let mut session = crashed(session);
    let mut received = |number| {
        let delivery = Delivery::ExactlyOnce(id(number));
        session
            .handle_publish(&mut Link::new(9, 9), delivery)
            .unwrap()
    };
    assert_eq!(
        [received(1), received(2)],
        [Received::Deliver, Received::Duplicate]
    );
}

/// Covers: v5 [MQTT-4.3.3-9].
#[test]
fn a_refused_message_is_new_again_after_a_crash() {
    let (mut session, mut link) = journaled();
    let delivery = Delivery::ExactlyOnce(id(1));
    session.handle_publish(&mut link, delivery).unwrap();
    session.accept(id(1));
    session.refuse(id(1));
    let refused = session.barrier();
    assert!(refused > Barrier(1), "the error PUBREC waits");
    session.journal_mut().make_durable(refused);
    let mut session = crashed(session);
    let received = session.handle_publish(&mut Link::new(9, 9), delivery);
    assert_eq!(received, Ok(Received::Deliver));
}

#[test]
fn a_full_journal_gives_the_message_back_with_quota_and_identifier() {
    let (mut session, mut link) = journaled();
    session.journal_mut().set_open_max(1);
    let first = session
        .send_publish(&mut link, QoS::AtLeastOnce, 1)
        .unwrap();
    let barrier = session.barrier();
    for message in 2..200 {
        let not_now = session
            .send_publish(&mut link, QoS::ExactlyOnce, message)
            .unwrap_err();
        assert_eq!(
            (not_now.message, not_now.reason),
            (message, NotNowReason::Journal)
        );
    }
    assert_eq!((session.inflight(), link.send_quota().left()), (1, 99));
    assert_eq!(barrier, session.barrier());
    session.handle_puback(&mut link, first).unwrap();
    assert!(session.send_publish(&mut link, QoS::ExactlyOnce, 2).is_ok());
}

#[test]
fn a_message_that_cannot_be_sent_again_leaves_no_identifier_behind() {
    let (mut session, mut link) = journaled();
    session
        .send_publish(&mut link, QoS::AtLeastOnce, 1)
        .unwrap();
    session
        .send_publish(&mut link, QoS::ExactlyOnce, 2)
        .unwrap();
    let mut link = Link::new(100, 100);
    session.begin_resume();
    for _ in 0..2 {
        session.poll_resend(&mut link).unwrap();
    }
    assert_eq!(session.give_up(&mut link, id(1)), Ok(GivenUp::Ended(1)));
    assert_eq!(
        session.give_up(&mut link, id(2)),
        Ok(GivenUp::Release(&mut 2))
    );
    assert_eq!(link.send_quota().left(), 100);
    make_all_durable(&mut session);
    let mut session = crashed(session);
    assert_eq!(resent(&mut session), [(2, None)]);
    assert_eq!(session.handle_pubcomp(&mut link, id(2)), Ok(2));
}

#[test]
fn the_end_of_a_session_ends_it_in_the_journal() {
    let (mut session, mut link) = journaled();
    session
        .send_publish(&mut link, QoS::ExactlyOnce, 1)
        .unwrap();
    session
        .handle_publish(&mut link, Delivery::ExactlyOnce(id(7)))
        .unwrap();
    session.accept(id(7));
    assert!(session.clear().eq([1]));
    make_all_durable(&mut session);
    let session = crashed(session);
    assert_eq!((session.inflight(), session.unreleased().len()), (0, 0));
}

#[test]
fn a_session_without_a_journal_is_no_larger_than_its_halves() {
    let halves = size_of::<SendFlows<u32>>() + size_of::<ReceiveFlows>();
    assert_eq!(size_of::<Session<u32>>(), halves);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(bool),
    /// The acknowledgement that the flow with this identifier waits for next, or a refusal.
    Answer(u16, bool),
    Receive(u16),
    Release(u16),
    Request,
    Lap(u16),
    Durable,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(Step::Send),
        4 => (1u16..40, any::<bool>()).prop_map(|(number, ok)| Step::Answer(number, ok)),
        2 => (1u16..20).prop_map(Step::Receive),
        2 => (1u16..20).prop_map(Step::Release),
        1 => Just(Step::Request),
        1 => prop_oneof![1u16..40, 65_500u16..=65_535].prop_map(Step::Lap),
        2 => Just(Step::Durable),
    ]
}

fn apply(session: &mut Journaled, link: &mut Link, step: Step, message: u32) {
    match step {
        Step::Send(twice) => {
            let qos = if twice {
                QoS::ExactlyOnce
            } else {
                QoS::AtLeastOnce
            };
            session.send_publish(link, qos, message).unwrap();
        }
        Step::Answer(number, ok) => {
            let reason = if ok { OK } else { ReasonCode::QUOTA_EXCEEDED };
            if session.handle_puback(link, id(number)).is_err()
                && session.handle_pubcomp(link, id(number)).is_err()
                && let Ok(PubRecOutcome::Release(kept)) =
                    session.handle_pubrec(link, id(number), reason)
            {
                *kept += 0;
            }
        }
        Step::Receive(number) => {
            let delivery = Delivery::ExactlyOnce(id(number));
            session.handle_publish(link, delivery).unwrap();
            session.settle(link, Settling::of(delivery).unwrap(), OK);
        }
        Step::Release(number) => {
            session.handle_pubrel(link, id(number));
        }
        Step::Request => {
            let request = session.send_request(message).unwrap();
            session.handle_answer(link, request).unwrap();
        }
        // As if so many requests had come and gone.
        Step::Lap(number) => {
            let last = Record::Change(Change::LastPacketId(id(number)));
            let _ = session.replay(last);
        }
        Step::Durable => make_all_durable(session),
    }
}

fn flows(session: &Journaled) -> Vec<Record<u32>> {
    let records = session.records().into_iter().map(Record::cloned);
    let is_flow = |record: &Record<u32>| !matches!(record, Record::Change(Change::LastPacketId(_)));
    records.filter(is_flow).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_durable_session_survives_any_number_of_crashes(
        steps in proptest::collection::vec((step(), any::<bool>()), 0..300),
    ) {
        let (mut session, _) = journaled();
        let mut link = Link::new(u16::MAX, u16::MAX);
        session.journal_mut().set_open_max(usize::MAX);
        for (message, (step, crash)) in (0u32..).zip(steps) {
            apply(&mut session, &mut link, step, message);
            if crash {
                let before = flows(&session);
                make_all_durable(&mut session);
                let kept = session.journal().len();
                prop_assert!(kept <= 2 * (2 * before.len() + 1) + 64 + 1, "{kept} records");
                session = crashed(session);
                prop_assert_eq!(flows(&session), before);
                link = Link::new(u16::MAX, u16::MAX);
            }
        }
    }
}
