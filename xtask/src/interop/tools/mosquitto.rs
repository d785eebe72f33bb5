//! Mosquitto: the installed one, else Debian's packages unpacked below the target folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::text;
use crate::shell::{Command, find_program};

/// Paths of the broker and of its clients.
struct Programs {
    broker: PathBuf,
    publisher: PathBuf,
    subscriber: PathBuf,
    libraries: Vec<PathBuf>,
}

/// Finds or fetches the programs.
///
/// # Errors
/// One line that says what is missing.
pub(super) fn prepare(folder: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let root = folder.join("root");
    let programs = match Programs::found(&root) {
        Some(programs) => programs,
        None => {
            fetch(folder, &root)?;
            Programs::found(&root)
                .ok_or("the packages hold no mosquitto, mosquitto_pub or mosquitto_sub")?
        }
    };
    programs.check()?;
    Ok(vec![
        ("MQTT_INTEROP_MOSQUITTO_BIN", text(&programs.broker)),
        ("MQTT_INTEROP_MOSQUITTO_PUB", text(&programs.publisher)),
        ("MQTT_INTEROP_MOSQUITTO_SUB", text(&programs.subscriber)),
        ("MQTT_INTEROP_LD_LIBRARY_PATH", programs.library_path()),
    ])
}

/// Downloads the packages and all they need that is not installed, and unpacks them.
fn fetch(folder: &Path, root: &Path) -> Result<(), String> {
    for program in ["apt-get", "dpkg-deb"] {
        if find_program(program).is_none() {
            return Err(format!(
                "mosquitto is not installed and {program} is not there to fetch it"
            ));
        }
    }
    let archives = folder.join("debs");
    fs::create_dir_all(archives.join("partial"))
        .map_err(|error| format!("{}: {error}", archives.display()))?;
    if download(&archives).is_err() {
        let update = Command::new("apt-get").args(["update", "--quiet"]);
        update
            .read()
            .map_err(|error| format!("mosquitto cannot be fetched: {error}"))?;
        download(&archives).map_err(|error| format!("mosquitto cannot be fetched: {error}"))?;
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

fn download(archives: &Path) -> Result<String, String> {
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
        .args(["mosquitto", "mosquitto-clients"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .read()
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

impl Programs {
    /// Each program as it is installed, else as it is below `root`: a machine may have the broker and no clients, and
    /// only what is not installed is fetched.
    fn found(root: &Path) -> Option<Self> {
        let program = |name, unpacked: &str| {
            find_program(name).or_else(|| Some(root.join(unpacked)).filter(|path| path.exists()))
        };
        let mut libraries = Vec::new();
        library_folders(root, &mut libraries);
        Some(Self {
            broker: program("mosquitto", "usr/sbin/mosquitto")?,
            publisher: program("mosquitto_pub", "usr/bin/mosquitto_pub")?,
            subscriber: program("mosquitto_sub", "usr/bin/mosquitto_sub")?,
            libraries,
        })
    }

    fn library_path(&self) -> String {
        self.libraries
            .iter()
            .map(|folder| text(folder))
            .collect::<Vec<_>>()
            .join(":")
    }

    /// Asks each program for its help, which fails when a library is missing.
    fn check(&self) -> Result<(), String> {
        for (program, argument) in [
            (&self.broker, "-h"),
            (&self.publisher, "--help"),
            (&self.subscriber, "--help"),
        ] {
            let output = Command::new(program)
                .arg(argument)
                .env("LD_LIBRARY_PATH", self.library_path())
                .capture()?;
            let text = output.joined();
            if text.contains("error while loading shared libraries") || !text.contains("mosquitto")
            {
                return Err(format!(
                    "{} does not start: {}",
                    program.display(),
                    output.last_line()
                ));
            }
        }
        Ok(())
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
