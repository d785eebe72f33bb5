//! The bounds the core works within; `config` fills them, `docs/limits.md` lists them.

use super::queue::QueueFull;
use super::reached::LimitCause;
use super::share_group::SharedStrategy;
use core::num::NonZeroU16;
use mqtt_session::{ServerLimits, SessionExpiry};
use std::time::Duration;

/// Bytes of messages in memory that wait for one connected session, as far as the log has them too.
pub(crate) const HEAD_BYTES_MAX: usize = 256 * 1024;

/// Every bound of the broker's core. Units are in the names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Limits {
    /// The largest Control Packet accepted.
    pub packet_len_max: u32,
    /// PUBLISH packets above QoS 0 unfinished towards one client, whatever it would take.
    pub inflight_max: u16,
    /// PUBLISH packets above QoS 0 a client may have unfinished.
    pub receive_maximum: u16,
    /// Topic Aliases a client may set.
    pub topic_alias_maximum: u16,
    /// Topic Aliases the broker sets on one connection, whatever the client would take.
    pub outbound_aliases_max: u16,
    /// Levels of a Topic Name or Topic Filter.
    pub topic_levels_max: usize,
    /// Length of a Topic Name or Topic Filter in bytes.
    pub topic_len_max: usize,
    /// Length of a Will Message in bytes.
    pub will_len_max: usize,
    /// Length of a Client Identifier in bytes.
    pub client_id_len_max: usize,
    /// The longest Keep Alive granted to a v5 client; none grants any.
    pub keep_alive_max_s: Option<NonZeroU16>,
    /// The longest a session stays without its connection.
    pub session_expiry_max: SessionExpiry,
    /// Messages waiting for one session.
    pub queue_len_max: usize,
    /// Bytes of messages waiting for one session.
    pub queue_bytes_max: usize,
    /// What happens to a message above QoS 0 when its session's queue is full.
    pub queue_full: QueueFull,
    /// How long publishers wait under [`QueueFull::Backpressure`].
    pub queue_full_timeout: Duration,
    /// Bytes of messages waiting for all sessions, each message once.
    pub queued_bytes_max: usize,
    /// How long publishers wait for a disk that is behind.
    pub log_behind_timeout: Duration,
    /// Bytes of messages in memory that wait for one connected session, as far as the log has them too; none where
    /// they cannot be read from it.
    pub head_bytes_max: Option<usize>,
    /// Bytes of messages in memory that wait for all sessions, from which on they are left to the log.
    pub queue_memory_max: usize,
    /// Encoded bytes waiting for one slow reader.
    pub outbox_bytes_max: usize,
    /// Subscriptions of one client.
    pub subscriptions_max: usize,
    /// How messages for Shared Subscriptions find their member.
    pub shared_strategy: SharedStrategy,
    /// What is random about it follows from this number, if there is one.
    pub shared_seed: Option<u64>,
    /// Sessions, connected or not.
    pub sessions_max: usize,
    /// Sessions without a connection.
    pub offline_sessions_max: usize,
    /// Memory of the process from which on nothing more is taken in; in bytes.
    pub memory_max: Option<usize>,
    /// Payload of a retained message, in bytes.
    pub retained_len_max: usize,
    /// Retained messages.
    pub retained_max: usize,
    /// Bytes of all retained messages.
    pub retained_bytes_max: usize,
}

impl Limits {
    /// The limit that a Topic Name or Topic Filter passes, if it passes one.
    pub(crate) fn of_topic(&self, topic: &str) -> Option<LimitCause> {
        if topic.len() > self.topic_len_max {
            return Some(LimitCause::TopicLen);
        }
        // One level and one more for each separator: a short topic cannot have too many.
        let may_pass = topic.len() >= self.topic_levels_max;
        let levels = || 1 + topic.bytes().filter(|byte| *byte == b'/').count();
        (may_pass && levels() > self.topic_levels_max).then_some(LimitCause::TopicLevels)
    }

    /// The part a session negotiates with.
    pub(crate) const fn server(&self) -> ServerLimits {
        ServerLimits {
            receive_maximum: self.receive_maximum,
            inflight_max: self.inflight_max,
            topic_alias_maximum: self.topic_alias_maximum,
            packet_len_max: self.packet_len_max,
            session_expiry_max: self.session_expiry_max,
            keep_alive_max_s: self.keep_alive_max_s,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            packet_len_max: 1024 * 1024,
            inflight_max: 1024,
            receive_maximum: 1024,
            topic_alias_maximum: 16,
            outbound_aliases_max: mqtt_session::OUTBOUND_ALIASES_DEFAULT,
            topic_levels_max: 128,
            topic_len_max: 65_535,
            will_len_max: 65_535,
            client_id_len_max: 1024,
            keep_alive_max_s: None,
            session_expiry_max: SessionExpiry(7 * 24 * 3600),
            queue_len_max: 1_000_000,
            queue_bytes_max: 1024 * MIB,
            queue_full: QueueFull::default(),
            queue_full_timeout: Duration::from_secs(10),
            queued_bytes_max: 4096 * MIB,
            log_behind_timeout: Duration::from_secs(5),
            head_bytes_max: Some(HEAD_BYTES_MAX),
            queue_memory_max: 256 * MIB,
            outbox_bytes_max: 16 * MIB,
            subscriptions_max: 10_000,
            shared_strategy: SharedStrategy::default(),
            shared_seed: None,
            sessions_max: 1_000_000,
            offline_sessions_max: 500_000,
            memory_max: None,
            retained_len_max: MIB,
            retained_max: 1_000_000,
            retained_bytes_max: 1024 * MIB,
        }
    }
}
