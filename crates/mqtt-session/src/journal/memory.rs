//! `MemoryJournal`: a journal whose durability is decided by hand.

use super::{Change, Journal, JournalFull, Record};
use crate::Session;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use mqtt_codec::{PacketId, QoS};

/// Durable records kept besides the summary before they are added to it.
const UNSUMMED_MAX: usize = 64;

/// A place in a [`MemoryJournal`]: records since it began.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Barrier(pub u64);

impl Barrier {
    /// Nothing to wait for.
    pub const NONE: Self = Self(0);
}

/// A journal in memory: for tests and simulations, and the pattern for one on a disk.
///
/// What is durable is moved by hand; [`MemoryJournal::crash`] forgets the rest. It keeps one or two records for each
/// open flow, one for each unreleased identifier, at most as many again and 64, and those that are not durable.
///
/// ```
/// use mqtt_codec::QoS;
/// use mqtt_session::{Link, MemoryJournal, Resend, Session, WriteGates};
///
/// let mut session = Session::new().with_journal(MemoryJournal::new(100));
/// let (mut link, mut gates) = (Link::new(10, 10), WriteGates::new());
/// let packet_id = session.send_publish(&mut link, QoS::AtLeastOnce, "21.5").expect("quota is free");
/// gates.push(20, session.barrier()); // The PUBLISH has 20 bytes.
/// assert_eq!(gates.open_len(session.journal().durable()), 0, "it has to wait");
///
/// // One commit for all that has gathered.
/// let appended = session.journal().appended();
/// session.journal_mut().make_durable(appended);
/// assert_eq!(gates.open_len(session.journal().durable()), 20);
///
/// // The process dies, and the next one goes on.
/// let mut session = session.into_journal().into_session();
/// session.begin_resume();
/// let again = session.poll_resend(&mut link);
/// assert!(matches!(again, Some(Resend::Publish { packet_id: found, .. }) if found == packet_id));
/// ```
#[derive(Clone, Debug)]
pub struct MemoryJournal<M> {
    /// A session as short as it can be told, in the place of the first `summed_up` records.
    summary: Vec<Record<M>>,
    summed_up: u64,
    /// The records after it; none where the application has one of its own.
    records: VecDeque<Option<Record<M>>>,
    /// INVARIANT: from `summed_up` to the last record.
    durable: u64,
    barrier: u64,
    /// Flows begun and not ended.
    open: usize,
    open_max: usize,
}

impl<M> MemoryJournal<M> {
    /// An empty journal that refuses a flow while `open_max` are open.
    pub const fn new(open_max: usize) -> Self {
        Self {
            summary: Vec::new(),
            summed_up: 0,
            records: VecDeque::new(),
            durable: 0,
            barrier: 0,
            open: 0,
            open_max,
        }
    }

    /// Another number of open flows from which on one more is refused.
    pub const fn set_open_max(&mut self, open_max: usize) {
        self.open_max = open_max;
    }

    /// The application has a record of its own in this place; what is encoded from now on waits for it.
    pub fn append_foreign(&mut self) -> Barrier {
        self.append(None);
        self.barrier = self.appended().0;
        Barrier(self.barrier)
    }

    /// The place of the last record.
    pub fn appended(&self) -> Barrier {
        Barrier(self.summed_up + u64::try_from(self.records.len()).unwrap_or(u64::MAX))
    }

    /// Everything up to this place is durable.
    pub const fn durable(&self) -> Barrier {
        Barrier(self.durable)
    }

    /// The records that are not durable, oldest first, without those of the application.
    pub fn volatile(&self) -> impl Iterator<Item = &Record<M>> {
        self.records.iter().skip(self.durable_len()).flatten()
    }

    /// Records kept.
    pub fn len(&self) -> usize {
        self.summary.len() + self.records.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn append(&mut self, record: Option<Record<M>>) {
        self.records.push_back(record);
    }

    /// How many of `records` are durable.
    fn durable_len(&self) -> usize {
        usize::try_from(self.durable - self.summed_up).unwrap_or(usize::MAX)
    }
}

impl<M: Clone> MemoryJournal<M> {
    /// Everything up to `barrier` is durable now, as far as it has been told; what was durable stays so.
    pub fn make_durable(&mut self, barrier: Barrier) {
        self.durable = barrier.0.min(self.appended().0).max(self.durable);
        if self.durable_len() > UNSUMMED_MAX + self.summary.len() {
            self.sum_up();
        }
    }

    /// The process dies: what is not durable never was.
    pub fn crash(&mut self) {
        self.records.truncate(self.durable_len());
        self.barrier = self.durable;
        self.open = self.replayed().inflight();
    }

    /// The session as the durable records tell it, which goes on with this journal.
    ///
    /// Call [`Session::begin_resume`] on its next Network Connection as on any.
    pub fn into_session(mut self) -> Session<M, Self> {
        self.crash();
        let session = self.replayed();
        session.with_journal(self)
    }

    /// The session that the durable records tell.
    fn replayed(&self) -> Session<M> {
        let mut session = Session::new();
        let records = self.records.iter().take(self.durable_len()).flatten();
        for record in self.summary.iter().chain(records) {
            // The heap has room for all.
            let _ = session.replay(record.clone());
        }
        session
    }

    fn sum_up(&mut self) {
        let session = self.replayed();
        self.summary = session.records().into_iter().map(Record::cloned).collect();
        self.records.drain(..self.durable_len());
        self.summed_up = self.durable;
    }
}

impl<M: Clone> Journal<M> for MemoryJournal<M> {
    type Barrier = Barrier;

    fn begin(&mut self, packet_id: PacketId, qos: QoS, message: &M) -> Result<(), JournalFull> {
        if self.open >= self.open_max {
            return Err(JournalFull);
        }
        self.open += 1;
        let message = message.clone();
        self.append(Some(Record::Begun {
            packet_id,
            qos,
            message,
        }));
        self.barrier = self.appended().0;
        Ok(())
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Ended(_) => self.open = self.open.saturating_sub(1),
            Change::Cleared => self.open = 0,
            _ => {}
        }
        self.append(Some(Record::Change(change)));
        // Nothing that leaves depends on the end of a flow.
        if !matches!(change, Change::Ended(_)) {
            self.barrier = self.appended().0;
        }
    }

    fn barrier(&self) -> Barrier {
        Barrier(self.barrier)
    }
}
