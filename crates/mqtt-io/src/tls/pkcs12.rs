//! A certificate and its key from PKCS#12.

use super::options::Identity;
use super::pem::Source;
use super::{PemProblem, TlsError};
use p12_keystore::error::Error;
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The first key of an archive with the certificates that go with it.
pub(super) fn read(source: &Source<'_>, password: &str) -> Result<Identity, TlsError> {
    let read = KeyStore::from_pkcs12(source.bytes(), password, Pkcs12ImportPolicy::Relaxed);
    let store = read.map_err(|error| source.problem(0, problem(&error)))?;
    let no_key = || {
        let found = "".into();
        source.problem(0, PemProblem::NoKey { found })
    };
    let (_, chain) = store.private_key_chain().ok_or_else(no_key)?;
    let certificates = chain.certs().iter();
    let key = PrivatePkcs8KeyDer::from(chain.key().as_der().to_vec());
    Ok(Identity {
        chain: certificates
            .map(|certificate| CertificateDer::from(certificate.as_der().to_vec()))
            .collect(),
        key: PrivateKeyDer::from(key),
    })
}

fn problem(error: &Error) -> PemProblem {
    match error {
        Error::MacError(_) | Error::UnpadError => PemProblem::Password,
        error => PemProblem::Archive {
            problem: error.to_string().into(),
        },
    }
}
