//! tshark and dumpcap: the installed ones, else Debian's unpacked below the target folder.

use std::path::Path;

use super::{debian, text};
use crate::shell::{Command, find_program};

/// What the tests capture on.
const INTERFACE: &str = "lo";

/// Finds or fetches the programs, and sees whether packets may be captured here.
///
/// # Errors
/// One line that says what is missing.
pub(super) fn prepare(folder: &Path) -> Result<Vec<(&'static str, String)>, String> {
    // Apart from the others, whose libraries it need not share.
    let folder = folder.join("tshark");
    let root = folder.join("root");
    let found = |name: &str| {
        let unpacked = root.join("usr/bin").join(name);
        find_program(name).or_else(|| Some(unpacked).filter(|path| path.exists()))
    };
    if found("tshark").is_none() || found("dumpcap").is_none() {
        debian::fetch(&folder, &root, &["tshark"])?;
    }
    let [tshark, dumpcap] =
        ["tshark", "dumpcap"].map(|name| found(name).ok_or(format!("the packages hold no {name}")));
    let (tshark, dumpcap) = (tshark?, dumpcap?);
    let library_path = debian::library_path(&root);
    for (program, argument, expected) in [
        (&tshark, "--version", "TShark"),
        (&dumpcap, "-D", INTERFACE),
    ] {
        let output = Command::new(program)
            .arg(argument)
            .env("LD_LIBRARY_PATH", &library_path)
            .capture()?;
        if !output.success || !output.joined().contains(expected) {
            let line = output.last_line();
            return Err(format!("{} cannot be used: {line}", program.display()));
        }
    }
    Ok(vec![
        ("MQTT_INTEROP_TSHARK", text(&tshark)),
        ("MQTT_INTEROP_DUMPCAP", text(&dumpcap)),
        ("MQTT_INTEROP_TSHARK_LIBRARY_PATH", library_path),
    ])
}
