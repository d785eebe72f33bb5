//! The client's side of a Network Connection: what it says and what it makes of the answers.
//!
//! [`ClientSession`] outlives the Network Connection, [`ClientConnection`] is one. Output is encoded to the end of
//! a buffer of the caller; each packet that comes in gives one [`ClientEvent`]; the only clock is an argument.

mod authenticate;
mod command;
mod connection;
mod error;
mod event;
mod grants;
mod input;
mod journal;

#[cfg(test)]
mod tests;

pub use connection::{ClientConnection, ClientSettings, UnknownSession};
pub use error::{ClientError, NotSent, NotSentReason, SendRefusal};
pub use event::{ClientEvent, OutgoingMessage, Redirect};
pub use grants::ServerGrants;

#[cfg(feature = "alloc")]
use crate::Heap;
use crate::journal::Record;
use crate::storage::PacketIds;
use crate::{AckKind, AckToken, Journal, NoJournal, Session, Storage};
use journal::FlowJournal;

/// What a client keeps when the Network Connection is gone: its QoS flows.
///
/// `M` is how the owner keeps a message until its last acknowledgement, `R` a SUBSCRIBE or UNSUBSCRIBE until its
/// answer. `J` is told each change of a flow of messages, so that the session can outlive its process: what is encoded
/// because of a call must not leave before [`ClientConnection::barrier`], asked after the call, is durable.
/// Spec: v5 §4.1.
#[derive(Clone, Debug)]
pub struct ClientSession<
    M,
    R,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
    J = NoJournal,
> {
    flows: Session<Flow<M, R>, FlowJournal<J>, S>,
    /// Whether a server accepted this session before, so that it may know it.
    established: bool,
    /// Whether that server was to keep it; counts where CONNACK has no Session Present.
    outlives_connection: bool,
    /// Names the Network Connection in tokens: one more for each, and at least its moment, so that a token of a
    /// session that has ended names none of the next.
    connections: u64,
    /// The first Network Connection whose tokens name messages of this session.
    first_connection: u64,
    /// Messages of QoS 2 that the application got on an earlier Network Connection and has not answered; the tokens of
    /// this one are in `HeldAcks`.
    ///
    /// INVARIANT: all of them are unreleased, so there is a place for each.
    held: S::Unreleased,
}

/// What waits for an acknowledgement.
#[derive(Clone, Debug)]
enum Flow<M, R> {
    Publish(M),
    Subscribe {
        request: R,
        filters: usize,
    },
    Unsubscribe {
        request: R,
        filters: usize,
    },
    /// A message that has been given back; only its identifier is in use until PUBCOMP.
    GivenUp,
}

#[cfg(feature = "alloc")]
impl<M, R> ClientSession<M, R> {
    /// A session that remembers nothing; allocates nothing.
    pub const fn new() -> Self {
        Self::with_storage()
    }
}

impl<M, R, S: Storage, J: Default> Default for ClientSession<M, R, S, J> {
    fn default() -> Self {
        Self::with_journal(J::default())
    }
}

impl<M, R, S: Storage> ClientSession<M, R, S> {
    /// As `new`, with its tables in `S`.
    pub const fn with_storage() -> Self {
        Self::with_journal(NoJournal)
    }
}

impl<M, R, S: Storage, J> ClientSession<M, R, S, J> {
    /// A session that remembers nothing and tells `journal` each change of a flow of messages.
    pub const fn with_journal(journal: J) -> Self {
        Self {
            flows: Session::with_storage(FlowJournal(journal)),
            established: false,
            outlives_connection: false,
            connections: 0,
            first_connection: 0,
            held: PacketIds::EMPTY,
        }
    }

    /// Whether `token` is of QoS 2 and of a Network Connection of this session before the last one.
    fn is_earlier(&self, token: &AckToken) -> bool {
        token.kind == AckKind::PubRec
            && (self.first_connection..self.connections).contains(&token.epoch)
    }

    /// Tokens of Network Connections before `first_connection` name nothing any more.
    fn begin_anew(&mut self, first_connection: u64) {
        self.first_connection = first_connection;
        self.held = PacketIds::EMPTY;
    }

    /// Takes over what a journal kept, record by record; nothing is told to the journal of this session.
    ///
    /// # Errors
    /// `record`, when there is no place for it.
    pub fn replay(&mut self, record: Record<M>) -> Result<(), Record<M>> {
        let replayed = self.flows.replay(record.map(Flow::Publish));
        match replayed {
            Err(Record::Begun {
                packet_id,
                qos,
                message: Flow::Publish(message),
            }) => Err(Record::Begun {
                packet_id,
                qos,
                message,
            }),
            Err(Record::Change(change)) => Err(Record::Change(change)),
            // Only the message given can come back.
            Ok(()) | Err(Record::Begun { .. }) => Ok(()),
        }
    }

    /// A server accepted this session in an earlier process, and may know it.
    ///
    /// `outlives_connection`: whether it was to keep it, which counts where CONNACK has no Session Present; what
    /// [`ClientSession::outlives_connection`] said there.
    pub const fn restore_established(&mut self, outlives_connection: bool) {
        self.established = true;
        self.outlives_connection = outlives_connection;
    }

    /// Whether the server was to keep this session when its last Network Connection ended.
    pub const fn outlives_connection(&self) -> bool {
        self.outlives_connection
    }
}

impl<M, R, S: Storage, J: Journal<M>> ClientSession<M, R, S, J> {
    /// Flows begun and not ended, 0 to 65,535.
    pub fn inflight(&self) -> usize {
        self.flows.inflight()
    }

    /// The server has no such session, as this Network Connection tells.
    fn lose(&mut self) {
        self.established = false;
        self.flows.lose();
        self.begin_anew(self.connections);
    }

    /// Ends the session: the messages without their last acknowledgement come back, in order.
    pub fn clear(&mut self) -> impl Iterator<Item = M> {
        self.established = false;
        self.begin_anew(self.connections.saturating_add(1));
        self.flows.clear().filter_map(Flow::into_message)
    }
}

impl<M, R> Flow<M, R> {
    fn into_message(self) -> Option<M> {
        match self {
            Self::Publish(message) => Some(message),
            Self::Subscribe { .. } | Self::Unsubscribe { .. } | Self::GivenUp => None,
        }
    }

    fn into_request(self) -> Option<R> {
        match self {
            Self::Publish(_) | Self::GivenUp => None,
            Self::Subscribe { request, .. } | Self::Unsubscribe { request, .. } => Some(request),
        }
    }
}
