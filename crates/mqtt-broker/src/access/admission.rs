//! What authentication says of a client, for people who ask why.

use super::authn::{Heard, Verdict};
use crate::authenticate::{ConnectRequest, Grant};
use std::fmt;
use std::sync::Arc;

/// Whether authentication would let a client in, and who says so.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Admission {
    /// What decides.
    pub ground: AdmissionGround,
    /// What each authenticator says that was asked or would be, in their order.
    pub answers: Vec<AuthenticatorAnswer>,
}

/// What one authenticator says of a client.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AuthenticatorAnswer {
    /// Its name in the configuration.
    pub authenticator: Arc<str>,
    /// What it says, in words.
    pub words: Box<str>,
}

/// What a decision about who may connect rests on. Its text is for operators, not for clients.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AdmissionGround {
    /// In: the listener asks nobody.
    NobodyAsked,
    /// In: it says nothing of itself, and `allow_anonymous` is set.
    Anonymous,
    /// In: this authenticator knows it.
    LetIn(Arc<str>),
    /// Taken for in: this authenticator would have to see its password first.
    NeedsPassword(Arc<str>),
    /// Out: this authenticator refuses it, for this reason.
    Refused(Arc<str>, &'static str),
    /// Out: this authenticator gives no answer.
    NoAnswer(Arc<str>),
    /// Out: no authenticator knows it.
    Unknown,
    /// Out: it says nothing of itself.
    SaysNothing,
    /// Out: the listener takes a name from its certificate, and there is none.
    NoCertificateName,
}

impl AdmissionGround {
    /// Whether the client comes in, or would if its password is right.
    #[must_use]
    pub const fn is_in(&self) -> bool {
        match self {
            Self::NobodyAsked | Self::Anonymous | Self::LetIn(_) | Self::NeedsPassword(_) => true,
            Self::Refused(..)
            | Self::NoAnswer(_)
            | Self::Unknown
            | Self::SaysNothing
            | Self::NoCertificateName => false,
        }
    }

    /// The authenticator that decides, if one does.
    #[must_use]
    pub fn authenticator(&self) -> Option<&str> {
        match self {
            Self::LetIn(name)
            | Self::NeedsPassword(name)
            | Self::Refused(name, _)
            | Self::NoAnswer(name) => Some(name),
            _ => None,
        }
    }

    /// A short stable word for programs.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NobodyAsked => "nobody_asked",
            Self::Anonymous => "anonymous",
            Self::LetIn(_) => "let_in",
            Self::NeedsPassword(_) => "needs_password",
            Self::Refused(..) => "refused",
            Self::NoAnswer(_) => "no_answer",
            Self::Unknown => "unknown",
            Self::SaysNothing => "says_nothing",
            Self::NoCertificateName => "no_certificate_name",
        }
    }
}

impl fmt::Display for AdmissionGround {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyAsked => f.write_str("the listener asks nobody who clients are"),
            Self::Anonymous => f.write_str("it may say nothing of itself (allow_anonymous)"),
            Self::LetIn(name) => write!(f, "the authenticator `{name}` lets it in"),
            Self::NeedsPassword(name) => {
                write!(f, "the authenticator `{name}` needs its password first")
            }
            Self::Refused(name, cause) => {
                write!(f, "the authenticator `{name}` refuses it: {cause}")
            }
            Self::NoAnswer(name) => write!(f, "the authenticator `{name}` gives no answer"),
            Self::Unknown => f.write_str("no authenticator knows it"),
            Self::SaysNothing => f.write_str("it does not say who it is"),
            Self::NoCertificateName => {
                f.write_str("its certificate has no name to take (peer_cert_as_username, peer_cert_as_clientid)")
            }
        }
    }
}

impl Admission {
    pub(super) const fn without_asking(ground: AdmissionGround) -> Self {
        let answers = Vec::new();
        Self { ground, answers }
    }

    /// What comes of the answers, and what a client that comes in gets.
    pub(super) fn of(
        heard: Vec<(Arc<str>, Heard)>,
        request: &ConnectRequest<'_>,
        allow_anonymous: bool,
    ) -> (Self, Grant) {
        let says_nothing = request.username.is_none() && request.password.is_none();
        let mut ground = match says_nothing {
            true if allow_anonymous => AdmissionGround::Anonymous,
            true => AdmissionGround::SaysNothing,
            false => AdmissionGround::Unknown,
        };
        let mut grant = Grant::default();
        let mut answers = Vec::with_capacity(heard.len());
        for (authenticator, heard) in heard {
            let name = Arc::clone(&authenticator);
            let words = match heard {
                Heard::NotForConnect => {
                    "is for clients that use enhanced authentication".to_owned()
                }
                Heard::NeedsPassword => {
                    ground = AdmissionGround::NeedsPassword(name);
                    "needs its password first".to_owned()
                }
                Heard::Said(Verdict::Ignore) => "does not know it".to_owned(),
                Heard::Said(Verdict::Allow(given)) => {
                    ground = AdmissionGround::LetIn(name);
                    grant = *given;
                    "lets it in".to_owned()
                }
                Heard::Said(Verdict::Deny(cause)) => {
                    ground = AdmissionGround::Refused(name, cause);
                    format!("refuses it: {cause}")
                }
                Heard::Said(Verdict::Busy | Verdict::Unavailable) => {
                    ground = AdmissionGround::NoAnswer(name);
                    "gives no answer".to_owned()
                }
            };
            let words = words.into();
            answers.push(AuthenticatorAnswer {
                authenticator,
                words,
            });
        }
        (Self { ground, answers }, grant)
    }
}
