//! Passwords as tables of databases have them: a column with the hash, one with the salt, in EMQX's forms.

use crate::error::HashError;
use crate::password::{PBKDF2_ITERATIONS_MAX, StoredPassword};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use md5::{Digest, Md5};
use ring::digest;
use ring::pbkdf2;
use std::fmt;
use std::num::NonZeroU32;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The cost a bcrypt hash of a table may ask for: its power of two is the number of rounds, and 14 takes about a
/// second of one core.
pub const BCRYPT_COST_MAX: u32 = 14;

/// Bytes a PBKDF2 hash of a table has to have: fewer could be found by trying.
const PBKDF2_LEN_MIN: usize = 16;

/// A bcrypt hash of cost 10, which is what EMQX makes, of a password that nobody knows.
const BCRYPT_NOBODY: &str = "$2b$10$bm9ib2R5IGlzIGhlcmVuuu2cLLQqSvKCIjfI26ZE8apaFtoaCA0Ua";

/// How the passwords of a table are hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TableHash {
    /// Once, of salt and password, in hexadecimal.
    Digest {
        /// By what.
        function: DigestFunction,
        /// Where the salt goes.
        salt: SaltPosition,
    },
    /// PBKDF2, in hexadecimal, of at least 16 bytes.
    Pbkdf2 {
        /// What it is of.
        function: MacFunction,
        /// How often. From 1 to [`PBKDF2_ITERATIONS_MAX`].
        iterations: NonZeroU32,
    },
    /// bcrypt, in its own form, which has the salt in it; of at most [`BCRYPT_COST_MAX`].
    Bcrypt,
    /// argon2id as a PHC string, which has the salt in it.
    Argon2id,
}

/// A function that is applied once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DigestFunction {
    /// None: the password itself is in the table.
    Plain,
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

/// What PBKDF2 is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MacFunction {
    /// HMAC with SHA-1.
    Sha1,
    /// HMAC with SHA-256.
    Sha256,
    /// HMAC with SHA-384.
    Sha384,
    /// HMAC with SHA-512.
    Sha512,
}

/// Where the salt goes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SaltPosition {
    /// Before the password.
    #[default]
    Prefix,
    /// Behind it.
    Suffix,
    /// Nowhere: what a row has as salt is not looked at.
    Disable,
}

/// A stored password of a table in a form that no password file has.
#[derive(Clone, Eq, PartialEq)]
pub(crate) enum TablePassword {
    Digest {
        function: DigestFunction,
        position: SaltPosition,
        salt: Box<[u8]>,
        /// The password itself, where the function is none.
        hash: Zeroizing<Vec<u8>>,
    },
    Pbkdf2 {
        function: MacFunction,
        iterations: NonZeroU32,
        salt: Box<[u8]>,
        hash: Box<[u8]>,
    },
    Bcrypt(Box<str>),
}

impl TableHash {
    /// What a row has as hash and as salt.
    ///
    /// # Errors
    /// It is empty, is no such hash, or asks for more work than a check may take.
    pub fn read(self, hash: &str, salt: &str) -> Result<StoredPassword, HashError> {
        let hash = hash.trim_end();
        if hash.is_empty() {
            return Err(HashError::Short);
        }
        let password = match self {
            Self::Argon2id => return StoredPassword::argon2id_of(hash),
            Self::Digest {
                function,
                salt: position,
            } => TablePassword::Digest {
                function,
                position,
                salt: salt.as_bytes().into(),
                hash: function.read(hash)?,
            },
            Self::Pbkdf2 {
                function,
                iterations,
            } => {
                if iterations.get() > PBKDF2_ITERATIONS_MAX {
                    return Err(HashError::TooMuchWork);
                }
                let hash = hex(hash)?;
                if hash.len() < PBKDF2_LEN_MIN {
                    return Err(HashError::TableHashLength);
                }
                TablePassword::Pbkdf2 {
                    function,
                    iterations,
                    salt: salt.as_bytes().into(),
                    hash: hash.as_slice().into(),
                }
            }
            Self::Bcrypt => {
                let parts: bcrypt::HashParts = hash.parse().map_err(|_| HashError::Bcrypt)?;
                if parts.get_cost() > BCRYPT_COST_MAX {
                    return Err(HashError::TooMuchWork);
                }
                TablePassword::Bcrypt(hash.into())
            }
        };
        Ok(StoredPassword::of_table(password))
    }

    /// One of a password that nobody knows, to be checked where there is no user, so that the time taken tells nobody
    /// so.
    #[must_use]
    pub fn nobody(self) -> StoredPassword {
        match self {
            Self::Argon2id => StoredPassword::nobody(),
            Self::Bcrypt => StoredPassword::of_table(TablePassword::Bcrypt(BCRYPT_NOBODY.into())),
            Self::Digest { function, salt } => StoredPassword::of_table(TablePassword::Digest {
                function: match function {
                    DigestFunction::Plain => DigestFunction::Sha256,
                    function => function,
                },
                position: salt,
                salt: Box::default(),
                // No function has a result of this length.
                hash: Zeroizing::new(Vec::new()),
            }),
            Self::Pbkdf2 {
                function,
                iterations,
            } => StoredPassword::of_table(TablePassword::Pbkdf2 {
                function,
                iterations,
                salt: Box::default(),
                hash: Box::new([0; 32]),
            }),
        }
    }
}

impl DigestFunction {
    /// What a table has; the bytes that a check is to find.
    fn read(self, hash: &str) -> Result<Zeroizing<Vec<u8>>, HashError> {
        let len = match self {
            Self::Plain => return Ok(Zeroizing::new(hash.as_bytes().to_vec())),
            Self::Md5 => 16,
            Self::Sha1 => digest::SHA1_OUTPUT_LEN,
            Self::Sha256 => digest::SHA256_OUTPUT_LEN,
            Self::Sha512 => digest::SHA512_OUTPUT_LEN,
        };
        let hash = hex(hash)?;
        match hash.len() == len {
            true => Ok(hash),
            false => Err(HashError::TableHashLength),
        }
    }

    fn matches(self, text: &[u8], hash: &[u8]) -> bool {
        let algorithm = match self {
            Self::Plain => return text.ct_eq(hash).into(),
            Self::Md5 => return Md5::digest(text).as_slice().ct_eq(hash).into(),
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, text).as_ref().ct_eq(hash).into()
    }
}

impl MacFunction {
    const fn algorithm(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

impl TablePassword {
    /// Whether this is the password.
    pub(crate) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Digest {
                function,
                position,
                salt,
                hash,
            } => {
                let (before, behind): (&[u8], &[u8]) = match position {
                    SaltPosition::Prefix => (salt, &[]),
                    SaltPosition::Suffix => (&[], salt),
                    SaltPosition::Disable => (&[], &[]),
                };
                let len = before.len() + password.len() + behind.len();
                let mut text = Zeroizing::new(Vec::with_capacity(len));
                for part in [before, password, behind] {
                    text.extend_from_slice(part);
                }
                function.matches(&text, hash)
            }
            Self::Pbkdf2 {
                function,
                iterations,
                salt,
                hash,
            } => pbkdf2::verify(function.algorithm(), *iterations, salt, password, hash).is_ok(),
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
        }
    }

    /// Its form, which is all of it that may be shown.
    pub(crate) const fn form(&self) -> &'static str {
        match self {
            Self::Digest { .. } => "StoredPassword(digest)",
            Self::Pbkdf2 { .. } => "StoredPassword(pbkdf2)",
            Self::Bcrypt(_) => "StoredPassword(bcrypt)",
        }
    }
}

impl fmt::Display for TablePassword {
    /// A text that no other one has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = |bytes: &[u8]| Zeroizing::new(BASE64.encode(bytes));
        match self {
            Self::Digest {
                function,
                position,
                salt,
                hash,
            } => {
                let (salt, hash) = (encoded(salt), encoded(hash));
                write!(f, "{function:?}${position:?}${}${}", *salt, *hash)
            }
            Self::Pbkdf2 {
                function,
                iterations,
                salt,
                hash,
            } => {
                let (salt, hash) = (encoded(salt), encoded(hash));
                write!(f, "pbkdf2${function:?}${iterations}${}${}", *salt, *hash)
            }
            Self::Bcrypt(hash) => f.write_str(hash),
        }
    }
}

fn hex(text: &str) -> Result<Zeroizing<Vec<u8>>, HashError> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes());
    bytes.map(Zeroizing::new).map_err(|_| HashError::Hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn digest(function: DigestFunction, salt: SaltPosition) -> TableHash {
        TableHash::Digest { function, salt }
    }

    fn pbkdf2(function: MacFunction) -> TableHash {
        TableHash::Pbkdf2 {
            function,
            iterations: NonZeroU32::new(1000).unwrap(),
        }
    }

    /// Made by Python's `hashlib` and Perl's `crypt`, of the password `secret` and the salt `salt`.
    fn rows() -> Vec<(TableHash, &'static str)> {
        use DigestFunction::{Md5, Plain, Sha1, Sha256, Sha512};
        use SaltPosition::{Disable, Prefix, Suffix};
        vec![
            (digest(Plain, Disable), "secret"),
            (digest(Plain, Prefix), "saltsecret"),
            (digest(Plain, Suffix), "secretsalt"),
            (digest(Md5, Prefix), "d42a0f742ffc1be4e1cc0845c2429c97"),
            (digest(Md5, Suffix), "99CD2E5A95D555EE7BE3B038A4A84625"),
            (digest(Md5, Disable), "5ebe2294ecd0e0f08eab7690d2a6ee69"),
            (
                digest(Sha1, Prefix),
                "da00ec2e6ff9ed4d342b24a16e262c82f3c8b10b",
            ),
            (
                digest(Sha256, Prefix),
                "bede90386d450cea8b77b822f8887065e4e5abf132c2f9dccfcc7fbd4cba5e35",
            ),
            (
                digest(Sha256, Suffix),
                // A column of a fixed width is filled up with blanks.
                "f84fa2149dbb62ed4e0cf1f550d2949b33a6513d3a7707e08502511c79ccb0ee   ",
            ),
            (
                digest(Sha512, Prefix),
                "9901847ff8c76bd5fb473b7bd2e4f4ddd110332a52a888fd69deb276613885ddf382e5cf1210ed0decdb8010ae3994331a9e0639c3ca7e9e8b110dd50978ce76",
            ),
            (
                pbkdf2(MacFunction::Sha1),
                "fa7bab9eff3a06a5271ccfb9b6d8728d0c7a334d",
            ),
            (
                pbkdf2(MacFunction::Sha256),
                "a8df899f3c4f204d967e0ad63c092987c10055ebb017b3d9d28add218d4f7aad",
            ),
            (
                pbkdf2(MacFunction::Sha384),
                "c6e17f0cc36969c0935de75e73fb668be5d5dfba7bb40b60",
            ),
            (
                pbkdf2(MacFunction::Sha512),
                "f76f72381b75f0deb1c339334a8c8974366cadbc6bf46460f978363de8d210dbccfa7a5908cfe50e6172bf6bc4d7b72dd48f1d543ce48736da7f7fcf6db4672c",
            ),
            (
                TableHash::Bcrypt,
                "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            ),
            (
                TableHash::Bcrypt,
                "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
            ),
        ]
    }

    #[test]
    fn a_row_is_checked_in_each_form() {
        let argon2id = StoredPassword::new(b"secret").unwrap().to_string();
        let argon2id = (TableHash::Argon2id, argon2id.as_str());
        for (form, hash) in rows().into_iter().chain([argon2id]) {
            let stored = form.read(hash, "salt").unwrap();
            assert!(stored.verify(b"secret"), "{form:?} {hash}");
            for wrong in [&b""[..], b"Secret", b"secret ", b"secre"] {
                assert!(!stored.verify(wrong), "{form:?} {wrong:?}");
            }
            let nobody = form.nobody();
            assert!(!nobody.verify(b"secret") && !nobody.verify(b""), "{form:?}");
        }
    }

    #[test]
    fn the_salt_counts_where_it_has_a_place() {
        for (form, hash) in rows() {
            let other = form.read(hash, "sal7").unwrap().verify(b"secret");
            let counts = match form {
                TableHash::Digest { salt, .. } => salt != SaltPosition::Disable,
                TableHash::Pbkdf2 { .. } => true,
                TableHash::Bcrypt | TableHash::Argon2id => false,
            };
            assert_eq!(other, !counts, "{form:?}");
        }
    }

    #[test]
    fn two_that_differ_are_told_apart_and_nothing_of_them_is_printed() {
        let sha = digest(DigestFunction::Sha256, SaltPosition::Prefix);
        let hash = "bede90386d450cea8b77b822f8887065e4e5abf132c2f9dccfcc7fbd4cba5e35";
        let one = sha.read(hash, "salt").unwrap();
        let other = digest(DigestFunction::Sha256, SaltPosition::Suffix);
        let others = [sha.read(hash, "sal"), other.read(hash, "salt")];
        for other in others {
            assert_ne!(one.to_string(), other.unwrap().to_string());
        }
        for (form, hash) in rows() {
            let printed = format!("{:?}", form.read(hash, "salt").unwrap());
            assert!(printed.len() < 24, "{printed}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_row_is_named() {
        let sha = digest(DigestFunction::Sha256, SaltPosition::Prefix);
        let plain = digest(DigestFunction::Plain, SaltPosition::Disable);
        let endless = TableHash::Pbkdf2 {
            function: MacFunction::Sha512,
            iterations: NonZeroU32::MAX,
        };
        let bcrypt = "$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
        for (form, hash, error) in [
            (sha, "", HashError::Short),
            (plain, "", HashError::Short),
            (plain, "  ", HashError::Short),
            (sha, "secret", HashError::Hex),
            (
                sha,
                "d42a0f742ffc1be4e1cc0845c2429c97",
                HashError::TableHashLength,
            ),
            (
                pbkdf2(MacFunction::Sha512),
                "00",
                HashError::TableHashLength,
            ),
            (
                endless,
                "d42a0f742ffc1be4e1cc0845c2429c97",
                HashError::TooMuchWork,
            ),
            (TableHash::Bcrypt, "secret", HashError::Bcrypt),
            (
                TableHash::Bcrypt,
                &format!("$3b{bcrypt}"),
                HashError::Bcrypt,
            ),
            (
                TableHash::Bcrypt,
                &format!("$2b{bcrypt}").replace("$04", "$31"),
                HashError::TooMuchWork,
            ),
            (TableHash::Argon2id, "secret", HashError::Phc),
        ] {
            assert_eq!(
                form.read(hash, "salt").unwrap_err(),
                error,
                "{form:?} {hash}"
            );
        }
    }
}
