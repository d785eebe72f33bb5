//! Certificates and keys from PEM or DER, with the place of what is wrong.

use super::{PemProblem, TlsError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::borrow::Cow;
use std::path::Path;

/// What begins a section, before its label.
const BEGIN: &str = "-----BEGIN ";

/// Bytes of certificates or keys, and what to call them.
pub(super) struct Source<'a> {
    name: String,
    bytes: Cow<'a, [u8]>,
}

/// One section of a PEM text.
struct Section<'a> {
    /// Where it begins, counted from 1.
    line: usize,
    label: &'a str,
    text: &'a [u8],
}

impl<'a> Source<'a> {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, TlsError> {
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self {
                name,
                bytes: bytes.into(),
            }),
            Err(source) => Err(TlsError::File {
                path: name.into(),
                source,
            }),
        }
    }

    /// Bytes that are there already.
    pub(super) fn given(name: &str, bytes: &'a [u8]) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }

    #[cfg(feature = "pkcs12")]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn problem(&self, line: usize, problem: PemProblem) -> TlsError {
        TlsError::Pem {
            source_name: self.name.as_str().into(),
            line,
            problem,
        }
    }

    /// A certificate that begins on `line` is none.
    pub(super) fn broken(&self, line: usize) -> TlsError {
        self.problem(line, PemProblem::BrokenCertificate)
    }

    /// The text, if it is PEM.
    fn pem(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        text.contains(BEGIN).then_some(text)
    }

    /// Whether it may be DER: that begins as a sequence, which no text does.
    fn is_der(&self) -> bool {
        self.bytes.first() == Some(&0x30)
    }
}

/// All certificates of a source with the lines they begin on; at least one.
pub(super) fn certificates(
    source: &Source<'_>,
) -> Result<Vec<(usize, CertificateDer<'static>)>, TlsError> {
    let Some(text) = source.pem() else {
        if source.is_der() {
            return Ok(vec![(0, CertificateDer::from(source.bytes.to_vec()))]);
        }
        return Err(source.problem(0, PemProblem::NoCertificate { found: "".into() }));
    };
    let sections = sections(text);
    let wanted = sections
        .iter()
        .filter(|section| section.label == "CERTIFICATE");
    let certificates = wanted.map(|section| {
        let read = CertificateDer::from_pem_slice(section.text);
        read.map(|certificate| (section.line, certificate))
            .map_err(|_| source.broken(section.line))
    });
    let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        let found = labels(&sections);
        return Err(source.problem(0, PemProblem::NoCertificate { found }));
    }
    Ok(certificates)
}

/// All revocation lists of a source with the lines they begin on; at least one.
pub(super) fn revocation_lists(
    source: &Source<'_>,
) -> Result<Vec<(usize, CertificateRevocationListDer<'static>)>, TlsError> {
    let found = match source.pem() {
        None if source.is_der() => vec![(0, source.bytes.to_vec().into())],
        None => return Err(source.problem(0, PemProblem::NoRevocationList { found: "".into() })),
        Some(text) => {
            let sections = sections(text);
            let wanted = sections
                .iter()
                .filter(|section| section.label == "X509 CRL");
            let lists = wanted.map(|section| {
                let read = CertificateRevocationListDer::from_pem_slice(section.text);
                read.map(|list| (section.line, list))
                    .map_err(|_| source.problem(section.line, PemProblem::BrokenRevocationList))
            });
            let lists = lists.collect::<Result<Vec<_>, _>>()?;
            if lists.is_empty() {
                let found = labels(&sections);
                return Err(source.problem(0, PemProblem::NoRevocationList { found }));
            }
            lists
        }
    };
    for (line, list) in &found {
        if webpki::BorrowedCertRevocationList::from_der(list).is_err() {
            return Err(source.problem(*line, PemProblem::BrokenRevocationList));
        }
    }
    Ok(found)
}

/// The first private key of a source, which may be one that this password opens.
#[cfg(feature = "encrypted-keys")]
pub(super) fn private_key_with_password(
    source: &Source<'_>,
    password: &str,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    let text = source.pem().unwrap_or_default();
    let Some((before, rest)) = text.split_once(BEGIN) else {
        return private_key(source);
    };
    let line = before.matches('\n').count() + 1;
    let broken = || source.problem(line, PemProblem::BrokenKey);
    let (inside, _) = rest.split_once(END).ok_or_else(broken)?;
    // Lines of other systems end otherwise, which the reader of PEM does not care for.
    let section = format!("{BEGIN}{inside}{END}\n");
    let read = pkcs8::SecretDocument::from_pem(&section);
    let (_, encrypted) = read.map_err(|_| broken())?;
    super::encrypted::decrypt(encrypted.as_bytes(), password)
        .map_err(|problem| source.problem(line, problem))
}

/// The first private key of a source.
pub(super) fn private_key(source: &Source<'_>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let Some(text) = source.pem() else {
        if source.is_der() {
            let read = PrivateKeyDer::try_from(source.bytes.to_vec());
            return read.map_err(|_| source.problem(0, PemProblem::BrokenKey));
        }
        return Err(source.problem(0, PemProblem::NoKey { found: "".into() }));
    };
    let sections = sections(text);
    let is_key = |section: &&Section<'_>| section.label.ends_with("PRIVATE KEY");
    let Some(section) = sections.iter().find(is_key) else {
        let found = labels(&sections);
        return Err(source.problem(0, PemProblem::NoKey { found }));
    };
    if section.label.starts_with("ENCRYPTED") {
        return Err(source.problem(section.line, PemProblem::EncryptedKey));
    }
    // The older form says so in a header.
    let in_header = b"4,ENCRYPTED";
    let mut windows = section.text.windows(in_header.len());
    if windows.any(|window| window == in_header) {
        return Err(source.problem(section.line, PemProblem::OldEncryptedKey));
    }
    PrivateKeyDer::from_pem_slice(section.text)
        .map_err(|_| source.problem(section.line, PemProblem::BrokenKey))
}

/// The sections of a PEM text, each up to where the next begins.
fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (at, _) in text.match_indices(BEGIN) {
        let (before, section) = text.split_at(at);
        let label = section.strip_prefix(BEGIN).unwrap_or_default();
        let label = label.split("-----").next().unwrap_or_default();
        let text = section
            .get(BEGIN.len()..)
            .and_then(|rest| rest.find(BEGIN))
            .and_then(|next| section.get(..BEGIN.len() + next))
            .unwrap_or(section);
        sections.push(Section {
            line: before.matches('\n').count() + 1,
            label,
            text: text.as_bytes(),
        });
    }
    sections
}

fn labels(sections: &[Section<'_>]) -> Box<str> {
    let labels: Vec<_> = sections.iter().map(|section| section.label).collect();
    labels.join(", ").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Source<'_> {
        Source::given("x.pem", text.as_bytes())
    }

    #[test]
    fn a_problem_has_its_file_and_line() {
        let broken = "# a comment\n\n-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n";
        let no_end = "-----BEGIN CERTIFICATE-----\nMAA=\n";
        let key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
        let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        for (text, expected) in [
            (
                broken,
                "x.pem, line 3: a certificate begins here that cannot be read",
            ),
            (
                no_end,
                "x.pem, line 1: a certificate begins here that cannot be read",
            ),
            (key, "x.pem: no certificate in it, only PRIVATE KEY"),
            ("hello", "x.pem: no certificate in it"),
            ("", "x.pem: no certificate in it"),
        ] {
            let error = certificates(&given(text)).unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let older = "\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END RSA PRIVATE KEY-----\n";
        for (text, expected) in [
            (certificate, "x.pem: no private key in it, only CERTIFICATE"),
            (
                encrypted,
                "x.pem, line 1: the private key is encrypted and no password is given for it; decrypt it (openssl pkey -in FILE -out NEW) where none can be",
            ),
            (
                older,
                "x.pem, line 2: the private key is encrypted in a way that is broken (Proc-Type: 4,ENCRYPTED); convert it (openssl pkcs8 -topk8 -in FILE -out NEW)",
            ),
        ] {
            let error = private_key(&given(text)).unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_file_with_both_gives_both() {
        let both = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nMAE=\n-----END CERTIFICATE-----";
        let lines: Vec<_> = certificates(&given(both))
            .unwrap()
            .iter()
            .map(|(line, _)| *line)
            .collect();
        assert_eq!(lines, [4, 7]);
        assert_eq!(private_key(&given(both)).unwrap().secret_der(), [0x30, 0]);
    }
}
