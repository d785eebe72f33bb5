//! How long the disk takes to make something durable.

use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Appends measured.
const APPENDS: usize = 200;
/// Bytes of each.
const LEN: usize = 4096;

/// The middle and the 99th percentile of the times an append of 4 KiB takes until it is synced, in the folder for
/// temporary files, where the brokers keep theirs. Empty if that cannot be measured.
pub(crate) fn sync_times() -> Vec<Duration> {
    let path = std::env::temp_dir().join(format!("mqtt-bench-sync-{}", std::process::id()));
    let measured = File::create(&path).and_then(append);
    // What is left lies in the system's folder for such files.
    let _removed = std::fs::remove_file(&path);
    let mut times = measured.unwrap_or_default();
    times.sort_unstable();
    let places = [times.len() / 2, times.len() * 99 / 100];
    places
        .iter()
        .filter_map(|place| times.get(*place).copied())
        .collect()
}

fn append(mut file: File) -> io::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let started = Instant::now();
        file.write_all(&[0x5A; LEN])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    Ok(times)
}
