//! Debian's packages, downloaded and unpacked below the target folder; nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};

use super::text;
use crate::shell::{Command, find_program};

/// Downloads the packages and all they need that is not installed, and unpacks them.
///
/// # Errors
/// One line that says why they cannot be had.
pub(super) fn fetch(folder: &Path, root: &Path, packages: &[&str]) -> Result<(), String> {
    let wanted = packages.first().copied().unwrap_or_default();
    for program in ["apt-get", "dpkg-deb"] {
        if find_program(program).is_none() {
            return Err(format!(
                "{wanted} is not installed and {program} is not there to fetch it"
            ));
        }
    }
    let archives = folder.join("debs");
    fs::create_dir_all(archives.join("partial"))
        .map_err(|error| format!("{}: {error}", archives.display()))?;
    if download(&archives, packages).is_err() {
        let update = Command::new("apt-get").args(["update", "--quiet"]);
        update
            .read()
            .map_err(|error| format!("{wanted} cannot be fetched: {error}"))?;
        download(&archives, packages)
            .map_err(|error| format!("{wanted} cannot be fetched: {error}"))?;
    }
    for entry in fs::read_dir(&archives)
        .map_err(|error| error.to_string())?
        .flatten()
    {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            Command::new("dpkg-deb")
                .arg("-x")
                .arg(&path)
                .arg(root)
                .read()?;
        }
    }
    Ok(())
}

fn download(archives: &Path, packages: &[&str]) -> Result<String, String> {
    Command::new("apt-get")
        .args([
            "install",
            "--yes",
            "--quiet",
            "--download-only",
            "--no-install-recommends",
        ])
        .arg("--option")
        .arg(format!("Dir::Cache::archives={}", archives.display()))
        .args([
            "--option",
            "Debug::NoLocking=true",
            "--option",
            "APT::Sandbox::User=root",
        ])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .read()
}

/// Folders below `root` that hold shared libraries, as `LD_LIBRARY_PATH` has them.
pub(super) fn library_path(root: &Path) -> String {
    let mut found = Vec::new();
    library_folders(root, &mut found);
    let folders: Vec<String> = found.iter().map(|folder| text(folder)).collect();
    folders.join(":")
}

/// Folders below `folder` that hold shared libraries.
fn library_folders(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut has_library = false;
    let mut folders = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        has_library |= entry.file_name().to_string_lossy().contains(".so");
        if path.is_dir() && !path.is_symlink() {
            folders.push(path);
        }
    }
    if has_library {
        found.push(folder.to_path_buf());
    }
    folders.sort();
    for folder in folders {
        library_folders(&folder, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_with_libraries_are_found() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["usr/lib/arch/liba.so.1", "usr/bin/a", "lib/libb.so"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut found = Vec::new();
        library_folders(folder.path(), &mut found);
        assert_eq!(
            found,
            [
                folder.path().join("lib"),
                folder.path().join("usr/lib/arch")
            ]
        );
    }
}
