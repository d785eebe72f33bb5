//! Limits that were reached: one typed cause for the counter, the log line and whoever looks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Time between two log lines about the same, in milliseconds.
const LINE_EVERY_MS: u64 = 10_000;

/// Variants of [`LimitCause`].
const LIMIT_CAUSES: usize = 26;

/// Which limit somebody ran into; `docs/limits.md` says what follows.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum LimitCause {
    /// Connections of all listeners.
    Connections,
    /// Connections of one listener.
    ListenerConnections,
    /// Connections from one address.
    AddressConnections,
    /// Connections in a time from one address.
    AddressRate,
    /// An address nobody may connect from.
    BannedAddress,
    /// Connections in a time through one listener.
    ConnectionRate,
    /// Handshakes under way of one listener.
    Handshakes,
    /// Sessions, connected or not.
    Sessions,
    /// Sessions without a connection.
    OfflineSessions,
    /// Length of a Client Identifier.
    ClientIdLen,
    /// Length of a Will Message.
    WillLen,
    /// Levels of a topic.
    TopicLevels,
    /// Length of a topic.
    TopicLen,
    /// Subscriptions of a client.
    Subscriptions,
    /// Retained messages a client has not taken yet, when it subscribes to more.
    RetainedBacklog,
    /// Maximum Packet Size of a client, whose answer would be larger.
    AnswerLen,
    /// Messages or bytes waiting for one session.
    Queue,
    /// Bytes waiting for all sessions.
    QueuedBytes,
    /// Number of retained messages.
    RetainedCount,
    /// Bytes of all retained messages.
    RetainedBytes,
    /// Length of one retained message.
    RetainedLen,
    /// Memory of the whole process.
    Memory,
    /// Messages per second of one client.
    MessageRate,
    /// Bytes per second of one client.
    ByteRate,
    /// Room for the log.
    LogLen,
    /// Records that wait for the disk.
    LogBehind,
}

impl LimitCause {
    /// Every cause.
    pub const ALL: [Self; LIMIT_CAUSES] = [
        Self::Connections,
        Self::ListenerConnections,
        Self::AddressConnections,
        Self::AddressRate,
        Self::BannedAddress,
        Self::ConnectionRate,
        Self::Handshakes,
        Self::Sessions,
        Self::OfflineSessions,
        Self::ClientIdLen,
        Self::WillLen,
        Self::TopicLevels,
        Self::TopicLen,
        Self::Subscriptions,
        Self::RetainedBacklog,
        Self::AnswerLen,
        Self::Queue,
        Self::QueuedBytes,
        Self::RetainedCount,
        Self::RetainedBytes,
        Self::RetainedLen,
        Self::Memory,
        Self::MessageRate,
        Self::ByteRate,
        Self::LogLen,
        Self::LogBehind,
    ];

    /// A short stable word for counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ListenerConnections => "listener_connections",
            Self::AddressConnections => "address_connections",
            Self::AddressRate => "address_rate",
            Self::BannedAddress => "banned_address",
            Self::ConnectionRate => "connection_rate",
            Self::Handshakes => "handshakes",
            Self::Sessions => "sessions",
            Self::OfflineSessions => "offline_sessions",
            Self::ClientIdLen => "client_id_len",
            Self::WillLen => "will_len",
            Self::TopicLevels => "topic_levels",
            Self::TopicLen => "topic_len",
            Self::Subscriptions => "subscriptions",
            Self::RetainedBacklog => "retained_backlog",
            Self::AnswerLen => "answer_len",
            Self::Queue => "queue",
            Self::QueuedBytes => "queued_bytes",
            Self::RetainedCount => "retained_count",
            Self::RetainedBytes => "retained_bytes",
            Self::RetainedLen => "retained_len",
            Self::Memory => "memory",
            Self::MessageRate => "message_rate",
            Self::ByteRate => "byte_rate",
            Self::LogLen => "log_len",
            Self::LogBehind => "log_behind",
        }
    }
}

/// How often each limit was reached.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    slots: [(AtomicU64, Notice); LIMIT_CAUSES],
    mistakes: Notice,
}

impl Reached {
    /// A limit was reached by `who`; one line in the log tells of many.
    pub(crate) fn note(&self, cause: LimitCause, who: &str, now_ms: u64) {
        let slot = LimitCause::ALL.iter().position(|known| *known == cause);
        let Some((count, notice)) = slot.and_then(|slot| self.slots.get(slot)) else {
            return;
        };
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(times) = notice.due(1, now_ms) {
            tracing::warn!(limit = cause.label(), who, times, "limit reached");
        }
    }

    /// A client has come to the wrong listener; one line in the log tells of many.
    pub(crate) fn note_mistake(
        &self,
        what: &'static str,
        listener: &str,
        peer: SocketAddr,
        now_ms: u64,
    ) {
        if let Some(times) = self.mistakes.due(1, now_ms) {
            tracing::warn!(listener, %peer, times, "refused: {what}");
        }
    }

    /// How often each limit was reached, those never reached left out.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = LimitCause::ALL.iter().zip(&self.slots);
        let counts =
            counts.map(|(cause, (count, _))| (cause.label(), count.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0)
    }
}

/// One kind of log line, written once in a while.
#[derive(Debug, Default)]
pub(crate) struct Notice {
    /// When the next line may be written, in milliseconds.
    next_ms: AtomicU64,
    /// What happened since the last line.
    times: AtomicU64,
}

impl Notice {
    /// It happened `times` more: how often since the last line, when another line is due.
    pub(crate) fn due(&self, times: u64, now_ms: u64) -> Option<u64> {
        self.times.fetch_add(times, Ordering::Relaxed);
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let is_due = now_ms >= next_ms
            && self
                .next_ms
                .compare_exchange(
                    next_ms,
                    now_ms.saturating_add(LINE_EVERY_MS),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        is_due.then(|| self.times.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells_of_all_since_the_last() {
        let notice = Notice::default();
        assert_eq!(notice.due(1, 5), Some(1));
        assert_eq!(notice.due(1, 6), None);
        assert_eq!(notice.due(3, 5 + LINE_EVERY_MS - 1), None);
        assert_eq!(notice.due(1, 5 + LINE_EVERY_MS), Some(5));
        assert_eq!(notice.due(1, 6 + LINE_EVERY_MS), None);
    }

    #[test]
    fn each_limit_has_its_own_counter() {
        let reached = Reached::default();
        for (times, cause) in LimitCause::ALL.into_iter().enumerate() {
            for _ in 0..times {
                reached.note(cause, "c", 0);
            }
        }
        let expected: Vec<_> = LimitCause::ALL
            .iter()
            .map(|cause| cause.label())
            .zip(0..)
            .skip(1)
            .collect();
        assert_eq!(reached.counts().collect::<Vec<_>>(), expected);
    }
}
