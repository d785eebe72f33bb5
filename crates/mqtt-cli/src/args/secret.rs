//! Passwords that do not stand on the command line.

use std::{env, fs};

use zeroize::Zeroizing;

/// The password that `text` says: `@FILE` is the first line of a file, `env:NAME` a variable of the environment, and
/// anything else is it; `@@` stands for an at sign at its beginning.
pub(super) fn read(text: &str) -> Result<Zeroizing<String>, String> {
    if let Some(rest) = text.strip_prefix("@@") {
        return Ok(Zeroizing::new(format!("@{rest}")));
    }
    if let Some(path) = text.strip_prefix('@') {
        let mut content = fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|error| format!("cannot read the password from {path}: {error}"))?;
        let end = content.find(['\r', '\n']).unwrap_or(content.len());
        content.truncate(end);
        return Ok(content);
    }
    match text.strip_prefix("env:") {
        None => Ok(Zeroizing::new(text.to_owned())),
        Some(name) => env::var(name)
            .map(Zeroizing::new)
            .map_err(|_| format!("the environment has no {name} to take the password from")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stands_there_or_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        fs::write(&path, "hush\r\nsecond line\n").unwrap();
        assert_eq!(*read(&format!("@{}", path.display())).unwrap(), "hush");
        assert_eq!(*read("@@home").unwrap(), "@home");
        assert_eq!(*read("plain").unwrap(), "plain");
        assert_eq!(*read("").unwrap(), "");
        let error = read("@/no/such/file").unwrap_err();
        assert!(
            error.starts_with("cannot read the password from /no/such/file"),
            "{error}"
        );
        assert!(
            read("env:NO_SUCH_VARIABLE_HERE")
                .unwrap_err()
                .contains("NO_SUCH_VARIABLE_HERE")
        );
    }
}
