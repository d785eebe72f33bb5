//! `PeerCertificate`: what a certificate says of who showed it.

use super::PemProblem;
use super::pem::Source;
use super::verify::digest;
use rustls::pki_types::CertificateDer;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, SystemTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::oid_registry::OID_X509_COMMON_NAME;
use x509_parser::parse_x509_certificate;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// What a certificate says of who showed it; whether it is to be believed was decided in the handshake.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PeerCertificate {
    /// The common name (CN) of its subject, the first if there are several.
    pub common_name: Option<Box<str>>,
    /// Its subject in the form of RFC 4514, the narrowest part first: `CN=meter-7,O=Example`. May be empty.
    pub subject: Box<str>,
    /// The subject of who signed it, in the same form.
    pub issuer: Box<str>,
    /// Its alternative names as text, in their order: DNS names, addresses, e-mail addresses, URIs.
    pub subject_alt_names: Box<[Box<str>]>,
    /// The SHA-256 digest of the whole of it in 64 lower-case hexadecimal digits; empty where a proxy has vouched for
    /// the name alone.
    pub fingerprint_sha256: Box<str>,
    /// From when on it is good; none where a proxy has vouched for the name alone.
    pub not_before: Option<SystemTime>,
    /// Until when it is good; none where a proxy has vouched for the name alone.
    pub not_after: Option<SystemTime>,
}

impl PeerCertificate {
    /// What a certificate in DER says; none when it cannot be read.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let fingerprint = digest(&CertificateDer::from(der));
        Some(Self {
            common_name: common_name(certificate.subject()),
            subject: distinguished_name(certificate.subject()),
            issuer: distinguished_name(certificate.issuer()),
            subject_alt_names: alternative_names(&certificate),
            fingerprint_sha256: hex(&fingerprint).into(),
            not_before: time(certificate.validity().not_before.timestamp()),
            not_after: time(certificate.validity().not_after.timestamp()),
        })
    }

    /// What the first certificate of a file says, PEM or DER.
    ///
    /// # Errors
    /// The file cannot be read or has no certificate in it that can.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, super::TlsError> {
        let source = Source::read(path.as_ref())?;
        let certificates = super::pem::certificates(&source)?;
        let (line, first) = certificates
            .first()
            .ok_or_else(|| source.problem(0, PemProblem::NoCertificate { found: "".into() }))?;
        Self::from_der(first).ok_or_else(|| source.broken(*line))
    }

    /// A name that a proxy has taken from a certificate which is not seen here.
    pub fn vouched_for(common_name: &str) -> Self {
        Self {
            common_name: Some(common_name.into()),
            subject: Box::default(),
            issuer: Box::default(),
            subject_alt_names: Box::default(),
            fingerprint_sha256: Box::default(),
            not_before: None,
            not_after: None,
        }
    }
}

fn common_name(name: &X509Name<'_>) -> Option<Box<str>> {
    let mut names = name.iter_by_oid(&OID_X509_COMMON_NAME);
    names.next()?.as_str().ok().map(Into::into)
}

/// As RFC 4514 has it: parts in reverse, and nothing in a value that looks like the next part.
fn distinguished_name(name: &X509Name<'_>) -> Box<str> {
    let parts: Vec<_> = name.iter_rdn().collect();
    let mut text = String::new();
    for part in parts.into_iter().rev() {
        for (nth, attribute) in part.iter().enumerate() {
            match (nth, text.is_empty()) {
                (0, true) => {}
                (0, false) => text.push(','),
                _ => text.push('+'),
            }
            push_attribute(&mut text, attribute);
        }
    }
    text.into()
}

fn push_attribute(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    match oid2abbrev(attribute.attr_type(), oid_registry()) {
        Ok(name) => text.push_str(name),
        Err(_) => text.push_str(&attribute.attr_type().to_id_string()),
    }
    text.push('=');
    let Ok(value) = attribute.as_str() else {
        text.push('#');
        text.push_str(&hex(attribute.as_slice()));
        return;
    };
    let last = value.chars().count().saturating_sub(1);
    for (nth, letter) in value.chars().enumerate() {
        let is_special = matches!(letter, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=')
            || nth == 0 && matches!(letter, ' ' | '#')
            || nth == last && letter == ' ';
        if letter.is_control() {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "\\{byte:02x}");
            }
        } else {
            if is_special {
                text.push('\\');
            }
            text.push(letter);
        }
    }
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Box<[Box<str>]> {
    let Ok(Some(found)) = certificate.subject_alternative_name() else {
        return Box::default();
    };
    let names = found
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                Some(Box::from(*name))
            }
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        });
    names.collect()
}

fn address(bytes: &[u8]) -> Option<Box<str>> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).to_string().into());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(v6).to_string().into())
}

/// Seconds since 1970 as a time.
fn time(timestamp: i64) -> Option<SystemTime> {
    let since = Duration::from_secs(timestamp.unsigned_abs());
    match timestamp.is_negative() {
        false => SystemTime::UNIX_EPOCH.checked_add(since),
        true => SystemTime::UNIX_EPOCH.checked_sub(since),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn made(change: impl FnOnce(&mut CertificateParams)) -> PeerCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        PeerCertificate::from_der(certificate.der()).unwrap()
    }

    #[test]
    fn names_dates_and_digest_are_read() {
        let found = made(|params| {
            params
                .distinguished_name
                .push(DnType::OrganizationName, "Example");
            params
                .distinguished_name
                .push(DnType::CommonName, "meter-7");
            params.subject_alt_names = vec![
                SanType::DnsName("meter-7.example".try_into().unwrap()),
                SanType::IpAddress("192.0.2.7".parse().unwrap()),
                SanType::URI("urn:meter:7".try_into().unwrap()),
            ];
            params.not_after = rcgen::date_time_ymd(2037, 3, 1);
        });
        assert_eq!(found.common_name.as_deref(), Some("meter-7"));
        assert_eq!(&*found.subject, "CN=meter-7,O=Example");
        assert_eq!(found.issuer, found.subject);
        let names: Vec<&str> = found.subject_alt_names.iter().map(|name| &**name).collect();
        assert_eq!(names, ["meter-7.example", "192.0.2.7", "urn:meter:7"]);
        assert_eq!(found.fingerprint_sha256.len(), 64);
        let not_after = found.not_after.unwrap();
        let not_after = not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(not_after.as_secs(), 2_119_478_400);
    }

    #[test]
    fn a_value_cannot_pass_for_another_part_of_the_name() {
        let found = made(|params| {
            params
                .distinguished_name
                .push(DnType::CommonName, "a,O=admins");
        });
        assert_eq!(&*found.subject, "CN=a\\,O\\=admins");
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        assert_eq!(PeerCertificate::from_der(b""), None);
        assert_eq!(
            PeerCertificate::from_der(&[0x30, 0x82, 0xff, 0xff, 0]),
            None
        );
    }
}
