//! The sending half against a list that is searched from the front, operation by operation.

use super::{
    ENDED_MAX, NotNow, NotNowReason, PubRecOutcome, Resend, SendFlows, Stage, UnexpectedAck,
    following,
};
use crate::storage::{PacketIds, Queue};
use crate::{Fixed, Heap, SendQuota, Storage};
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use mqtt_codec::{PacketId, QoS, ReasonCode};
use proptest::prelude::*;

/// What a flow of the model waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wants {
    PubAck,
    PubRec,
    PubComp,
    Answer,
}

#[derive(Clone, Copy, Debug)]
struct ModelFlow {
    id: u16,
    wants: Wants,
    counted: bool,
    message: u32,
}

/// The same rules in the plainest form.
#[derive(Debug, Default)]
struct Model {
    open: Vec<ModelFlow>,
    /// Identifiers in the order their PUBREC came.
    released: Vec<u16>,
    /// What the resume owes, in order.
    due: Vec<u16>,
    last: u16,
    left: u16,
    receive_maximum: u16,
    /// Messages that went with their session and have not been taken.
    lost: Vec<u32>,
    /// Places for open and lost flows.
    capacity: usize,
}

impl Model {
    fn new(last: u16, capacity: usize) -> Self {
        Self {
            last,
            capacity,
            ..Self::default()
        }
    }

    fn allocate(&mut self) -> Option<u16> {
        let mut id = self.last;
        for _ in 0..u16::MAX {
            id = following(id);
            if self.open.iter().all(|flow| flow.id != id) {
                return Some(id);
            }
        }
        None
    }

    fn begin(&mut self, wants: Wants, message: u32) -> Result<u16, NotNowReason> {
        let counted = wants != Wants::Answer;
        if counted && (self.left == 0 || !self.due.is_empty()) {
            return Err(NotNowReason::Quota);
        }
        if self.open.len() + self.lost.len() >= self.capacity {
            return Err(NotNowReason::Capacity);
        }
        let id = self.allocate().ok_or(NotNowReason::PacketIds)?;
        self.left -= u16::from(counted);
        self.last = id;
        self.open.push(ModelFlow {
            id,
            wants,
            counted,
            message,
        });
        Ok(id)
    }

    fn end(&mut self, id: u16, wants: Option<Wants>) -> Result<u32, UnexpectedAck> {
        let at = self.open.iter().position(|flow| flow.id == id);
        let at = at.ok_or(UnexpectedAck::Unknown)?;
        if wants.is_some_and(|wants| wants != self.open[at].wants) {
            return Err(UnexpectedAck::WrongKind);
        }
        let flow = self.open.remove(at);
        self.left += u16::from(flow.counted);
        self.released.retain(|released| *released != id);
        self.due.retain(|due| *due != id);
        Ok(flow.message)
    }

    /// Whether PUBREL leaves for the first time.
    fn pubrec(&mut self, id: u16) -> Result<bool, UnexpectedAck> {
        let flow = self.open.iter_mut().find(|flow| flow.id == id);
        let flow = flow.ok_or(UnexpectedAck::Unknown)?;
        let first = match flow.wants {
            Wants::PubRec => true,
            Wants::PubComp => false,
            Wants::PubAck | Wants::Answer => return Err(UnexpectedAck::WrongKind),
        };
        flow.wants = Wants::PubComp;
        self.due.retain(|due| *due != id);
        if first {
            self.released.push(id);
        }
        Ok(first)
    }

    fn connect(&mut self, receive_maximum: u16) -> Vec<u32> {
        let is_request = |flow: &&ModelFlow| flow.wants == Wants::Answer;
        let ended = self.open.iter().filter(is_request);
        let ended = ended.map(|flow| flow.message).collect();
        self.open.retain(|flow| flow.wants != Wants::Answer);
        self.left = receive_maximum;
        self.receive_maximum = receive_maximum;
        self.due = self.released.clone();
        for flow in &mut self.open {
            flow.counted = false;
            if flow.wants != Wants::PubComp {
                self.due.push(flow.id);
            }
        }
        ended
    }

    /// Identifier, QoS (none for PUBREL) and message of the next packet of the resume.
    fn resend(&mut self) -> Option<(u16, Option<QoS>, u32)> {
        let id = *self.due.first()?;
        let flow = self.open.iter_mut().find(|flow| flow.id == id)?;
        let qos = match flow.wants {
            Wants::PubAck => Some(QoS::AtLeastOnce),
            Wants::PubRec => Some(QoS::ExactlyOnce),
            _ => None,
        };
        if qos.is_some() {
            self.left = self.left.checked_sub(1)?;
            flow.counted = true;
        }
        self.due.remove(0);
        Some((id, qos, flow.message))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Publish(QoS),
    Request,
    /// The acknowledgement the chosen flow waits for; PUBREC is a success.
    Ack(usize),
    /// An acknowledgement of this kind for an identifier near the chosen flow's.
    Stray(usize, u16, u8),
    Refuse(usize),
    Cancel(usize),
    Connect(u16),
    Resend(u8),
    Clear,
    /// The session ends, and its messages are taken later.
    Lose,
    PollLost(u8),
    /// The last identifier given out is now shortly before the chosen flow's.
    Lap(usize, u16),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0usize..64;
    prop_oneof![
        14 => prop_oneof![Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)].prop_map(Step::Publish),
        3 => Just(Step::Request),
        14 => which.clone().prop_map(Step::Ack),
        3 => (which.clone(), 0u16..6, 0u8..5).prop_map(|(at, by, kind)| Step::Stray(at, by, kind)),
        1 => which.clone().prop_map(Step::Refuse),
        1 => which.clone().prop_map(Step::Cancel),
        1 => (1u16..40).prop_map(Step::Connect),
        4 => (1u8..8).prop_map(Step::Resend),
        1 => Just(Step::Lose),
        4 => (1u8..8).prop_map(Step::PollLost),
        3 => (which, 1u16..6).prop_map(|(at, by)| Step::Lap(at, by)),
    ]
}

/// Both sides of the comparison.
struct Both<S: Storage> {
    flows: SendFlows<u32, S>,
    quota: SendQuota,
    model: Model,
    next_message: u32,
}

impl<S: Storage> Both<S> {
    fn new(receive_maximum: u16, capacity: usize) -> Self {
        let mut model = Model::new(0, capacity);
        model.connect(receive_maximum);
        Self {
            flows: SendFlows::with_storage(),
            quota: SendQuota::new(receive_maximum),
            model,
            next_message: 0,
        }
    }

    fn chosen(&self, which: usize) -> Option<ModelFlow> {
        let len = self.model.open.len();
        self.model.open.get(which.checked_rem(len)?).copied()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Publish(qos) => self.publish(qos),
            Step::Request => self.request(),
            Step::Ack(which) => self.ack(which),
            Step::Stray(which, by, kind) => {
                if let Some(flow) = self.chosen(which) {
                    self.acknowledge(kind, (flow.id.wrapping_add(by)).max(1));
                }
            }
            Step::Refuse(which) => {
                if let Some(flow) = self.chosen(which) {
                    self.acknowledge(2, flow.id);
                }
            }
            Step::Cancel(which) => {
                if let Some(flow) = self.chosen(which) {
                    let cancelled = self.flows.cancel(&mut self.quota, id(flow.id));
                    assert_eq!(cancelled, self.model.end(flow.id, None));
                }
            }
            Step::Connect(receive_maximum) => {
                self.quota = SendQuota::new(receive_maximum);
                let ended = self.model.connect(receive_maximum);
                assert!(self.flows.end_requests().eq(ended));
                self.flows.begin_resume();
            }
            Step::Resend(times) => (0..times).for_each(|_| self.resend()),
            Step::Clear => {
                let lost = self.lose();
                assert!(self.flows.clear().eq(lost));
                self.model.lost.clear();
            }
            Step::Lose => {
                self.model.lost = self.lose();
                self.flows.lose();
            }
            Step::PollLost(times) => {
                for _ in 0..times {
                    let first = (!self.model.lost.is_empty()).then(|| self.model.lost.remove(0));
                    assert_eq!(self.flows.poll_lost(), first);
                }
            }
            Step::Lap(which, by) => self.lap(which, by),
        }
        self.compare();
    }

    /// The session ends: all messages that have not been taken.
    fn lose(&mut self) -> Vec<u32> {
        let mut lost = core::mem::take(&mut self.model.lost);
        lost.extend(self.model.open.iter().map(|flow| flow.message));
        self.model = Model::new(self.model.last, self.model.capacity);
        self.model.connect(self.quota.receive_maximum());
        self.quota = SendQuota::new(self.quota.receive_maximum());
        lost
    }

    fn publish(&mut self, qos: QoS) {
        let wants = match qos {
            QoS::ExactlyOnce => Wants::PubRec,
            _ => Wants::PubAck,
        };
        let message = self.next_message;
        let began = self.flows.begin_publish(&mut self.quota, qos, message);
        self.began(began, wants);
    }

    fn request(&mut self) {
        let began = self.flows.begin_request(self.next_message);
        self.began(began, Wants::Answer);
    }

    fn began(&mut self, began: Result<PacketId, NotNow<u32>>, wants: Wants) {
        let message = self.next_message;
        let expected = self.model.begin(wants, message);
        let expected = expected.map(id);
        assert_eq!(began, expected.map_err(|reason| NotNow { message, reason }));
        self.next_message += 1;
    }

    fn ack(&mut self, which: usize) {
        let Some(flow) = self.chosen(which) else {
            return;
        };
        let kind = match flow.wants {
            Wants::PubAck => 0,
            Wants::PubRec => 1,
            Wants::PubComp => 3,
            Wants::Answer => 4,
        };
        self.acknowledge(kind, flow.id);
    }

    /// PUBACK, PUBREC, an error PUBREC, PUBCOMP or SUBACK.
    fn acknowledge(&mut self, kind: u8, number: u16) {
        let (flows, quota, model) = (&mut self.flows, &mut self.quota, &mut self.model);
        match kind {
            0 => assert_eq!(
                flows.handle_puback(quota, id(number)),
                model.end(number, Some(Wants::PubAck))
            ),
            1 => {
                let outcome = flows.handle_pubrec(quota, id(number), ReasonCode::SUCCESS);
                let is_first = outcome.map(|outcome| match outcome {
                    PubRecOutcome::Release(_) => true,
                    PubRecOutcome::ReleaseAgain => false,
                    PubRecOutcome::Refused(_) => panic!("PUBREC was no error"),
                });
                assert_eq!(is_first, model.pubrec(number));
            }
            2 => {
                let refusal = ReasonCode::QUOTA_EXCEEDED;
                let outcome = flows.handle_pubrec(quota, id(number), refusal);
                let ended = model.end(number, Some(Wants::PubRec));
                assert_eq!(outcome, ended.map(PubRecOutcome::Refused));
            }
            3 => assert_eq!(
                flows.handle_pubcomp(quota, id(number)),
                model.end(number, Some(Wants::PubComp))
            ),
            _ => assert_eq!(
                flows.handle_answer(quota, id(number)),
                model.end(number, Some(Wants::Answer))
            ),
        }
    }

    fn resend(&mut self) {
        let resend = self.flows.poll_resend(&mut self.quota);
        let found = resend.map(|resend| match resend {
            Resend::Publish {
                packet_id,
                qos,
                message,
            } => (packet_id.get(), Some(qos), Some(*message)),
            Resend::PubRel { packet_id } => (packet_id.get(), None, None),
        });
        let expected = self.model.resend();
        let expected = expected.map(|(number, qos, message)| (number, qos, qos.map(|_| message)));
        assert_eq!(found, expected);
    }

    /// As if so many flows had begun and ended meanwhile; up to the first open one unless it was lapped before.
    fn lap(&mut self, which: usize, by: u16) {
        let Some(first) = self.model.open.first().copied() else {
            return;
        };
        // Those would have to be lapped first.
        if !self.model.lost.is_empty() {
            return;
        }
        let lapped = self.flows.lapped;
        let target = if lapped { self.chosen(which) } else { None };
        let target = target.unwrap_or(first).id;
        let last = (0..by).fold(target, |id, _| if id == 1 { u16::MAX } else { id - 1 });
        let room = super::distance(self.model.last, target);
        if lapped || room > by {
            self.model.last = last;
            self.flows.last_packet_id = last;
        }
    }

    fn compare(&self) {
        let Self { flows, model, .. } = self;
        assert_eq!(self.quota.left(), model.left);
        assert!(self.quota.left() <= model.receive_maximum);
        assert_eq!(flows.len(), model.open.len());
        assert_eq!(flows.is_empty(), model.open.is_empty());
        assert_eq!(flows.is_resuming(), !model.due.is_empty());
        let messages = model.open.iter().map(|flow| flow.message);
        assert!(flows.messages().copied().eq(messages));
        self.check_invariants();
    }

    fn check_invariants(&self) {
        let Self { flows, model, .. } = self;
        let ended = flows.flows.len() - flows.len() - model.lost.len();
        assert_eq!(usize::try_from(flows.lost), Ok(model.lost.len()));
        assert!(
            ended <= ENDED_MAX.max(flows.flows.len() / 2),
            "{ended} ended"
        );
        assert_ne!(
            flows.flows.front().map(|flow| flow.stage),
            Some(Stage::Ended)
        );
        let ids: BTreeSet<u16> = model.open.iter().map(|flow| flow.id).collect();
        assert_eq!(ids.len(), model.open.len(), "an identifier is used twice");
        assert!(!ids.contains(&0));
        match flows.lapped {
            true => assert!(flows.in_use.iter().map(PacketId::get).eq(ids)),
            false => assert!(flows.is_ascending() && flows.in_use.is_empty()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Covers: v5 [MQTT-2.2.1-3], v5 [MQTT-2.2.1-4], v3.1.1 [MQTT-2.3.1-2], v3.1.1 [MQTT-2.3.1-4], v5 [MQTT-4.9.0-2].
    #[test]
    fn behaves_like_a_plain_list(
        receive_maximum in prop_oneof![1u16..8, 20u16..200],
        start in prop_oneof![Just(0u16), 65_500u16..=65_535],
        steps in proptest::collection::vec(step(), 0..500),
        clear_at in 0usize..2000,
    ) {
        run::<Heap>(usize::MAX, receive_maximum, start, clear_at, &steps);
    }

    /// The same in memory of fixed size, which says so when it is full.
    ///
    /// Covers: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-2].
    #[test]
    fn behaves_like_a_plain_list_of_fixed_size(
        receive_maximum in prop_oneof![1u16..8, 20u16..200],
        start in prop_oneof![Just(0u16), 65_500u16..=65_535],
        steps in proptest::collection::vec(step(), 0..500),
        clear_at in 0usize..2000,
    ) {
        run::<Fixed<1, 1>>(1, receive_maximum, start, clear_at, &steps);
        run::<Fixed<5, 1>>(5, receive_maximum, start, clear_at, &steps);
        run::<Fixed<40, 1>>(40, receive_maximum, start, clear_at, &steps);
    }
}

fn run<S: Storage>(
    capacity: usize,
    receive_maximum: u16,
    start: u16,
    clear_at: usize,
    steps: &[Step],
) {
    let mut both = Both::<S>::new(receive_maximum, capacity);
    both.model.last = start;
    both.flows.last_packet_id = start;
    for (at, step) in steps.iter().enumerate() {
        if at == clear_at {
            both.take(Step::Clear);
        }
        both.take(step.clone());
    }
}

/// The same with as many identifiers in use as there are, where each search is a long one.
///
/// Covers: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-2].
#[test]
fn all_identifiers_in_use_and_any_one_free() {
    let mut flows = SendFlows::new();
    let mut quota = SendQuota::new(u16::MAX);
    for number in 1..=u16::MAX {
        let began = flows.begin_publish(&mut quota, QoS::AtLeastOnce, number);
        assert_eq!(began, Ok(id(number)));
    }
    assert_eq!(flows.len(), usize::from(u16::MAX));
    let refused = flows.begin_request(0);
    assert_eq!(
        refused.map_err(|not_now| not_now.reason),
        Err(NotNowReason::PacketIds)
    );
    for number in [1, 2, 63, 64, 65, 30_000, 65_534, 65_535, 30_000, 1] {
        assert_eq!(flows.handle_puback(&mut quota, id(number)), Ok(number));
        let unknown = flows.handle_puback(&mut quota, id(number));
        assert_eq!(unknown, Err(UnexpectedAck::Unknown));
        let again = flows.begin_publish(&mut quota, QoS::AtLeastOnce, number);
        assert_eq!(again, Ok(id(number)));
    }
    for number in (1..=u16::MAX).rev() {
        assert_eq!(flows.handle_puback(&mut quota, id(number)), Ok(number));
    }
    assert!(flows.is_empty() && !flows.lapped);
    assert_eq!(quota.left(), u16::MAX);
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}
