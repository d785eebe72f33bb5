//! The broker's clock: milliseconds since its start, and the tick that drives everything timed.

use crate::core::{Batch, Core};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Milliseconds since the broker's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(crate) fn now_ms(self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Ticks until it is dropped.
pub(crate) async fn run_ticks(core: Arc<Core>, clock: Clock) {
    let mut batch = Batch::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // What a tick calls may be code of the embedding program; time must go on without it.
        let tick = AssertUnwindSafe(|| core.tick(&mut batch, clock.now_ms()));
        if catch_unwind(tick).is_err() {
            tracing::error!("a timer's code panicked");
        }
    }
}
