//! The state a broker had before a restart, put back before anybody connects.

use super::entries::Stored;
use super::log::{LogRecord, MessageId};
use super::message::Message;
use super::queue::Taken;
use super::session_cell::{NEVER, Sent, SessionCell, SessionKey, SessionState, Will};
use super::subscription::{Subscription, Via};
use super::{Batch, Core};
use crate::extensions::delayed::Waiting;
use mqtt_codec::{
    Connect, PacketId, ProtocolVersion, QoS, RetainHandling, SubscriptionIdentifier,
    SubscriptionOptions,
};
use mqtt_session::{Negotiated, SessionExpiry};
use mqtt_store::{
    Recovered, RecoveredEntry, RecoveredSession, RecoveredSubscription, RecoveredWill, SessionId,
    StoredMessage,
};
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU16;
use std::sync::Arc;

/// Bits of the stored options of a subscription; the lower ones as on the wire, v5 §3.8.3.1.
const NO_LOCAL: u8 = 1 << 2;
const RETAIN_AS_PUBLISHED: u8 = 1 << 3;
const RETAIN_HANDLING_SHIFT: u8 = 4;
const EXCLUSIVE: u8 = 1 << 7;

impl Core {
    /// Puts everything back; sessions have been without a connection at least since the broker ended.
    ///
    /// What came due meanwhile is done at once: sessions that expired, Will Messages, delayed messages.
    pub(crate) fn restore(&self, recovered: Recovered, now_ms: u64) {
        let mut batch = Batch::new();
        let last_key = SessionKey(recovered.last_session.0);
        self.sessions.lock().skip_keys(last_key);
        for stored in &recovered.retained {
            self.restore_retained(stored, now_ms);
        }
        // A crash may come between the beginning of a session and the end of the one it replaces.
        let newest: HashMap<String, SessionId> = recovered
            .sessions
            .iter()
            .map(|found| (found.client_id.clone(), found.session))
            .collect();
        for found in recovered.sessions {
            match newest.get(&found.client_id) == Some(&found.session) {
                true => self.restore_session(found, recovered.alive_ms, &mut batch, now_ms),
                false => {
                    let session = SessionKey(found.session.0);
                    let _ = self.log.append(LogRecord::SessionEnded { session });
                }
            }
        }
        for found in recovered.delayed {
            let Some(message) = Message::of_stored(&found.message) else {
                continue;
            };
            let waiting = Waiting {
                id: found.id,
                message: Arc::new(message),
                publisher_id: found.publisher_id.into(),
            };
            self.extensions.delayed.restore(found.due_ms, waiting);
        }
        self.finish(&mut batch, now_ms);
        self.tick(&mut batch, now_ms);
    }

    fn restore_retained(&self, stored: &StoredMessage<'_>, now_ms: u64) {
        let Some(message) = Message::of_stored(stored) else {
            return;
        };
        let message = Arc::new(message);
        if message.is_expired(now_ms) || self.retained.insert(&message).is_err() {
            let topic_name = message.topic_name();
            tracing::debug!(
                topic_name,
                "a retained message has expired, or finds no room"
            );
            let _ = self.log.append(LogRecord::RetainedRemoved { topic_name });
        }
    }

    fn restore_session(
        &self,
        mut found: RecoveredSession,
        alive_ms: u64,
        batch: &mut Batch,
        now_ms: u64,
    ) {
        let key = SessionKey(found.session.0);
        let cell = self.empty_cell(key, &found);
        {
            let mut state = cell.state.lock();
            state.is_logged = true;
            state.epoch = 1;
            state.lost_at_ms = match found.was_connected {
                true if alive_ms == 0 => now_ms,
                true => alive_ms.clamp(found.at_ms.min(now_ms), now_ms),
                false => found.at_ms.min(now_ms),
            };
            state.will = found.will.take().and_then(will);
            state.is_will_logged = state.will.is_some();
            for packet_id in found.received.drain(..) {
                cell.receive.lock().restore(packet_id_of(packet_id));
            }
        }
        self.sessions.lock().insert(Arc::clone(&cell));
        for subscription in std::mem::take(&mut found.subscriptions) {
            self.restore_subscription(&cell, subscription);
        }
        let mut state = cell.state.lock();
        self.restore_flows(&mut state, found, batch);
        self.tell(&cell, &state);
        drop(state);
        self.arm(&cell, now_ms);
    }

    fn empty_cell(&self, key: SessionKey, found: &RecoveredSession) -> Arc<SessionCell> {
        // What is agreed with its next connection takes the place of all of this but the expiry.
        let [.., version] = ProtocolVersion::ALL;
        let connect = Connect::new(version, &found.client_id);
        let mut negotiated = Negotiated::of_connect(&connect, &self.limits.server());
        negotiated.session_expiry = SessionExpiry(found.expiry_s);
        Arc::new(SessionCell::new(key, &found.client_id, negotiated))
    }

    fn restore_subscription(&self, cell: &Arc<SessionCell>, found: RecoveredSubscription) {
        let Some(options) = options_of(found.options) else {
            return;
        };
        let subscription_id = found.subscription_id.and_then(SubscriptionIdentifier::new);
        let text = found.topic_filter.as_str();
        if found.options & EXCLUSIVE != 0 {
            self.extensions.exclusive.acquire(text, cell.key);
        }
        cell.state.lock().subscriptions.insert(Subscription {
            topic_filter: text.into(),
            options,
            subscription_id,
        });
        self.router.subscribe(text, cell, options, subscription_id);
        if let Some(fabric) = &self.fabric {
            fabric.subscribed(text);
        }
    }

    /// Messages are read from the log when they are needed.
    fn restore_flows(&self, state: &mut SessionState, found: RecoveredSession, batch: &mut Batch) {
        let via = |entry: &RecoveredEntry| {
            let filter = entry.shared_filter.as_deref();
            let group = filter.and_then(|filter| self.router.group(filter));
            let ids = entry.subscription_ids.iter().copied();
            Via::restored(group.as_ref(), ids.filter_map(SubscriptionIdentifier::new))
        };
        for (id, packet_id) in &found.confirmed {
            let packet_id = packet_id_of(*packet_id);
            let sent = Sent {
                message: None,
                qos: QoS::ExactlyOnce,
                retain: false,
                via: Via::default(),
                id: MessageId(id.0),
                is_stored: false,
            };
            let _ = state.send.restore(packet_id, QoS::ExactlyOnce, sent);
            state.send.restore_released(packet_id);
        }
        let mut begun = HashSet::new();
        for (id, packet_id) in &found.begun {
            let at = found.queued.binary_search_by_key(id, |entry| entry.id);
            let Some(entry) = at.ok().and_then(|at| found.queued.get(at)) else {
                continue;
            };
            begun.insert(*id);
            let Some(qos) = QoS::from_u8(entry.qos) else {
                continue;
            };
            let packet_id = packet_id_of(*packet_id);
            let sent = Sent {
                message: None,
                qos,
                retain: entry.retain,
                via: via(entry),
                id: MessageId(id.0),
                is_stored: true,
            };
            let _ = state.send.restore(packet_id, qos, sent);
            state.send.restore_last_packet_id(packet_id);
            state.queue.get_or_insert_default().await_resends(true);
        }
        for entry in found.queued {
            let Some(qos) = QoS::from_u8(entry.qos).filter(|_| !begun.contains(&entry.id)) else {
                continue;
            };
            let stored = Stored {
                id: MessageId(entry.id.0),
                qos,
                retain: entry.retain,
                via: via(&entry),
                size: Message::size_of_stored(entry.len),
                expires_at_ms: entry.expires_at_ms.unwrap_or(NEVER),
            };
            let queue = state.queue.get_or_insert_default();
            if !queue.restore(batch, &stored) {
                let taken = vec![Taken::Stored(stored)];
                self.for_each_taken(state.key, taken, batch, |batch, queued| {
                    queue.restore_whole(batch, queued);
                });
            }
        }
    }
}

fn will(found: RecoveredWill) -> Option<Box<Will>> {
    Some(Box::new(Will {
        message: Arc::new(Message::of_stored(&found.message)?),
        delay_s: found.delay_s,
        expiry_s: found.expiry_s,
    }))
}

const fn packet_id_of(packet_id: NonZeroU16) -> PacketId {
    match PacketId::new(packet_id.get()) {
        Some(packet_id) => packet_id,
        None => PacketId::MIN,
    }
}

/// A subscription's options as they are stored.
pub(crate) fn options_byte(options: SubscriptionOptions, is_exclusive: bool) -> u8 {
    let retain_handling = match options.retain_handling {
        RetainHandling::SendAtSubscribe => 0,
        RetainHandling::SendIfNew => 1,
        RetainHandling::DoNotSend => 2,
    };
    let mut byte = options.qos.get() | retain_handling << RETAIN_HANDLING_SHIFT;
    for (is_set, bit) in [
        (options.no_local, NO_LOCAL),
        (options.retain_as_published, RETAIN_AS_PUBLISHED),
        (is_exclusive, EXCLUSIVE),
    ] {
        if is_set {
            byte |= bit;
        }
    }
    byte
}

fn options_of(byte: u8) -> Option<SubscriptionOptions> {
    Some(SubscriptionOptions {
        qos: QoS::from_u8(byte & 0b11)?,
        no_local: byte & NO_LOCAL != 0,
        retain_as_published: byte & RETAIN_AS_PUBLISHED != 0,
        retain_handling: match byte >> RETAIN_HANDLING_SHIFT & 0b11 {
            0 => RetainHandling::SendAtSubscribe,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return None,
        },
    })
}
