//! The time of this machine, and waiting for it to the microsecond.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::{Events, Poll};

/// Nanoseconds since 1970, from a clock that nobody sets: read once, and counted on from there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    origin_ns: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            origin: Instant::now(),
            origin_ns: nanoseconds(since.unwrap_or_default()),
        }
    }

    /// Now.
    pub(crate) fn now_ns(&self) -> u64 {
        self.origin_ns + nanoseconds(self.origin.elapsed())
    }

    /// When it was made.
    pub(crate) fn origin_ns(&self) -> u64 {
        self.origin_ns
    }
}

/// A time in nanoseconds, 584 years at most.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Waits for events or a time, whichever is first.
#[derive(Debug)]
pub(crate) struct Waiter {
    poll: Poll,
    #[cfg(target_os = "linux")]
    timer: timer::Timer,
}

impl Waiter {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        Ok(Self {
            #[cfg(target_os = "linux")]
            timer: timer::Timer::new(poll.registry())?,
            poll,
        })
    }

    pub(crate) fn registry(&self) -> &mio::Registry {
        self.poll.registry()
    }

    /// Waits so long at most. Whole milliseconds are what waiting for events can do by itself, so shorter times take a
    /// timer where there is one.
    pub(crate) fn wait(&mut self, events: &mut Events, time: Duration) -> io::Result<()> {
        let mut timeout = time;
        #[cfg(target_os = "linux")]
        if !time.is_zero() && time < timer::LONG {
            self.timer.set(time)?;
            timeout = timer::LONG;
        }
        if timeout > Duration::ZERO && timeout < Duration::from_millis(1) {
            timeout = Duration::from_millis(1);
        }
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(target_os = "linux")]
mod timer {
    //! A timer of the system that is waited for like a socket.

    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    /// From here on a millisecond more or less is nothing.
    pub(super) const LONG: Duration = Duration::from_millis(20);

    #[derive(Debug)]
    pub(super) struct Timer(OwnedFd);

    impl Timer {
        pub(super) fn new(registry: &Registry) -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            registry.register(
                &mut SourceFd(&fd.as_raw_fd()),
                Token(usize::MAX),
                Interest::READABLE,
            )?;
            Ok(Self(fd))
        }

        /// Wakes who waits after this time, instead of when it was set to before.
        pub(super) fn set(&self, time: Duration) -> io::Result<()> {
            let zero = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let after = Timespec {
                tv_sec: 0,
                tv_nsec: time.subsec_nanos().into(),
            };
            let spec = Itimerspec {
                it_interval: zero,
                it_value: after,
            };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &spec)?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_and_not_before_its_time() {
        let mut waiter = Waiter::new().unwrap();
        let mut events = Events::with_capacity(8);
        for micros in [300, 1500, 25_000] {
            let time = Duration::from_micros(micros);
            let started = Instant::now();
            // The wait may end early for an older timer, never late for ever.
            while started.elapsed() < time {
                waiter.wait(&mut events, time - started.elapsed()).unwrap();
            }
            assert!(started.elapsed() >= time);
        }
    }

    #[test]
    fn the_clock_goes_on_from_the_time_of_day() {
        let clock = Clock::new();
        let day_ns = nanoseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
        assert!(clock.now_ns().abs_diff(day_ns) < 1_000_000_000);
        assert!(clock.now_ns() >= clock.origin_ns());
    }
}
