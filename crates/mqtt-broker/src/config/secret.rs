//! Secrets in the configuration: written out, or where to find them.

use super::kind::Kind;
use std::fmt;
use std::io::Read;
use toml::de::DeValue;
use zeroize::Zeroizing;

/// Bytes a secret may have.
const SECRET_LEN_MAX: u64 = 64 * 1024;

/// A text that is never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// This text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A secret: itself, `env:NAME` for a variable of the environment, or `file://PATH` for what a file says.
pub(super) struct SecretText;

impl Kind<Secret> for SecretText {
    fn read(&self, value: &DeValue<'_>) -> Option<Secret> {
        let text = value.as_str()?;
        let found = match (text.strip_prefix("env:"), text.strip_prefix("file://")) {
            (Some(name), _) => Zeroizing::new(std::env::var(name).ok()?),
            (_, Some(path)) => from_file(path)?,
            (None, None) => Zeroizing::new(text.to_owned()),
        };
        (!found.is_empty()).then_some(Secret(found))
    }

    fn allowed(&self) -> String {
        "a text that is not empty, `env:NAME` for a variable of the environment that is there, or `file://PATH` for a file that can be read".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "secret"
    }

    fn range(&self) -> String {
        "text, `env:NAME`, `file://PATH`".to_owned()
    }

    fn show(&self, _value: &Secret) -> String {
        String::new()
    }

    fn is_secret(&self) -> bool {
        true
    }
}

/// What a file says, without the ends of its last line.
fn from_file(path: &str) -> Option<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).ok()?;
    let len = file.take(SECRET_LEN_MAX + 1).read_to_string(&mut text);
    let len = u64::try_from(len.ok()?).ok()?;
    let kept = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(kept);
    (len <= SECRET_LEN_MAX).then_some(text)
}
