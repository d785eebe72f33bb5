//! Acknowledgements that wait until the application has their messages, and the tokens that name them.

use crate::{AckKind, AckQueue, PendingAck, Settling, Storage};
use mqtt_codec::{PacketId, ReasonCode};

/// The right to acknowledge one PUBLISH, to be given back once the application has the message.
///
/// A token of an earlier Network Connection of the same client does nothing; one of another client is to be kept apart
/// by its owner.
#[derive(Debug, Eq, PartialEq)]
pub struct AckToken {
    pub(crate) kind: AckKind,
    pub(crate) packet_id: PacketId,
    pub(crate) serial: u64,
    pub(crate) epoch: u64,
}

/// Whether the application has the message that an acknowledgement is for.
#[derive(Clone, Copy, Debug)]
struct Gate {
    serial: u64,
    is_open: bool,
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

    /// Puts the acknowledgement of `settling` at the end; `is_open`: the application need not be asked.
    ///
    /// None when there is no place for it.
    pub(crate) fn hold(&mut self, settling: Settling, is_open: bool) -> Option<AckToken> {
        let serial = self.next_serial;
        let Settling { kind, packet_id } = settling;
        let ack = PendingAck {
            kind,
            packet_id,
            reason: ReasonCode::SUCCESS,
        };
        self.queue.try_push(Gate { serial, is_open }, ack).ok()?;
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
            gate.is_open = true;
            ack.reason = reason;
        }
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

    /// The next acknowledgement that may leave.
    pub(crate) fn pop(&mut self) -> Option<PendingAck> {
        self.queue.pop_if(|gate| gate.is_open)
    }

    /// Acknowledgements waiting.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}
