//! The seam to a store: what a session tells it, and which bytes have to wait until it is durable.
//!
//! A session that has to survive its process tells a [`Journal`] each change in one small record. The session knows
//! nothing of disks: after each call [`crate::Session::barrier`] says which record has to be durable before the
//! bytes encoded because of that call may leave, so that a driver can commit many packets at once.
//!
//! | record | has to be durable before | or else after a crash |
//! |---|---|---|
//! | begun | PUBLISH of QoS 1 or 2 | the message is sent as a new one, or its identifier names another |
//! | [`Change::Released`] | PUBREL | PUBLISH is sent after PUBREL and delivered twice |
//! | [`Change::Received`] | PUBREC below 0x80 | the repeat is delivered again |
//! | [`Change::Forgotten`] | PUBCOMP, PUBREC of 0x80 and above | the next message with the identifier is lost |
//! | [`Change::Cleared`] | anything of the next session | identifiers of the old session lose messages of the new one |
//! | [`Change::Ended`] | - | the flow is finished once more, which the peer takes |
//!
//! Before PUBACK and PUBREC the application's own records have to be durable too.

#[cfg(feature = "alloc")]
mod memory;
#[cfg(feature = "alloc")]
mod write_gates;

#[cfg(feature = "alloc")]
pub use memory::{Barrier, MemoryJournal};
#[cfg(feature = "alloc")]
pub use write_gates::WriteGates;

use core::fmt;
use mqtt_codec::{PacketId, QoS};

/// Keeps the changes of one session in the order they are told, so that what is durable is always a first part.
///
/// `M` is how the owner of the session keeps a message. Only the beginning of a flow can be refused; room for what
/// follows it has to be set aside then. A journal that breaks later says so by never becoming durable again.
pub trait Journal<M> {
    /// A place in the journal; everything up to a durable one is durable.
    type Barrier: Copy + fmt::Debug + Ord;

    /// Whether changes are kept at all; if not, none are gathered.
    const KEEPS: bool = true;

    /// A PUBLISH of QoS 1 or 2 with `message` is about to leave for the first time.
    ///
    /// # Errors
    /// [`JournalFull`] when it cannot be kept; nothing has changed.
    fn begin(&mut self, packet_id: PacketId, qos: QoS, message: &M) -> Result<(), JournalFull>;

    /// Anything else happened.
    fn change(&mut self, change: Change);

    /// The last record that bytes have to wait for.
    fn barrier(&self) -> Self::Barrier;
}

/// A change of a session besides the beginning of a flow.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Change {
    /// PUBREC came: the body of the message is needed no more, PUBREL is due.
    Released(PacketId),
    /// The flow has its last acknowledgement, or was given up.
    Ended(PacketId),
    /// A QoS 2 message is taken: repeats of its PUBLISH are duplicates from here on.
    Received(PacketId),
    /// The identifier of a received QoS 2 message is new again: PUBREL came, or the message is refused.
    Forgotten(PacketId),
    /// The session ended.
    Cleared,
    /// The identifier given out last; only in a summary, see [`crate::Session::records`].
    LastPacketId(PacketId),
}

/// Everything a journal can be told, with the message of a flow that begins.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Record<M> {
    /// A flow began.
    Begun {
        /// Its identifier.
        packet_id: PacketId,
        /// Its QoS, 1 or 2.
        qos: QoS,
        /// Its message.
        message: M,
    },
    /// Anything else.
    Change(Change),
}

impl<M> Record<M> {
    /// The record with another message in place of its own.
    pub fn map<N>(self, change: impl FnOnce(M) -> N) -> Record<N> {
        match self {
            Self::Begun {
                packet_id,
                qos,
                message,
            } => Record::Begun {
                packet_id,
                qos,
                message: change(message),
            },
            Self::Change(change) => Record::Change(change),
        }
    }
}

impl<M: Clone> Record<&M> {
    /// The record with a message of its own.
    pub fn cloned(self) -> Record<M> {
        self.map(M::clone)
    }
}

/// The journal cannot keep another message now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the journal is full")]
pub struct JournalFull;

/// For sessions that end with their process: keeps nothing and costs nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NoJournal;

impl<M> Journal<M> for NoJournal {
    type Barrier = ();

    const KEEPS: bool = false;

    fn begin(&mut self, _packet_id: PacketId, _qos: QoS, _message: &M) -> Result<(), JournalFull> {
        Ok(())
    }

    fn change(&mut self, _change: Change) {}

    fn barrier(&self) {}
}

#[cfg(test)]
mod tests;
