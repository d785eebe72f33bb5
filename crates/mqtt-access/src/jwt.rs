//! JSON Web Tokens: signed claims of who somebody is. Specs: RFC 7515, 7517, 7518, 7519, 8037.
//!
//! What a key is decides which algorithms it may be used with; what a token says of itself is only compared with that.

mod acl;
mod keys;

pub use acl::AclClaimError;
pub use keys::{JWKS_LEN_MAX, JWT_KEYS_MAX, JwtKeyError, JwtKeys};

use data_encoding::BASE64URL_NOPAD;
use keys::Algorithm;
use serde_json::{Map, Value};
use thiserror::Error;
use zeroize::Zeroizing;

/// How long a token may be; unit: bytes.
pub const JWT_LEN_MAX: usize = 64 * 1024;

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum JwtError {
    /// It does not have three parts of base64url, the first two of them JSON objects, or is too long.
    #[error("it is no token")]
    Malformed,
    /// It asks for an algorithm that no key here is for, `none` for example, or for extensions.
    #[error("its algorithm is none of those of the keys")]
    Algorithm,
    /// No key has made its signature.
    #[error("no key has signed it")]
    Signature,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not begun.
    #[error("it is not good yet")]
    TooEarly,
    /// A time in it is no number.
    #[error("a time in it is no number")]
    Time,
}

impl JwtError {
    /// Whether a key has signed it, and it is refused for what it says.
    #[must_use]
    pub const fn is_genuine(self) -> bool {
        matches!(self, Self::Expired | Self::TooEarly | Self::Time)
    }
}

/// What a token that is good says.
#[derive(Clone, Eq, PartialEq)]
pub struct Claims(Map<String, Value>);

impl std::fmt::Debug for Claims {
    /// Its names only: what a token says does not belong into a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Claims {
    /// One of them.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// One of them that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.find(name)?.as_str()
    }

    /// When they cease to hold, in seconds since 1970.
    #[must_use]
    pub fn expires_at_s(&self) -> Option<u64> {
        self.find("exp").and_then(seconds)
    }

    /// Whether a claim is this text, or a list with it.
    #[must_use]
    pub fn says(&self, name: &str, text: &str) -> bool {
        match self.find(name) {
            Some(Value::String(found)) => found == text,
            Some(Value::Array(found)) => found.iter().any(|one| one.as_str() == Some(text)),
            Some(Value::Number(found)) => found.to_string() == text,
            Some(Value::Bool(found)) => found.to_string() == text,
            _ => false,
        }
    }
}

impl JwtKeys {
    /// What a token says, if one of the keys has signed it and its time is now.
    ///
    /// `now_s` is in seconds since 1970; clocks may differ by `leeway_s`.
    ///
    /// # Errors
    /// The first of [`JwtError`] that is so.
    pub fn verify(&self, token: &str, now_s: u64, leeway_s: u64) -> Result<Claims, JwtError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        if token.len() > JWT_LEN_MAX || claims.contains('.') {
            return Err(JwtError::Malformed);
        }
        let header = object(header)?;
        let signature = decoded(signature)?;
        // Extensions that have to be understood are not.
        if header.contains_key("crit") {
            return Err(JwtError::Algorithm);
        }
        let algorithm = header.get("alg").and_then(Value::as_str);
        let algorithm = algorithm.and_then(Algorithm::from_name);
        let algorithm = algorithm.ok_or(JwtError::Algorithm)?;
        let key_id = header.get("kid").and_then(Value::as_str);
        let mut keys = self.for_token(algorithm, key_id).peekable();
        if keys.peek().is_none() {
            return Err(JwtError::Algorithm);
        }
        if !keys.any(|key| key.has_signed(algorithm, signed.as_bytes(), &signature)) {
            return Err(JwtError::Signature);
        }
        let claims = Claims(object(claims)?);
        claims.check_time(now_s, leeway_s)?;
        Ok(claims)
    }
}

impl Claims {
    fn check_time(&self, now_s: u64, leeway_s: u64) -> Result<(), JwtError> {
        let time = |name| match self.find(name) {
            None => Ok(None),
            Some(value) => seconds(value).map(Some).ok_or(JwtError::Time),
        };
        let latest_s = now_s.saturating_add(leeway_s);
        if time("exp")?.is_some_and(|at| at.saturating_add(leeway_s) <= now_s) {
            return Err(JwtError::Expired);
        }
        match time("nbf")?.max(time("iat")?) {
            Some(from) if from > latest_s => Err(JwtError::TooEarly),
            _ => Ok(()),
        }
    }
}

/// A time as RFC 7519 §2 has it: a number of seconds, which may have a part.
fn seconds(value: &Value) -> Option<u64> {
    if let Some(whole) = value.as_u64() {
        return Some(whole);
    }
    let time = value.as_f64().filter(|time| time.is_finite())?;
    // Times before 1970 are in the past, and such after the year 30 million in the future, in any case.
    let time = std::time::Duration::try_from_secs_f64(time.max(0.0));
    Some(time.map_or(u64::MAX, |time| time.as_secs()))
}

fn decoded(part: &str) -> Result<Zeroizing<Vec<u8>>, JwtError> {
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes());
    bytes.map(Zeroizing::new).map_err(|_| JwtError::Malformed)
}

fn object(part: &str) -> Result<Map<String, Value>, JwtError> {
    match serde_json::from_slice(&decoded(part)?) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(JwtError::Malformed),
    }
}

#[cfg(test)]
mod tests;
