//! The thread of a log: when a group is written.

use crate::{
    shared::Shared,
    writer::{Step, Writer},
};
use std::{
    io,
    sync::{MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

/// How often room is looked for while there is none.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// How long the writer looks whether a group still grows.
const GATHER_STEP: Duration = Duration::from_micros(100);
/// Groups smaller than this are not worth waiting for.
const GATHER_RECORDS_MIN: u32 = 8;

pub(crate) fn start(writer: Writer) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("mqtt-log".to_owned())
        .spawn(move || run(writer))
}

fn run(mut writer: Writer) {
    let shared = writer.shared.clone();
    // At once when the last step left the writer idle; else more records are on their way.
    let mut was_busy = false;
    loop {
        let wake = wait(&writer, &shared, was_busy);
        let step = match wake {
            Wake::Work => writer.step(),
            Wake::Silence if writer.is_blocked() || writer.wants_room() => writer.step(),
            Wake::Silence => writer.mark(),
            Wake::End => {
                // Who closes the log asks for the failure.
                let _ = writer.finish_in_place();
                return;
            }
        };
        if step == Step::Failed {
            return;
        }
        was_busy = step == Step::Committed;
    }
}

/// Why the writer goes on.
enum Wake {
    /// A group, or a dead segment.
    Work,
    /// Nothing for a while.
    Silence,
    /// The log is closed.
    End,
}

fn wait(writer: &Writer, shared: &Shared, was_busy: bool) -> Wake {
    let mut queue = shared.queue();
    let mut is_gathering = was_busy;
    loop {
        if queue.is_ended {
            return Wake::End;
        }
        let has_work = !writer.is_blocked() && (!queue.is_empty() || writer.has_chores());
        if has_work {
            if is_gathering {
                gather(shared, queue);
            }
            return Wake::Work;
        }
        is_gathering = false;
        let silence = match writer.is_blocked() || writer.wants_room() {
            true => RETRY_AFTER,
            false => shared.settings.mark_after,
        };
        queue.is_idle = !writer.is_blocked();
        let (woken, timeout) = shared
            .work
            .wait_timeout(queue, silence)
            .unwrap_or_else(PoisonError::into_inner);
        queue = woken;
        queue.is_idle = false;
        if timeout.timed_out() && (writer.is_blocked() || queue.is_empty()) {
            return Wake::Silence;
        }
    }
}

/// Waits as long as a short wait makes the group an eighth larger, within its bounds.
fn gather(shared: &Shared, mut queue: MutexGuard<'_, crate::queue::Queue>) {
    let settings = &shared.settings;
    while let Some((records, opened_at)) = queue.oldest() {
        let left = settings.group_delay_max.saturating_sub(opened_at.elapsed());
        let is_enough = records < GATHER_RECORDS_MIN || records >= settings.group_records_max;
        if is_enough || left.is_zero() || queue.is_ended {
            return;
        }
        let (woken, _) = shared
            .work
            .wait_timeout(queue, left.min(GATHER_STEP))
            .unwrap_or_else(PoisonError::into_inner);
        queue = woken;
        let grown = queue
            .oldest()
            .map_or(0, |(now, _)| now.saturating_sub(records));
        if grown < records / 8 {
            return;
        }
    }
}
