//! `mechanism = "jwt"`: tokens.

use super::{
    AuthenticatorKind, ConfigError, Duration, Secret,
    access_kind::{Texts, Url},
    kind::{Choice, FilePath, Flag, Maybe, Text, Time},
    reader::Section,
    secret::SecretText,
    settings::settings,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a client puts its token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TokenFrom {
    /// In the Password.
    #[default]
    Password,
    /// In the User Name.
    Username,
}

settings! {
    /// `authentication[]` with `mechanism = "jwt"`: clients with a token that one of the keys has signed.
    pub struct Jwt {
        /// a secret shared with who signs, of 32 bytes at least: HS256, HS384, HS512
        secret: Option<Secret> = None, Maybe(SecretText);
        /// whether `secret` is written as base64
        secret_base64_encoded: bool = false, Flag;
        /// a file with the public key of who signs, in PEM: RSA of 2,048 bits at least, P-256, P-384 or Ed25519
        public_key: Option<PathBuf> = None, Maybe(FilePath);
        /// a file with a set of keys (JWKS), read with the configuration
        jwks_file: Option<PathBuf> = None, Maybe(FilePath);
        /// an address with a set of keys (JWKS), fetched again and again; the last keys are kept while it cannot be fetched
        endpoint: Option<String> = None, Maybe(Url);
        /// a file with the authorities (PEM) that `endpoint` or `url` is trusted by, instead of the system's
        cacertfile: Option<PathBuf> = None, Maybe(FilePath);
        /// time between two fetches of `endpoint`; a token with a key nobody knows brings one forward, to 10 s after the last
        refresh_interval: Duration = Duration::from_secs(5 * 60),
            Time(Duration::from_secs(10)..=Duration::from_secs(24 * 60 * 60));
        /// where the client puts its token
        from: TokenFrom = TokenFrom::Password,
            Choice(&[("password", TokenFrom::Password), ("username", TokenFrom::Username)]);
        /// claims that must be there and have these values, with `${clientid}`, `${username}` and `${cert_common_name}` of the client
        verify_claims: BTreeMap<String, String> = BTreeMap::new(), Texts;
        /// the claim that names the user, unless `verify_claims` compares the User Name; a User Name that the token does not confirm is dropped
        username_claim: String = "sub".to_owned(), Text;
        /// the claim with rules of the client's own
        acl_claim_name: String = "acl".to_owned(), Text;
        /// how far the clocks may differ
        leeway: Duration = Duration::from_secs(30),
            Time(Duration::from_secs(0)..=Duration::from_secs(60 * 60));
        /// whether a client is disconnected when its token expires
        disconnect_after_expire: bool = true, Flag;
    }
}

impl Jwt {
    /// The keys come from one place.
    pub(super) fn read_kind(section: &Section<'_>) -> Result<AuthenticatorKind, ConfigError> {
        let mut jwt = Self::default();
        jwt.read(section)?;
        Ok(AuthenticatorKind::Jwt(Box::new(jwt)))
    }

    /// How many places the keys come from; must be one.
    pub(crate) fn sources(&self) -> usize {
        usize::from(self.secret.is_some())
            + usize::from(self.public_key.is_some())
            + usize::from(self.jwks_file.is_some())
            + usize::from(self.endpoint.is_some())
    }
}
