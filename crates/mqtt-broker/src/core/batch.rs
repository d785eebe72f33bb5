//! What a worker gathers while it handles one chunk of input: wakes, counts, encoded forms.

use super::counters::BatchCounts;
use super::log::MessageId;
use super::message::{Message, Source};
use super::session_cell::{SessionCell, SessionKey};
use super::share_group::Picked;
use super::topic_cache::TopicCache;
use super::wire::Forms;
use crate::access::Access;
use bytes::Bytes;
use mqtt_io::WriteQueue;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

/// Spare output buffers a worker keeps.
const SPARE_MAX: usize = 64;
/// A spare buffer larger than this is given back to the allocator; in bytes.
const SPARE_LEN_MAX: usize = 256 * 1024;
/// Room a new buffer may begin with, in bytes.
const FIRST_LEN_MAX: usize = 2048;
/// Messages a worker keeps to make others of.
const MESSAGES_MAX: usize = 512;

/// Decides about each message when it is delivered.
#[derive(Clone)]
pub(crate) struct Receipt(pub(crate) Arc<dyn Access>);

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}

/// Belongs to a worker, not to a connection; empty between batches.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) wakes: Vec<Waker>,
    pub(crate) counts: BatchCounts,
    pub(crate) forms: Forms,
    /// Sessions whose queue is full, to be ended after the batch.
    pub(crate) overflowed: Vec<Arc<SessionCell>>,
    /// By how much all queues together have grown, in bytes.
    pub(crate) queued_bytes: i64,
    /// By how many the messages that wait in the log alone have become more.
    pub(crate) stored: i64,
    /// Whether queues are to leave to the log what it has: they take too much memory.
    pub(crate) spills: bool,
    /// Who decides about each message when it is delivered, where somebody does.
    pub(crate) receipt: Option<Receipt>,
    /// Sessions that need messages from the log.
    pub(crate) loads: Vec<SessionKey>,
    /// Messages of the log that sessions are through with.
    pub(crate) finished: Vec<(SessionKey, MessageId)>,
    /// Members picked for the message in hand, one for each group; empty when none had to be picked early.
    ///
    /// With whether the record of the message names it.
    pub(crate) picked: Vec<Option<(Picked, bool)>>,
    /// The packet in hand, where its bytes can be kept without a copy.
    pub(crate) packet: Option<Bytes>,
    /// Topics its connections have published to, with their routes.
    pub(crate) topics: TopicCache,
    spare: Vec<Vec<u8>>,
    /// What the last buffer given back had room for, up to [`FIRST_LEN_MAX`]: with more receivers than there are
    /// spare buffers, new ones need not grow step by step.
    first_len: usize,
    /// Empty queues for connections that have something to write.
    #[expect(
        clippy::vec_box,
        reason = "each is handed over as the box that a busy connection keeps"
    )]
    queues: Vec<Box<WriteQueue>>,
    /// Messages that nobody has any more, for their memory.
    messages: Vec<Arc<Message>>,
}

impl Batch {
    /// An empty batch.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether it leaves nothing to be done.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
            && self.wakes.is_empty()
            && self.overflowed.is_empty()
            && self.finished.is_empty()
            && self.loads.is_empty()
            && self.queued_bytes == 0
            && self.stored == 0
    }

    /// An empty buffer, used before if possible.
    pub(crate) fn spare(&mut self) -> Vec<u8> {
        let new = || Vec::with_capacity(self.first_len);
        self.spare.pop().unwrap_or_else(new)
    }

    /// An empty queue, used before if possible.
    pub(crate) fn queue(&mut self) -> Box<WriteQueue> {
        self.queues.pop().unwrap_or_default()
    }

    /// Takes a queue back whose connection has nothing to write for now.
    pub(crate) fn give_queue(&mut self, queue: Box<WriteQueue>) {
        if self.queues.len() < SPARE_MAX {
            self.queues.push(queue);
        }
    }

    /// Takes an emptied buffer back for the next connection.
    pub(crate) fn give_spare(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 {
            self.first_len = buffer.capacity().min(FIRST_LEN_MAX);
        }
        if self.spare.len() < SPARE_MAX
            && buffer.capacity() <= SPARE_LEN_MAX
            && buffer.capacity() > 0
        {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// A message nobody has any more, whose memory fits `source`.
    pub(crate) fn spare_message(&mut self, source: &Source<'_>) -> Option<Arc<Message>> {
        let last = self.messages.last()?;
        match last.fits(source) {
            true => self.messages.pop(),
            false => None,
        }
    }

    /// Takes back a message that the caller has done with; of use if it was the last to have it.
    pub(crate) fn give_message(&mut self, message: Arc<Message>) {
        if Arc::strong_count(&message) == 1
            && self.messages.len() < MESSAGES_MAX
            && message.is_reusable()
        {
            self.messages.push(message);
        }
    }

    /// A handle to `payload`, if the packet in hand ends with it and can be kept.
    pub(crate) fn payload_of_packet(&self, payload: &[u8]) -> Option<Bytes> {
        let packet = self.packet.as_ref()?;
        let at = packet.len().checked_sub(payload.len())?;
        let is_it = packet
            .get(at..)
            .is_some_and(|end| std::ptr::eq(end, payload));
        is_it.then(|| packet.slice(at..))
    }
}
