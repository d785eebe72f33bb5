//! The built-in user database: users that are changed while the broker runs, in one file of the data directory.

use mqtt_access::{HashError, StoredPassword, UserFile, Users};
use mqtt_auth::StoredScram;
use parking_lot::{Mutex, RwLock};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

/// Users there may be.
pub(in crate::access) const USERS_MAX: usize = 1_000_000;

/// Bytes the file may have.
const FILE_LEN_MAX: u64 = 1024 * 1024 * 1024;

/// Users in one answer of [`UserStore::list`].
const PAGE_MAX: usize = 1000;

/// Users that are changed while the broker runs; a handle, cheap to clone.
///
/// Changing a password takes tens of milliseconds and writes the file: that does not belong on a thread that serves
/// connections.
#[derive(Clone)]
pub struct UserStore(Arc<Inner>);

struct Inner {
    /// None: nothing is kept.
    path: Option<PathBuf>,
    users: RwLock<BTreeMap<Box<str>, Entry>>,
    /// One change at a time.
    change: Mutex<()>,
}

#[derive(Clone)]
struct Entry {
    password: StoredPassword,
    scram: Option<StoredScram>,
    superuser: bool,
}

/// A user, as far as it is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UserView {
    /// The name.
    pub name: Box<str>,
    /// Whether it may do everything.
    pub superuser: bool,
    /// Whether it can authenticate with SCRAM-SHA-256.
    pub scram: bool,
}

/// Why a user is not changed, or the file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserStoreError {
    /// The user is there already.
    #[error("user {name:?} is there already")]
    Exists {
        /// Its name.
        name: Box<str>,
    },
    /// There is no such user.
    #[error("there is no user {name:?}")]
    NoSuchUser {
        /// Its name.
        name: Box<str>,
    },
    /// No name for a user.
    #[error("{0}")]
    Name(#[source] mqtt_access::UserFileError),
    /// There are as many as may be.
    #[error("there are {USERS_MAX} users already")]
    Full,
    /// The password cannot be hashed.
    #[error(transparent)]
    Password(#[from] HashError),
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line of the file is none.
    #[error("{path}, line {line}: {cause}", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        cause: String,
    },
}

impl UserStore {
    /// Without users, and nothing is kept.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::of(None, BTreeMap::new())
    }

    /// The users of this file; none where there is no file yet.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is wrong.
    pub fn open(path: &Path) -> Result<Self, UserStoreError> {
        let text = match read(path) {
            Ok(text) => text,
            Err(source) if source.kind() == io::ErrorKind::NotFound => Zeroizing::default(),
            Err(source) => {
                let path = path.to_owned();
                return Err(UserStoreError::File { path, source });
            }
        };
        let mut users = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines()) {
            let (name, entry) = parse(text).map_err(|cause| UserStoreError::Line {
                path: path.to_owned(),
                line,
                cause,
            })?;
            users.insert(name, entry);
        }
        Ok(Self::of(Some(path.to_owned()), users))
    }

    /// The same users, which changes do not reach, and whose changes nobody keeps.
    #[must_use]
    pub(in crate::access) fn copy(&self) -> Self {
        Self::of(None, self.0.users.read().clone())
    }

    fn of(path: Option<PathBuf>, users: BTreeMap<Box<str>, Entry>) -> Self {
        Self(Arc::new(Inner {
            path,
            users: RwLock::new(users),
            change: Mutex::new(()),
        }))
    }

    /// How many users there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.users.read().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.users.read().is_empty()
    }

    /// The users after `after`, by name; `len` of them, at most 1,000.
    #[must_use]
    pub fn list(&self, after: Option<&str>, len: usize) -> Vec<UserView> {
        let users = self.0.users.read();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = users.range::<str, _>((from, Bound::Unbounded));
        let found = found.take(len.clamp(1, PAGE_MAX));
        found
            .map(|(name, entry)| UserView {
                name: name.clone(),
                superuser: entry.superuser,
                scram: entry.scram.is_some(),
            })
            .collect()
    }

    /// Adds a user.
    ///
    /// # Errors
    /// It is there, its name is none, or the file cannot be written.
    pub fn add(&self, name: &str, password: &[u8], superuser: bool) -> Result<(), UserStoreError> {
        UserFile::check_name(name).map_err(UserStoreError::Name)?;
        let entry = Entry::new(password, superuser)?;
        self.change(|users| {
            if users.contains_key(name) {
                let name = name.into();
                return Err(UserStoreError::Exists { name });
            }
            if users.len() >= USERS_MAX {
                return Err(UserStoreError::Full);
            }
            users.insert(name.into(), entry);
            Ok(())
        })
    }

    /// Gives a user another password.
    ///
    /// # Errors
    /// There is no such user, or the file cannot be written.
    pub fn set_password(&self, name: &str, password: &[u8]) -> Result<(), UserStoreError> {
        let new = Entry::new(password, false)?;
        self.change(|users| {
            let entry = users.get_mut(name).ok_or_else(|| no_such(name))?;
            entry.password = new.password;
            entry.scram = new.scram;
            Ok(())
        })
    }

    /// Says whether a user may do everything.
    ///
    /// # Errors
    /// There is no such user, or the file cannot be written.
    pub fn set_superuser(&self, name: &str, superuser: bool) -> Result<(), UserStoreError> {
        self.change(|users| {
            users.get_mut(name).ok_or_else(|| no_such(name))?.superuser = superuser;
            Ok(())
        })
    }

    /// Takes a user out.
    ///
    /// # Errors
    /// There is no such user, or the file cannot be written.
    pub fn delete(&self, name: &str) -> Result<(), UserStoreError> {
        self.change(|users| users.remove(name).map(drop).ok_or_else(|| no_such(name)))
    }

    /// Takes the users of a password file, while there is none here; how many these were.
    pub(in crate::access) fn bootstrap(&self, users: &Users) -> Result<usize, UserStoreError> {
        if !self.is_empty() || users.is_empty() {
            return Ok(0);
        }
        self.change(|here| {
            if users.len() > USERS_MAX {
                return Err(UserStoreError::Full);
            }
            here.extend(users.iter().map(|(name, password)| {
                let entry = Entry {
                    password: password.clone(),
                    scram: None,
                    superuser: false,
                };
                (name.into(), entry)
            }));
            Ok(here.len())
        })
    }

    /// What is stored of a user's password, and whether the user may do everything.
    pub(in crate::access) fn find(&self, name: &str) -> Option<(StoredPassword, bool)> {
        let users = self.0.users.read();
        let entry = users.get(name)?;
        Some((entry.password.clone(), entry.superuser))
    }

    /// What SCRAM-SHA-256 needs of a user, and whether the user may do everything.
    pub(in crate::access) fn find_scram(
        &self,
        name: &str,
    ) -> Option<(StoredScram, StoredPassword, bool)> {
        let users = self.0.users.read();
        let entry = users.get(name)?;
        Some((
            entry.scram.clone()?,
            entry.password.clone(),
            entry.superuser,
        ))
    }

    /// What is stored of some user: the first whose name is not before `from`, or the first of all.
    pub(in crate::access) fn some(&self, from: &str) -> Option<StoredPassword> {
        let users = self.0.users.read();
        let mut after = users.range::<str, _>((Bound::Included(from), Bound::Unbounded));
        let found = after.next().or_else(|| users.iter().next());
        found.map(|(_, entry)| entry.password.clone())
    }

    /// Makes a change, which is on the disk before it holds.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<Box<str>, Entry>) -> Result<T, UserStoreError>,
    ) -> Result<T, UserStoreError> {
        let _one = self.0.change.lock();
        let mut users = self.0.users.read().clone();
        let outcome = change(&mut users)?;
        if let Some(path) = &self.0.path {
            save(path, &users).map_err(|source| UserStoreError::File {
                path: path.clone(),
                source,
            })?;
        }
        *self.0.users.write() = users;
        Ok(outcome)
    }
}

impl std::fmt::Debug for UserStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserStore")
            .field("path", &self.0.path)
            .field("users", &self.len())
            .finish_non_exhaustive()
    }
}

impl Entry {
    fn new(password: &[u8], superuser: bool) -> Result<Self, UserStoreError> {
        // SCRAM is for text; a password that is none can be used without it.
        let scram = std::str::from_utf8(password).ok();
        let scram = scram.and_then(|password| StoredScram::new(password).ok());
        Ok(Self {
            password: StoredPassword::new(password)?,
            scram,
            superuser,
        })
    }
}

fn no_such(name: &str) -> UserStoreError {
    let name = name.into();
    UserStoreError::NoSuchUser { name }
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let len = File::open(path)?
        .take(FILE_LEN_MAX + 1)
        .read_to_string(&mut text)?;
    match u64::try_from(len) {
        Ok(len) if len <= FILE_LEN_MAX => Ok(text),
        _ => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("more than {FILE_LEN_MAX} bytes"),
        )),
    }
}

/// One line: an object of JSON.
fn parse(line: &str) -> Result<(Box<str>, Entry), String> {
    let value: Value = serde_json::from_str(line).map_err(|_| "no JSON".to_owned())?;
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let name = text("user").filter(|name| !name.is_empty());
    let password = text("password").ok_or("no password")?;
    let scram = text("scram").map(StoredScram::parse).transpose();
    let entry = Entry {
        password: StoredPassword::parse(password).map_err(|error| error.to_string())?,
        scram: scram.map_err(|error| error.to_string())?,
        superuser: value.get("superuser") == Some(&Value::Bool(true)),
    };
    Ok((name.ok_or("no user")?.into(), entry))
}

/// Writes the file: the new one, readable by its owner only, takes the place of the old one at once or not at all.
fn save(path: &Path, users: &BTreeMap<Box<str>, Entry>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut file = io::BufWriter::new(NamedTempFile::new_in(folder)?);
    for (name, entry) in users {
        let mut object = Map::new();
        object.insert("user".into(), Value::from(&**name));
        object.insert("password".into(), Value::from(entry.password.to_string()));
        if let Some(scram) = &entry.scram {
            object.insert("scram".into(), Value::from(scram.to_text().as_str()));
        }
        if entry.superuser {
            object.insert("superuser".into(), Value::Bool(true));
        }
        writeln!(file, "{}", Value::Object(object))?;
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // Where a folder can be opened, the new name is on the disk, too.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .or_else(|error| if cfg!(unix) { Err(error) } else { Ok(()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(store: &UserStore) -> Vec<Box<str>> {
        let users = store.list(None, 10);
        users.into_iter().map(|user| user.name).collect()
    }

    #[test]
    fn changes_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        let store = UserStore::open(&path).unwrap();
        store.add("bob", b"one", false).unwrap();
        store.add("alice", b"two", true).unwrap();
        store.set_password("bob", b"three").unwrap();
        let again = UserStore::open(&path).unwrap();
        assert_eq!(names(&again), ["alice", "bob"].map(Box::from));
        let (password, superuser) = again.find("bob").unwrap();
        assert!(password.verify(b"three") && !superuser);
        assert!(again.find("alice").unwrap().1);
        again.set_superuser("alice", false).unwrap();
        again.delete("bob").unwrap();
        let again = UserStore::open(&path).unwrap();
        assert_eq!(names(&again), ["alice"].map(Box::from));
        assert!(!again.find("alice").unwrap().1);
        assert!(again.list(None, 1)[0].scram);
    }

    #[test]
    fn what_cannot_be_done_changes_nothing() {
        let store = UserStore::in_memory();
        store.add("bob", b"one", false).unwrap();
        for (outcome, words) in [
            (store.add("bob", b"x", false), "is there already"),
            (store.set_password("alice", b"x"), "there is no user"),
            (store.delete("alice"), "there is no user"),
            (store.add("a:b", b"x", false), "contains a colon"),
            (store.add("", b"x", false), "is empty"),
        ] {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(store.find("bob").unwrap().0.verify(b"one"));
        let unwritable = tempfile::tempdir().unwrap();
        let path = unwritable.path().join("users");
        let store = UserStore::open(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(store.add("bob", b"one", false).is_err());
        assert!(store.is_empty());
    }

    #[test]
    fn a_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        for (line, words) in [
            ("x", "users, line 2: no JSON"),
            ("{\"user\":\"a\"}", "line 2: no password"),
            ("{\"user\":\"a\",\"password\":\"plain\"}", "not stored as"),
        ] {
            let store = UserStore::open(&path).unwrap();
            store.add("bob", b"x", false).unwrap();
            let good = fs::read_to_string(&path).unwrap();
            fs::write(&path, format!("{good}{line}\n")).unwrap();
            let error = UserStore::open(&path).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn pages_go_on_where_the_last_ended() {
        let store = UserStore::in_memory();
        for name in ["a", "b", "c"] {
            store.add(name, b"x", false).unwrap();
        }
        let first = store.list(None, 2);
        let rest = store.list(first.last().map(|user| &*user.name), 2);
        assert_eq!((first.len(), rest.len()), (2, 1));
        assert!(!format!("{store:?} {first:?}").contains("argon2"));
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        UserStore::open(&path)
            .unwrap()
            .add("bob", b"x", false)
            .unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
