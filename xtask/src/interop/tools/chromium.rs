//! Chromium: the installed one, else Debian's package unpacked below the target folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::{debian, text};
use crate::shell::{Command, find_program};

/// Names of the program where it is installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// The program in the package; what starts it elsewhere is a script that expects to be installed.
const UNPACKED: &str = "usr/lib/chromium/chromium";

/// Finds or fetches the program, and sees that it starts.
///
/// # Errors
/// One line that says what is missing.
pub(super) fn prepare(folder: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let folder = folder.join("chromium");
    let root = folder.join("root");
    let installed = NAMES.iter().find_map(|name| find_program(name));
    let (program, libraries) = match installed {
        Some(program) => (program, String::new()),
        None => unpacked(&folder, &root)?,
    };
    let version = Command::new(&program)
        .args(["--no-sandbox", "--version"])
        .env("LD_LIBRARY_PATH", &libraries)
        .capture()?;
    if !version.success {
        return Err(format!("chromium does not start: {}", version.last_line()));
    }
    Ok(vec![
        ("MQTT_INTEROP_CHROMIUM", text(&program)),
        ("MQTT_INTEROP_CHROMIUM_LIBRARIES", libraries),
    ])
}

/// The program below `root`, and where its libraries are.
fn unpacked(folder: &Path, root: &Path) -> Result<(PathBuf, String), String> {
    let program = root.join(UNPACKED);
    if !program.exists() {
        debian::fetch(folder, root, &["chromium"])?;
        // They are large, and not needed again.
        let archives = folder.join("debs");
        fs::remove_dir_all(&archives)
            .map_err(|error| format!("{}: {error}", archives.display()))?;
    }
    match program.exists() {
        true => Ok((program, debian::library_path(root))),
        false => Err("the packages hold no chromium".to_owned()),
    }
}
