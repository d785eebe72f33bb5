//! What a database has of a user.

use zeroize::Zeroizing;

/// The row of a user.
#[derive(Default)]
pub(super) struct Row {
    /// `password_hash`.
    pub(super) hash: Zeroizing<String>,
    /// `salt`; empty where there is none.
    pub(super) salt: Zeroizing<String>,
    /// `is_superuser`; false where there is none.
    pub(super) is_superuser: bool,
}

/// Whether a text says yes; whatever is not clear does not.
pub(super) fn is_yes(text: &str) -> bool {
    ["1", "t", "true"]
        .iter()
        .any(|yes| text.eq_ignore_ascii_case(yes))
}
