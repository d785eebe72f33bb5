//! A password file as it is changed: every other line stays as it is.

use crate::error::UserFileError;
use crate::password::{HashForm, StoredPassword};
use crate::users::{Users, is_hashed, split};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How large a password file may be; unit: bytes. Some 300,000 users.
pub const USER_FILE_LEN_MAX: u64 = 64 * 1024 * 1024;

/// How long a User Name may be; unit: bytes. Spec: v5 §3.1.3.5.
const NAME_LEN_MAX: usize = 65_535;

/// A password file, `name:hash` per line, readable by Mosquitto as long as its forms are kept.
#[derive(Debug)]
pub struct UserFile {
    path: PathBuf,
    lines: Vec<String>,
    form: HashForm,
}

impl UserFile {
    /// A file without users at `path`, which exists only once it is [saved](Self::save).
    #[must_use]
    pub fn empty(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            lines: Vec::new(),
            form: HashForm::default(),
        }
    }

    /// Reads the file at `path`. Lines are only looked at when they are asked for.
    ///
    /// # Errors
    /// It cannot be read, is not UTF-8, or is larger than [`USER_FILE_LEN_MAX`].
    pub fn open(path: &Path) -> Result<Self, UserFileError> {
        let lines = read(path)?.lines().map(str::to_owned).collect();
        Ok(Self {
            path: path.to_path_buf(),
            lines,
            form: HashForm::default(),
        })
    }

    /// Hashes from now on in this form; argon2id otherwise.
    pub const fn hash_with(&mut self, form: HashForm) {
        self.form = form;
    }

    /// The User Names, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let split = self.lines.iter().map(|line| split(line).ok().flatten());
        split.flatten().map(|(name, _)| name)
    }

    /// Adds a user, or changes the password of one; true if the user is new.
    ///
    /// # Errors
    /// A User Name that a line cannot hold, or a password that cannot be hashed.
    pub fn set(&mut self, name: &str, password: &[u8]) -> Result<bool, UserFileError> {
        Self::check_name(name)?;
        let stored = StoredPassword::hashed(password, self.form)?;
        let line = format!("{name}:{stored}");
        match self.position(name) {
            Some(place) => {
                if let Some(old) = self.lines.get_mut(place) {
                    *old = line;
                }
                Ok(false)
            }
            None => {
                self.lines.push(line);
                Ok(true)
            }
        }
    }

    /// Takes a user out, with every line of that name.
    ///
    /// # Errors
    /// There is no such user.
    pub fn remove(&mut self, name: &str) -> Result<(), UserFileError> {
        if self.position(name).is_none() {
            let (name, path) = (name.into(), self.path.clone());
            return Err(UserFileError::NoSuchUser { name, path });
        }
        self.lines.retain(|line| !is_of(line, name));
        Ok(())
    }

    /// Hashes each password that stands in the file as it is; how many these were.
    ///
    /// # Errors
    /// A password that cannot be hashed, or a line without a colon.
    pub fn hash_plain(&mut self) -> Result<usize, UserFileError> {
        let mut hashed = 0;
        for (number, line) in (1..).zip(&mut self.lines) {
            let found = split(line).map_err(|cause| UserFileError::Line {
                path: self.path.clone(),
                line: number,
                cause,
            })?;
            if let Some((name, password)) = found.filter(|(_, hash)| !is_hashed(hash)) {
                let stored = StoredPassword::hashed(password.as_bytes(), self.form)?;
                *line = format!("{name}:{stored}");
                hashed += 1;
            }
        }
        Ok(hashed)
    }

    /// Writes the file: the new one, readable by its owner only, takes the place of the old one at once or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self) -> Result<(), UserFileError> {
        self.save_whole()
            .map_err(|source| file_error(&self.path, source))
    }

    fn save_whole(&self) -> io::Result<()> {
        // A link stays one: what it points to is replaced.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut file = NamedTempFile::new_in(folder)?;
        for line in &self.lines {
            writeln!(file, "{line}")?;
        }
        file.as_file().sync_all()?;
        file.persist(&path)?;
        // Where a folder can be opened, the new name is on the disk, too.
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .or_else(|error| if cfg!(unix) { Err(error) } else { Ok(()) })
    }

    /// Refuses a User Name that a line cannot hold.
    ///
    /// # Errors
    /// It is empty, too long, begins with `#`, or has a colon or a control character in it.
    pub fn check_name(name: &str) -> Result<(), UserFileError> {
        let cause = if name.is_empty() {
            "is empty"
        } else if name.len() > NAME_LEN_MAX {
            "is longer than 65,535 bytes"
        } else if name.contains(':') {
            "contains a colon"
        } else if name.starts_with('#') {
            "begins with '#', which makes a line a comment"
        } else if name.chars().any(char::is_control) {
            "contains a control character"
        } else {
            return Ok(());
        };
        let name = name.into();
        Err(UserFileError::Name { name, cause })
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|line| is_of(line, name))
    }
}

impl Users {
    /// Reads a password file.
    ///
    /// # Errors
    /// It cannot be read, is larger than [`USER_FILE_LEN_MAX`], or a line of it is wrong.
    pub fn open(path: &Path) -> Result<Self, UserFileError> {
        Self::parse(&read(path)?).map_err(|(line, cause)| UserFileError::Line {
            path: path.to_path_buf(),
            line,
            cause,
        })
    }
}

fn read(path: &Path) -> Result<String, UserFileError> {
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(USER_FILE_LEN_MAX + 1).read_to_string(&mut text));
    let len = read.map_err(|source| file_error(path, source))?;
    match u64::try_from(len) {
        Ok(len) if len <= USER_FILE_LEN_MAX => Ok(text),
        _ => Err(UserFileError::TooLarge {
            path: path.to_path_buf(),
            max: USER_FILE_LEN_MAX,
        }),
    }
}

fn file_error(path: &Path, source: io::Error) -> UserFileError {
    let path = path.to_path_buf();
    UserFileError::File { path, source }
}

fn is_of(line: &str, name: &str) -> bool {
    matches!(split(line), Ok(Some((of, _))) if of == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::Checked;

    fn folder_and_path() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        (folder, path)
    }

    #[test]
    fn users_are_added_changed_and_removed() {
        let (_folder, path) = folder_and_path();
        let mut file = UserFile::empty(&path);
        assert!(file.set("alice", b"one").unwrap());
        assert!(file.set("bob", b"two").unwrap());
        assert!(!file.set("alice", b"three").unwrap());
        file.save().unwrap();
        let users = Users::open(&path).unwrap();
        assert_eq!(users.check("alice", b"three"), Checked::Right { line: 1 });
        assert_eq!(
            users.check("alice", b"one"),
            Checked::WrongPassword { line: 1 }
        );

        let mut file = UserFile::open(&path).unwrap();
        assert_eq!(file.names().collect::<Vec<_>>(), ["alice", "bob"]);
        file.remove("alice").unwrap();
        let error = file.remove("alice").unwrap_err().to_string();
        assert!(error.starts_with("user \"alice\" is not in "), "{error}");
        file.save().unwrap();
        let users = Users::open(&path).unwrap();
        assert_eq!(users.check("bob", b"two"), Checked::Right { line: 1 });
        assert_eq!(users.len(), 1);
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        let (_folder, path) = folder_and_path();
        let before = "# people\n\nalice:$7$1$eA==$x\nno colon here\nbob:plain\n";
        fs::write(&path, before).unwrap();
        let mut file = UserFile::open(&path).unwrap();
        assert!(file.set("carol", b"").unwrap());
        file.save().unwrap();
        let after = fs::read_to_string(&path).unwrap();
        assert!(
            after.starts_with(&format!("{before}carol:$argon2id$")),
            "{after}"
        );
    }

    #[test]
    fn plain_passwords_are_hashed_and_others_are_not() {
        let (_folder, path) = folder_and_path();
        let kept = "# plain:text\nhashed:$6$eA==$eA==\n";
        fs::write(&path, format!("{kept}alice:secret\nbob:with:colon\n")).unwrap();
        let mut file = UserFile::open(&path).unwrap();
        assert_eq!(file.hash_plain().unwrap(), 2);
        assert_eq!(file.hash_plain().unwrap(), 0);
        file.save().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(kept), "{text}");
        let users = Users::parse(text.strip_prefix(kept).unwrap()).unwrap();
        assert_eq!(users.check("alice", b"secret"), Checked::Right { line: 1 });
        assert_eq!(
            users.check("bob", b"with:colon"),
            Checked::Right { line: 2 }
        );
    }

    #[test]
    fn names_that_a_line_cannot_hold_are_refused() {
        let (_folder, path) = folder_and_path();
        let long = "x".repeat(NAME_LEN_MAX + 1);
        for (name, cause) in [
            ("", "is empty"),
            ("a:b", "colon"),
            ("#a", "comment"),
            ("a\nb", "control"),
            (&long, "longer"),
        ] {
            let error = UserFile::empty(&path).set(name, b"x").unwrap_err();
            assert!(error.to_string().contains(cause), "{error:.80}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let (_folder, path) = folder_and_path();
        let error = Users::open(&path).unwrap_err().to_string();
        assert!(error.contains("users: "), "{error}");
        fs::write(&path, b"a:\xff").unwrap();
        assert!(UserFile::open(&path).is_err());
        fs::write(&path, "\nbob:secret").unwrap();
        let error = Users::open(&path).unwrap_err().to_string();
        assert!(
            error.contains("users, line 2: the password is not stored as"),
            "{error}"
        );
        let large = File::create(&path).unwrap();
        large.set_len(USER_FILE_LEN_MAX + 1).unwrap();
        assert!(matches!(
            Users::open(&path),
            Err(UserFileError::TooLarge { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_read_it_and_a_link_stays_one() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (folder, path) = folder_and_path();
        UserFile::empty(&path).save().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        let mut file = UserFile::open(&link).unwrap();
        file.set("alice", b"x").unwrap();
        file.save().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(Users::open(&path).unwrap().len(), 1);
    }
}
