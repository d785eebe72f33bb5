//! The broker's clock: milliseconds of Unix time at its start and from then on its own, and the tick that drives
//! everything timed.

use super::accept::Door;
use super::memory::resident;
use crate::core::Batch;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, MissedTickBehavior};

/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Ticks between two looks at the memory of the process.
const TICKS_PER_MEMORY: u32 = 5;

/// Milliseconds that never go back, so that times can be kept across restarts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// What it showed at `start`, in milliseconds of Unix time.
    started_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            start: Instant::now(),
            started_ms: millis(since_1970.unwrap_or_default()),
        }
    }

    /// What it showed when it was started.
    pub(crate) const fn started_ms(self) -> u64 {
        self.started_ms
    }

    pub(crate) fn now_ms(self) -> u64 {
        self.started_ms.saturating_add(millis(self.start.elapsed()))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Ticks until it is dropped.
pub(crate) async fn run_ticks(door: Arc<Door>) {
    let (core, clock) = (&door.core, door.clock);
    let mut batch = Batch::new();
    let mut until_memory = 0;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        door.lanes.look();
        if core.limits.memory_max.is_some() {
            if until_memory == 0 {
                until_memory = TICKS_PER_MEMORY;
                core.note_memory(resident().unwrap_or_default());
            }
            until_memory -= 1;
        }
        door.arrivals.tick(clock.now_ms());
        // What a tick calls may be code of the embedding program; time must go on without it.
        let tick = AssertUnwindSafe(|| core.tick(&mut batch, clock.now_ms()));
        if catch_unwind(tick).is_err() {
            tracing::error!("a timer's code panicked");
        }
    }
}
