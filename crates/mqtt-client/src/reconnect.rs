//! When to connect again, and when to give up.

use crate::error::{CloseReason, ConnectError};
use crate::limits;
use crate::time::millis;
use mqtt_codec::ReasonCode;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// When a client connects again after its connection is lost, and how long it waits before that.
///
/// Delays have full jitter: each is drawn evenly from zero up to a bound that doubles with every round of attempts.
/// All servers are tried in a round before there is a delay. What cannot get better by itself ends the client
/// instead: see [`ConnectError::is_retryable`] and [`CloseReason::is_retryable`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reconnect {
    pub(crate) rounds_max: Option<u32>,
    pub(crate) first_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) seed: Option<u64>,
    pub(crate) from_start: bool,
    pub(crate) redirects_max: u32,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::new()
    }
}

impl Reconnect {
    /// Without end: the first delay is 100 ms at most, the longest 60 seconds.
    pub const fn new() -> Self {
        Self {
            rounds_max: None,
            first_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(60),
            seed: None,
            from_start: false,
            redirects_max: 3,
        }
    }

    /// Not at all: the client ends with its connection.
    pub const fn never() -> Self {
        let mut never = Self::new();
        never.rounds_max = Some(0);
        never
    }

    /// Sets the bound of the first delay; 100 ms when not set.
    #[must_use]
    pub const fn first_delay(mut self, first_delay: Duration) -> Self {
        self.first_delay = first_delay;
        self
    }

    /// Sets the bound of every delay; 60 seconds when not set.
    #[must_use]
    pub const fn max_delay(mut self, max_delay: Duration) -> Self {
        self.max_delay = max_delay;
        self
    }

    /// Gives up after that many rounds without success; never when not set.
    #[must_use]
    pub const fn max_rounds(mut self, rounds: u32) -> Self {
        self.rounds_max = Some(rounds);
        self
    }

    /// Tries again already when the very first round fails; when not set, that ends the client with its error.
    #[must_use]
    pub const fn from_start(mut self) -> Self {
        self.from_start = true;
        self
    }

    /// Follows that many Server References in a row; 3 when not set, 0 for none. Spec: v5 §4.13.
    #[must_use]
    pub const fn max_redirects(mut self, redirects: u32) -> Self {
        self.redirects_max = redirects;
        self
    }

    /// Draws the same delays in every run, for tests.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    pub(crate) fn is_never(&self) -> bool {
        self.rounds_max == Some(0)
    }
}

impl ConnectError {
    /// Whether the same attempt may succeed later.
    ///
    /// Not so when the server refuses what this client is or says: its credentials, its rights, its Client Identifier,
    /// its Will, its version.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Endpoint(_)
            | Self::Will(_)
            | Self::Options(_)
            | Self::Authentication(_)
            | Self::AuthenticationNotSupported => false,
            Self::Refused { reason, .. } => is_refusal_passing(*reason),
            Self::Dial(error) => error.is_retryable(),
            #[cfg(feature = "store")]
            Self::Store(error) => error.is_retryable(),
            #[cfg(feature = "srv")]
            Self::Srv(error) => error.is_retryable(),
            Self::Io { .. }
            | Self::NoAnswer
            | Self::Timeout
            | Self::Credentials(_)
            | Self::Protocol(_) => true,
        }
    }

    /// Whether the server does not accept who this client is or what it may do.
    pub const fn is_auth(&self) -> bool {
        match self {
            Self::Authentication(_) => true,
            Self::Refused { reason, .. } => is_auth(*reason),
            _ => false,
        }
    }
}

impl CloseReason {
    /// Whether a new connection may fare better.
    ///
    /// Not so when this side wanted the end, or when the server found this client at fault: then the next connection
    /// would say the same again. Nor when another client with the same Client Identifier has taken over, since the
    /// two would throw each other out for ever.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Disconnected | Self::DriverDropped => false,
            #[cfg(feature = "store")]
            Self::Store(_) => false,
            Self::ConnectFailed(error) => error.is_retryable(),
            Self::ServerDisconnected(disconnect) => is_refusal_passing(disconnect.reason),
            Self::EndOfStream
            | Self::Io(_)
            | Self::KeepAliveTimeout
            | Self::Protocol(_)
            | Self::Stalled => true,
        }
    }
}

pub(crate) const fn is_auth(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::BAD_USER_NAME_OR_PASSWORD
            | ReasonCode::NOT_AUTHORIZED
            | ReasonCode::BAD_AUTHENTICATION_METHOD
            | ReasonCode::BANNED
    )
}

/// Whether what a server says in CONNACK or DISCONNECT may pass by itself.
pub(crate) const fn is_refusal_passing(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::NORMAL_DISCONNECTION
            | ReasonCode::UNSPECIFIED_ERROR
            | ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR
            | ReasonCode::SERVER_UNAVAILABLE
            | ReasonCode::SERVER_BUSY
            | ReasonCode::SERVER_SHUTTING_DOWN
            | ReasonCode::KEEP_ALIVE_TIMEOUT
            | ReasonCode::RECEIVE_MAXIMUM_EXCEEDED
            | ReasonCode::MESSAGE_RATE_TOO_HIGH
            | ReasonCode::QUOTA_EXCEEDED
            | ReasonCode::ADMINISTRATIVE_ACTION
            | ReasonCode::USE_ANOTHER_SERVER
            | ReasonCode::SERVER_MOVED
            | ReasonCode::CONNECTION_RATE_EXCEEDED
            | ReasonCode::MAXIMUM_CONNECT_TIME
    )
}

/// How many rounds have failed, and the delays between them.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: Reconnect,
    rounds: u32,
    random: u64,
}

impl Backoff {
    pub(crate) fn new(policy: Reconnect) -> Self {
        let random = policy
            .seed
            .unwrap_or_else(|| RandomState::new().hash_one(()));
        Self {
            policy,
            rounds: 0,
            random,
        }
    }

    /// The connection has been good for a while: the next loss is a new story.
    pub(crate) const fn reset(&mut self) {
        self.rounds = 0;
    }

    /// The delay before the next round; none when there is no other.
    pub(crate) fn next_delay(&mut self) -> Option<Duration> {
        if self
            .policy
            .rounds_max
            .is_some_and(|rounds_max| self.rounds >= rounds_max)
        {
            return None;
        }
        let factor = 1u32.checked_shl(self.rounds).unwrap_or(u32::MAX);
        let bound = self.policy.first_delay.saturating_mul(factor);
        let bound = bound.min(self.policy.max_delay);
        self.rounds = self.rounds.saturating_add(1);
        let bound_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        Some(Duration::from_millis(self.below(bound_ms)))
    }

    /// An even draw from 0 to `bound`, by SplitMix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        mixed % bound.saturating_add(1)
    }
}

/// Attempts given up without an answer to CONNECT, which the server may read late and then take for another client.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unanswered {
    pub(crate) count: u32,
    /// Of the last.
    pub(crate) at_ms: u64,
}

impl Unanswered {
    /// Whether one of them may be what has taken the session over; it does so once.
    pub(crate) fn take(&mut self, now_ms: u64) -> bool {
        let waited_ms = now_ms.saturating_sub(self.at_ms);
        if waited_ms > millis(limits::LATE_CONNECT) {
            self.count = 0;
        }
        let is_there = self.count != 0;
        self.count = self.count.saturating_sub(1);
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(policy: Reconnect, count: usize) -> Vec<Duration> {
        let mut backoff = Backoff::new(policy);
        std::iter::from_fn(|| backoff.next_delay())
            .take(count)
            .collect()
    }

    #[test]
    fn delays_stay_below_a_bound_that_doubles_and_fill_it() {
        let mut longest = [Duration::ZERO; 8];
        let mut shortest = [Duration::MAX; 8];
        for seed in 0..2_000 {
            let policy = Reconnect::new()
                .max_delay(Duration::from_secs(3))
                .seed(seed);
            for (at, delay) in delays(policy, 8).into_iter().enumerate() {
                longest[at] = longest[at].max(delay);
                shortest[at] = shortest[at].min(delay);
            }
        }
        for (at, bound_ms) in [100, 200, 400, 800, 1600, 3000, 3000, 3000]
            .into_iter()
            .enumerate()
        {
            let bound = Duration::from_millis(bound_ms);
            assert!(
                longest[at] <= bound && longest[at] > bound * 9 / 10,
                "round {at}"
            );
            assert!(
                shortest[at] < bound / 10,
                "round {at}: full jitter begins at zero"
            );
        }
    }

    #[test]
    fn a_seed_repeats_the_delays_and_none_does_not() {
        let seeded = || delays(Reconnect::new().seed(7), 20);
        assert_eq!(seeded(), seeded());
        let unseeded = || delays(Reconnect::new(), 20);
        assert_ne!(unseeded(), unseeded());
    }

    #[test]
    fn rounds_are_limited_until_the_next_success() {
        let mut backoff = Backoff::new(Reconnect::new().max_rounds(2));
        assert!(backoff.next_delay().is_some() && backoff.next_delay().is_some());
        assert_eq!(backoff.next_delay(), None);
        backoff.reset();
        assert!(backoff.next_delay().is_some());
        assert_eq!(Backoff::new(Reconnect::never()).next_delay(), None);
        assert_eq!(delays(Reconnect::new(), 100).len(), 100, "no overflow");
    }
}
