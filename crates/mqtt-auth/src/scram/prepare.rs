//! The one form of names and passwords that look the same.

use zeroize::Zeroizing;

/// As SASLprep has it, or unchanged where that has no form for it, as other implementations do.
pub(super) fn prepared(text: &str) -> Zeroizing<String> {
    let prepared = stringprep::saslprep(text).map(String::from);
    Zeroizing::new(prepared.unwrap_or_else(|_| text.to_owned()))
}
