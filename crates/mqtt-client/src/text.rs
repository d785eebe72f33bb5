//! Texts of which many are under way for a short time.

use std::fmt;
use std::ops::Deref;

/// Longer texts have a block of memory of their own. Unit: bytes.
const SHORT_LEN_MAX: usize = 30;

/// A text that takes no block of memory if it is short.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Text(Form);

#[derive(Clone, Eq, PartialEq)]
enum Form {
    /// INVARIANT: the first `len` bytes are UTF-8, the others 0.
    Short {
        len: u8,
        bytes: [u8; SHORT_LEN_MAX],
    },
    Long(Box<str>),
}

impl Text {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Form::Long(text) => text.as_bytes(),
        }
    }

    fn short(text: &str) -> Option<Self> {
        let len = u8::try_from(text.len()).ok()?;
        let mut bytes = [0; SHORT_LEN_MAX];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Self(Form::Short { len, bytes }))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::short(text).unwrap_or_else(|| Self(Form::Long(text.into())))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::short(&text).unwrap_or_else(|| Self(Form::Long(text.into())))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Form::Short { .. } => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Form::Long(text) => text,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_it_was_made_of_whatever_its_length() {
        for len in [
            0,
            1,
            SHORT_LEN_MAX - 1,
            SHORT_LEN_MAX,
            SHORT_LEN_MAX + 1,
            300,
        ] {
            let text = "\u{e9}".repeat(len / 2) + &"x".repeat(len % 2);
            assert_eq!(text.len(), len);
            for made in [Text::from(text.as_str()), Text::from(text.clone())] {
                assert_eq!((&*made, made.as_bytes()), (text.as_str(), text.as_bytes()));
                let is_short = matches!(made.0, Form::Short { .. });
                assert_eq!(is_short, len <= SHORT_LEN_MAX);
            }
        }
    }
}
