//! What can be wrong with a password file.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// What is wrong with a stored password, or kept one from being made.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum HashError {
    /// None of argon2id, `$6$` and `$7$`.
    #[error("the password is not stored as argon2id, $6$ or $7$")]
    UnknownForm,
    /// An argon2 string that is damaged.
    #[error("the argon2 string is damaged")]
    Phc,
    /// Salt or hash is not there.
    #[error("salt or hash is missing")]
    Short,
    /// Salt or hash is not base64.
    #[error("salt or hash is not base64")]
    Base64,
    /// The hash does not have 64 bytes.
    #[error("the hash does not have 64 bytes")]
    HashLength,
    /// The hash of a table is not hexadecimal.
    #[error("the hash is not hexadecimal")]
    Hex,
    /// The hash of a table is longer or shorter than those of its function, or too short to be one.
    #[error("the hash is too long or too short for its function")]
    TableHashLength,
    /// A bcrypt hash that is damaged.
    #[error("the bcrypt hash is damaged")]
    Bcrypt,
    /// The iterations of `$7$` are not a number from 1.
    #[error("the number of iterations is not one from 1")]
    Iterations,
    /// More work than a check may take.
    #[error("a check would take more work than is allowed")]
    TooMuchWork,
    /// Something stands behind the hash.
    #[error("something stands behind the hash")]
    Trailing,
    /// The hash cannot be made.
    #[error("the password cannot be hashed: {cause}")]
    NotMade {
        /// Why not.
        cause: String,
    },
}

/// What is wrong with a line of a password file.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum LineError {
    /// No colon.
    #[error("no colon between user name and password")]
    NoColon,
    /// Nothing before the colon.
    #[error("no user name")]
    NoName,
    /// The user stands in an earlier line, too.
    #[error("user {name:?} is there already, in line {line}")]
    Twice {
        /// The User Name.
        name: Box<str>,
        /// Where it is for the first time, from 1.
        line: usize,
    },
    /// The password.
    #[error(transparent)]
    Password(#[from] HashError),
}

/// Why a password file cannot be read, changed or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UserFileError {
    /// Reading or writing it.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line of it.
    #[error("{path}, line {line}: {cause}", path = path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        cause: LineError,
    },
    /// More than 64 MiB.
    #[error("{path} is larger than {max} bytes", path = path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How large it may be; unit: bytes.
        max: u64,
    },
    /// A User Name that a line cannot hold.
    #[error("user name {name:?} {cause}")]
    Name {
        /// The User Name.
        name: Box<str>,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// A user that is not there.
    #[error("user {name:?} is not in {path}", path = path.display())]
    NoSuchUser {
        /// The User Name.
        name: Box<str>,
        /// Which file.
        path: PathBuf,
    },
    /// The password cannot be hashed.
    #[error(transparent)]
    Password(#[from] HashError),
}

/// What is wrong with the topic of a rule.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PatternError {
    /// Nothing.
    #[error("the topic is empty")]
    Empty,
    /// `+` beside other characters, or `#` that is not the last level.
    #[error("a wildcard stands where none may stand")]
    Wildcard,
    /// `${` without `}`.
    #[error("a placeholder has no closing brace")]
    Unclosed,
    /// A placeholder that is none of those known.
    #[error(
        "${{{name}}} is none of ${{clientid}}, ${{username}}, ${{cert_common_name}} and ${{client_attrs.NAME}}"
    )]
    Placeholder {
        /// What stands in the braces.
        name: Box<str>,
    },
}

/// What is wrong with a line of Mosquitto's `acl_file`.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum AclLineError {
    /// It begins with none of `user`, `topic` and `pattern`.
    #[error("{word:?} is none of user, topic and pattern")]
    Keyword {
        /// What it begins with.
        word: Box<str>,
    },
    /// `user` without a name.
    #[error("no user name")]
    NoName,
    /// Nothing behind `topic` or `pattern`.
    #[error("no topic")]
    NoTopic,
    /// The word before the topic.
    #[error("{word:?} is none of read, write, readwrite and deny")]
    Access {
        /// That word.
        word: Box<str>,
    },
    /// The topic.
    #[error(transparent)]
    Topic(#[from] PatternError),
}
