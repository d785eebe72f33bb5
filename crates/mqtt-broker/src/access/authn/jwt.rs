//! Clients with a token.

#[cfg(feature = "http")]
use super::jwks::Fetched;
use super::{Verdict, attributes, now_s};
use crate::access::Identity;
use crate::access::template::{Field, Notation, Template};
use crate::authenticate::{ConnectRequest, Grant};
use crate::config::{Jwt, TokenFrom};
use mqtt_access::{Claims, JwtError, JwtKeyError, JwtKeys, Rules};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether keys have come, by who waits for them.
const LOOK: Duration = Duration::from_millis(20);

/// One authenticator with keys.
pub(in crate::access) struct JwtAuthenticator {
    name: Arc<str>,
    keys: Keys,
    from: TokenFrom,
    verify_claims: Vec<(Box<str>, Template)>,
    username_claim: Box<str>,
    acl_claim: Box<str>,
    leeway_s: u64,
    disconnect_after_expire: bool,
}

/// Where the keys are.
enum Keys {
    Here(Arc<JwtKeys>),
    #[cfg(feature = "http")]
    Fetched(Fetched),
}

impl JwtAuthenticator {
    /// One as it is configured.
    ///
    /// # Errors
    /// What is wrong with its keys.
    pub(super) fn new(name: &Arc<str>, jwt: &Jwt) -> Result<Self, String> {
        if jwt.sources() != 1 {
            return Err("needs one of `secret`, `public_key`, `jwks_file` and `endpoint`".into());
        }
        let claims = jwt.verify_claims.iter().map(|(claim, text)| {
            let template = Template::parse(text).map_err(|error| format!("claim {claim}: {error}"));
            Ok((claim.as_str().into(), template?))
        });
        Ok(Self {
            name: Arc::clone(name),
            keys: Keys::of(name, jwt)?,
            from: jwt.from,
            verify_claims: claims.collect::<Result<_, String>>()?,
            username_claim: jwt.username_claim.as_str().into(),
            acl_claim: jwt.acl_claim_name.as_str().into(),
            leeway_s: jwt.leeway.get().as_secs(),
            disconnect_after_expire: jwt.disconnect_after_expire,
        })
    }

    /// Whose token it is. What no key here has signed may be somebody else's.
    pub(super) fn ask(&self, request: &ConnectRequest<'_>) -> Verdict {
        let token = match self.from {
            TokenFrom::Password => request
                .password
                .and_then(|bytes| std::str::from_utf8(bytes).ok()),
            TokenFrom::Username => request.username,
        };
        let Some(token) = token.filter(|token| token.split('.').count() == 3) else {
            return Verdict::Ignore;
        };
        let Some(keys) = self.keys.now() else {
            return Verdict::Unavailable;
        };
        match keys.verify(token, now_s(), self.leeway_s) {
            Ok(claims) => self.read(&claims, request),
            Err(JwtError::Expired) => Verdict::Deny("its token has expired"),
            Err(error) if error.is_genuine() => Verdict::Deny("its token is not good now"),
            Err(error) => {
                if matches!(error, JwtError::Algorithm | JwtError::Signature) {
                    self.keys.missed();
                }
                Verdict::Ignore
            }
        }
    }

    /// Whether the token comes as the password.
    pub(super) fn is_in_password(&self) -> bool {
        self.from == TokenFrom::Password
    }

    /// Returns when there are keys, which may have to be fetched first.
    pub(super) async fn have_keys(&self) {
        while self.keys.now().is_none() {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn read(&self, claims: &Claims, request: &ConnectRequest<'_>) -> Verdict {
        for (claim, template) in &self.verify_claims {
            let wanted = template.fill(request, Notation::Plain);
            // What the client does not say cannot be confirmed.
            let wanted = wanted.filter(|wanted| !wanted.is_empty());
            if !wanted.is_some_and(|wanted| claims.says(claim, &wanted)) {
                return Verdict::Deny("a claim of its token is another");
            }
        }
        let rules = claims.find(&self.acl_claim).filter(|acl| !acl.is_null());
        let rules = rules
            .map(|acl| Rules::from_claim(acl, &self.name))
            .transpose();
        let Ok(rules) = rules else {
            return Verdict::Deny("the rules in its token are wrong");
        };
        let username = self.username(claims, request);
        let expires_at_s = claims
            .expires_at_s()
            .filter(|_| self.disconnect_after_expire);
        let superuser = claims.find("is_superuser").and_then(Value::as_bool);
        Verdict::Allow(Box::new(Grant {
            anonymous: username.is_none(),
            identity: Some(Arc::new(Identity {
                authenticator: Arc::clone(&self.name),
                user: username.as_deref().unwrap_or_default().into(),
                stamp: 0,
                expires_at_s,
            })),
            username,
            superuser: superuser.unwrap_or(false),
            attributes: attributes(claims.find("client_attrs")),
            rules: rules.map(Arc::new),
            ..Grant::default()
        }))
    }

    /// The name the token confirms: the one sent, if a claim was compared with it, or a claim.
    fn username(&self, claims: &Claims, request: &ConnectRequest<'_>) -> Option<Box<str>> {
        let mut compared = self.verify_claims.iter();
        let is_compared = compared.any(|(_, template)| template.has(Field::Username));
        match is_compared && self.from == TokenFrom::Password {
            true => request.username.map(Into::into),
            false => claims.text(&self.username_claim).map(Into::into),
        }
    }
}

impl Keys {
    fn of(name: &Arc<str>, jwt: &Jwt) -> Result<Self, String> {
        let wrong = |error: JwtKeyError| error.to_string();
        if let Some(secret) = &jwt.secret {
            let keys = match jwt.secret_base64_encoded {
                true => JwtKeys::secret_base64(secret.expose()),
                false => JwtKeys::secret(secret.expose().as_bytes()),
            };
            return Ok(Self::Here(Arc::new(keys.map_err(wrong)?)));
        }
        for (path, is_set) in [(&jwt.public_key, false), (&jwt.jwks_file, true)] {
            let Some(path) = path else { continue };
            let text = read(path)?;
            let keys = match is_set {
                true => JwtKeys::jwks(text.as_bytes()),
                false => JwtKeys::pem(&text),
            };
            let keys = keys.map_err(|error| format!("{}: {error}", path.display()))?;
            return Ok(Self::Here(Arc::new(keys)));
        }
        Self::fetched(name, jwt)
    }

    #[cfg(feature = "http")]
    fn fetched(name: &Arc<str>, jwt: &Jwt) -> Result<Self, String> {
        Fetched::start(name, jwt).map(Self::Fetched)
    }

    #[cfg(not(feature = "http"))]
    fn fetched(_name: &Arc<str>, _jwt: &Jwt) -> Result<Self, String> {
        Err("`endpoint` needs HTTP, which this program was built without".to_owned())
    }

    /// None while none have been fetched.
    fn now(&self) -> Option<Arc<JwtKeys>> {
        match self {
            Self::Here(keys) => Some(Arc::clone(keys)),
            #[cfg(feature = "http")]
            Self::Fetched(fetched) => fetched.now(),
        }
    }

    /// A token has come that none of them has signed.
    fn missed(&self) {
        match self {
            Self::Here(_) => {}
            #[cfg(feature = "http")]
            Self::Fetched(fetched) => fetched.missed(),
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let mut text = String::new();
    let max = u64::try_from(mqtt_access::JWKS_LEN_MAX).unwrap_or(u64::MAX);
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(max.saturating_add(1)).read_to_string(&mut text));
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text)
}
