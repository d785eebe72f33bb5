//! SHA256SUMS, in the form that `sha256sum --check` reads.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

/// Name of the list.
const LIST: &str = "SHA256SUMS";

/// Lists every file of `folder`, in order.
///
/// # Errors
/// When a file cannot be read or the list cannot be written.
pub(super) fn write(folder: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && name != LIST {
            names.push(name);
        }
    }
    names.sort();
    let mut list = String::new();
    for name in names {
        let bytes = fs::read(folder.join(&name)).map_err(failed)?;
        list.push_str(&line(&name, &bytes));
    }
    fs::write(folder.join(LIST), list).map_err(failed)
}

fn line(name: &str, bytes: &[u8]) -> String {
    let mut line = String::new();
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(line, "{byte:02x}");
    }
    format!("{line}  {name}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_digest_two_spaces_and_name() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n";
        assert_eq!(line("a", b"abc"), expected);
    }

    #[test]
    fn the_list_leaves_itself_out() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b"), "").unwrap();
        write(folder.path()).unwrap();
        write(folder.path()).unwrap();
        let list = fs::read_to_string(folder.path().join(LIST)).unwrap();
        assert_eq!(list.lines().count(), 1);
        assert!(list.ends_with("  b\n"));
    }
}
