//! The thread that reads from the log what waits in it, so that no connection waits for a disk.

use super::clock::Clock;
use crate::core::{Batch, Core};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Starts the thread; it ends with the last other owner of `core`.
pub(crate) fn run_loads(core: &Arc<Core>, clock: Clock) -> io::Result<()> {
    let loads = Arc::clone(&core.loads);
    let core = Arc::downgrade(core);
    let run = move || {
        let (mut batch, mut sessions) = (Batch::new(), Vec::new());
        while loads.wait(&mut sessions) {
            let Some(core) = core.upgrade() else { return };
            // What a drop calls may be code of the embedding program; others need their messages all the same.
            let load = AssertUnwindSafe(|| core.load(&sessions, &mut batch, clock.now_ms()));
            if catch_unwind(load).is_err() {
                tracing::error!("reading messages that wait panicked");
            }
        }
    };
    let thread = std::thread::Builder::new().name("mqtt-loads".to_owned());
    thread.spawn(run).map(drop)
}
