//! The Will: what happens to it on each way a Network Connection and a session can end.

use crate::SessionExpiry;

/// How a Network Connection ended, as far as the Will depends on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConnectionEnd {
    /// The client sent DISCONNECT 0x00, or any DISCONNECT before v5: there is no Will any more.
    Goodbye,
    /// Anything else: lost, silent for too long, taken over, closed by the server, DISCONNECT with another Reason Code.
    Other,
}

/// A Will Message as its owner keeps it, with its Will Delay Interval.
///
/// Spec: v5 §3.1.2.5, §3.1.3.2.2; v3.1.1 §3.1.2.5, where there is no delay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Will<W> {
    /// What to publish.
    pub message: W,
    /// The Will Delay Interval, in seconds; 0 before v5.
    pub delay_s: u32,
}

/// What becomes of a Will when its Network Connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WillOutcome<W> {
    /// It is deleted; v5 [MQTT-3.1.2-10], [MQTT-3.14.4-3].
    Discarded,
    /// It is published now; v5 [MQTT-3.1.2-8].
    Publish(W),
    /// It waits: published at [`Will::due_ms`] or when the session ends, dropped when the session goes on.
    Waiting(Will<W>),
}

impl<W> Will<W> {
    /// Its Network Connection ended; `session_expiry` is what is in force after it.
    ///
    /// A session that ends with its connection takes the delay with it. Spec: v5 [MQTT-3.1.2-8].
    pub fn handle_connection_end(
        self,
        end: ConnectionEnd,
        session_expiry: SessionExpiry,
    ) -> WillOutcome<W> {
        match end {
            ConnectionEnd::Goodbye => WillOutcome::Discarded,
            ConnectionEnd::Other
                if self.delay_s == 0 || session_expiry == SessionExpiry::AT_DISCONNECT =>
            {
                WillOutcome::Publish(self.message)
            }
            ConnectionEnd::Other => WillOutcome::Waiting(self),
        }
    }

    /// When a Will that waits is published, if nothing happens before: a session may end sooner.
    ///
    /// Unit: milliseconds, as `lost_at_ms`, when its Network Connection ended.
    pub fn due_ms(&self, lost_at_ms: u64) -> u64 {
        lost_at_ms.saturating_add(u64::from(self.delay_s) * 1000)
    }

    /// A new Network Connection for its Client Identifier, before the Will was due.
    ///
    /// Where the session goes on, the Will is dropped: none. Where Clean Start ends it, the Will is published.
    /// Spec: v5 [MQTT-3.1.3-9], §3.1.4.
    pub fn handle_reconnect(self, session_continues: bool) -> Option<W> {
        (!session_continues).then_some(self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Will<&str> = Will {
        message: "gone",
        delay_s: 30,
    };
    const AT_ONCE: Will<&str> = Will {
        message: "gone",
        delay_s: 0,
    };

    /// Covers: v5 [MQTT-3.1.2-8], v3.1.1 [MQTT-3.1.2-8].
    #[test]
    fn v5_3_1_2_8_a_lost_connection_publishes_after_the_delay() {
        let expiry = SessionExpiry(60);
        assert_eq!(
            AT_ONCE.handle_connection_end(ConnectionEnd::Other, expiry),
            WillOutcome::Publish("gone")
        );
        assert_eq!(
            WAITS.handle_connection_end(ConnectionEnd::Other, expiry),
            WillOutcome::Waiting(WAITS)
        );
        assert_eq!(WAITS.due_ms(1_000), 31_000);
    }

    #[test]
    fn a_session_that_ends_with_its_connection_knows_no_delay() {
        assert_eq!(
            WAITS.handle_connection_end(ConnectionEnd::Other, SessionExpiry::AT_DISCONNECT),
            WillOutcome::Publish("gone")
        );
    }

    /// Covers: v5 [MQTT-3.1.2-10], v5 [MQTT-3.14.4-3], v3.1.1 [MQTT-3.1.2-10], v3.1.1 [MQTT-3.14.4-3].
    #[test]
    fn v5_3_14_4_3_a_goodbye_deletes_the_will() {
        for will in [WAITS, AT_ONCE] {
            assert_eq!(
                will.handle_connection_end(ConnectionEnd::Goodbye, SessionExpiry::NEVER),
                WillOutcome::Discarded
            );
        }
    }

    /// Covers: v5 [MQTT-3.1.3-9].
    #[test]
    fn v5_3_1_3_9_a_client_back_in_time_takes_its_will_with_it() {
        assert_eq!(WAITS.handle_reconnect(true), None);
        assert_eq!(WAITS.handle_reconnect(false), Some("gone"));
    }

    #[test]
    fn the_longest_delay_does_not_overflow() {
        let will = Will {
            message: (),
            delay_s: u32::MAX,
        };
        assert_eq!(will.due_ms(u64::MAX - 5), u64::MAX);
    }
}
