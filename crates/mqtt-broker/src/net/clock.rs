//! The broker's clock: milliseconds since its start, and the tick that drives everything timed.

use super::memory::resident;
use crate::core::{Batch, Core};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Ticks between two looks at the memory of the process.
const TICKS_PER_MEMORY: u32 = 5;

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
    let mut until_memory = 0;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if core.limits.memory_max.is_some() {
            if until_memory == 0 {
                until_memory = TICKS_PER_MEMORY;
                core.note_memory(resident().unwrap_or_default());
            }
            until_memory -= 1;
        }
        // What a tick calls may be code of the embedding program; time must go on without it.
        let tick = AssertUnwindSafe(|| core.tick(&mut batch, clock.now_ms()));
        if catch_unwind(tick).is_err() {
            tracing::error!("a timer's code panicked");
        }
    }
}
