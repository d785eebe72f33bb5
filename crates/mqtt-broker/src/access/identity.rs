//! How a client proved who it is.

use std::sync::Arc;

/// What a client proved, so that it can be asked later whether that still holds.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Identity {
    /// The name of the authenticator that let it in.
    pub authenticator: Arc<str>,
    /// The name the authenticator knows it by.
    pub user: Box<str>,
    /// Which of the user's passwords it was; 0 where that cannot be told. Another password has another stamp.
    pub stamp: u64,
    /// When it ceases to hold, in seconds since 1970; none for never.
    pub expires_at_s: Option<u64>,
}
