//! The list of Reason Codes in SUBACK and UNSUBACK.

use core::fmt;

use crate::ReasonCode;

/// Reason Codes, one for each Topic Filter of the request, in its order.
///
/// Spec: v5 §3.9.3, v5 §3.11.3, v3.1.1 §3.9.3.
#[derive(Clone, Copy)]
pub struct ReasonCodes<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    /// INVARIANT: each byte was checked for its packet and version.
    Received(&'a [u8]),
    List(&'a [ReasonCode]),
}

impl<'a> ReasonCodes<'a> {
    /// No Reason Codes: those of an UNSUBACK before v5.
    pub const EMPTY: Self = Self(Source::Received(&[]));

    pub(crate) const fn received(bytes: &'a [u8]) -> Self {
        Self(Source::Received(bytes))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Received(bytes) => bytes.len(),
            Source::List(list) => list.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ReasonCode> + Clone + use<'a> {
        let source = self.0;
        (0..self.len()).map(move |index| {
            // `index` is below the length, so the default is never used.
            match source {
                Source::Received(bytes) => bytes.get(index).copied().map(ReasonCode::new),
                Source::List(list) => list.get(index).copied(),
            }
            .unwrap_or_default()
        })
    }
}

impl<'a> From<&'a [ReasonCode]> for ReasonCodes<'a> {
    fn from(list: &'a [ReasonCode]) -> Self {
        Self(Source::List(list))
    }
}

impl PartialEq for ReasonCodes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ReasonCodes<'_> {}

impl fmt::Debug for ReasonCodes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
