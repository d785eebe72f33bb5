//! How much memory the process takes, where the system tells.

/// Resident memory of this process in bytes; none where it cannot be known.
#[cfg(target_os = "linux")]
pub(crate) fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    field(&status, "VmRSS:")
}

/// Resident memory of this process in bytes; none where it cannot be known.
#[cfg(not(target_os = "linux"))]
pub(crate) fn resident() -> Option<usize> {
    None
}

/// Memory this process may take in bytes: the machine's, or that of its container; none where it cannot be known.
#[cfg(target_os = "linux")]
pub(crate) fn available() -> Option<usize> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| field(&text, "MemTotal:"));
    let container = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let container = container
        .into_iter()
        .filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok());
    machine.into_iter().chain(container).min()
}

/// Memory this process may take in bytes: the machine's, or that of its container; none where it cannot be known.
#[cfg(not(target_os = "linux"))]
pub(crate) fn available() -> Option<usize> {
    None
}

/// A line such as `VmRSS:     1234 kB`, in bytes.
#[cfg(any(target_os = "linux", test))]
fn field(text: &str, name: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kb: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kb.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read() {
        let text = "Name:\tbroker\nVmRSS:\t    1234 kB\nThreads:\t3\n";
        assert_eq!(field(text, "VmRSS:"), Some(1234 * 1024));
        assert_eq!(field(text, "Threads:"), None);
        assert_eq!(field(text, "VmHWM:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_both() {
        let (resident, available) = (resident().unwrap(), available().unwrap());
        assert!(0 < resident && resident < available);
    }
}
