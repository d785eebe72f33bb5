//! The application of an end: it gets messages, finishes with them in any order, and commits with its session.

use super::counts::Fault;
use super::end::{Around, Connection, End, Gate, answer, number_of};
use super::referee::Verdict;
use mqtt_codec::{Packet, Publish, ReasonCode};
use mqtt_session::{
    AckKind, Change, MemoryJournal, PendingAck, Received, Record, Session, Settling,
};

/// A message the application was given and has not finished with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    number: u32,
    settling: Settling,
}

impl Held {
    /// Whether the application goes on with it when the connection is lost: at QoS 1 it comes again.
    pub(super) fn outlives_connection(&self) -> bool {
        self.settling.kind == AckKind::PubRec
    }
}

impl End {
    pub(super) fn handle_publish(
        &mut self,
        publish: &Publish<'_>,
        around: &mut Around<'_>,
    ) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let number = number_of(publish);
        let delivery = publish.delivery;
        let received = self.session.handle_publish(&mut connection.link, delivery);
        let received = received.map_err(|error| error.to_string())?;
        let settling = Settling::of(delivery);
        match received {
            Received::Deliver => {
                around.counts.delivered += 1;
                let fates = &mut around.referees.of(self.side.other()).fates;
                fates.delivered(number, delivery.qos())?;
                self.held
                    .extend(settling.map(|settling| Held { number, settling }));
            }
            Received::Duplicate => around.counts.note(Fault::KnownDuplicate),
        }
        if let Some(Settling { kind, packet_id }) = settling {
            // A repeat of what the application has not finished with waits for it like the first.
            let is_held = self.held.iter().any(|held| held.number == number);
            if is_held && received == Received::Duplicate {
                around.counts.note(Fault::HeldDuplicate);
            }
            let gate = Gate {
                number,
                is_open: !is_held,
            };
            let reason = ReasonCode::SUCCESS;
            connection.answers.push(
                gate,
                PendingAck {
                    kind,
                    packet_id,
                    reason,
                },
            );
        }
        self.send_answers(around)
    }

    /// The application has finished with one of the messages it was given.
    pub(super) fn finish_one(&mut self, around: &mut Around<'_>) -> Verdict {
        if self.held.is_empty() {
            return Ok(());
        }
        let Held { number, settling } = self.held.remove(around.rng.below(self.held.len()));
        let refuses = around.version.has_ack_reason() && around.rng.chance(20);
        let (ahead, older_waits) = self.place_of(number);
        if older_waits {
            around.counts.note(Fault::FinishedOutOfOrder);
        }
        // Without an older one the answer leaves at once, and the session may hear of it then: what it records
        // because of that comes next.
        let leaves_now = ahead.is_some() && !older_waits;
        let is_next =
            settling.kind == AckKind::PubRec && leaves_now && (refuses || around.rng.chance(50));
        match settling.kind {
            AckKind::PubRec if is_next => {}
            AckKind::PubRec if refuses => self.session.refuse(settling.packet_id),
            AckKind::PubRec => self.session.accept(settling.packet_id),
            AckKind::PubAck | AckKind::PubComp => {
                self.session.journal_mut().append_foreign();
            }
        }
        let at = self.appended() + u64::from(is_next);
        let fates = &mut around.referees.of(self.side.other()).fates;
        match refuses {
            true => fates.refused(number, at)?,
            false => fates.taken(number, at)?,
        }
        around.say(
            self.side,
            &format!("finished with {number}, refuses {refuses}"),
        );
        let answers = self
            .connection
            .as_mut()
            .map(|connection| &mut connection.answers);
        if let Some((gate, ack)) = answers.and_then(|answers| answers.get_mut(ahead?)) {
            gate.is_open = true;
            if refuses {
                ack.reason = ReasonCode::QUOTA_EXCEEDED;
            }
        }
        self.send_answers(around)
    }

    /// How many answers are ahead of that to message `number`, and whether one of them waits for the application.
    fn place_of(&mut self, number: u32) -> (Option<usize>, bool) {
        let Some(Connection { answers, .. }) = &mut self.connection else {
            return (None, false);
        };
        let mut older_waits = false;
        for ahead in 0..answers.len() {
            let Some((gate, _)) = answers.get_mut(ahead) else {
                break;
            };
            if gate.number == number && !gate.is_open {
                return (Some(ahead), older_waits);
            }
            older_waits |= !gate.is_open;
        }
        (None, older_waits)
    }

    fn send_answers(&mut self, around: &mut Around<'_>) -> Verdict {
        while let Some(connection) = &mut self.connection {
            let Some(pending) = connection.answers.pop_if(|gate| gate.is_open) else {
                return Ok(());
            };
            let PendingAck {
                kind,
                packet_id,
                reason,
            } = pending;
            let ack = answer(packet_id, reason);
            let (packet, refused) = match kind {
                AckKind::PubAck => (Packet::PubAck(ack), Fault::RefusedQoS1),
                AckKind::PubRec => (Packet::PubRec(ack), Fault::RefusedQoS2),
                AckKind::PubComp => return Err("PUBCOMP does not wait".to_owned()),
            };
            if reason.is_error() {
                around.counts.note(refused);
            }
            let settling = Settling { kind, packet_id };
            self.session.settle(&mut connection.link, settling, reason);
            self.write(&packet, 0, around)?;
        }
        Ok(())
    }

    /// The process dies, and the next one begins with what is durable.
    pub(super) fn crash(&mut self, around: &mut Around<'_>) -> Verdict {
        let journal = self.session.journal();
        let durable = journal.durable();
        around.counts.note(match journal.volatile().next() {
            Some(Record::Begun { .. }) => Fault::CrashBeforeBegun,
            Some(Record::Change(Change::Released(_))) => Fault::CrashBeforeReleased,
            Some(Record::Change(Change::Ended(_))) => Fault::CrashBeforeEnded,
            Some(Record::Change(Change::Received(_))) => Fault::CrashBeforeReceived,
            Some(Record::Change(Change::Forgotten(_))) => Fault::CrashBeforeForgotten,
            Some(Record::Change(Change::Cleared | Change::LastPacketId(_))) | None => {
                Fault::CrashAfterDurable
            }
        });
        let gates = self.connection.as_ref().map(|connection| &connection.gates);
        if gates.is_some_and(|gates| gates.open_len(durable) > 0) {
            around.counts.note(Fault::CrashBeforeWrite);
        }
        let appended = self.appended();
        around.say(
            self.side,
            &format!("dies with {} of {appended} durable", durable.0),
        );
        self.connection = None;
        self.held.clear();
        let nothing = Session::new().with_journal(MemoryJournal::new(0));
        let journal = std::mem::replace(&mut self.session, nothing).into_journal();
        self.session = journal.into_session();
        while let Some((_, item)) = self.begun.pop_back() {
            self.waiting.push_front(item);
        }
        around.referees.crashed(self.side, durable.0)
    }
}
