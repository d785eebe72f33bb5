//! The secrets of connections in a file, for programs that read along.

use super::TlsError;
use rustls::KeyLog;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A file in the form of NSS, which Wireshark reads.
#[derive(Debug)]
pub(super) struct KeyLogFile(Mutex<File>);

impl KeyLogFile {
    /// Opens it; what is there stays.
    pub(super) fn open(path: &Path) -> Result<Self, TlsError> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|source| TlsError::File {
            path: path.display().to_string().into(),
            source,
        })?;
        Ok(Self(Mutex::new(file)))
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A connection goes on without it.
        let _ = file.write_all(line.as_bytes());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_is_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        for _ in 0..2 {
            let log = KeyLogFile::open(&path).unwrap();
            log.log("CLIENT_RANDOM", &[0, 255], &[1]);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "CLIENT_RANDOM 00ff 01\n".repeat(2));
        assert!(KeyLogFile::open(dir.path()).is_err());
    }
}
