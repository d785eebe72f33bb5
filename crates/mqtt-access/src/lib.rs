//! Who may connect to a broker, and who may publish and subscribe to what.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod emqx_acl;
mod erlang_term;
mod error;
mod format;
mod jwt;
mod mosquitto_acl;
mod password;
mod rule;
mod rule_error;
mod rule_text;
mod rules;
mod subject;
#[cfg(feature = "database")]
mod table_hash;
mod toml_rules;
mod topic_pattern;
mod user_file;
mod users;
mod who;

pub use error::{AclLineError, HashError, LineError, PatternError, UserFileError};
pub use format::RuleFormat;
pub use jwt::{
    AclClaimError, Claims, JWKS_LEN_MAX, JWT_KEYS_MAX, JWT_LEN_MAX, JwtError, JwtKeyError, JwtKeys,
};
pub use password::{
    ARGON2_MEMORY_MAX_KIB, ARGON2_WORK_MAX, HashForm, PBKDF2_ITERATIONS_MAX, StoredPassword,
};
pub use rule::{Action, Actions, Permit, Rule, Source};
pub use rule_error::{RULE_PROBLEMS_MAX, RuleError, RulesError};
pub use rules::{Rules, Verdict};
pub use subject::Subject;
#[cfg(feature = "database")]
pub use table_hash::{BCRYPT_COST_MAX, DigestFunction, MacFunction, SaltPosition, TableHash};
pub use toml_rules::{RULE_KEYS, RuleKey};
pub use topic_pattern::TopicPattern;
pub use user_file::{USER_FILE_LEN_MAX, UserFile};
pub use users::{Checked, Users};
pub use who::{Condition, TextMatch, Who};
