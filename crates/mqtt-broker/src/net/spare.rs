//! Whether the machine has a core that nobody uses.

use std::time::Instant;

/// Idle time a free core has, as a share of time: not all of it, as other programs run now and then.
const FREE: f64 = 0.4;
/// Units of processor time in a second, as Linux counts them for programs.
const TICKS_PER_S: f64 = 100.0;

/// A watch on the idle time of all cores.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpareCores {
    since: Instant,
    idle_ticks: u32,
}

impl SpareCores {
    /// Begins to watch; none where the system does not tell.
    pub(super) fn watch(now: Instant) -> Option<Self> {
        Some(Self {
            since: now,
            idle_ticks: idle_ticks()?,
        })
    }

    /// Whether a core was free since.
    pub(super) fn is_enough(self, now: Instant) -> bool {
        let Some(idle_ticks) = idle_ticks() else {
            return true;
        };
        let idle = f64::from(idle_ticks.wrapping_sub(self.idle_ticks)) / TICKS_PER_S;
        idle >= FREE * now.duration_since(self.since).as_secs_f64()
    }
}

/// Idle time of all cores together since the machine started, its lowest bits.
#[cfg(target_os = "linux")]
fn idle_ticks() -> Option<u32> {
    of_all_cores(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// Not known how to ask on this system.
#[cfg(not(target_os = "linux"))]
fn idle_ticks() -> Option<u32> {
    None
}

/// The fourth number of the line that sums up all cores.
#[cfg(any(target_os = "linux", test))]
fn of_all_cores(stat: &str) -> Option<u32> {
    let mut numbers = stat.strip_prefix("cpu ")?.split_ascii_whitespace();
    let ticks: u64 = numbers.nth(3)?.parse().ok()?;
    u32::try_from(ticks & u64::from(u32::MAX)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_the_fourth_number() {
        let stat = "cpu  10 20 30 4294967301 50 0 0 0 0 0\ncpu0 1 2 3 4 5 0 0 0 0 0\n";
        assert_eq!(of_all_cores(stat), Some(5));
        assert_eq!(of_all_cores("intr 1 2 3 4 5"), None);
    }
}
