//! Who may connect to a broker.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod error;
mod mosquitto_acl;
mod password;
mod rule;
mod rules;
mod subject;
mod topic_pattern;
mod user_file;
mod users;

pub use error::{AclLineError, HashError, LineError, PatternError, UserFileError};
pub use password::{
    ARGON2_MEMORY_MAX_KIB, ARGON2_WORK_MAX, HashForm, PBKDF2_ITERATIONS_MAX, StoredPassword,
};
pub use rule::{Action, Actions, Permit, Rule, Source, Who};
pub use rules::{Rules, Verdict};
pub use subject::Subject;
pub use topic_pattern::TopicPattern;
pub use user_file::{USER_FILE_LEN_MAX, UserFile};
pub use users::{Checked, Users};
