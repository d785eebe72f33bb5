//! Durations as the session counts them, and the one timer of a driver.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A timer that is set again only when it is too late or has gone off, since deadlines mostly move back.
#[derive(Debug)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    at_ms: u64,
}

impl Alarm {
    pub(crate) const fn new() -> Self {
        Self {
            sleep: None,
            at_ms: u64::MAX,
        }
    }

    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        epoch: Instant,
        deadline_ms: u64,
    ) -> Poll<()> {
        if deadline_ms < self.at_ms {
            let Some(at) = epoch.checked_add(Duration::from_millis(deadline_ms)) else {
                return Poll::Pending;
            };
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(at),
                None => self.sleep = Some(Box::pin(sleep_until(at))),
            }
            self.at_ms = deadline_ms;
        }
        let Some(sleep) = &mut self.sleep else {
            return Poll::Pending;
        };
        let polled = sleep.as_mut().poll(cx);
        if polled.is_ready() {
            self.at_ms = u64::MAX;
        }
        polled
    }
}
