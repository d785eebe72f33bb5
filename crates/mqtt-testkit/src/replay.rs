//! What fuzz targets failed on or start from, for the tests of the crate whose oracles they call.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// The content of each file below `tests/it/inputs/<target>` of the crate in `crate_dir`; at least one.
///
/// # Errors
/// There is none, or one cannot be read.
pub fn inputs(crate_dir: &str, target: &str) -> io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(crate_dir).join("tests/it/inputs").join(target);
    let files = fs::read_dir(&folder)?.map(|entry| fs::read(entry?.path()));
    let inputs = files.collect::<io::Result<Vec<_>>>()?;
    match inputs.is_empty() {
        true => Err(io::Error::other(format!(
            "no input in {}",
            folder.display()
        ))),
        false => Ok(inputs),
    }
}

/// The fuzz targets that call the oracles of this module of `mqtt_testkit`, seen from the crate in `crate_dir`.
///
/// # Errors
/// The folder of the targets or one of them cannot be read.
pub fn targets_of(crate_dir: &str, oracles: &str) -> io::Result<BTreeSet<String>> {
    let line = format!("use mqtt_testkit::{oracles};");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(Path::new(crate_dir).join("../../fuzz/fuzz_targets"))? {
        let path = entry?.path();
        let name = path.file_stem().map(|name| name.to_string_lossy());
        if fs::read_to_string(&path)?.contains(&line) {
            found.extend(name.map(Into::into));
        }
    }
    Ok(found)
}
