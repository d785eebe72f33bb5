//! `StoredScram`: what a server keeps of a password.

use super::prepare::prepared;
use super::{DIGEST_LEN, ITERATIONS, METHOD};
use crate::AuthError;
use data_encoding::BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use std::fmt;
use std::num::NonZeroU32;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a new salt.
const SALT_LEN: usize = 16;

/// What a server keeps of a password: enough to check a proof of it and to give one, but not the password.
///
/// As text it is what PostgreSQL keeps, too: `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
#[derive(Clone, Eq, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct StoredScram {
    #[zeroize(skip)]
    iterations: NonZeroU32,
    salt: Vec<u8>,
    stored_key: [u8; DIGEST_LEN],
    server_key: [u8; DIGEST_LEN],
}

impl StoredScram {
    /// For a new password: with a random salt and [`ITERATIONS`] rounds.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(password: &str) -> Result<Self, AuthError> {
        let mut salt = [0; SALT_LEN];
        fill(&mut salt)?;
        let iterations = NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN);
        Ok(Self::derive(password, &salt, iterations))
    }

    /// For a password with a salt and a number of rounds that are given.
    pub fn derive(password: &str, salt: &[u8], iterations: NonZeroU32) -> Self {
        let salted = salted_password(&prepared(password), salt, iterations);
        let salted = hmac::Key::new(hmac::HMAC_SHA256, salted.as_ref());
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let server_key = hmac::sign(&salted, b"Server Key");
        Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: array(stored_key.as_ref()),
            server_key: array(server_key.as_ref()),
        }
    }

    /// Reads what [`StoredScram::to_text`] has written.
    ///
    /// # Errors
    /// The text has another form.
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        let mut parts = text.split('$');
        let (method, work, keys, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
        let (iterations, salt) = work
            .and_then(|work| work.split_once(':'))
            .ok_or(AuthError::Stored)?;
        let (stored_key, server_key) = keys
            .and_then(|keys| keys.split_once(':'))
            .ok_or(AuthError::Stored)?;
        if method != Some(METHOD) || rest.is_some() {
            return Err(AuthError::Stored);
        }
        Ok(Self {
            iterations: iterations.parse().map_err(|_| AuthError::Stored)?,
            salt: decode(salt)?,
            stored_key: decode_key(stored_key)?,
            server_key: decode_key(server_key)?,
        })
    }

    /// The text to keep, which is secret: whoever has it can pretend to be the server, and try passwords.
    pub fn to_text(&self) -> Zeroizing<String> {
        let (salt, stored_key) = (BASE64.encode(&self.salt), BASE64.encode(&self.stored_key));
        let server_key = BASE64.encode(&self.server_key);
        Zeroizing::new(format!(
            "{METHOD}${}:{salt}${stored_key}:{server_key}",
            self.iterations
        ))
    }

    /// Rounds of PBKDF2.
    pub const fn iterations(&self) -> u32 {
        self.iterations.get()
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) const fn stored_key(&self) -> &[u8; DIGEST_LEN] {
        &self.stored_key
    }

    pub(super) const fn server_key(&self) -> &[u8; DIGEST_LEN] {
        &self.server_key
    }

    /// What a user that is not there has: always the same salt, and keys that nobody knows.
    pub(super) fn decoy(secret: &hmac::Key, username: &str) -> Result<Self, AuthError> {
        let salt = hmac::sign(secret, username.as_bytes());
        let mut keys = [[0; DIGEST_LEN]; 2];
        for key in &mut keys {
            fill(key)?;
        }
        let [stored_key, server_key] = keys;
        Ok(Self {
            iterations: NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN),
            salt: salt.as_ref().iter().take(SALT_LEN).copied().collect(),
            stored_key,
            server_key,
        })
    }
}

impl fmt::Debug for StoredScram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredScram")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// PBKDF2 of a prepared password.
pub(super) fn salted_password(
    password: &str,
    salt: &[u8],
    iterations: NonZeroU32,
) -> Zeroizing<[u8; DIGEST_LEN]> {
    let mut salted = Zeroizing::new([0; DIGEST_LEN]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        password.as_bytes(),
        salted.as_mut(),
    );
    salted
}

/// Fills a buffer with random bytes.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), AuthError> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| AuthError::Random)
}

fn decode(text: &str) -> Result<Vec<u8>, AuthError> {
    let bytes = BASE64.decode(text.as_bytes());
    bytes.map_err(|_| AuthError::Stored)
}

fn decode_key(text: &str) -> Result<[u8; DIGEST_LEN], AuthError> {
    let bytes = Zeroizing::new(decode(text)?);
    bytes.as_slice().try_into().map_err(|_| AuthError::Stored)
}

/// The bytes of a digest, which has as many.
fn array(bytes: &[u8]) -> [u8; DIGEST_LEN] {
    let mut array = [0; DIGEST_LEN];
    for (to, from) in array.iter_mut().zip(bytes) {
        *to = *from;
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange RFC 7677 §3 shows, without its proofs.
    const SHOWN: &str = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

    #[test]
    fn the_example_of_rfc_7677_is_proven_and_proves() {
        let salt = BASE64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let stored = StoredScram::derive("pencil", &salt, NonZeroU32::new(4096).unwrap());
        let server_key = hmac::Key::new(hmac::HMAC_SHA256, stored.server_key());
        let signature = hmac::sign(&server_key, SHOWN.as_bytes());
        assert_eq!(
            BASE64.encode(signature.as_ref()),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        let proof = BASE64
            .decode(b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        let stored_key = hmac::Key::new(hmac::HMAC_SHA256, stored.stored_key());
        let signature = hmac::sign(&stored_key, SHOWN.as_bytes());
        let client_key: Vec<u8> = proof
            .iter()
            .zip(signature.as_ref())
            .map(|(a, b)| a ^ b)
            .collect();
        let digest = digest::digest(&digest::SHA256, &client_key);
        assert_eq!(digest.as_ref(), stored.stored_key());
    }

    #[test]
    fn what_is_kept_is_read_back_and_not_printed() {
        let stored = StoredScram::new("pencil").unwrap();
        let text = stored.to_text();
        assert_eq!(StoredScram::parse(&text), Ok(stored.clone()));
        assert!(text.starts_with("SCRAM-SHA-256$15000:"), "{}", &*text);
        let shown = format!("{stored:?}");
        assert!(
            !text
                .split(['$', ':'])
                .skip(2)
                .any(|secret| shown.contains(secret)),
            "{shown}"
        );
        assert_ne!(StoredScram::new("pencil").unwrap().salt(), stored.salt());
    }

    #[test]
    fn other_texts_are_refused() {
        let key = BASE64.encode(&[7; 32]);
        let short = BASE64.encode(&[7; 31]);
        for text in [
            String::new(),
            format!("SCRAM-SHA-1$4096:AAAA${key}:{key}"),
            format!("SCRAM-SHA-256$0:AAAA${key}:{key}"),
            format!("SCRAM-SHA-256$x:AAAA${key}:{key}"),
            format!("SCRAM-SHA-256$4096:?${key}:{key}"),
            format!("SCRAM-SHA-256$4096:AAAA${short}:{key}"),
            format!("SCRAM-SHA-256$4096:AAAA${key}"),
            format!("SCRAM-SHA-256$4096:AAAA${key}:{key}$"),
        ] {
            assert_eq!(StoredScram::parse(&text), Err(AuthError::Stored), "{text}");
        }
    }
}
