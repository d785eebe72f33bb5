//! `CertificateFile`: what a certificate in a file says.

use crate::{CertsError, files};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::X509Certificate;
use x509_parser::time::ASN1Time;

/// What the first certificate of a file says.
#[derive(Clone, Debug)]
pub struct CertificateFile {
    subject: String,
    issuer: String,
    names: Vec<String>,
    uses: Vec<&'static str>,
    is_authority: bool,
    not_before: ASN1Time,
    not_after: ASN1Time,
    public_key: Vec<u8>,
    fingerprint: String,
}

impl CertificateFile {
    /// Reads the first certificate of a file in PEM.
    ///
    /// # Errors
    /// The file cannot be read, or has no certificate that can.
    pub fn read(path: &Path) -> Result<Self, CertsError> {
        let text = files::read(path)?;
        let unreadable = |problem: String| CertsError::Unreadable {
            path: path.to_owned(),
            problem,
        };
        let mut blocks = Pem::iter_from_buffer(text.as_bytes()).flatten();
        let pem = blocks
            .find(|block| block.label == "CERTIFICATE")
            .ok_or_else(|| unreadable("no certificate in it".to_owned()))?;
        let certificate = pem
            .parse_x509()
            .map_err(|error| unreadable(error.to_string()))?;
        Ok(Self::of(&certificate, &pem.contents))
    }

    /// Whom it is about.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Who has signed it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The DNS names, addresses and others it is good for.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it is for a `server`, a `client`; none says that it is for anything.
    pub fn uses(&self) -> &[&'static str] {
        &self.uses
    }

    /// Whether it may sign others.
    pub const fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// The last moment it is good.
    pub fn not_after(&self) -> SystemTime {
        let seconds = u64::try_from(self.not_after.timestamp()).unwrap_or(0);
        SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_secs(seconds))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// From when to when it is good, as text.
    pub fn validity(&self) -> String {
        format!("{} to {}", self.not_before, self.not_after)
    }

    /// Its SHA-256 fingerprint as openssl writes it: pairs of upper-case digits with colons between.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn of(certificate: &X509Certificate<'_>, der: &[u8]) -> Self {
        let names = certificate.subject_alternative_name().ok().flatten();
        let uses = certificate.extended_key_usage().ok().flatten();
        let uses = uses.map(|uses| {
            [
                (uses.value.server_auth, "server"),
                (uses.value.client_auth, "client"),
            ]
        });
        Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names.map_or_else(Vec::new, |names| {
                names.value.general_names.iter().map(name).collect()
            }),
            uses: uses
                .into_iter()
                .flatten()
                .filter_map(|(is_for, name)| is_for.then_some(name))
                .collect(),
            is_authority: certificate.is_ca(),
            not_before: certificate.validity().not_before,
            not_after: certificate.validity().not_after,
            public_key: certificate.public_key().raw.to_vec(),
            fingerprint: fingerprint(der),
        }
    }
}

fn fingerprint(der: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let pairs = digest.as_ref().iter().map(|byte| format!("{byte:02X}"));
    pairs.collect::<Vec<_>>().join(":")
}

fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
            (*name).to_owned()
        }
        GeneralName::IPAddress(bytes) => address(bytes),
        other => other.to_string(),
    }
}

fn address(bytes: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| v6())
        .map_or_else(|_| format!("{bytes:02x?}"), |address| address.to_string())
}
