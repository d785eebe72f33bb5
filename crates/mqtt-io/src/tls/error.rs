//! What goes wrong with TLS, in words.

use crate::is_end;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, OtherError};
use std::io;
use std::time::Duration;

/// What goes wrong with TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which file.
        path: Box<str>,
        /// What the system said.
        source: io::Error,
    },
    /// A file or text has not what is expected in it.
    #[error("{source_name}{}: {problem}", place(*line))]
    Pem {
        /// The path, or what it was given as.
        source_name: Box<str>,
        /// The line what is wrong begins on, counted from 1; 0 when the whole of it is meant.
        line: usize,
        /// What is wrong.
        problem: PemProblem,
    },
    /// The private key is another one's.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// The system has no root certificates.
    #[error("this system has no root certificates{}", behind(problems))]
    NoPlatformRoots {
        /// What the system said; may be empty.
        problems: Box<str>,
    },
    /// What cannot be a name in a certificate.
    #[error("{name:?} cannot be the name in a certificate")]
    ServerName {
        /// The text.
        name: Box<str>,
    },
    /// What was decided cannot be had together.
    #[error("TLS cannot be set up: {source}")]
    Configuration {
        /// What rustls said.
        source: rustls::Error,
    },
    /// No authority we know has signed the certificate.
    #[error("the certificate is signed by no authority that is trusted here")]
    UnknownIssuer,
    /// Something is signed with another key than its name says: commonly by an authority that was made anew.
    #[error(
        "the certificate is signed with another key than that of the authority of this name that is trusted here"
    )]
    BadSignature,
    /// The certificate, or one it hangs on, is too old.
    #[error("the certificate expired {} ago", span(*ago))]
    Expired {
        /// Since when, by this machine's clock.
        ago: Duration,
    },
    /// The certificate, or one it hangs on, is of the future.
    #[error("the certificate is valid only in {}; is this machine's clock right?", span(*ahead))]
    NotYetValid {
        /// How long it takes, by this machine's clock.
        ahead: Duration,
    },
    /// The certificate is for other names.
    #[error("the certificate is not for {expected}{}", names(presented))]
    WrongName {
        /// The host connected to, or the name asked for.
        expected: Box<str>,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// The certificate is none of the pinned ones.
    #[error(
        "the certificate is not the pinned one, its SHA-256 digest is {}",
        hex(presented)
    )]
    NotPinned {
        /// The digest of the one that was shown.
        presented: [u8; 32],
    },
    /// The certificate is of X.509 version 1, which has no host names in it.
    #[error(
        "the certificate is of X.509 version 1; it has to be made anew as version 3, with a subjectAltName"
    )]
    Version1,
    /// The certificate is an authority's own.
    #[error(
        "the certificate is an authority's own, which cannot vouch for a server; pin it, or have it sign another"
    )]
    AuthorityItself,
    /// The certificate is not acceptable for another reason.
    #[error("the certificate is not acceptable: {}", cause(source))]
    Certificate {
        /// What rustls said.
        source: rustls::Error,
    },
    /// The other end refused.
    #[error("the other end refuses: {} (alert {alert:?})", meaning(*alert))]
    Refused {
        /// The alert it sent.
        alert: AlertDescription,
    },
    /// What came is no TLS.
    #[error("the other end does not speak TLS on this port")]
    NotTls,
    /// The connection ended in the handshake.
    #[error("the connection ended in the handshake; a port without TLS does that, too")]
    Ended,
    /// Something else is wrong with what the other end says.
    #[error("{source}")]
    Protocol {
        /// What it is.
        source: rustls::Error,
    },
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What is wrong with a file or text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PemProblem {
    /// No certificate.
    #[error("no certificate in it{}", only(found))]
    NoCertificate {
        /// What there is.
        found: Box<str>,
    },
    /// No private key.
    #[error("no private key in it{}", only(found))]
    NoKey {
        /// What there is.
        found: Box<str>,
    },
    /// No list of revoked certificates.
    #[error("no list of revoked certificates (X509 CRL) in it{}", only(found))]
    NoRevocationList {
        /// What there is.
        found: Box<str>,
    },
    /// A list of revoked certificates that is none.
    #[error("a list of revoked certificates begins here that cannot be read")]
    BrokenRevocationList,
    /// A certificate that is none.
    #[error("a certificate begins here that cannot be read")]
    BrokenCertificate,
    /// A private key that is none.
    #[error("a private key begins here that cannot be read")]
    BrokenKey,
    /// A private key that takes a password.
    #[error(
        "the private key is encrypted and no password is given for it; decrypt it (openssl pkey -in FILE -out NEW) where none can be"
    )]
    EncryptedKey,
    /// A private key that takes a password and is kept in the form from before PKCS#8.
    #[error(
        "the private key is encrypted in a way that is broken (Proc-Type: 4,ENCRYPTED); convert it (openssl pkcs8 -topk8 -in FILE -out NEW)"
    )]
    OldEncryptedKey,
    /// A private key that takes a password and an algorithm that is not known here, such as triple DES.
    #[error(
        "the private key is encrypted in a way that is not known here; convert it (openssl pkcs8 -topk8 -in FILE -out NEW)"
    )]
    KeyEncryption,
    /// The password does not open the key or archive.
    #[error("the password is wrong")]
    Password,
    /// The archive cannot be read.
    #[error("cannot be read as PKCS#12: {problem}")]
    Archive {
        /// Why not.
        problem: Box<str>,
    },
}

impl TlsError {
    /// Whether the same may go well later, with nothing changed at this end.
    ///
    /// A certificate that has expired is commonly replaced; one by an unknown authority is not.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::Ended
            | Self::Io(_)
            | Self::Protocol { .. } => true,
            Self::Refused { alert } => matches!(
                alert,
                AlertDescription::InternalError
                    | AlertDescription::CloseNotify
                    | AlertDescription::UserCanceled
            ),
            _ => false,
        }
    }

    /// What a handshake ended with.
    pub(super) fn of_handshake(error: io::Error) -> Self {
        if is_end(&error) {
            return Self::Ended;
        }
        match error.downcast::<rustls::Error>() {
            Ok(error) => error.into(),
            Err(error) => Self::Io(error),
        }
    }

    pub(super) const fn of_configuration(source: rustls::Error) -> Self {
        Self::Configuration { source }
    }

    /// What rustls has no word for: our own errors, and those of the library that reads certificates.
    fn of_other(other: OtherError) -> Self {
        if let Some(Self::NotPinned { presented }) = other.0.downcast_ref() {
            return Self::NotPinned {
                presented: *presented,
            };
        }
        match other.0.downcast_ref() {
            Some(webpki::Error::UnsupportedCertVersion) => Self::Version1,
            Some(webpki::Error::CaUsedAsEndEntity) => Self::AuthorityItself,
            _ => Self::Certificate {
                source: CertificateError::Other(other).into(),
            },
        }
    }

    /// An error of reading or writing, with our words if TLS is the cause.
    pub(super) fn explain(error: io::Error) -> io::Error {
        let kind = error.kind();
        match error.downcast::<rustls::Error>() {
            Ok(error) => io::Error::new(kind, Self::from(error)),
            Err(error) => error,
        }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => error.into(),
            rustls::Error::AlertReceived(alert) => Self::Refused { alert },
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            source => Self::Protocol { source },
        }
    }
}

impl From<CertificateError> for TlsError {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::BadSignature => Self::BadSignature,
            CertificateError::ExpiredContext { time, not_after } => Self::Expired {
                ago: between(not_after, time),
            },
            CertificateError::NotValidYetContext { time, not_before } => Self::NotYetValid {
                ahead: between(time, not_before),
            },
            CertificateError::NotValidForNameContext {
                expected,
                presented,
            } => Self::WrongName {
                expected: expected.to_str().into(),
                presented: presented.iter().map(|name| bare(name).into()).collect(),
            },
            CertificateError::Other(other) => Self::of_other(other),
            error => Self::Certificate {
                source: error.into(),
            },
        }
    }
}

/// What rustls says, without saying again that it is about a certificate.
fn cause(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => error.to_string(),
        error => error.to_string(),
    }
}

fn between(earlier: UnixTime, later: UnixTime) -> Duration {
    Duration::from_secs(later.as_secs().saturating_sub(earlier.as_secs()))
}

/// A time a person can read: in days, hours, minutes or seconds.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        172_800.. => (seconds / 86_400, "days"),
        7_200.. => (seconds / 3_600, "hours"),
        120.. => (seconds / 60, "minutes"),
        _ => (seconds, "seconds"),
    };
    format!("{count} {unit}")
}

fn place(line: usize) -> String {
    match line {
        0 => String::new(),
        _ => format!(", line {line}"),
    }
}

fn behind(text: &str) -> String {
    match text {
        "" => String::new(),
        _ => format!(": {text}"),
    }
}

fn only(found: &str) -> String {
    match found {
        "" => String::new(),
        _ => format!(", only {found}"),
    }
}

/// A name as it stands in the certificate, out of `DnsName("...")`.
fn bare(name: &str) -> &str {
    let quoted = name.strip_prefix("DnsName(\"");
    let inside = quoted.and_then(|rest| rest.strip_suffix("\")"));
    inside.unwrap_or(name)
}

fn names(presented: &[String]) -> String {
    match presented {
        [] => ", it has no names (subjectAltName)".to_owned(),
        _ => format!(", only for {}", presented.join(", ")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const fn meaning(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => "it wants a client certificate",
        AlertDescription::UnknownCA => "it does not know the authority of our certificate",
        AlertDescription::CertificateExpired => "our certificate has expired",
        AlertDescription::CertificateRevoked => "our certificate is revoked",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => "it does not accept our certificate",
        AlertDescription::AccessDenied => "our certificate gives no access",
        AlertDescription::NoApplicationProtocol => {
            "it speaks none of the protocols offered by ALPN"
        }
        AlertDescription::ProtocolVersion => "it speaks no version of TLS that we do",
        AlertDescription::UnrecognisedName => "it has no certificate for the name asked for",
        AlertDescription::HandshakeFailure => "nothing in common, or it wants a client certificate",
        _ => "no reason is known",
    }
}
