//! Mosquitto: the installed one, else Debian's packages unpacked below the target folder.

use std::path::{Path, PathBuf};

use super::{debian, text};
use crate::shell::{Command, find_program};

/// Paths of the broker and of its clients.
struct Programs {
    broker: PathBuf,
    publisher: PathBuf,
    subscriber: PathBuf,
    library_path: String,
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
            debian::fetch(folder, &root, &["mosquitto", "mosquitto-clients"])?;
            Programs::found(&root)
                .ok_or("the packages hold no mosquitto, mosquitto_pub or mosquitto_sub")?
        }
    };
    programs.check()?;
    Ok(vec![
        ("MQTT_INTEROP_MOSQUITTO_BIN", text(&programs.broker)),
        ("MQTT_INTEROP_MOSQUITTO_PUB", text(&programs.publisher)),
        ("MQTT_INTEROP_MOSQUITTO_SUB", text(&programs.subscriber)),
        ("MQTT_INTEROP_LD_LIBRARY_PATH", programs.library_path),
    ])
}

impl Programs {
    /// Each program as it is installed, else as it is below `root`: a machine may have the broker and no clients, and
    /// only what is not installed is fetched.
    fn found(root: &Path) -> Option<Self> {
        let program = |name, unpacked: &str| {
            find_program(name).or_else(|| Some(root.join(unpacked)).filter(|path| path.exists()))
        };
        Some(Self {
            broker: program("mosquitto", "usr/sbin/mosquitto")?,
            publisher: program("mosquitto_pub", "usr/bin/mosquitto_pub")?,
            subscriber: program("mosquitto_sub", "usr/bin/mosquitto_sub")?,
            library_path: debian::library_path(root),
        })
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
                .env("LD_LIBRARY_PATH", &self.library_path)
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
