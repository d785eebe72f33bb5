//! What a list shows of each thing.

use crate::access::ClientInfo;
use crate::core::log::LogStats;
use crate::core::message::Message;
use crate::core::session_cell::{SessionCell, SessionKey};
use bytes::Bytes;
use mqtt_codec::{QoS, SubscriptionIdentifier, SubscriptionOptions};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What runs.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BrokerInfo {
    /// The broker's name, `node.name` in the configuration.
    pub node: Box<str>,
    /// The version of this crate.
    pub version: &'static str,
    /// When it was started.
    pub started: SystemTime,
}

impl BrokerInfo {
    /// How long it has run.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed().unwrap_or_default()
    }
}

/// Sizes of the broker's tables now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Sizes {
    /// Network Connections.
    pub connections: usize,
    /// Sessions, connected or not.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Retained messages.
    pub retained: usize,
    /// The files of the log; none where nothing is kept on a disk.
    pub log: Option<LogStats>,
    /// Messages of queues that are in the log and not in memory.
    pub queued_in_log: usize,
}

/// A session with its client.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClientView {
    /// The session.
    pub key: SessionKey,
    /// Whose it is.
    pub client_id: Box<str>,
    /// Who is connected, or was last; none for a session nobody has connected to since it was restored.
    pub client: Option<Arc<ClientInfo>>,
    /// Whether there is a connection.
    pub is_connected: bool,
    /// When the last connection was accepted.
    pub connected_at: SystemTime,
    /// When the last connection was lost; none while there is one.
    pub disconnected_at: Option<SystemTime>,
    /// The Keep Alive in force, in seconds; 0 is off.
    pub keep_alive_s: u16,
    /// The Session Expiry Interval in force, in seconds; 0 ends with the connection, 0xFFFF_FFFF stays.
    pub session_expiry_interval_s: u32,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Messages that wait.
    pub queued: usize,
    /// Messages dropped that waited for it or were too large for it, since its session began.
    pub dropped: u64,
    /// QoS 1 and 2 messages sent and not yet acknowledged.
    pub in_flight: usize,
    /// Bytes that wait to be written.
    pub outbox_bytes: usize,
    /// Whether it has a Will Message.
    pub has_will: bool,
}

/// A subscription with its subscriber.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SubscriptionView {
    /// The subscriber.
    pub client_id: Box<str>,
    /// The filter, with `$share/NAME/` where it is shared.
    pub topic_filter: Box<str>,
    /// How it was made.
    pub options: SubscriptionOptions,
    /// Its Subscription Identifier.
    pub subscription_id: Option<SubscriptionIdentifier>,
}

/// A retained message.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RetainedView {
    /// Where it was published.
    pub topic_name: Box<str>,
    /// The content.
    pub payload: Bytes,
    /// As published.
    pub qos: QoS,
    /// Who published it, if that session still exists.
    pub publisher: SessionKey,
    /// How long it still lives; none without a Message Expiry Interval.
    pub expires_in: Option<Duration>,
}

pub(super) fn client(cell: &Arc<SessionCell>, now_ms: u64) -> ClientView {
    let at = |ms: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
    let state = cell.state.lock();
    ClientView {
        key: cell.key,
        client_id: cell.client_id.clone(),
        client: state.client.clone(),
        is_connected: state.connected,
        connected_at: at(state.connected_at_ms),
        disconnected_at: (!state.connected).then(|| at(state.lost_at_ms.min(now_ms))),
        keep_alive_s: state.negotiated.keep_alive_s,
        session_expiry_interval_s: state.negotiated.session_expiry.0,
        subscriptions: state.subscriptions.len(),
        queued: state.queue.as_ref().map_or(0, |queue| queue.len()),
        dropped: state.dropped,
        in_flight: state.send.len(),
        outbox_bytes: state.outbox.len(),
        has_will: state.will.is_some(),
    }
}

impl SubscriptionView {
    pub(super) fn all_of(cell: &Arc<SessionCell>) -> Vec<Self> {
        let state = cell.state.lock();
        let all = state.subscriptions.iter().map(|held| Self {
            client_id: cell.client_id.clone(),
            topic_filter: held.topic_filter.clone(),
            options: held.options,
            subscription_id: held.subscription_id,
        });
        all.collect()
    }
}

impl RetainedView {
    pub(super) fn of(message: &Message, now_ms: u64) -> Self {
        let expires_at_ms = message.expires_at_ms();
        Self {
            topic_name: message.topic_name().into(),
            payload: message.payload_shared(),
            qos: message.qos,
            publisher: message.publisher,
            expires_in: expires_at_ms.map(|at| Duration::from_millis(at.saturating_sub(now_ms))),
        }
    }
}
