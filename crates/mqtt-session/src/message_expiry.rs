//! Message Expiry Interval: what is left of it after a message has waited here.

/// When a message is of no more use, as a moment of the caller's clock.
///
/// Unit: milliseconds of the caller's epoch. Spec: v5 §3.3.2.3.3.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MessageExpiry {
    at_ms: u64,
}

impl MessageExpiry {
    /// For a message with `interval_s` seconds left that came at `now_ms`.
    pub fn after(interval_s: u32, now_ms: u64) -> Self {
        Self {
            at_ms: now_ms.saturating_add(u64::from(interval_s) * 1000),
        }
    }

    /// For a message that is of use until `at_ms`, in milliseconds of the caller's epoch.
    pub const fn at(at_ms: u64) -> Self {
        Self { at_ms }
    }

    /// The moment, in milliseconds of the caller's epoch.
    pub const fn at_ms(self) -> u64 {
        self.at_ms
    }

    /// Whether the time is over, so that a delivery that has not begun must not begin; v5 [MQTT-3.3.2-5].
    pub const fn is_over(self, now_ms: u64) -> bool {
        self.at_ms <= now_ms
    }

    /// The interval to send on, in whole seconds and rounded up: 0 only when the time is over; v5 [MQTT-3.3.2-6].
    ///
    /// A delivery that has begun is finished even then: v5 [MQTT-4.3.3-7], [MQTT-4.3.3-13].
    pub fn left_s(self, now_ms: u64) -> u32 {
        let left_ms = self.at_ms.saturating_sub(now_ms);
        u32::try_from(left_ms.div_ceil(1000)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::MessageExpiry;

    /// Covers: v5 [MQTT-3.3.2-6].
    #[test]
    fn v5_3_3_2_6_the_time_waited_is_taken_off() {
        let expiry = MessageExpiry::after(10, 5_000);
        assert_eq!(expiry.at_ms(), 15_000);
        for (now_ms, left_s) in [(5_000, 10), (5_999, 10), (6_000, 9), (14_999, 1)] {
            assert_eq!(expiry.left_s(now_ms), left_s, "at {now_ms}");
            assert!(!expiry.is_over(now_ms));
        }
    }

    /// Covers: v5 [MQTT-3.3.2-5].
    #[test]
    fn v5_3_3_2_5_what_is_over_is_over_to_the_millisecond() {
        let expiry = MessageExpiry::after(1, 0);
        assert!(!expiry.is_over(999));
        assert!(expiry.is_over(1_000));
        assert_eq!((expiry.left_s(1_000), expiry.left_s(u64::MAX)), (0, 0));
        assert!(MessageExpiry::after(0, 7).is_over(7));
    }

    #[test]
    fn the_longest_interval_does_not_overflow() {
        let expiry = MessageExpiry::after(u32::MAX, u64::MAX - 1);
        assert_eq!(expiry.at_ms(), u64::MAX);
        assert_eq!(MessageExpiry::after(u32::MAX, 0).left_s(0), u32::MAX);
    }
}
