//! PostgreSQL and Redis: the installed ones, else Debian's unpacked below the target folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::{debian, text};
use crate::shell::{Command, find_program};

/// Where Debian has a folder for each version of PostgreSQL.
const VERSIONS: &str = "usr/lib/postgresql";

/// Finds or fetches the server of PostgreSQL and what makes its directory.
///
/// # Errors
/// One line that says what is missing.
pub(super) fn postgresql(folder: &Path) -> Result<Vec<(&'static str, String)>, String> {
    // Apart from the others, whose libraries it need not share.
    let folder = folder.join("postgresql");
    let root = folder.join("root");
    let installed = || postgresql_below(Path::new("/"));
    let (programs, library_path) = match installed() {
        Some(programs) => (programs, String::new()),
        None => {
            if postgresql_below(&root).is_none() {
                debian::fetch(&folder, &root, &["postgresql"])?;
            }
            let programs =
                postgresql_below(&root).ok_or("the packages hold no postgres or initdb")?;
            (programs, debian::library_path(&root))
        }
    };
    for name in ["postgres", "initdb"] {
        starts(&programs.join(name), "PostgreSQL", &library_path)?;
    }
    others_may_enter(&programs)?;
    Ok(vec![
        ("MQTT_INTEROP_POSTGRESQL_BIN", text(&programs)),
        ("MQTT_INTEROP_POSTGRESQL_LIBRARY_PATH", library_path),
    ])
}

/// Finds or fetches the server of Redis.
///
/// # Errors
/// One line that says what is missing.
pub(super) fn redis(folder: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let folder = folder.join("redis");
    let root = folder.join("root");
    let unpacked = root.join("usr/bin/redis-server");
    let (program, library_path) = match find_program("redis-server") {
        Some(program) => (program, String::new()),
        None => {
            if !unpacked.exists() {
                debian::fetch(&folder, &root, &["redis-server"])?;
            }
            (unpacked, debian::library_path(&root))
        }
    };
    starts(&program, "Redis", &library_path)?;
    Ok(vec![
        ("MQTT_INTEROP_REDIS", text(&program)),
        ("MQTT_INTEROP_REDIS_LIBRARY_PATH", library_path),
    ])
}

/// The folder of the programs of the newest version.
fn postgresql_below(root: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(root.join(VERSIONS)).ok()?.flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    folders
        .filter(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
        .max()
}

/// Asks a program for its version, which fails when a library is missing.
fn starts(program: &Path, expected: &str, library_path: &str) -> Result<(), String> {
    let output = Command::new(program)
        .arg("--version")
        .env("LD_LIBRARY_PATH", library_path)
        .capture()?;
    if output.success && output.joined().contains(expected) {
        return Ok(());
    }
    let line = output.last_line();
    Err(format!("{} does not start: {line}", program.display()))
}

/// PostgreSQL runs for anybody but root, who then has to find it.
#[cfg(unix)]
fn others_may_enter(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let may = |folder: &&Path| {
        fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 != 0)
    };
    match folder.ancestors().find(|folder| !may(folder)) {
        None => Ok(()),
        Some(closed) => Err(format!(
            "postgresql does not run for root, and {} is closed to others",
            closed.display()
        )),
    }
}

#[cfg(not(unix))]
const fn others_may_enter(_folder: &Path) -> Result<(), String> {
    Ok(())
}
