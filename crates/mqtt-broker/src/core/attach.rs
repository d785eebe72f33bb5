//! Connections meet their sessions here: attach, take over, lose, end.

use super::cause::{EndCause, SessionEnd};
use super::log::{LogPosition, LogRecord};
use super::message::Message;
use super::reached::LimitCause;
use super::session_cell::{SessionCell, SessionState, Will};
use super::sessions::Sessions;
use super::{Batch, Core};
use crate::access::ClientInfo;
use crate::ownership::OwnerEpoch;
use mqtt_codec::{QoS, ReasonCode};
use mqtt_session::{Negotiated, SessionExpiry};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What an accepted CONNECT asks for.
#[derive(Debug)]
pub(crate) struct AttachRequest<'a> {
    /// Empty: the broker assigns one.
    pub(crate) client_id: &'a str,
    pub(crate) clean_start: bool,
    pub(crate) negotiated: Negotiated,
    /// Under which the session was claimed.
    pub(crate) owner_epoch: OwnerEpoch,
    /// Who it is; what is missing of one whose Client Identifier is assigned is told later.
    pub(crate) client: &'a Arc<ClientInfo>,
}

/// A connection with its session.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) cell: Arc<SessionCell>,
    pub(crate) epoch: u32,
    pub(crate) session_present: bool,
    /// CONNACK may leave when this is durable.
    pub(crate) position: LogPosition,
}

impl Core {
    /// Gives a connection its session: the one there is, or a new one.
    ///
    /// Spec: v5 §3.1.2.4, [MQTT-3.1.4-3]; v3.1.1 §3.1.2.4, [MQTT-3.1.4-2].
    pub(crate) fn attach(
        &self,
        request: &AttachRequest<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<Attached, ReasonCode> {
        let mut due_will = None;
        let mut replaced = None;
        let mut sessions = self.sessions.lock();
        let found = match request.client_id {
            "" => None,
            client_id => sessions.find(client_id).cloned(),
        };
        let resumed = found.and_then(|cell| {
            let mut state = cell.state.lock();
            let was_connected = state.connected;
            if was_connected {
                state.end_connection(EndCause::SessionTakenOver, batch);
            }
            // A session that ends with its connection ends on the takeover too; v5 §3.1.4, v3.1.1 [MQTT-3.1.2-6].
            if request.clean_start || state.ended || !state.is_durable() {
                drop(state);
                replaced = Some(cell);
                return None;
            }
            due_will = state.take_over(request.negotiated);
            // From here on nobody else's rights count.
            state.client = Some(Arc::clone(request.client));
            if state.is_logged {
                let _ = self.log.append(LogRecord::Attached {
                    session: cell.key,
                    session_expiry: request.negotiated.session_expiry,
                    at_ms: now_ms,
                });
            }
            state.begin_aliases(&self.limits);
            self.tell(&cell, &state);
            let epoch = state.epoch;
            drop(state);
            if !was_connected {
                self.counters.client_connected();
            }
            Some((cell, epoch))
        });
        let attached = match resumed {
            // Session Present promises what the session's records say, the newest ones included.
            Some((cell, epoch)) => Ok((cell, epoch, true, self.log.appended())),
            None => {
                // One in place of another makes none more.
                let refusal = match &replaced {
                    Some(replaced) => {
                        sessions.remove(replaced);
                        None
                    }
                    None => self.no_more_sessions(&sessions, request, now_ms),
                };
                match refusal {
                    Some(reason) => Err(reason),
                    None => self
                        .begin_session(&mut sessions, request, now_ms)
                        .map(|(cell, position)| (cell, 1, false, position)),
                }
            }
        };
        drop(sessions);
        let mut ended = LogPosition::NONE;
        if let Some(replaced) = replaced {
            ended = self.end_session(&replaced, SessionEnd::CleanStart, batch, now_ms);
        }
        let (cell, epoch, session_present, position) = attached?;
        // Or the session replaced would be there again after a crash.
        let position = position.max(ended);
        if !session_present {
            self.counters.client_connected();
            self.hub.session_started(&cell.client_id);
        }
        cell.wire_version
            .store(request.negotiated.version.level(), Ordering::Relaxed);
        cell.last_alive_ms.store(now_ms, Ordering::Relaxed);
        cell.owner_epoch
            .store(request.owner_epoch.0, Ordering::Relaxed);
        if let Some(will) = due_will {
            self.publish_will(&will, batch, now_ms);
        }
        if session_present {
            self.relieve_groups_of(&cell, batch, now_ms);
        }
        self.arm(&cell, now_ms);
        Ok(Attached {
            cell,
            epoch,
            session_present,
            position,
        })
    }

    /// Why there can be no more sessions, if so.
    fn no_more_sessions(
        &self,
        sessions: &Sessions,
        request: &AttachRequest<'_>,
        now_ms: u64,
    ) -> Option<ReasonCode> {
        let lasts = request.negotiated.session_expiry != SessionExpiry::AT_DISCONNECT;
        let (cause, reason) = if self.strain.is_of_memory() {
            (LimitCause::Memory, ReasonCode::SERVER_BUSY)
        } else if sessions.len() >= self.limits.sessions_max {
            (LimitCause::Sessions, ReasonCode::QUOTA_EXCEEDED)
        } else if lasts && self.offline_count() >= self.limits.offline_sessions_max {
            (LimitCause::OfflineSessions, ReasonCode::QUOTA_EXCEEDED)
        } else {
            return None;
        };
        self.reached.note(cause, request.client_id, now_ms);
        Some(reason)
    }

    /// A new session, connected, and when CONNACK may leave.
    fn begin_session(
        &self,
        sessions: &mut Sessions,
        request: &AttachRequest<'_>,
        now_ms: u64,
    ) -> Result<(Arc<SessionCell>, LogPosition), ReasonCode> {
        let session = sessions.next_key();
        let assigned;
        let client_id = match request.client_id {
            "" => {
                assigned = assign_client_id();
                assigned.as_str()
            }
            client_id => client_id,
        };
        let record = LogRecord::SessionStarted {
            session,
            client_id,
            session_expiry: request.negotiated.session_expiry,
            at_ms: now_ms,
        };
        let lasts = request.negotiated.session_expiry != SessionExpiry::AT_DISCONNECT;
        let is_logged = lasts && self.log.keeps_records();
        let position = match is_logged {
            false => LogPosition::NONE,
            true => self.log.append(record).map_err(|_| {
                self.note_log_full(client_id);
                ReasonCode::QUOTA_EXCEEDED
            })?,
        };
        let cell = Arc::new(SessionCell::new(session, client_id, request.negotiated));
        {
            let mut state = cell.state.lock();
            state.epoch = 1;
            state.connected = true;
            state.is_logged = is_logged;
            state.begin_aliases(&self.limits);
            self.tell(&cell, &state);
        }
        sessions.insert(Arc::clone(&cell));
        Ok((cell, position))
    }

    /// A connection of `cell` is gone.
    pub(crate) fn detach(
        &self,
        cell: &Arc<SessionCell>,
        epoch: u32,
        cause: EndCause,
        batch: &mut Batch,
        now_ms: u64,
    ) {
        let mut state = cell.state.lock();
        if state.epoch != epoch || !state.connected {
            return;
        }
        state.connected = false;
        self.counters.client_disconnected();
        if let Some(queue) = &mut state.queue {
            // Nobody waits for a reader that is gone.
            queue.wake_waiters(batch);
        }
        state.end = None;
        state.waker = None;
        state.woken = false;
        state.outbox.clear();
        state.begin_aliases(&self.limits);
        state.lost_at_ms = now_ms;
        if !cause.publishes_will() {
            state.will = None;
        }
        let session_ends =
            state.ended || state.negotiated.session_expiry == SessionExpiry::AT_DISCONNECT;
        let will_is_due = session_ends || state.will.as_ref().is_some_and(|will| will.delay_s == 0);
        let due_will = if will_is_due { state.will.take() } else { None };
        self.tell(cell, &state);
        if state.is_logged && !session_ends {
            let _ = self.log.append(LogRecord::Detached {
                session: cell.key,
                session_expiry: state.negotiated.session_expiry,
                at_ms: now_ms,
            });
        }
        drop(state);
        if session_ends {
            self.end_session(cell, SessionEnd::Disconnected, batch, now_ms);
        } else {
            self.arm(cell, now_ms);
            self.hand_over(cell, batch, now_ms);
            if self.limits.head_bytes_max.is_some() {
                cell.state.lock().leave_to_log(batch);
            }
        }
        if let Some(will) = due_will {
            self.publish_will(&will, batch, now_ms);
        }
        if !session_ends {
            self.note_will_gone(cell);
        }
    }

    /// From now on the will is published unless the client says goodbye; when CONNACK may leave because of it.
    ///
    /// A will that comes too late, as the session has been taken over meanwhile, comes back.
    pub(crate) fn keep_will(
        &self,
        cell: &SessionCell,
        epoch: u32,
        will: Option<Box<Will>>,
    ) -> Result<LogPosition, Option<Box<Will>>> {
        let mut state = cell.state.lock();
        if state.epoch != epoch {
            return Err(will);
        }
        state.will = will;
        let is_kept = state.is_logged;
        let Some(will) = state.will.as_ref().filter(|_| is_kept) else {
            drop(state);
            self.note_will_gone(cell);
            return Ok(LogPosition::NONE);
        };
        let (message, delay_s, expiry_s) = (Arc::clone(&will.message), will.delay_s, will.expiry_s);
        state.is_will_logged = true;
        drop(state);
        let record = LogRecord::Will {
            session: cell.key,
            message: &message,
            delay_s,
            expiry_s,
        };
        // A log that is full takes nothing else either; the Will is kept in memory all the same.
        Ok(self.log.append(record).unwrap_or_default())
    }

    /// Tells the log, if it holds a will that is none any more.
    pub(crate) fn note_will_gone(&self, cell: &SessionCell) {
        let mut state = cell.state.lock();
        if !state.is_will_logged || state.will.is_some() {
            return;
        }
        state.is_will_logged = false;
        drop(state);
        // A lost record means a Will too many after a crash, which the standard allows.
        let _ = self.log.append(LogRecord::WillGone { session: cell.key });
    }

    /// The session is over: nothing of it stays. A delayed will is published now.
    ///
    /// It is so after a restart, too, once the position is durable.
    pub(crate) fn end_session(
        &self,
        cell: &Arc<SessionCell>,
        cause: SessionEnd,
        batch: &mut Batch,
        now_ms: u64,
    ) -> LogPosition {
        let mut state = cell.state.lock();
        let was_ended = state.ended;
        if state.ended && state.subscriptions.is_empty() && state.will.is_none() {
            drop(state);
            self.sessions.lock().remove(cell);
            return LogPosition::NONE;
        }
        state.ended = true;
        let moving = state.clear_flows(batch);
        let subscriptions = state.subscriptions.take();
        let will = state.will.take();
        let was_logged = std::mem::take(&mut state.is_logged);
        self.tell(cell, &state);
        drop(state);
        // Code of others is called without any lock.
        if !was_ended {
            self.counters.session_ended(cause);
            if cause != SessionEnd::Moved {
                let epoch = OwnerEpoch(cell.owner_epoch.load(Ordering::Relaxed));
                self.ownership.release(&cell.client_id, epoch);
            }
            self.hub.session_ended(&cell.client_id, cause);
        }
        cell.receive.lock().clear();
        self.sessions.lock().remove(cell);
        for subscription in &subscriptions {
            self.router
                .unsubscribe(&subscription.topic_filter, cell.key);
            self.forget_subscription(&subscription.topic_filter, cell);
        }
        self.reassign(cell.key, moving, batch, now_ms);
        let mut position = LogPosition::NONE;
        if was_logged {
            let record = LogRecord::SessionEnded { session: cell.key };
            // A log that takes not even this has failed.
            position = self.log.append(record).unwrap_or(LogPosition(u64::MAX));
        }
        // Its delay is over with the session; v5 [MQTT-3.1.2-8].
        if let Some(will) = will {
            self.publish_will(&will, batch, now_ms);
        }
        position
    }

    /// Publishes a Will Message; its Message Expiry Interval begins now.
    pub(crate) fn publish_will(&self, will: &Will, batch: &mut Batch, now_ms: u64) {
        let message: &Arc<Message> = &will.message;
        let Some(source) = message.source(now_ms) else {
            return;
        };
        let expires_at_ms = will
            .expiry_s
            .map(|s| now_ms.saturating_add(u64::from(s) * 1000));
        let incoming = super::Incoming {
            source,
            qos: message.qos,
            retain: message.retain,
            expires_at_ms,
            publisher: message.publisher,
            publisher_id: "",
            as_received: None,
            received: None,
        };
        if let Err(reason) = self.publish_own(batch, now_ms, &incoming) {
            tracing::warn!(topic_name = message.topic_name(), %reason, "will not published");
        }
    }
}

impl SessionState {
    /// A new connection takes the session over; the will of the old one if it is due at once.
    ///
    /// Spec: v5 §3.1.4: a will with a delay is not published when the session goes on.
    fn take_over(&mut self, negotiated: Negotiated) -> Option<Box<Will>> {
        let due_will = self
            .will
            .take()
            .filter(|will| self.connected && will.delay_s == 0);
        self.epoch = self.epoch.wrapping_add(1);
        self.connected = true;
        self.end = None;
        self.waker = None;
        self.woken = false;
        self.outbox.clear();
        if let Some(queue) = &mut self.queue {
            queue.await_no_retained();
        }
        self.negotiated = negotiated;
        self.send_quota = mqtt_session::SendQuota::new(negotiated.peer_receive_maximum);
        self.send.begin_resume();
        due_will
    }
}

/// A Client Identifier nobody else has or can guess; v5 [MQTT-3.1.3-6].
fn assign_client_id() -> String {
    format!("mqtt-{:016x}", RandomState::new().hash_one(QoS::AtMostOnce))
}
