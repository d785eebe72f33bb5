//! What is wrong with a `mosquitto.db`, and where.

use std::io;

/// Why a `mosquitto.db` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("at byte {offset}: {fault}")]
pub struct DbError {
    /// Where in the file the part begins that cannot be read; unit: bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub fault: DbFault,
}

/// What is wrong with a `mosquitto.db`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbFault {
    /// It does not begin as one.
    #[error("this is not a mosquitto.db")]
    NotADatabase,
    /// Its format is none that is known: 2 to 6 are.
    #[error("format {0} is not known, only 2 to 6")]
    Version(u32),
    /// It ends in the midst of something.
    #[error("the file ends in the midst of a chunk")]
    Truncated,
    /// A chunk is shorter than what it says it holds, or longer.
    #[error("a chunk's length does not fit what is in it")]
    Length,
    /// A length no writer would write.
    #[error("a field of {len} bytes is more than the {max} there may be")]
    TooLong {
        /// What it says; unit: bytes.
        len: u64,
        /// What there may be; unit: bytes.
        max: u64,
    },
    /// Text that is not UTF-8, or holds what MQTT does not allow.
    #[error("a text is not one that MQTT allows")]
    Text,
    /// A topic or filter that MQTT does not allow.
    #[error("a topic is not one that MQTT allows")]
    Topic,
    /// Properties that cannot be read.
    #[error("the properties of a message cannot be read")]
    Properties,
    /// A number that means nothing at its place.
    #[error("{what} is {value}, which means nothing")]
    Value {
        /// What it is.
        what: &'static str,
        /// What it says.
        value: u64,
    },
    /// There is more than can be held while it is read.
    #[error("there are more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most that are read.
        max: usize,
    },
    /// The system cannot read it.
    #[error("cannot be read: {0}")]
    Io(io::Error),
}

impl DbFault {
    /// The fault at its place.
    pub(crate) const fn at(self, offset: u64) -> DbError {
        DbError {
            offset,
            fault: self,
        }
    }
}
