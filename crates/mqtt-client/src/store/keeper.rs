//! `Keeper`: a store in use.

use super::record::{MESSAGE, StoreRecord, VERSION, message_head};
use super::state::{Placed, State};
use super::{StoreError, replay};
use crate::command::{Notes, Outgoing};
use crate::{CloseReason, PublishError};
use mqtt_codec::{Delivery, PacketId, ProtocolVersion, Publish, QoS};
use mqtt_log::{Entry, Log, LogFailure, Position};
use mqtt_session::{Change, Journal, JournalFull, OutgoingMessage, SendRefusal};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::num::NonZeroU8;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// Messages are kept as PUBLISH packets of this version, which can say everything.
pub(super) const KEPT_AS: ProtocolVersion = ProtocolVersion::V5; // version: that of the records, whatever is spoken

/// A store in use: by handles, which add messages, and by the driver, which tells what becomes of them.
#[derive(Debug)]
pub(crate) struct Keeper {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// None once it is closed.
    log: Option<Log>,
    /// How closing it went.
    closed: Option<Result<(), LogFailure>>,
    state: State,
    /// Changes told so far.
    told: u64,
    /// The last of them that bytes have to wait for.
    barrier: u64,
    /// The last one that is durable, with all before it.
    reached: u64,
    /// Changes that are in the log and may not be durable yet.
    pending: VecDeque<(u64, Position)>,
    /// The last changes told, for which the log had no room; nothing depends on them that has left.
    overflow: VecDeque<(NonZeroU8, Vec<u8>)>,
    /// Whether the beginning of a flow was refused since the driver has asked.
    refused: bool,
    /// Bytes appended since the last summary, and how many there may be.
    since_summary: usize,
    summarize_after: usize,
    /// A summary that is not known to be durable.
    summary_at: Option<Position>,
    /// Memory of an earlier record.
    bytes: Vec<u8>,
}

/// Keeps the order of messages until it is dropped: what was kept last is told the driver next.
#[must_use = "the order is kept as long as this is"]
pub(crate) struct Order<'a> {
    inner: MutexGuard<'a, Inner>,
    kept: Kept,
}

/// A message in the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    serial: u64,
    position: Position,
}

impl Order<'_> {
    pub(crate) const fn kept(&self) -> Kept {
        self.kept
    }

    /// The message has found no driver.
    pub(crate) fn take_back(mut self) {
        self.inner.forget(self.kept.serial);
    }
}

impl Keeper {
    /// `summarize_after` in bytes of records.
    pub(super) fn new(log: Log, state: State, summarize_after: usize) -> Self {
        let inner = Inner {
            log: Some(log),
            closed: None,
            state,
            told: 0,
            barrier: 0,
            reached: 0,
            pending: VecDeque::new(),
            overflow: VecDeque::new(),
            refused: false,
            since_summary: 0,
            summarize_after,
            summary_at: None,
            bytes: Vec::new(),
        };
        let keeper = Self {
            inner: Mutex::new(inner),
        };
        keeper.lock().sum_up();
        keeper
    }

    /// Adds a message, whose serial is then in it; the driver is to be told before the order is dropped.
    ///
    /// # Errors
    /// There is no room for it, or it cannot be written.
    pub(crate) fn keep(
        &self,
        outgoing: &mut Outgoing,
        now_ms: u64,
    ) -> Result<Order<'_>, PublishError> {
        let expires_at_ms = outgoing.expiry.map(|expiry| {
            let left_ms = expiry.at_ms().saturating_sub(now_ms);
            replay::unix_now_ms().saturating_add(left_ms)
        });
        let delivery = Delivery::new(outgoing.qos, Some(PacketId::MIN));
        let delivery = delivery.unwrap_or(Delivery::AtMostOnce);
        let mut inner = self.lock();
        let kept = outgoing.with_publish(false, delivery, |publish| {
            inner.keep(publish, expires_at_ms)
        });
        let kept = kept.unwrap_or(Err(PublishError::NotSent(SendRefusal::NoBody)))?;
        outgoing.notes = Some(Notes::kept(kept.serial));
        Ok(Order { inner, kept })
    }

    /// Waits until what is before `kept`, and it, are as durable as the store was asked to make them.
    ///
    /// # Errors
    /// The disk has failed.
    pub(crate) async fn stored(&self, kept: Kept) -> Result<(), PublishError> {
        poll_fn(|cx| self.poll_durable(kept.position, cx)).await
    }

    /// Waits until all that waits for the disk is durable.
    ///
    /// # Errors
    /// The disk has failed, or the store is closed.
    pub(crate) async fn room(&self) -> Result<(), PublishError> {
        let appended = self.lock().log.as_ref().map(Log::appended);
        let appended = appended.ok_or(PublishError::Store(StoreError::Closed))?;
        poll_fn(|cx| self.poll_durable(appended, cx)).await
    }

    fn poll_durable(&self, position: Position, cx: &Context<'_>) -> Poll<Result<(), PublishError>> {
        let inner = self.lock();
        let Some(log) = &inner.log else {
            return Poll::Ready(match &inner.closed {
                Some(Err(failure)) => Err(StoreError::Failed(failure.clone()).into()),
                Some(Ok(())) | None => Ok(()),
            });
        };
        if log.durable() >= position {
            return Poll::Ready(Ok(()));
        }
        if let Some(failure) = log.failure() {
            return Poll::Ready(Err(StoreError::Failed(failure.clone()).into()));
        }
        log.wake_when_durable(position, cx.waker());
        Poll::Pending
    }

    /// A message ended without a flow.
    pub(crate) fn forget(&self, serial: u64) {
        self.lock().forget(serial);
    }

    /// A server accepted the session.
    pub(crate) fn set_established(&self, outlives_connection: bool) {
        let mut inner = self.lock();
        if inner.state.established != Some(outlives_connection) {
            inner.tell(
                StoreRecord::Established {
                    outlives_connection,
                },
                true,
            );
        }
    }

    /// Up to which barrier everything is durable.
    pub(crate) fn reached(&self) -> u64 {
        self.lock().advance()
    }

    /// Waits until everything up to `barrier` is durable; at once when it never will be.
    pub(crate) async fn reach(&self, barrier: u64) {
        poll_fn(|cx| {
            if self.poll(cx).is_ready() || self.reached() >= barrier {
                return Poll::Ready(());
            }
            match self.lock().log {
                Some(_) => Poll::Pending,
                None => Poll::Ready(()),
            }
        })
        .await;
    }

    /// Whether something has to be tried again after a while; says so once for the beginning of a flow.
    pub(crate) fn take_trouble(&self) -> bool {
        let mut inner = self.lock();
        std::mem::take(&mut inner.refused) || !inner.overflow.is_empty()
    }

    /// Looks after the log; ready when it has failed.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        let mut inner = self.lock();
        let failure = inner.log.as_ref().and_then(Log::failure);
        if let Some(failure) = failure {
            return Poll::Ready(CloseReason::Store(StoreError::Failed(failure.clone())));
        }
        inner.append_overflow();
        inner.look_after_summary();
        inner.advance();
        if let Some(log) = &inner.log {
            let next = inner.pending.front().map(|(_, position)| *position);
            let next = next.into_iter().chain(inner.summary_at).min();
            if let Some(position) = next {
                log.wake_when_durable(position, cx.waker());
            }
        }
        Poll::Pending
    }

    /// Writes what waits and gives the directory free; does nothing the second time.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        if let Some(log) = inner.log.take() {
            let closed = log.close();
            if let Err(failure) = &closed {
                tracing::error!(%failure, "the store has failed");
            }
            inner.closed = Some(closed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(
        &mut self,
        publish: &Publish<'_>,
        expires_at_ms: Option<u64>,
    ) -> Result<Kept, PublishError> {
        let not_sent = |error| PublishError::NotSent(SendRefusal::Encode(error));
        let payload = publish.payload;
        let head_len = publish.head_len(KEPT_AS, payload.len()).map_err(not_sent)?;
        let mut publish_head = std::mem::take(&mut self.bytes);
        publish_head.clear();
        publish_head.resize(head_len, 0);
        let encoded = publish.encode_head(KEPT_AS, payload.len(), &mut publish_head);
        encoded.map_err(not_sent)?;
        let serial = self.state.next_serial;
        let head = message_head(serial, expires_at_ms);
        let parts: [&[u8]; 3] = [&head, &publish_head, payload];
        let entry = Entry::new(MESSAGE, &parts).version(VERSION).held();
        let log = self.log.as_ref().ok_or(StoreError::Closed)?;
        let position = log.append(entry).map_err(|error| match log.failure() {
            Some(failure) => StoreError::Failed(failure.clone()),
            None => StoreError::append(error),
        })?;
        let len = parts.iter().map(|part| part.len()).sum();
        self.since_summary = self.since_summary.saturating_add(len);
        let record = StoreRecord::Message {
            serial,
            expires_at_ms,
            publish: &publish_head,
        };
        self.state.apply(record, Placed { position, len });
        self.bytes = publish_head;
        Ok(Kept { serial, position })
    }

    fn forget(&mut self, serial: u64) {
        if self.state.live.contains_key(&serial) {
            self.tell(StoreRecord::Dropped { serial }, false);
        }
    }

    /// The beginning of a flow, which can be refused.
    fn begin(&mut self, record: StoreRecord<'_>) -> Result<(), JournalFull> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let kind = record.encode(&mut bytes);
        let appended = match self.overflow.is_empty() {
            true => self.append(kind, &bytes),
            false => None,
        };
        let len = bytes.len();
        self.bytes = bytes;
        let Some(position) = appended else {
            self.refused = true;
            return Err(JournalFull);
        };
        self.since_summary = self.since_summary.saturating_add(len);
        self.told += 1;
        self.barrier = self.told;
        self.pending.push_back((self.told, position));
        self.apply(record);
        Ok(())
    }

    /// Any other change; `is_waited`: whether what is encoded from now on depends on it.
    fn tell(&mut self, record: StoreRecord<'_>, is_waited: bool) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let kind = record.encode(&mut bytes);
        self.told += 1;
        if is_waited {
            self.barrier = self.told;
        }
        self.since_summary = self.since_summary.saturating_add(bytes.len());
        let appended = match self.overflow.is_empty() {
            true => self.append(kind, &bytes),
            false => None,
        };
        match appended {
            Some(position) => {
                self.pending.push_back((self.told, position));
                self.bytes = bytes;
            }
            None => self.overflow.push_back((kind, bytes)),
        }
        self.apply(record);
    }

    /// Appends a change, which may take the room that is kept back: what is sent gives room back.
    fn append(&self, kind: NonZeroU8, bytes: &[u8]) -> Option<Position> {
        let parts = [bytes];
        let entry = Entry::new(kind, &parts).version(VERSION).freeing();
        self.log.as_ref()?.append(entry).ok()
    }

    fn apply(&mut self, record: StoreRecord<'_>) {
        let ended = self.state.apply(record, Placed::NOWHERE);
        if let (Some(ended), Some(log)) = (ended, &self.log) {
            log.release(ended.position, ended.len);
        }
    }

    fn append_overflow(&mut self) {
        while let Some((kind, bytes)) = self.overflow.front() {
            let Some(position) = self.append(*kind, bytes) else {
                return;
            };
            let behind = u64::try_from(self.overflow.len()).unwrap_or(u64::MAX) - 1;
            self.pending.push_back((self.told - behind, position));
            self.overflow.pop_front();
        }
    }

    /// Which changes are durable.
    fn advance(&mut self) -> u64 {
        if let Some(log) = &self.log {
            let durable = log.durable();
            while let Some((told, _)) = self.pending.pop_front_if(|(_, at)| *at <= durable) {
                self.reached = told;
            }
        }
        self.reached
    }

    /// Sums everything up, so that the log before it is needed only for messages in it.
    fn sum_up(&mut self) {
        self.since_summary = 0;
        let mut bytes = Vec::new();
        let kind = StoreRecord::Summary(self.state.summary()).encode(&mut bytes);
        self.summary_at = self.append(kind, &bytes);
        if self.summary_at.is_none() {
            tracing::warn!(len = bytes.len(), "no room for a summary in the store");
        }
    }

    fn look_after_summary(&mut self) {
        let Some(log) = &self.log else { return };
        if let Some(position) = self.summary_at {
            if log.durable() >= position {
                log.set_replay_from(position);
                self.summary_at = None;
                self.compact();
            }
        } else if self.since_summary >= self.summarize_after && self.overflow.is_empty() {
            self.sum_up();
        }
    }

    /// Moves the few messages that keep a file, when files are getting many.
    fn compact(&mut self) {
        let Some(log) = &self.log else { return };
        let space = log.space();
        if space.on_disk < space.len_max / 2 {
            return;
        }
        let Some(sparse) = log.sparse_segment() else {
            return;
        };
        let live = RefCell::new(&mut self.state.live);
        let serial_of = |record: &mqtt_log::Record<'_>| match StoreRecord::decode(
            record.kind,
            record.payload,
        ) {
            Ok(StoreRecord::Message { serial, .. }) => Some(serial),
            _ => None,
        };
        let moving = RefCell::new(None);
        let compacted = log.compact(
            sparse.base,
            |record| {
                let serial = serial_of(record);
                let live = live.borrow();
                let placed = serial.and_then(|serial| live.get(&serial));
                let is_needed = placed.is_some_and(|placed| placed.position == record.position);
                moving.replace(serial.filter(|_| is_needed));
                is_needed
            },
            |_, new| {
                let mut live = live.borrow_mut();
                let serial = moving.take();
                let placed = serial.and_then(|serial| live.get_mut(&serial));
                placed.is_some_and(|placed| {
                    placed.position = new;
                    true
                })
            },
        );
        if let Err(error) = compacted {
            tracing::warn!(%error, "a file of the store cannot be given free");
        }
    }
}

/// Tells a store the changes of a session; without one it keeps nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeeperJournal(pub(crate) Option<Arc<Keeper>>);

impl Journal<Outgoing> for KeeperJournal {
    type Barrier = u64;

    fn begin(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        outgoing: &Outgoing,
    ) -> Result<(), JournalFull> {
        let (Some(keeper), Some(serial)) = (&self.0, outgoing.kept()) else {
            return Ok(());
        };
        keeper.lock().begin(StoreRecord::Begun {
            packet_id,
            qos,
            serial,
        })
    }

    fn change(&mut self, change: Change) {
        if let Some(keeper) = &self.0 {
            // Nothing that leaves depends on the end of a flow.
            let is_waited = !matches!(change, Change::Ended(_));
            keeper.lock().tell(StoreRecord::Change(change), is_waited);
        }
    }

    fn barrier(&self) -> u64 {
        self.0.as_ref().map_or(0, |keeper| keeper.lock().barrier)
    }
}
