//! The state of an exchange: both ends, what is under way, and what the applications have.
#![expect(clippy::indexing_slicing, reason = "tests fail by panicking")]

use super::end::{End, Key, Kind, Packet, leave};
use mqtt_codec::{Delivery, QoS, ReasonCode};
use mqtt_session::{Barrier, PubRecOutcome, Received, Resend, Settling};
use std::collections::VecDeque;
use std::fmt::Write;

/// Rounds in which everything must have come to rest once nothing goes wrong any more.
const ROUNDS_MAX: usize = 50;

/// Something that can happen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// The sender begins its next message.
    Begin,
    /// The sender's application subscribes and is answered, which takes an identifier.
    Request,
    /// The next packet arrives.
    ReceiverReads,
    SenderReads,
    /// The receiver's application is done with the message in that place.
    Take(usize),
    Refuse(usize),
    /// One more record is durable.
    SenderCommits,
    ReceiverCommits,
    /// An end loses its connection.
    SenderLoses,
    ReceiverLoses,
    /// An end loses its process.
    SenderDies,
    ReceiverDies,
    /// A connection with this Receive Maximum, in place of the one before.
    Connect(u16),
}

/// A message the receiver's application has not finished with, or an answer that waits for that.
#[derive(Clone, Copy, Debug)]
struct Held {
    message: u8,
    settling: Settling,
}

#[derive(Clone)]
pub(super) struct World {
    sender: End,
    receiver: End,
    to_receiver: VecDeque<Packet>,
    to_sender: VecDeque<Packet>,
    /// The QoS of each message.
    qos: Vec<QoS>,
    /// Messages to begin, in order.
    unsent: VecDeque<u8>,
    /// Where the sender's journal has the beginning and the end of messages.
    begun: Vec<(Barrier, u8)>,
    ended: Vec<(Barrier, u8)>,
    held: Vec<Held>,
    answers: VecDeque<(Held, Option<ReasonCode>)>,
    /// Where the receiver's journal has that the application took or refused a message.
    taken: Vec<(Barrier, u8)>,
    refused: Vec<(Barrier, u8)>,
    faults_left: u8,
    requests_left: u8,
    may_refuse: bool,
    leaves_early: Option<Kind>,
}

impl World {
    /// Messages of these QoS, and how often an end may lose its connection or its process.
    pub(super) fn new(qos: &[QoS], faults: u8) -> Self {
        Self {
            sender: End::new(),
            receiver: End::new(),
            to_receiver: VecDeque::new(),
            to_sender: VecDeque::new(),
            qos: qos.to_vec(),
            unsent: (0..).take(qos.len()).collect(),
            begun: Vec::new(),
            ended: Vec::new(),
            held: Vec::new(),
            answers: VecDeque::new(),
            taken: Vec::new(),
            refused: Vec::new(),
            faults_left: faults,
            requests_left: 0,
            may_refuse: false,
            leaves_early: None,
        }
    }

    /// The receiver's application may refuse messages.
    pub(super) fn with_refusals(mut self) -> Self {
        self.may_refuse = true;
        self
    }

    /// The sender's application may subscribe so often.
    pub(super) fn with_requests(mut self, requests: u8) -> Self {
        self.requests_left = requests;
        self
    }

    /// Packets of this kind do not wait for their record.
    pub(super) fn leaving_early(mut self, kind: Kind) -> Self {
        self.leaves_early = Some(kind);
        self
    }

    /// Everything that can happen now.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let sender_link = self.sender.link.as_ref();
        if sender_link.is_some_and(|link| link.send_quota().left() > 0)
            && !self.sender.session.is_resuming()
            && !self.unsent.is_empty()
        {
            actions.push(Action::Begin);
        }
        if sender_link.is_some() && self.requests_left > 0 {
            actions.push(Action::Request);
        }
        if self.receiver.link.is_some() && !self.to_receiver.is_empty() {
            actions.push(Action::ReceiverReads);
        }
        if sender_link.is_some() && !self.to_sender.is_empty() {
            actions.push(Action::SenderReads);
        }
        actions.extend((0..self.held.len()).map(Action::Take));
        if self.may_refuse {
            actions.extend((0..self.held.len()).map(Action::Refuse));
        }
        if self.sender.durable() < self.sender.appended() {
            actions.push(Action::SenderCommits);
        }
        if self.receiver.durable() < self.receiver.appended() {
            actions.push(Action::ReceiverCommits);
        }
        if self.faults_left > 0 {
            actions.extend([Action::SenderDies, Action::ReceiverDies]);
            if sender_link.is_some() {
                actions.push(Action::SenderLoses);
            }
            if self.receiver.link.is_some() {
                actions.push(Action::ReceiverLoses);
            }
        }
        if sender_link.is_none() || self.receiver.link.is_none() {
            actions.extend([Action::Connect(1), Action::Connect(2)]);
        }
        actions
    }

    /// Lets `action` happen.
    pub(super) fn apply(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Begin => self.begin()?,
            Action::Request => self.request()?,
            Action::ReceiverReads => self.receiver_reads()?,
            Action::SenderReads => self.sender_reads()?,
            Action::Take(at) => self.finish(at, None),
            Action::Refuse(at) => self.finish(at, Some(ReasonCode::QUOTA_EXCEEDED)),
            Action::SenderCommits => self.sender.commit(),
            Action::ReceiverCommits => self.receiver.commit(),
            Action::SenderLoses => {
                self.faults_left -= 1;
                self.sender.lose();
            }
            Action::ReceiverLoses => {
                self.faults_left -= 1;
                self.receiver_loses();
            }
            Action::SenderDies => self.sender_dies(),
            Action::ReceiverDies => self.receiver_dies()?,
            Action::Connect(receive_maximum) => {
                self.receiver_loses();
                self.to_receiver.clear();
                self.to_sender.clear();
                self.sender.connect(receive_maximum);
                self.receiver.connect(receive_maximum);
                self.send_again()?;
            }
        }
        leave(&mut self.sender, &mut self.to_receiver, self.leaves_early);
        leave(&mut self.receiver, &mut self.to_sender, self.leaves_early);
        Ok(())
    }

    /// Nothing goes wrong any more: everything has to end well.
    pub(super) fn drain(mut self) -> Result<(), String> {
        self.faults_left = 0;
        self.requests_left = 0;
        self.may_refuse = false;
        for _ in 0..ROUNDS_MAX {
            while let Some(action) = self.actions().into_iter().next() {
                self.apply(action)?;
            }
            if self.unsent.is_empty() && self.sender.session.inflight() == 0 {
                return self.check_rest();
            }
        }
        Err("it does not come to rest".to_owned())
    }

    fn check_rest(&self) -> Result<(), String> {
        let unreleased = self.receiver.session.unreleased().len();
        if unreleased > 0 {
            return Err(format!("{unreleased} identifiers are left"));
        }
        for (message, qos) in (0u8..).zip(&self.qos) {
            let count = |places: &[(Barrier, u8)]| {
                places.iter().filter(|(_, found)| *found == message).count()
            };
            let (taken, refused, ended) =
                (count(&self.taken), count(&self.refused), count(&self.ended));
            let is_right = match qos {
                QoS::ExactlyOnce => taken + usize::from(refused > 0 && taken == 0) == 1,
                _ => taken + refused >= 1,
            };
            if !is_right || ended != 1 {
                return Err(format!(
                    "message {message} was taken {taken} times, refused {refused}, ended {ended}"
                ));
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), String> {
        let (Some(link), Some(message)) = (&mut self.sender.link, self.unsent.pop_front()) else {
            return Err("nothing to begin".to_owned());
        };
        let qos = self.qos[usize::from(message)];
        let packet_id = self.sender.session.send_publish(link, qos, message);
        let packet_id = packet_id.map_err(|not_now| format!("{not_now:?}"))?;
        self.begun.push((self.sender.appended(), message));
        let delivery = Delivery::new(qos, Some(packet_id)).ok_or("no delivery")?;
        self.sender.write(Packet::Publish(delivery, message));
        Ok(())
    }

    fn request(&mut self) -> Result<(), String> {
        self.requests_left -= 1;
        let session = &mut self.sender.session;
        let packet_id = session.send_request(u8::MAX);
        let packet_id = packet_id.map_err(|not_now| format!("{not_now:?}"))?;
        let link = self.sender.link.as_mut().ok_or("no connection")?;
        let answered = session.handle_answer(link, packet_id);
        answered.map(drop).map_err(|error| format!("{error:?}"))
    }

    fn send_again(&mut self) -> Result<(), String> {
        while let Some(link) = &mut self.sender.link {
            let packet = match self.sender.session.poll_resend(link) {
                None => break,
                Some(Resend::PubRel { packet_id }) => Packet::PubRel(packet_id),
                Some(Resend::Publish {
                    packet_id,
                    qos,
                    message,
                }) => {
                    let delivery = Delivery::new(qos, Some(packet_id)).ok_or("no delivery")?;
                    Packet::Publish(delivery, *message)
                }
            };
            self.sender.write(packet);
        }
        Ok(())
    }

    fn sender_reads(&mut self) -> Result<(), String> {
        let (Some(link), Some(packet)) = (&mut self.sender.link, self.to_sender.pop_front()) else {
            return Err("nothing to read".to_owned());
        };
        let session = &mut self.sender.session;
        let unexpected = |error| format!("{packet:?}: {error:?}");
        let ended = match packet {
            Packet::PubAck(packet_id, reason) => {
                let message = session.handle_puback(link, packet_id).map_err(unexpected)?;
                Some((message, reason))
            }
            Packet::PubRec(packet_id, reason) => {
                match session
                    .handle_pubrec(link, packet_id, reason)
                    .map_err(unexpected)?
                {
                    PubRecOutcome::Release(_) | PubRecOutcome::ReleaseAgain => {
                        self.sender.write(Packet::PubRel(packet_id));
                        None
                    }
                    PubRecOutcome::Refused(message) => Some((message, reason)),
                }
            }
            Packet::PubComp(packet_id) => {
                let message = session
                    .handle_pubcomp(link, packet_id)
                    .map_err(unexpected)?;
                Some((message, ReasonCode::SUCCESS))
            }
            Packet::Publish(..) | Packet::PubRel(_) => return Err("not for a sender".to_owned()),
        };
        if let Some((message, reason)) = ended {
            self.ended(message, reason)?;
        }
        self.send_again()
    }

    /// The sender's application is told that a message has ended; the receiver must have it for good.
    fn ended(&mut self, message: u8, reason: ReasonCode) -> Result<(), String> {
        if self.ended.iter().any(|(_, before)| *before == message) {
            return Err(format!("message {message} ends twice"));
        }
        self.ended.push((self.sender.appended(), message));
        let places = match reason.is_error() {
            true => &self.refused,
            false => &self.taken,
        };
        let durable = self.receiver.durable();
        let kept = places
            .iter()
            .any(|(at, found)| *found == message && *at <= durable);
        match kept {
            true => Ok(()),
            false => Err(format!("message {message} ends and is nowhere for good")),
        }
    }

    fn receiver_reads(&mut self) -> Result<(), String> {
        let (Some(link), Some(packet)) = (&mut self.receiver.link, self.to_receiver.pop_front())
        else {
            return Err("nothing to read".to_owned());
        };
        match packet {
            Packet::Publish(delivery, message) => {
                let received = self.receiver.session.handle_publish(link, delivery);
                let received = received.map_err(|error| error.to_string())?;
                let settling = Settling::of(delivery).ok_or("QoS 0")?;
                let held = Held { message, settling };
                if received == Received::Deliver {
                    let known = self.held.iter().any(|held| held.message == message)
                        || self.taken.iter().any(|(_, taken)| *taken == message);
                    if known && delivery.qos() == QoS::ExactlyOnce {
                        return Err(format!("message {message} is delivered twice"));
                    }
                    self.held.push(held);
                }
                let is_held = self.held.iter().any(|held| held.message == message);
                let decided = (!is_held).then_some(ReasonCode::SUCCESS);
                self.answers.push_back((held, decided));
                self.answer();
            }
            Packet::PubRel(packet_id) => {
                self.receiver.session.handle_pubrel(link, packet_id);
                self.receiver.write(Packet::PubComp(packet_id));
            }
            _ => return Err("not for a receiver".to_owned()),
        }
        Ok(())
    }

    /// The receiver's application has decided on a message.
    fn finish(&mut self, at: usize, refusal: Option<ReasonCode>) {
        let Held { message, settling } = self.held.remove(at);
        let session = &mut self.receiver.session;
        match (self.qos[usize::from(message)], refusal) {
            (QoS::ExactlyOnce, None) => session.accept(settling.packet_id),
            (QoS::ExactlyOnce, Some(_)) => session.refuse(settling.packet_id),
            _ => {
                session.journal_mut().append_foreign();
            }
        }
        let place = (self.receiver.appended(), message);
        match refusal {
            None => self.taken.push(place),
            Some(_) => self.refused.push(place),
        }
        let mut answers = self.answers.iter_mut();
        if let Some((_, decided)) =
            answers.find(|(held, decided)| held.message == message && decided.is_none())
        {
            *decided = Some(refusal.unwrap_or(ReasonCode::SUCCESS));
        }
        self.answer();
    }

    /// The answers whose turn it is.
    fn answer(&mut self) {
        while let Some(link) = &mut self.receiver.link
            && let Some((held, Some(reason))) = self.answers.front().copied()
        {
            self.answers.pop_front();
            self.receiver.session.settle(link, held.settling, reason);
            let packet_id = held.settling.packet_id;
            self.receiver
                .write(match self.qos[usize::from(held.message)] {
                    QoS::ExactlyOnce => Packet::PubRec(packet_id, reason),
                    _ => Packet::PubAck(packet_id, reason),
                });
        }
    }

    fn receiver_loses(&mut self) {
        self.receiver.lose();
        self.answers.clear();
        let qos = &self.qos;
        self.held
            .retain(|held| qos[usize::from(held.message)] == QoS::ExactlyOnce);
    }

    fn sender_dies(&mut self) {
        self.faults_left -= 1;
        let durable = self.sender.durable();
        self.sender.die();
        while let Some((at, message)) = self.begun.pop() {
            if at <= durable {
                self.begun.push((at, message));
                break;
            }
            self.unsent.push_front(message);
        }
        self.ended.retain(|(at, _)| *at <= durable);
    }

    fn receiver_dies(&mut self) -> Result<(), String> {
        self.faults_left -= 1;
        let durable = self.receiver.durable();
        self.receiver_loses();
        self.receiver.die();
        self.held.clear();
        self.refused.retain(|(at, _)| *at <= durable);
        self.taken.retain(|(at, _)| *at <= durable);
        Ok(())
    }

    /// The same for states in which the same can happen, and most unlikely the same for others.
    pub(super) fn key(&self) -> (u64, u64) {
        let mut key = Key::new();
        for end in [&self.sender, &self.receiver] {
            end.describe(&mut key);
        }
        let relative = |places: &[(Barrier, u8)], end: &End| -> Vec<(u64, u8)> {
            places
                .iter()
                .map(|(at, message)| (end.ahead(*at), *message))
                .collect()
        };
        let _ = write!(
            key,
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {}",
            self.to_receiver,
            self.to_sender,
            self.unsent,
            relative(&self.begun, &self.sender),
            relative(&self.ended, &self.sender),
            self.held,
            self.answers,
            relative(&self.taken, &self.receiver),
            relative(&self.refused, &self.receiver),
            self.faults_left,
            self.requests_left,
        );
        key.finish()
    }
}
