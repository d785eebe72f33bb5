//! Where the workspace is, and how its cargo is called.

use std::env;
use std::path::{Path, PathBuf};

use crate::metadata::Metadata;
use crate::shell::Command;

/// The checked-out workspace this `xtask` was built from.
pub(crate) struct Workspace {
    /// Folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// What cargo says of the packages and of everything they depend on.
    pub(crate) metadata: Metadata,
}

impl Workspace {
    /// Asks cargo about the workspace around this crate.
    ///
    /// # Errors
    /// When a manifest cannot be read or a dependency cannot be resolved.
    pub(crate) fn open() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("xtask has no folder above it")?
            .to_path_buf();
        let metadata = Metadata::read(&root)?;
        Ok(Self { root, metadata })
    }

    /// `cargo <arguments>` in the root folder, with the lock file as it stands when there is one.
    ///
    /// `arguments` begin with the subcommand.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = cargo(&self.root).args(arguments);
        let has_lock = arguments
            .first()
            .is_some_and(|subcommand| *subcommand != "fmt");
        if has_lock && self.root.join("Cargo.lock").exists() {
            command = command.arg("--locked");
        }
        command
    }

    /// A folder of ours below the target folder; made when missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn target_dir(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.metadata.target_directory.join(name);
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}

/// What decides whether cargo keeps what the next build of the same code needs.
const INCREMENTAL: &str = "CARGO_INCREMENTAL";

/// The cargo that runs this program, or the one on the path; without what it told us of ourselves.
///
/// On a build machine nothing is kept for a next build of changed code: it would be a third of the
/// target folder.
pub(crate) fn cargo(folder: &Path) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program).current_dir(folder);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command = command.env_remove(&*name);
        }
    }
    if is_ci() && env::var_os(INCREMENTAL).is_none() {
        command = command.env(INCREMENTAL, "0");
    }
    command
}

/// Whether this run is on a build machine, where the checkout must be clean.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some()
}
