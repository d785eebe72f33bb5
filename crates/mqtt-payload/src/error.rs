//! Why a payload cannot be decoded or encoded.

use std::fmt::{self, Display, Formatter};

use crate::Codec;

/// A payload is not what it was said to be, or cannot become what it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PayloadError {
    /// The step that failed.
    pub codec: Codec,
    /// Where in the input of that step; `None` where that is not known. Unit: bytes from its start.
    pub place: Option<usize>,
    /// What is wrong there.
    pub what: String,
}

impl PayloadError {
    pub(crate) fn at(codec: Codec, place: usize, what: impl Display) -> Self {
        Self {
            codec,
            place: Some(place),
            what: what.to_string(),
        }
    }

    pub(crate) fn of(codec: Codec, what: impl Display) -> Self {
        Self {
            codec,
            place: None,
            what: what.to_string(),
        }
    }
}

impl Display for PayloadError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{}: byte {place}: {}", self.codec, self.what),
            None => write!(f, "{}: {}", self.codec, self.what),
        }
    }
}

impl std::error::Error for PayloadError {}
