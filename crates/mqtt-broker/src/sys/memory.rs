//! Memory of the process, where the system tells.

/// Memory in bytes: what is resident now, and the most that was.
#[cfg(target_os = "linux")]
pub(super) fn resident() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let (number, _) = line.trim().split_once(' ')?;
        number.parse::<u64>().ok()?.checked_mul(1024)
    };
    Some((kib("VmRSS:")?, kib("VmHWM:")?))
}

/// Memory in bytes; not known here.
#[cfg(not(target_os = "linux"))]
pub(super) fn resident() -> Option<(u64, u64)> {
    None
}
