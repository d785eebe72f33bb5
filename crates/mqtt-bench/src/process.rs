//! What the operating system says about a process: CPU time and memory.

use std::time::Duration;

/// CPU time and memory of a process at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProcessUsage {
    /// User and system time of all threads since the start. Steps of 10 ms on Linux.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Bytes given to write(2) and its likes since the start, to files and some sockets; 0 where that is not told.
    pub written: u64,
}

impl ProcessUsage {
    /// Asks the system about process `pid`. `None` where that is not known how to do, or if there
    /// is no such process.
    #[must_use]
    #[cfg(target_os = "linux")]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let ticks = cpu_ticks(&stat)?;
        let cpu = Duration::from_nanos(
            ticks.saturating_mul(1_000_000_000) / rustix::param::clock_ticks_per_second().max(1),
        );
        // The roll-up is exact; the status may lag behind by some pages per thread.
        let rss = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
            .ok()
            .and_then(|text| number_after(&text, "Rss:"))
            .or_else(|| {
                let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
                number_after(&text, "VmRSS:")
            })?;
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        Some(Self {
            cpu,
            rss: rss * 1024,
            written: number_after(&io, "wchar:").unwrap_or(0),
        })
    }

    /// Not known how to do on this system.
    #[must_use]
    #[cfg(not(target_os = "linux"))]
    pub fn of(_pid: u32) -> Option<Self> {
        None
    }
}

/// Raises the number of files this process may open to what the system allows it, and tells that
/// number. `None` where there is no such limit or it cannot be read.
#[cfg(unix)]
pub fn raise_open_files_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        // If the system refuses, the old limit stays and connecting will tell.
        let _refused = setrlimit(Resource::Nofile, raised);
    }
    getrlimit(Resource::Nofile).current
}

/// Raises the number of files this process may open. There is no such limit here.
#[cfg(not(unix))]
pub fn raise_open_files_limit() -> Option<u64> {
    None
}

/// User and system time out of the text of `/proc/PID/stat`. The name in it may contain spaces
/// and brackets, so fields count from the last bracket.
#[cfg(target_os = "linux")]
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(target_os = "linux")]
fn number_after(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_after_an_awkward_name() {
        let stat = "77 (a) b (c)) S 1 77 77 0 -1 4194304 500 0 0 0 120 34 0 0 20 0 3 0 99 8000 700";
        assert_eq!(cpu_ticks(stat), Some(154));
    }

    #[test]
    fn memory_is_found_by_its_label() {
        assert_eq!(
            number_after("Name:\tx\nVmRSS:\t    1234 kB\n", "VmRSS:"),
            Some(1234)
        );
        assert_eq!(number_after("Name:\tx\n", "VmRSS:"), None);
    }

    #[test]
    fn this_process_has_memory() {
        let usage = ProcessUsage::of(std::process::id()).unwrap();
        assert!(usage.rss > 100_000);
        assert_eq!(ProcessUsage::of(u32::MAX), None);
    }
}
