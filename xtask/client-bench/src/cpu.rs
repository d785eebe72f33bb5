//! The processor time of this process, to the nanosecond.

use std::time::Duration;

/// User and system time of all threads there were, up to this moment; nothing where the system does not tell.
#[cfg(unix)]
pub(crate) fn of_this_process() -> Duration {
    let taken = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(taken).unwrap_or_default()
}

#[cfg(not(unix))]
pub(crate) fn of_this_process() -> Duration {
    Duration::ZERO
}
