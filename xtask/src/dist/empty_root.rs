//! Whether the binary needs anything beside the C library: it runs where there is nothing else.

use std::fs;
use std::path::Path;
use std::process;

use super::start;
use crate::report::Outcome;
use crate::shell::{Command, find_program};

/// What the root holds beside the binary: the C library, and the part of it that compilers bring.
const PACKAGES: [&str; 2] = ["libc6", "libgcc-s1"];

/// The binary in the root.
const BINARY: &str = "/mqtt";

/// What is published in it, and has to come back.
const PAYLOAD: &str = "from an empty root";

/// Lets a broker, a publisher and a subscriber run in an empty root below `folder`.
pub(super) fn check(binary: &Path, folder: &Path) -> Outcome {
    if let Err(reason) = can_run() {
        return Outcome::skipped(format!("skipped: the empty root: {reason}"));
    }
    match prepare(binary, folder).and_then(|()| exchange(folder)) {
        Ok(()) => Outcome::passed(),
        Err(error) => Outcome::failed(format!("in an empty root: {error}")),
    }
}

fn can_run() -> Result<(), String> {
    for program in ["apt-get", "dpkg-deb", "chroot", "id"] {
        if find_program(program).is_none() {
            return Err(format!("{program} is not installed"));
        }
    }
    match Command::new("id").arg("-u").read()?.trim() {
        "0" => Ok(()),
        _ => Err("only root may change the root folder of a program".to_owned()),
    }
}

/// Unpacks the packages and puts the binary beside them.
fn prepare(binary: &Path, folder: &Path) -> Result<(), String> {
    let text = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(text)?;
    }
    let archives = folder.join("archives");
    fs::create_dir_all(&archives).map_err(text)?;
    if download(&archives).is_err() {
        Command::new("apt-get").args(["update", "--quiet"]).read()?;
        download(&archives)?;
    }
    for entry in fs::read_dir(&archives).map_err(text)?.flatten() {
        let unpack = Command::new("dpkg-deb").arg("-x").arg(entry.path());
        unpack.arg(folder).read()?;
    }
    fs::remove_dir_all(archives).map_err(text)?;
    super::copy(binary, &folder.join("mqtt"))
}

fn download(archives: &Path) -> Result<String, String> {
    let command = Command::new("apt-get").args(["download", "--quiet"]);
    let command = command.args(["--option", "APT::Sandbox::User=root"]);
    command.args(PACKAGES).current_dir(archives).read()
}

/// A retained message goes in and comes out again.
fn exchange(root: &Path) -> Result<(), String> {
    let version = inside(root, &["--version"])?;
    if !version.starts_with("mqtt ") {
        return Err(format!("--version printed {version:?}"));
    }
    let mut broker = process::Command::new("chroot");
    broker
        .arg(root)
        .args([BINARY, "broker", "--listen", "127.0.0.1:0"])
        .args(["--data-dir", "/data"]);
    let broker = start::start(broker)?;
    let url = format!("mqtt://{}", broker.address);
    let message = ["-t", "a/b", "-q", "1"];
    let publish = ["pub", "-L", &url, "-r", "-m", PAYLOAD];
    inside(root, &[publish.as_slice(), message.as_slice()].concat())?;
    let subscribe = ["sub", "-L", &url, "-C", "1", "-W", "20"];
    let received = inside(root, &[subscribe.as_slice(), message.as_slice()].concat())?;
    match received.trim_end() == PAYLOAD {
        true => Ok(()),
        false => Err(format!("{received:?} came back")),
    }
}

/// What the binary prints when it runs in `root`.
fn inside(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let command = Command::new("chroot").arg(root).arg(BINARY);
    command.args(arguments).read()
}
