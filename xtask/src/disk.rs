//! How much of the disk a folder takes.

use std::fs;
use std::path::Path;

const BYTES_PER_GB: f64 = 1e9;

/// What the files in and below `folder` hold, in GB; what cannot be read counts nothing.
pub(crate) fn taken_gb(folder: &Path) -> f64 {
    let bytes: f64 = sizes(folder).iter().map(|size| f64::from(*size)).sum();
    bytes * 1024.0 / BYTES_PER_GB
}

/// Of each file, in KiB.
fn sizes(folder: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut sizes = Vec::new();
    for entry in entries.flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => sizes.extend(self::sizes(&entry.path())),
            Ok(metadata) => {
                sizes.push(u32::try_from(metadata.len().div_ceil(1024)).unwrap_or(u32::MAX));
            }
            Err(_) => {}
        }
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_inner_folders_count() {
        let folder = std::env::temp_dir().join(format!("mqtt-disk-{}", std::process::id()));
        fs::create_dir_all(folder.join("inner")).expect("a folder can be made");
        fs::write(folder.join("a"), [0; 2048]).expect("a file can be written");
        fs::write(folder.join("inner/b"), [0; 1]).expect("a file can be written");
        let mut found = sizes(&folder);
        found.sort_unstable();
        fs::remove_dir_all(&folder).expect("the folder can be removed");
        assert_eq!(found, [1, 2]);
    }
}
