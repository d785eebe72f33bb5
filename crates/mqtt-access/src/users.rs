//! The users of a password file, for looking them up.

use crate::error::{HashError, LineError};
use crate::password::StoredPassword;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// User Names and their stored passwords.
#[derive(Clone, Debug)]
pub struct Users {
    users: Vec<User>,
    /// INVARIANT: the place of each user in `users`.
    by_name: HashMap<Box<str>, usize>,
    /// Checked where there is no user at all, so that the time taken tells nobody so.
    nobody: StoredPassword,
}

#[derive(Clone, Debug)]
struct User {
    name: Box<str>,
    password: StoredPassword,
    /// From 1.
    line: usize,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Checked {
    /// The user and the password are right; the line the user stands in, from 1.
    Right {
        /// From 1.
        line: usize,
    },
    /// The user is there, the password is another; the line the user stands in.
    WrongPassword {
        /// From 1.
        line: usize,
    },
    /// No such user.
    NoSuchUser,
}

impl Users {
    /// Reads the lines `name:hash` of a password file; empty ones, and those that begin with `#`, say nothing.
    ///
    /// # Errors
    /// The first line that is wrong, from 1, and why.
    pub fn parse(text: &str) -> Result<Self, (usize, LineError)> {
        let (mut users, mut by_name) = (Vec::<User>::new(), HashMap::<Box<str>, usize>::new());
        for (line, text) in (1..).zip(text.lines()) {
            let Some((name, hash)) = split(text).map_err(|error| (line, error))? else {
                continue;
            };
            let password = StoredPassword::parse(hash).map_err(|error| (line, error.into()))?;
            if let Some(first) = by_name.insert(name.into(), users.len()) {
                let name = name.into();
                let first = users.get(first).map_or(0, |user| user.line);
                return Err((line, LineError::Twice { name, line: first }));
            }
            users.push(User {
                name: name.into(),
                password,
                line,
            });
        }
        Ok(Self {
            users,
            by_name,
            nobody: StoredPassword::nobody(),
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether there is a user of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Name and stored password of each, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &StoredPassword)> {
        self.users.iter().map(|user| (&*user.name, &user.password))
    }

    /// What is stored of a user, for a check elsewhere.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&StoredPassword> {
        self.user(name).map(|user| &user.password)
    }

    /// What to check for a user that is not there, for the time it takes: another's, always the same for one name.
    #[must_use]
    pub fn decoy(&self, name: &str) -> &StoredPassword {
        let count = u64::try_from(self.users.len()).unwrap_or(u64::MAX);
        let nth = self.by_name.hasher().hash_one(name).checked_rem(count);
        let nth = nth.and_then(|nth| usize::try_from(nth).ok());
        let user = nth.and_then(|nth| self.users.get(nth));
        user.map_or(&self.nobody, |user| &user.password)
    }

    /// Checks a password; takes as long for a user that is not there as for one that is.
    #[must_use]
    pub fn check(&self, name: &str, password: &[u8]) -> Checked {
        match self.user(name) {
            Some(user) if user.password.verify(password) => Checked::Right { line: user.line },
            Some(user) => Checked::WrongPassword { line: user.line },
            None => {
                let _whatever = self.decoy(name).verify(password);
                Checked::NoSuchUser
            }
        }
    }

    fn user(&self, name: &str) -> Option<&User> {
        self.users.get(*self.by_name.get(name)?)
    }
}

/// Name and hash of a line, if it has them.
pub(crate) fn split(line: &str) -> Result<Option<(&str, &str)>, LineError> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    match line.split_once(':') {
        None => Err(LineError::NoColon),
        Some(("", _)) => Err(LineError::NoName),
        Some((name, hash)) => Ok(Some((name, hash))),
    }
}

/// Whether a line's password is stored in a form of ours, or something that is not, such as the password itself.
pub(crate) fn is_hashed(hash: &str) -> bool {
    StoredPassword::parse(hash) != Err(HashError::UnknownForm)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: &str = "$7$101$qAKE5/wiMb7MxInY$kP9F12niaj//BS9BG/tQWVDjzhDofyH9NJlPCrUH+EoxjxdeMtoyeD0X3IhbkC4TMikpzhGuL+h3YczjOSvirg==";

    #[test]
    fn users_are_found_and_checked() {
        let users =
            Users::parse(&format!("# two of them\nbob:{SEVEN}\n\nß é:{SEVEN}\r\n")).unwrap();
        assert_eq!(users.len(), 2);
        assert_eq!(users.check("bob", b"secret"), Checked::Right { line: 2 });
        assert_eq!(users.check("ß é", b"secret"), Checked::Right { line: 4 });
        assert_eq!(users.check("bob", b"x"), Checked::WrongPassword { line: 2 });
        assert_eq!(users.check("Bob", b"secret"), Checked::NoSuchUser);
        assert_eq!(users.check("", b""), Checked::NoSuchUser);
    }

    #[test]
    fn a_list_without_users_takes_as_long_as_one_with() {
        let users = Users::parse("").unwrap();
        assert!(!users.decoy("bob").is_outdated());
        assert_eq!(users.check("bob", b"secret"), Checked::NoSuchUser);
        let users = Users::parse(&format!("bob:{SEVEN}")).unwrap();
        assert_eq!(Some(users.decoy("alice")), users.find("bob"));
    }

    #[test]
    fn the_first_wrong_line_is_named() {
        let twice = LineError::Twice {
            name: "bob".into(),
            line: 1,
        };
        let cases = [
            (format!("bob:{SEVEN}\nalice"), 2, LineError::NoColon),
            (format!("\n:{SEVEN}"), 2, LineError::NoName),
            (format!("bob:{SEVEN}\n# x\nbob:{SEVEN}"), 3, twice),
            ("bob:secret".to_owned(), 1, HashError::UnknownForm.into()),
        ];
        for (text, line, error) in cases {
            assert_eq!(Users::parse(&text).unwrap_err(), (line, error), "{text}");
        }
    }
}
