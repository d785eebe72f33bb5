//! Where certificates and keys lie.

use crate::CertsError;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::Builder;

/// The files of one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair {
    /// The certificate in PEM.
    pub certificate: PathBuf,
    /// Its key in PEM, PKCS#8.
    pub key: PathBuf,
}

impl Pair {
    /// `NAME.pem` and `NAME.key` of a folder.
    pub(crate) fn of(folder: &Path, name: &str) -> Self {
        Self {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        }
    }

    /// The file that is there, if one is.
    pub(crate) fn existing(&self) -> Option<&Path> {
        [&self.certificate, &self.key]
            .into_iter()
            .find(|path| path.exists())
            .map(PathBuf::as_path)
    }

    /// Writes both, the key first: a certificate without its key looks finished.
    pub(crate) fn write(
        &self,
        certificate: &str,
        key: &str,
        replaces: bool,
    ) -> Result<(), CertsError> {
        write(&self.key, key, SECRET, replaces)?;
        write(&self.certificate, certificate, PUBLIC, replaces)
    }
}

/// Who may read a file, as unix has it.
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String, CertsError> {
    fs::read_to_string(path).map_err(|source| failed(path, source))
}

/// Makes the folder, and those it lies in.
pub(crate) fn make_folder(path: &Path) -> Result<(), CertsError> {
    fs::create_dir_all(path).map_err(|source| failed(path, source))
}

/// Whole or not at all, and never readable by more than `mode` says.
fn write(path: &Path, text: &str, mode: u32, replaces: bool) -> Result<(), CertsError> {
    let mut builder = Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let written = || {
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        match replaces {
            true => file.persist(path)?,
            false => file.persist_noclobber(path)?,
        };
        Ok(())
    };
    written().map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: std::io::Error) -> CertsError {
    let path = path.to_owned();
    match source.kind() {
        std::io::ErrorKind::AlreadyExists => CertsError::AlreadyThere { path },
        _ => CertsError::Io { path, source },
    }
}
