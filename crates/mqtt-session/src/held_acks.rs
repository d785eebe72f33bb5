//! Acknowledgements that wait until the application has their messages, and the tokens that name them.

use crate::{AckKind, AckQueue, PendingAck, Settling, Storage};
use mqtt_codec::{PacketId, ReasonCode};

/// The right to acknowledge one PUBLISH, to be given back once the application has the message.
///
/// In a client one of QoS 2 stays good on the next Network Connections of its session: it names the message, and what
/// the server repeats of it waits for the token. One of QoS 1 does nothing there, because the repeat is a message with a
/// token of its own. In a server one of an earlier Network Connection does nothing. One of a session that has ended does
/// nothing either; one of another client is to be kept apart by its owner.
#[derive(Debug, Eq, PartialEq)]
pub struct AckToken {
    pub(crate) kind: AckKind,
    pub(crate) packet_id: PacketId,
    pub(crate) serial: u64,
    pub(crate) epoch: u64,
}

/// What an acknowledgement waits for, beside those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WaitsFor {
    /// Its turn alone.
    Nothing,
    /// Its own token.
    Token,
    /// The token that an earlier Network Connection gave for this identifier.
    EarlierToken(PacketId),
}

/// Whether the application has the message that an acknowledgement is for.
#[derive(Clone, Copy, Debug)]
struct Gate {
    serial: u64,
    waits_for: WaitsFor,
}

/// The acknowledgements of one Network Connection in the order their messages came.
///
/// Spec: v5 [MQTT-4.6.0-2], [MQTT-4.6.0-3]; bounded by the Receive Maximum.
#[derive(Debug)]
pub(crate) struct HeldAcks<S: Storage> {
    /// INVARIANT: the serials are consecutive, so a token finds its own however often an identifier is in there.
    queue: AckQueue<Gate, PendingAck, S>,
    next_serial: u64,
    /// Which Network Connection of the session this is.
    epoch: u64,
}

impl<S: Storage> HeldAcks<S> {
    /// Nothing waits on the Network Connection number `epoch`.
    pub(crate) const fn new(epoch: u64) -> Self {
        Self {
            queue: AckQueue::with_storage(),
            next_serial: 0,
            epoch,
        }
    }

    /// Puts the acknowledgement of `settling` at the end; none when there is no place for it.
    pub(crate) fn hold(&mut self, settling: Settling, waits_for: WaitsFor) -> Option<AckToken> {
        let serial = self.next_serial;
        let Settling { kind, packet_id } = settling;
        let ack = PendingAck {
            kind,
            packet_id,
            reason: ReasonCode::SUCCESS,
        };
        self.queue.try_push(Gate { serial, waits_for }, ack).ok()?;
        self.next_serial += 1;
        Some(AckToken {
            kind,
            packet_id,
            serial,
            epoch: self.epoch,
        })
    }

    /// The application answers `reason`; nothing happens for a token that names nothing here.
    pub(crate) fn open(&mut self, token: &AckToken, reason: ReasonCode) {
        let ahead = self.ahead_of(token);
        if let Some((gate, ack)) = ahead.and_then(|ahead| self.queue.get_mut(ahead)) {
            gate.waits_for = WaitsFor::Nothing;
            ack.reason = reason;
        }
    }

    /// Repeats that wait for an earlier token of `packet_id` leave with the error `reason`.
    pub(crate) fn refuse_repeats(&mut self, packet_id: PacketId, reason: ReasonCode) {
        for (gate, ack) in self.queue.iter_mut() {
            if gate.waits_for == WaitsFor::EarlierToken(packet_id) {
                gate.waits_for = WaitsFor::Nothing;
                ack.reason = reason;
            }
        }
    }

    /// The QoS 2 identifiers whose tokens of this Network Connection have not come back.
    pub(crate) fn outstanding(&self) -> impl Iterator<Item = PacketId> {
        let waiting = self
            .queue
            .iter()
            .filter(|(gate, ack)| gate.waits_for == WaitsFor::Token && ack.kind == AckKind::PubRec);
        waiting.map(|(_, ack)| ack.packet_id)
    }

    /// How many acknowledgements leave before that of `token`; none for a token that names nothing here.
    pub(crate) fn ahead_of(&self, token: &AckToken) -> Option<usize> {
        if token.epoch != self.epoch {
            return None;
        }
        let first = self.queue.first_gate()?.serial;
        usize::try_from(token.serial.checked_sub(first)?)
            .ok()
            .filter(|ahead| *ahead < self.queue.len())
    }

    /// Whether [`HeldAcks::hold`] has no place for one more.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    /// The next acknowledgement that may leave; `is_held`: whether the earlier token of an identifier is still out.
    pub(crate) fn pop(&mut self, is_held: impl FnOnce(PacketId) -> bool) -> Option<PendingAck> {
        self.queue.pop_if(|gate| match gate.waits_for {
            WaitsFor::Nothing => true,
            WaitsFor::Token => false,
            WaitsFor::EarlierToken(packet_id) => !is_held(packet_id),
        })
    }

    /// Acknowledgements waiting.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}
