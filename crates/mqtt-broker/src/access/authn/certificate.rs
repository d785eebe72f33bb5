//! Clients with a certificate that their listener has verified.

use super::Verdict;
use crate::access::Identity;
use crate::authenticate::{ConnectRequest, Grant};
use crate::config::CertificateName;
use std::sync::Arc;

/// A client is who its certificate says, and has that name whatever it sent.
pub(super) fn ask(
    authenticator: &Arc<str>,
    field: CertificateName,
    request: &ConnectRequest<'_>,
) -> Verdict {
    let Some(certificate) = request.certificate else {
        return Verdict::Ignore;
    };
    let name = match field {
        CertificateName::CommonName => certificate.common_name.as_deref(),
        CertificateName::Subject => Some(&*certificate.subject),
        CertificateName::AlternativeName => {
            certificate.subject_alt_names.first().map(|name| &**name)
        }
        CertificateName::Fingerprint => Some(&*certificate.fingerprint_sha256),
    };
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Verdict::Ignore;
    };
    Verdict::Allow(Box::new(Grant {
        username: Some(name.into()),
        identity: Some(Arc::new(Identity {
            authenticator: Arc::clone(authenticator),
            user: name.into(),
            stamp: 0,
            expires_at_s: None,
        })),
        ..Grant::default()
    }))
}
