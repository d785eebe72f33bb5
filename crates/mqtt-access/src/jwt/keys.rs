//! Keys that check signatures: a secret, a public key in PEM, or a set of keys in JSON.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::{hmac, signature};
use serde_json::Value;
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// How large a set of keys may be; unit: bytes.
pub const JWKS_LEN_MAX: usize = 1024 * 1024;

/// Keys of a set that are kept; the others are not looked at.
pub const JWT_KEYS_MAX: usize = 256;

/// Bytes a shared secret has at least; RFC 7518 §3.2 for the shortest digest there is.
const SECRET_LEN_MIN: usize = 32;

/// What is wrong with a key, or a set of them.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum JwtKeyError {
    /// A shared secret that can be guessed.
    #[error("the secret has {len} bytes, and HS256 needs {SECRET_LEN_MIN} (RFC 7518, section 3.2)")]
    Short {
        /// How many it has.
        len: usize,
    },
    /// Base64 that is none.
    #[error("the secret is not base64")]
    Base64,
    /// No public key in PEM.
    #[error("no PUBLIC KEY in PEM, of RSA, P-256, P-384 or Ed25519")]
    Pem,
    /// No JSON object with a list of `keys`.
    #[error("no JSON object with a list of keys")]
    Jwks,
    /// More than 1 MiB.
    #[error("larger than {JWKS_LEN_MAX} bytes")]
    TooLarge,
    /// A set without a key that can be used here.
    #[error(
        "no key of it can be used: they must be of RSA, P-256, P-384 or Ed25519, for signatures"
    )]
    NoKey,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    const NAMES: [(&str, Self); 12] = [
        ("HS256", Self::Hs256),
        ("HS384", Self::Hs384),
        ("HS512", Self::Hs512),
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];

    pub(super) fn from_name(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, algorithm)| *algorithm)
    }
}

/// One key.
pub(super) struct Key {
    id: Option<Box<str>>,
    /// The only algorithm it is for, where it says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

enum Material {
    Secret(Zeroizing<Vec<u8>>),
    Rsa {
        n: Box<[u8]>,
        e: Box<[u8]>,
    },
    /// A point of the curve, uncompressed.
    P256(Box<[u8]>),
    P384(Box<[u8]>),
    Ed25519(Box<[u8]>),
}

/// Keys of those who may sign tokens.
pub struct JwtKeys {
    keys: Vec<Key>,
}

impl fmt::Debug for JwtKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKeys")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

impl JwtKeys {
    /// A secret that is shared with who signs.
    ///
    /// # Errors
    /// It is too short.
    pub fn secret(secret: &[u8]) -> Result<Self, JwtKeyError> {
        if secret.len() < SECRET_LEN_MIN {
            let len = secret.len();
            return Err(JwtKeyError::Short { len });
        }
        Ok(Self::one(Material::Secret(Zeroizing::new(secret.to_vec()))))
    }

    /// The same, written as base64.
    ///
    /// # Errors
    /// It is no base64, or too short.
    pub fn secret_base64(secret: &str) -> Result<Self, JwtKeyError> {
        let bytes = BASE64.decode(secret.as_bytes()).map(Zeroizing::new);
        Self::secret(&bytes.map_err(|_| JwtKeyError::Base64)?)
    }

    /// A public key in PEM (`PUBLIC KEY`).
    ///
    /// # Errors
    /// There is none in the text.
    pub fn pem(text: &str) -> Result<Self, JwtKeyError> {
        let after = text.split_once("-----BEGIN PUBLIC KEY-----");
        let body = after.and_then(|(_, after)| after.split_once("-----END PUBLIC KEY-----"));
        let (body, _) = body.ok_or(JwtKeyError::Pem)?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = BASE64
            .decode(body.as_bytes())
            .map_err(|_| JwtKeyError::Pem)?;
        public_key(&der).map(Self::one).ok_or(JwtKeyError::Pem)
    }

    /// A set of keys in JSON; those that cannot be used are left out.
    ///
    /// # Errors
    /// It is none, or none of its keys can be used.
    pub fn jwks(text: &[u8]) -> Result<Self, JwtKeyError> {
        if text.len() > JWKS_LEN_MAX {
            return Err(JwtKeyError::TooLarge);
        }
        let set: Value = serde_json::from_slice(text).map_err(|_| JwtKeyError::Jwks)?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or(JwtKeyError::Jwks)?.iter();
        let keys: Vec<_> = keys.filter_map(Key::of).take(JWT_KEYS_MAX).collect();
        match keys.is_empty() {
            true => Err(JwtKeyError::NoKey),
            false => Ok(Self { keys }),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn one(material: Material) -> Self {
        Self {
            keys: vec![Key {
                id: None,
                algorithm: None,
                material,
            }],
        }
    }

    /// Those that may have signed a token of this algorithm which names this key, or none.
    pub(super) fn for_token(
        &self,
        algorithm: Algorithm,
        key_id: Option<&str>,
    ) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| {
            let is_named = match (key_id, &key.id) {
                (Some(wanted), Some(id)) => wanted == &**id,
                _ => true,
            };
            is_named && key.is_for(algorithm)
        })
    }
}

impl Key {
    /// One of a set.
    fn of(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let bytes = |name| BASE64URL_NOPAD.decode(text(name)?.as_bytes()).ok();
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let point = |len: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            let fits = x.len() == len && y.len() == len;
            fits.then(|| [&[4], x.as_slice(), y.as_slice()].concat().into())
        };
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => Material::Rsa {
                n: number(&bytes("n")?),
                e: number(&bytes("e")?),
            },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => {
                Material::Ed25519(bytes("x").filter(|x| x.len() == 32)?.into())
            }
            ("oct", _) => {
                let secret = Zeroizing::new(bytes("k")?);
                Material::Secret((secret.len() >= SECRET_LEN_MIN).then_some(secret)?)
            }
            _ => return None,
        };
        let algorithm = match text("alg") {
            None => None,
            Some(name) => Some(Algorithm::from_name(name)?),
        };
        Some(Self {
            id: text("kid").map(Into::into),
            algorithm,
            material,
        })
    }

    /// Whether it may be used so: what it is decides, and what it says of itself.
    fn is_for(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Hs256, Hs384, Hs512};
        let fits = match self.material {
            Material::Secret(_) => matches!(algorithm, Hs256 | Hs384 | Hs512),
            Material::Rsa { .. } => {
                !matches!(algorithm, Hs256 | Hs384 | Hs512 | Es256 | Es384 | EdDsa)
            }
            Material::P256(_) => algorithm == Es256,
            Material::P384(_) => algorithm == Es384,
            Material::Ed25519(_) => algorithm == EdDsa,
        };
        fits && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// Whether it has made this signature. A secret's is compared in constant time.
    pub(super) fn has_signed(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Secret(secret) => {
                let digest = match algorithm {
                    Algorithm::Hs256 => hmac::HMAC_SHA256,
                    Algorithm::Hs384 => hmac::HMAC_SHA384,
                    Algorithm::Hs512 => hmac::HMAC_SHA512,
                    _ => return false,
                };
                let key = hmac::Key::new(digest, secret);
                hmac::verify(&key, signed, signature).is_ok()
            }
            Material::Rsa { n, e } => {
                let parameters = match algorithm {
                    Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                    Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                let key = signature::RsaPublicKeyComponents { n, e };
                key.verify(parameters, signed, signature).is_ok()
            }
            Material::P256(point) => {
                let key =
                    signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
                key.verify(signed, signature).is_ok()
            }
            Material::P384(point) => {
                let key =
                    signature::UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point);
                key.verify(signed, signature).is_ok()
            }
            Material::Ed25519(key) => {
                let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
                key.verify(signed, signature).is_ok()
            }
        }
    }
}

/// A number without the zeros in front.
fn number(bytes: &[u8]) -> Box<[u8]> {
    let digits = bytes.iter().skip_while(|byte| **byte == 0);
    digits.copied().collect()
}

/// What a SubjectPublicKeyInfo has in it: RFC 5280 §4.1, RFC 3279, 5480, 8410.
fn public_key(der: &[u8]) -> Option<Material> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    let (whole, rest) = element(SEQUENCE, der)?;
    let (algorithm, key) = element(SEQUENCE, whole)?;
    let (name, parameters) = element(OBJECT_ID, algorithm)?;
    let (bits, after) = element(BIT_STRING, key)?;
    let (unused, bits) = bits.split_first()?;
    if !rest.is_empty() || !after.is_empty() || *unused != 0 {
        return None;
    }
    match name {
        RSA => {
            let (numbers, _) = element(SEQUENCE, bits)?;
            let (n, rest) = element(INTEGER, numbers)?;
            let (e, _) = element(INTEGER, rest)?;
            Some(Material::Rsa {
                n: number(n),
                e: number(e),
            })
        }
        EC => match element(OBJECT_ID, parameters)?.0 {
            P256 => Some(Material::P256(bits.into())),
            P384 => Some(Material::P384(bits.into())),
            _ => None,
        },
        ED25519 if bits.len() == 32 => Some(Material::Ed25519(bits.into())),
        _ => None,
    }
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// What is in the first element, which must be of this kind, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (len, rest) = rest.split_first()?;
    let (len, rest) = match *len {
        len @ 0..=0x7f => (usize::from(len), rest),
        // Such keys have less than 64 KiB.
        0x81 => {
            let (len, rest) = rest.split_first()?;
            (usize::from(*len), rest)
        }
        0x82 => {
            let (len, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*len)), rest)
        }
        _ => return None,
    };
    (*found == tag).then_some(())?;
    rest.split_at_checked(len)
}
