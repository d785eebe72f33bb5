//! One stored password: what can be checked, and not read back.

use crate::error::HashError;
#[cfg(feature = "database")]
use crate::table_hash::TablePassword;
use argon2::password_hash::phc::{self, Decimal};
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE64;
use ring::digest::{self, SHA512, SHA512_OUTPUT_LEN};
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA512};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::num::NonZeroU32;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Memory an argon2 hash of a file may ask for; unit: KiB.
///
/// A check takes that much each time somebody connects, so a file is not free to choose.
pub const ARGON2_MEMORY_MAX_KIB: u32 = 256 * 1024;

/// Passes over that memory, times KiB, that an argon2 hash of a file may ask for; about a second of one core.
pub const ARGON2_WORK_MAX: u64 = 1024 * 1024;

/// Iterations that a `$7$` hash of a file may ask for; about a second of one core.
pub const PBKDF2_ITERATIONS_MAX: u32 = 2_000_000;

/// Iterations of the `$7$` hashes made here.
const PBKDF2_ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(209_999);

/// An argon2id hash of what [`StoredPassword::new`] costs, of a password that nobody knows.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmU$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Bytes of salt in the `$7$` hashes made here, as in Mosquitto's.
const PBKDF2_SALT_LEN: usize = 12;

/// How a password is hashed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HashForm {
    /// Argon2id: 19 MiB, two passes, one lane.
    #[default]
    Argon2id,
    /// PBKDF2 with HMAC-SHA-512 and 210,000 iterations, as Mosquitto reads it from 2.0 on.
    Pbkdf2Sha512,
}

/// A password as it stands in a file.
///
/// Three forms are read of files: argon2id as a PHC string, and Mosquitto's `$6$` (SHA-512 of password and salt) and `$7$`
/// (PBKDF2 with HMAC-SHA-512). New ones are argon2id.
#[derive(Clone, Eq, PartialEq)]
pub struct StoredPassword(Form);

#[derive(Clone, Eq, PartialEq)]
enum Form {
    Argon2id(Box<str>),
    Sha512(Salted),
    Pbkdf2 {
        iterations: NonZeroU32,
        salted: Salted,
    },
    #[cfg(feature = "database")]
    Table(TablePassword),
}

impl StoredPassword {
    /// Hashes a password with argon2id and a random salt.
    ///
    /// # Errors
    /// The system has no randomness, or the password is longer than 4 GiB.
    pub fn new(password: &[u8]) -> Result<Self, HashError> {
        Self::hashed(password, HashForm::Argon2id)
    }

    /// Hashes a password in this form, with a random salt.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn hashed(password: &[u8], form: HashForm) -> Result<Self, HashError> {
        match form {
            HashForm::Argon2id => Self::argon2id(password),
            HashForm::Pbkdf2Sha512 => Self::pbkdf2(password),
        }
    }

    fn pbkdf2(password: &[u8]) -> Result<Self, HashError> {
        let mut salt = [0; PBKDF2_SALT_LEN];
        let cause = "the system has no randomness".to_owned();
        let filled = SystemRandom::new().fill(&mut salt);
        filled.map_err(|_| HashError::NotMade { cause })?;
        let mut hash = Box::new([0; SHA512_OUTPUT_LEN]);
        let iterations = PBKDF2_ITERATIONS;
        pbkdf2::derive(
            PBKDF2_HMAC_SHA512,
            iterations,
            &salt,
            password,
            hash.as_mut_slice(),
        );
        let salt = Box::new(salt);
        Ok(Self(Form::Pbkdf2 {
            iterations,
            salted: Salted { salt, hash },
        }))
    }

    fn argon2id(password: &[u8]) -> Result<Self, HashError> {
        let hash = hasher()
            .hash_password(password)
            .map_err(|error| HashError::NotMade {
                cause: error.to_string(),
            })?;
        Ok(Self(Form::Argon2id(hash.to_string().into())))
    }

    /// Reads what stands behind the colon of a line of a password file.
    ///
    /// # Errors
    /// It is none of the three forms, is damaged, or asks for more work than a check may take.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        if text.starts_with("$argon2") {
            return parse_argon2(text);
        }
        let mut fields = text.split('$');
        let form = match (fields.next(), fields.next()) {
            (Some(""), Some("6")) => Form::Sha512(salted(&mut fields)?),
            (Some(""), Some("7")) => {
                let iterations = fields.next().unwrap_or_default();
                let iterations: NonZeroU32 =
                    iterations.parse().map_err(|_| HashError::Iterations)?;
                if iterations.get() > PBKDF2_ITERATIONS_MAX {
                    return Err(HashError::TooMuchWork);
                }
                Form::Pbkdf2 {
                    iterations,
                    salted: salted(&mut fields)?,
                }
            }
            _ => return Err(HashError::UnknownForm),
        };
        match fields.next() {
            None => Ok(Self(form)),
            Some(_) => Err(HashError::Trailing),
        }
    }

    /// One that a table has in a form of its own.
    #[cfg(feature = "database")]
    pub(crate) const fn of_table(password: TablePassword) -> Self {
        Self(Form::Table(password))
    }

    /// An argon2id hash as a PHC string, and nothing else.
    #[cfg(feature = "database")]
    pub(crate) fn argon2id_of(text: &str) -> Result<Self, HashError> {
        parse_argon2(text)
    }

    /// An argon2id hash of what [`new`](Self::new) costs, of a password that nobody knows.
    pub(crate) fn nobody() -> Self {
        Self(Form::Argon2id(NOBODY.into()))
    }

    /// Whether this is the password. Takes the same time for every wrong one.
    ///
    /// Argon2id takes tens of milliseconds and 19 MiB: it does not belong on a thread that serves connections.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        match &self.0 {
            Form::Argon2id(text) => phc::PasswordHash::new(text)
                .is_ok_and(|hash| hasher().verify_password(password, &hash).is_ok()),
            Form::Sha512(Salted { salt, hash }) => {
                let mut salted = Zeroizing::new(Vec::with_capacity(password.len() + salt.len()));
                salted.extend_from_slice(password);
                salted.extend_from_slice(salt);
                let found = digest::digest(&SHA512, &salted);
                found.as_ref().ct_eq(hash.as_slice()).into()
            }
            Form::Pbkdf2 {
                iterations,
                salted: Salted { salt, hash },
            } => {
                let (algorithm, hash) = (PBKDF2_HMAC_SHA512, hash.as_slice());
                pbkdf2::verify(algorithm, *iterations, salt, password, hash).is_ok()
            }
            #[cfg(feature = "database")]
            Form::Table(table) => table.verify(password),
        }
    }

    /// Whether this is weaker than what [`new`](Self::new) makes, so that a check that succeeds is the moment to make a
    /// new one.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        match &self.0 {
            Form::Argon2id(text) => phc::PasswordHash::new(text)
                .ok()
                .and_then(|hash| Params::try_from(&hash).ok())
                .is_none_or(|params| {
                    params.m_cost() < Params::DEFAULT_M_COST
                        || params.t_cost() < Params::DEFAULT_T_COST
                }),
            Form::Sha512(_) | Form::Pbkdf2 { .. } => true,
            #[cfg(feature = "database")]
            Form::Table(_) => true,
        }
    }
}

impl fmt::Display for StoredPassword {
    /// As it stands in the file; one of a table, so that no other one is written like it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Argon2id(text) => f.write_str(text),
            Form::Sha512(salted) => write!(f, "$6${salted}"),
            Form::Pbkdf2 { iterations, salted } => write!(f, "$7${iterations}${salted}"),
            #[cfg(feature = "database")]
            Form::Table(table) => write!(f, "{table}"),
        }
    }
}

impl fmt::Debug for StoredPassword {
    /// Its form only: a hash does not belong into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Form::Argon2id(_) => "StoredPassword(argon2id)",
            Form::Sha512(_) => "StoredPassword($6$)",
            Form::Pbkdf2 { .. } => "StoredPassword($7$)",
            #[cfg(feature = "database")]
            Form::Table(table) => table.form(),
        })
    }
}

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

fn parse_argon2(text: &str) -> Result<StoredPassword, HashError> {
    let hash = phc::PasswordHash::new(text).map_err(|_| HashError::Phc)?;
    if hash.algorithm.as_str() != Algorithm::Argon2id.as_str() {
        return Err(HashError::UnknownForm);
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(HashError::Phc);
    }
    let is_known = |version: Decimal| Version::try_from(version).is_ok();
    let params = Params::try_from(&hash).map_err(|_| HashError::Phc)?;
    if !hash.version.is_none_or(is_known) {
        return Err(HashError::Phc);
    }
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > ARGON2_MEMORY_MAX_KIB || work > ARGON2_WORK_MAX {
        return Err(HashError::TooMuchWork);
    }
    Ok(StoredPassword(Form::Argon2id(text.into())))
}

/// The two last fields of Mosquitto's forms.
#[derive(Clone, Eq, PartialEq)]
struct Salted {
    salt: Box<[u8]>,
    hash: Box<[u8; SHA512_OUTPUT_LEN]>,
}

impl fmt::Display for Salted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, hash] = [&*self.salt, self.hash.as_slice()].map(|field| BASE64.encode(field));
        write!(f, "{salt}${hash}")
    }
}

fn salted<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Result<Salted, HashError> {
    let mut next = || {
        let field = fields.next().ok_or(HashError::Short)?;
        BASE64
            .decode(field.as_bytes())
            .map_err(|_| HashError::Base64)
    };
    let salt = next()?;
    let hash: Box<[u8]> = next()?.into();
    let hash = hash.try_into().map_err(|_| HashError::HashLength)?;
    Ok(Salted {
        salt: salt.into(),
        hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `mosquitto_passwd -b -H sha512` and `mosquitto_passwd -b` of Mosquitto 2.0.11 for `secret`.
    const OF_MOSQUITTO: [&str; 2] = [
        "$6$HmqUi5HdWAVhOVGi$IH3aI6RAGFgTZxxlDYaABNceqmzJHxOci1u9PSlJLgYr2slelEynNZxJ0o6BQP1Qy15MCPQlLVVi0a6x32ZNIg==",
        "$7$101$8DldcOCnhehHMHb0$VTRWDptARUuaZtz0yr2298wAgF/hLquC9PgmA1eBmFCQk1Er64XLhqaRvmwUnXMbTOTvOl19BNX/mTD/YGohdw==",
    ];

    #[test]
    fn what_mosquitto_made_is_checked_and_written_back() {
        for text in OF_MOSQUITTO {
            let stored = StoredPassword::parse(text).unwrap();
            assert!(stored.verify(b"secret"), "{text}");
            for wrong in [&b""[..], b"Secret", b"secret ", b"secre"] {
                assert!(!stored.verify(wrong), "{text}");
            }
            assert_eq!(stored.to_string(), text);
            assert!(stored.is_outdated());
        }
    }

    #[test]
    fn a_new_one_is_argon2id_with_its_own_salt() {
        let [one, other] = [(); 2].map(|()| StoredPassword::new(b"secret").unwrap());
        assert_ne!(one, other);
        for stored in [one, other] {
            let text = stored.to_string();
            assert!(
                text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
                "{text}"
            );
            assert!(StoredPassword::parse(&text).unwrap().verify(b"secret"));
            assert!(!stored.verify(b"wrong"));
            assert!(!stored.is_outdated());
        }
    }

    #[test]
    fn one_for_mosquitto_is_made_with_many_rounds() {
        let stored = StoredPassword::hashed(b"secret", HashForm::Pbkdf2Sha512).unwrap();
        let text = stored.to_string();
        assert!(text.starts_with("$7$210000$"), "{text}");
        let read = StoredPassword::parse(&text).unwrap();
        assert!(read.verify(b"secret") && !read.verify(b"wrong"));
    }

    #[test]
    fn cheaper_parameters_are_outdated() {
        let text =
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$BMRXzxu8vJSr8EqyABZpkAdLPgL+1dkdtmqp/4kOgCY";
        assert!(StoredPassword::parse(text).unwrap().is_outdated());
    }

    #[test]
    fn nothing_of_a_hash_is_printed() {
        for text in OF_MOSQUITTO {
            let printed = format!("{:?}", StoredPassword::parse(text).unwrap());
            assert!(printed.len() < 24, "{printed}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let hash = BASE64.encode(&[7; SHA512_OUTPUT_LEN]);
        let cases = [
            ("", HashError::UnknownForm),
            ("secret", HashError::UnknownForm),
            ("$5$c2FsdA==$aaaa", HashError::UnknownForm),
            (
                "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$BMRXzxu8vJSr8EqyABZpkAdLPgL+1dkdtmqp/4kOgCY",
                HashError::UnknownForm,
            ),
            ("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ", HashError::Phc),
            ("$argon2id$v=19$m=x", HashError::Phc),
            (
                "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$BMRXzxu8vJSr8EqyABZpkAdLPgL+1dkdtmqp/4kOgCY",
                HashError::TooMuchWork,
            ),
            (
                "$argon2id$v=19$m=65536,t=4000000,p=1$c2FsdHNhbHQ$BMRXzxu8vJSr8EqyABZpkAdLPgL+1dkdtmqp/4kOgCY",
                HashError::TooMuchWork,
            ),
            ("$6$c2FsdA==", HashError::Short),
            ("$6$c2Fsd*==$aaaa", HashError::Base64),
            ("$6$c2FsdA==$aaaa", HashError::HashLength),
            (&format!("$6$c2FsdA==${hash}$"), HashError::Trailing),
            (&format!("$7$0$c2FsdA==${hash}"), HashError::Iterations),
            (&format!("$7$-1$c2FsdA==${hash}"), HashError::Iterations),
            (
                &format!("$7$4000000000$c2FsdA==${hash}"),
                HashError::TooMuchWork,
            ),
        ];
        for (text, error) in cases {
            assert_eq!(StoredPassword::parse(text).unwrap_err(), error, "{text}");
        }
    }
}
