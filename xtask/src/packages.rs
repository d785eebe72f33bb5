//! Packs and builds what a registry would get.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::report::Outcome;
use crate::shell::Output;
use crate::workspace::{Workspace, is_ci};

/// Where the packages are packed and built, below the target folder.
const FOLDER: &str = "xtask/packages";

/// Packs every published package and builds each from its archive; a warning is a failure.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    match fresh_folder(workspace) {
        Ok(folder) => Outcome::of_program(pack(workspace, &folder).and_then(|output| {
            // What a failure left is there to be looked at.
            if output.success {
                remove(&folder)?;
            }
            Ok(output)
        })),
        Err(error) => Outcome::of_program(Err(error)),
    }
}

fn pack(workspace: &Workspace, folder: &Path) -> Result<Output, String> {
    let mut command = workspace
        .cargo(&["package", "--workspace"])
        .arg("--target-dir")
        .arg(folder)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0");
    for package in workspace
        .metadata
        .members()
        .filter(|package| !package.is_published())
    {
        command = command.args(["--exclude", &package.name]);
    }
    if !is_ci() {
        command = command.arg("--allow-dirty");
    }
    let output = command.capture()?;
    let has_warning = output
        .stderr
        .lines()
        .any(|line| line.starts_with("warning:"));
    Ok(Output {
        success: output.success && !has_warning,
        ..output
    })
}

/// An empty folder to build in, and nothing left of our packages where cargo unpacks them.
///
/// Cargo takes an unpacked archive for what it unpacked before when name and version are the same,
/// and what it built from one as well; ours change while their version does not.
fn fresh_folder(workspace: &Workspace) -> Result<PathBuf, String> {
    let folder = workspace.metadata.target_directory.join(FOLDER);
    remove(&folder)?;
    if let Some(sources) = unpacked_sources() {
        for unpacked in left_over(workspace, &sources) {
            remove(&unpacked)?;
        }
    }
    Ok(folder)
}

/// Where cargo unpacks archives, a folder for each registry.
fn unpacked_sources() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")))?;
    Some(home.join("registry").join("src"))
}

/// What was unpacked of our packages from the registry cargo makes up while it packs.
///
/// Such a registry has no host, so the name of its folder begins with the dash in front of its hash.
fn left_over(workspace: &Workspace, sources: &Path) -> Vec<PathBuf> {
    let Ok(registries) = fs::read_dir(sources) else {
        return Vec::new();
    };
    let of_no_host = registries
        .flatten()
        .filter(|registry| registry.file_name().to_string_lossy().starts_with('-'));
    let ours: Vec<String> = workspace
        .metadata
        .members()
        .map(|package| format!("{}-{}", package.name, package.version))
        .collect();
    of_no_host
        .flat_map(|registry| ours.iter().map(move |name| registry.path().join(name)))
        .filter(|unpacked| unpacked.exists())
        .collect()
}

fn remove(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}
