//! The broker without sockets: sessions, routing, retained messages, wills, timers. No tokio, no clock.
//!
//! Time comes in as milliseconds of the broker's clock, packets come in through [`Connection`], bytes and wakes
//! come out through [`Batch`] and each session's outbox.

mod answers;
pub(crate) mod arrival_rate;
mod attach;
mod backlog;
pub(crate) mod bans;
mod batch;
pub(crate) mod cause;
pub(crate) mod connection;
pub(crate) mod counters;
mod delay;
mod entries;
pub(crate) mod flapping;
mod gate;
mod hand_over;
mod keep;
pub(crate) mod lane;
pub(crate) mod limits;
pub(crate) mod live;
pub(crate) mod loads;
pub(crate) mod log;
mod look;
pub(crate) mod message;
mod own_publish;
pub(crate) mod pace;
mod parts;
mod publish;
pub(crate) mod queue;
pub(crate) mod reached;
pub(crate) mod refusals;
pub(crate) mod restore;
pub(crate) mod retained;
mod retained_tree;
pub(crate) mod rights;
mod router;
mod seldom_vec;
mod session_aliases;
pub(crate) mod session_cell;
mod session_log;
mod session_share;
mod sessions;
pub(crate) mod share_group;
#[cfg(test)]
mod simulation;
mod standing;
mod strain;
mod subscribe;
mod subscription;
mod subscriptions;
mod tick;
mod timers;
mod topic_cache;
mod topic_tree;
mod wire;

pub(crate) use answers::{push, push_ack, push_fitting};
pub(crate) use attach::AttachRequest;
pub(crate) use batch::{Batch, Receipt};
pub(crate) use connection::Connection;
pub(crate) use gate::{Gate, ask};
pub(crate) use parts::{Offer, Parts, is_of_broker};
pub(crate) use publish::Incoming;
pub(crate) use rights::{LastRight, Lost};
pub(crate) use router::Routes;
pub(crate) use session_cell::Will;
pub(crate) use subscribe::{RetainedFor, Wanted};
pub(crate) use subscription::{Subscription, Via};
pub(crate) use topic_cache::CachedTopic;
pub(crate) use wire::AsReceived;

use crate::access::Access;
use crate::authenticate::Authenticate;
use crate::extensions::Extensions;
use crate::hooks::{Dropped, Interest};
use crate::hub::Hub;
use crate::ownership::{Fabric, Ownership};
use crate::sys::Sys;
use arrival_rate::ArrivalRate;
use bans::Bans;
use cause::{DropCause, EndCause, SessionEnd};
use counters::{Counters, Totals};
use limits::Limits;
use live::Live;
use loads::Loads;
use log::{CommitLog, LogRecord};
use parking_lot::Mutex;
use reached::{LimitCause, Notice, Reached};
use refusals::Refusals;
use retained::RetainedStore;
use router::Router;
use session_cell::{SessionCell, SessionKey, SessionState};
use sessions::Sessions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use strain::AtomicStrain;
use timers::TimerWheel;

/// Granularity of keep alive, expiry and will delay, in milliseconds.
const TICK_MS: u64 = 100;

/// Everything connections share.
pub(crate) struct Core {
    pub(crate) limits: Live<Limits>,
    pub(crate) router: Router,
    pub(crate) retained: Arc<dyn RetainedStore>,
    pub(crate) counters: Counters,
    pub(crate) offer: Offer,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) authenticate: Option<Arc<dyn Authenticate>>,
    pub(crate) log: Arc<dyn CommitLog>,
    pub(crate) ownership: Arc<dyn Ownership>,
    /// None: there is no other broker.
    pub(crate) fabric: Option<Arc<dyn Fabric>>,
    pub(crate) hub: Hub,
    pub(crate) extensions: Extensions,
    pub(crate) sys: Sys,
    pub(crate) bans: Bans,
    pub(crate) arrival_rate: ArrivalRate,
    sessions: Mutex<Sessions>,
    /// Sessions to look at when their time has come; looked at again in `tick`.
    timers: Mutex<TimerWheel<SessionKey>>,
    /// Which limits were reached, and when the log told of it.
    pub(crate) reached: Reached,
    /// When the log told of messages that were dropped, one for each of [`DropCause::LOUD`].
    drops: [Notice; DropCause::LOUD.len()],
    /// When the log told of connections that ended before their CONNECT was whole.
    pub(crate) strangers: Notice,
    /// When the log told of requests that were refused: PUBLISH and SUBSCRIBE.
    refusal_notices: [Notice; 2],
    /// Requests that rights were the ground to refuse.
    pub(crate) refusals: Refusals,
    /// Bytes waiting for all sessions.
    queued_bytes: AtomicI64,
    /// Messages waiting in the log alone.
    stored: AtomicI64,
    /// Sessions that need messages from the log.
    pub(crate) loads: Arc<Loads>,
    /// Sessions without a connection.
    offline: AtomicUsize,
    /// When `tick` was called last, in milliseconds.
    ticked_ms: AtomicU64,
    /// What there is too much of.
    strain: AtomicStrain,
    /// Whether a right to publish holds until [`Access::generation`] is another one.
    pub(crate) rights_hold: AtomicBool,
}

impl Core {
    pub(crate) fn new(mut parts: Parts) -> Self {
        if !parts.log.gives_messages() {
            parts.limits.head_bytes_max = None;
        }
        let seed = parts.limits.shared_seed;
        let seed = seed.unwrap_or_else(share_group::any_seed);
        let core = Self {
            router: Router::new(parts.limits.shared_strategy, seed),
            limits: Live::new(parts.limits),
            retained: parts.retained,
            counters: Counters::default(),
            offer: parts.offer,
            access: parts.access,
            authenticate: parts.authenticate,
            log: parts.log,
            ownership: parts.ownership,
            fabric: parts.fabric,
            hub: parts.hub,
            extensions: parts.extensions,
            sys: parts.sys,
            bans: parts.bans,
            arrival_rate: parts.arrival_rate,
            sessions: Mutex::new(Sessions::default()),
            timers: Mutex::new(TimerWheel::new(TICK_MS)),
            reached: Reached::default(),
            drops: Default::default(),
            strangers: Notice::default(),
            refusal_notices: Default::default(),
            refusals: Refusals::default(),
            queued_bytes: AtomicI64::new(0),
            stored: AtomicI64::new(0),
            loads: Arc::default(),
            offline: AtomicUsize::new(0),
            ticked_ms: AtomicU64::new(0),
            strain: AtomicStrain::default(),
            rights_hold: AtomicBool::new(false),
        };
        core.note_access();
        core
    }

    /// Sessions, connected or not.
    pub(crate) fn session_count(&self) -> usize {
        self.sessions.lock().len()
    }

    /// Whether a client may not connect, wherever it is.
    pub(crate) fn is_banned(&self, client_id: &str, username: Option<&str>) -> bool {
        let now_ms = self.ticked_ms.load(Ordering::Relaxed);
        self.bans.has_client(client_id, username, now_ms)
    }

    /// A limit was reached by `who`.
    pub(crate) fn note_limit(&self, cause: LimitCause, who: &str) {
        self.reached
            .note(cause, who, self.ticked_ms.load(Ordering::Relaxed));
    }

    /// The log did not take what `who` would have had kept.
    #[cold]
    pub(crate) fn note_log_full(&self, who: &str) {
        self.note_limit(
            match self.log.is_behind() {
                true => LimitCause::LogBehind,
                false => LimitCause::LogLen,
            },
            who,
        );
    }

    /// What has been counted.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            limits: self.reached.counts().collect(),
            ..self.counters.totals()
        }
    }

    /// Ends what a batch leaves to be done: full sessions, wakes, counts.
    #[inline]
    pub(crate) fn finish(&self, batch: &mut Batch, now_ms: u64) {
        if !batch.is_empty() {
            self.finish_all(batch, now_ms);
        }
    }

    #[inline(never)]
    fn finish_all(&self, batch: &mut Batch, now_ms: u64) {
        while let Some(cell) = batch.overflowed.pop() {
            let waiting = {
                let state = cell.state.lock();
                if state.ended {
                    continue;
                }
                state.queue.as_ref().map_or(0, |queue| queue.len())
            };
            let waiting = u64::try_from(waiting).unwrap_or(u64::MAX);
            let dropped = DropCause::QueueFull;
            batch.counts.dropped_by(dropped, waiting, cell.key);
            batch.counts.name_drops(Some(&cell), "");
            self.reached
                .note(LimitCause::Queue, &cell.client_id, now_ms);
            self.end_connection(&cell, EndCause::QueueFull, batch);
            self.end_session(&cell, SessionEnd::QueueFull, batch, now_ms);
        }
        for (session, id) in batch.finished.drain(..) {
            // Nothing waits for it: a lost record means one more delivery, marked DUP.
            let _ = self.log.append(LogRecord::Finished { session, id });
        }
        if batch.stored != 0 {
            let stored = std::mem::take(&mut batch.stored);
            self.stored.fetch_add(stored, Ordering::Relaxed);
        }
        if batch.queued_bytes != 0 {
            self.note_queued(std::mem::take(&mut batch.queued_bytes));
        }
        if !batch.loads.is_empty() {
            self.loads.add(&mut batch.loads);
        }
        if batch.counts.has_drops() {
            for (cause, notice) in DropCause::LOUD.into_iter().zip(&self.drops) {
                let (dropped, session) = batch.counts.dropped_for(cause);
                if dropped > 0 {
                    self.tell_of_drops(cause, notice, dropped, session, now_ms);
                }
            }
        }
        for waker in batch.wakes.drain(..) {
            waker.wake();
        }
        self.counters.add(&mut batch.counts);
        for note in batch.counts.notes.drain(..) {
            self.hub.dropped(&Dropped {
                cause: note.cause,
                client_id: note.cell.as_ref().map(|cell| &*cell.client_id),
                topic_name: &note.topic_name,
                messages: note.messages,
            });
        }
    }

    /// To be called before a batch is filled: whether drops are to be noted, and whether queues are to spill.
    pub(crate) fn begin(&self, batch: &mut Batch) {
        batch.spills = self.spills();
        batch.counts.watches_drops = self.hub.wants(Interest::DROPPED);
        if self.hub.wants(Interest::RECEIPT) != batch.receipt.is_some() {
            self.begin_receipt(batch);
        }
    }

    #[cold]
    fn begin_receipt(&self, batch: &mut Batch) {
        let on_receipt = self.hub.wants(Interest::RECEIPT);
        batch.receipt = on_receipt.then(|| Receipt(Arc::clone(&self.access)));
    }

    /// Tells others how a session stands, as `state`, which is its own, says.
    pub(crate) fn tell(&self, cell: &SessionCell, state: &SessionState) {
        let standing = state.standing(&self.limits);
        let before = cell.standing.swap(standing);
        match (before.is_offline(), standing.is_offline()) {
            (false, true) => self.offline.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.offline.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }

    #[cold]
    fn tell_of_drops(
        &self,
        cause: DropCause,
        notice: &Notice,
        dropped: u64,
        session: Option<SessionKey>,
        now_ms: u64,
    ) {
        let Some(messages) = notice.due(dropped, now_ms) else {
            return;
        };
        let cell = session.and_then(|key| self.sessions.lock().find_key(key).cloned());
        let last = cell.as_ref().map_or("", |cell| &*cell.client_id);
        tracing::warn!(cause = cause.label(), messages, last, "messages dropped");
    }

    /// Tells the connection of a session to end.
    pub(crate) fn end_connection(&self, cell: &SessionCell, cause: EndCause, batch: &mut Batch) {
        let mut state = cell.state.lock();
        if state.connected && state.end.is_none() {
            state.end_connection(cause, batch);
        }
    }

    /// Tells all connections to end.
    pub(crate) fn end_all(&self, cause: EndCause, batch: &mut Batch) {
        let cells: Vec<_> = self.sessions.lock().iter().cloned().collect();
        for cell in cells {
            self.end_connection(&cell, cause, batch);
        }
    }

    /// Ends the connection of one client; `false` when it has none.
    pub(crate) fn kick(&self, client_id: &str, batch: &mut Batch) -> bool {
        let cell = self.sessions.lock().find(client_id).cloned();
        let Some(cell) = cell else { return false };
        let connected = cell.state.lock().connected;
        self.end_connection(&cell, EndCause::Administrative, batch);
        connected
    }
}
