//! `listeners.*.ssl_options.*`: what a listener shows, and whom it lets in.

use super::kind::{Choice, Each, FilePath, Flag, Maybe, NotEmpty, Number, Time};
use super::listener_kind::{Cipher, OneOrEach};
use super::reader::Section;
use super::secret::SecretText;
use super::{ConfigError, Duration, Secret};
use mqtt_io::{PeerCertificate, TlsCipher, TlsVersion};
use std::path::PathBuf;

/// What of a client's certificate is taken for its name.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CertificateField {
    /// Nothing.
    #[default]
    Disabled,
    /// The common name of its subject.
    Cn,
    /// Its subject, `CN=meter-7,O=Example`.
    Dn,
    /// The first of its alternative names.
    San,
    /// Its SHA-256 digest in hexadecimal digits.
    Fingerprint,
}

impl CertificateField {
    /// What a certificate has there; none for nothing, and for what cannot be a name in MQTT.
    pub fn of(self, certificate: &PeerCertificate) -> Option<Box<str>> {
        let field = match self {
            Self::Disabled => None,
            Self::Cn => certificate.common_name.clone(),
            Self::Dn => Some(certificate.subject.clone()),
            Self::San => certificate.subject_alt_names.first().cloned(),
            Self::Fingerprint => Some(certificate.fingerprint_sha256.clone()),
        };
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= usize::from(u16::MAX)
                && !name.chars().any(char::is_control)
        };
        field.filter(|name| is_name(name))
    }
}

/// The words for [`CertificateField`].
pub(super) const CERTIFICATE_FIELD: Choice<CertificateField> = Choice(&[
    ("disabled", CertificateField::Disabled),
    ("cn", CertificateField::Cn),
    ("dn", CertificateField::Dn),
    ("san", CertificateField::San),
    ("fingerprint", CertificateField::Fingerprint),
]);

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Verify {
    /// They are not.
    #[default]
    None,
    /// They are, and one that is shown has to be good.
    Peer,
}

/// A certificate and its key, by name of file.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CertificateFiles {
    /// `certfile`.
    pub certfile: PathBuf,
    /// `keyfile`.
    pub keyfile: PathBuf,
}

/// `ssl_options.*` of a listener.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Tls {
    /// `certfile`: the listener's certificate and those between it and its authority, PEM. Default: none.
    pub certfile: Option<PathBuf>,
    /// `keyfile`: its private key, PEM. Default: none.
    pub keyfile: Option<PathBuf>,
    /// `password`: what opens private keys that are encrypted, this one and those of `certificates`. Default: none.
    pub password: Option<Secret>,
    /// `certificates`: more of them, chosen by the name the client asks for. Default: none.
    pub certificates: Vec<CertificateFiles>,
    /// `cacertfile`: the authorities of clients' certificates, PEM. Default: none.
    pub cacertfile: Option<PathBuf>,
    /// `crlfile`: lists of revoked certificates, PEM. Default: none.
    pub crlfile: Vec<PathBuf>,
    /// `verify`: whether clients are asked for a certificate. Default: they are not.
    pub verify: Verify,
    /// `fail_if_no_peer_cert`: whether clients without one are refused. Default: false.
    pub fail_if_no_peer_cert: bool,
    /// `versions`: the versions of TLS. Default: 1.2 and 1.3.
    pub versions: Vec<TlsVersion>,
    /// `ciphers`: the cipher suites, the preferred one first. Default: all there are (empty).
    pub ciphers: Vec<TlsCipher>,
    /// `handshake_timeout`: time TLS may take. Default: 15s.
    pub handshake_timeout: Duration,
    /// `max_handshakes`: handshakes under way at once. Default: 1,024.
    pub max_handshakes: usize,
    /// `session_cache`: sessions kept for clients that come back. Default: 1,024.
    pub session_cache: usize,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certfile: None,
            keyfile: None,
            password: None,
            certificates: Vec::new(),
            cacertfile: None,
            crlfile: Vec::new(),
            verify: Verify::None,
            fail_if_no_peer_cert: false,
            versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            ciphers: Vec::new(),
            handshake_timeout: Duration::from_secs(15),
            max_handshakes: HANDSHAKES,
            session_cache: 1024,
        }
    }
}

/// Handshakes under way at once when nothing is set.
pub(super) const HANDSHAKES: usize = 1024;

/// How many handshakes may be allowed.
pub(super) const HANDSHAKE_COUNT: Number<usize> = Number(1..=1_000_000);

/// How long a handshake may be allowed to take.
pub(super) const HANDSHAKE_TIME: Time =
    Time(Duration::from_millis(1)..=Duration::from_secs(5 * 60));

impl Tls {
    pub(super) fn read(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.set(
            "certfile",
            "PEM file with the certificate of this listener, and after it those between it and its authority; read again when it changes",
            &mut self.certfile,
            &Maybe(FilePath),
        )?;
        section.set(
            "keyfile",
            "PEM file with its private key; read again when it changes",
            &mut self.keyfile,
            &Maybe(FilePath),
        )?;
        section.set(
            "password",
            "what opens private keys that are encrypted (`BEGIN ENCRYPTED PRIVATE KEY`), this one and those of `certificates`",
            &mut self.password,
            &Maybe(SecretText),
        )?;
        if let Some(certificates) = section.tables("certificates")? {
            let read = certificates.iter().map(read_files);
            let read = read.collect::<Result<Vec<_>, _>>()?;
            self.certificates = read.into_iter().flatten().collect();
        }
        section.set(
            "cacertfile",
            "PEM file with the authorities whose signature makes a client's certificate good; read again when it changes",
            &mut self.cacertfile,
            &Maybe(FilePath),
        )?;
        section.set(
            "crlfile",
            "PEM file, or list of them, with the lists of revoked client certificates (CRL), one for each authority; read again when it changes",
            &mut self.crlfile,
            &OneOrEach(FilePath),
        )?;
        section.set(
            "verify",
            "whether clients are asked for a certificate; one that is shown has to be good",
            &mut self.verify,
            &Choice(&[("verify_none", Verify::None), ("verify_peer", Verify::Peer)]),
        )?;
        section.set(
            "fail_if_no_peer_cert",
            "whether clients that show no certificate are refused; with `verify_peer`",
            &mut self.fail_if_no_peer_cert,
            &Flag,
        )?;
        section.set(
            "versions",
            "the versions of TLS; older ones there are not",
            &mut self.versions,
            &NotEmpty(Each(Choice(&[
                ("tlsv1.2", TlsVersion::Tls12),
                ("tlsv1.3", TlsVersion::Tls13),
            ]))),
        )?;
        section.set(
            "ciphers",
            "the cipher suites, the preferred one first; all there are when empty",
            &mut self.ciphers,
            &Each(Cipher),
        )?;
        section.set(
            "handshake_timeout",
            "time TLS may take",
            &mut self.handshake_timeout,
            &HANDSHAKE_TIME,
        )?;
        section.set(
            "max_handshakes",
            "handshakes under way at once; at the limit the oldest that has had 2 seconds goes, else the next has to wait",
            &mut self.max_handshakes,
            &HANDSHAKE_COUNT,
        )?;
        section.set(
            "session_cache",
            "sessions kept so that clients that come back are spared a part of the handshake; 0 for none",
            &mut self.session_cache,
            &Number(0..=1_000_000),
        )
    }

    /// The certificates with their keys, the one for clients that ask for no name first.
    pub fn identities(&self) -> impl Iterator<Item = CertificateFiles> {
        let (certfile, keyfile) = (self.certfile.clone(), self.keyfile.clone());
        let first = certfile.zip(keyfile);
        let first = first.map(|(certfile, keyfile)| CertificateFiles { certfile, keyfile });
        first.into_iter().chain(self.certificates.iter().cloned())
    }

    pub(super) fn problem(&self) -> Option<(&'static str, &'static str)> {
        let has_certificates = !self.certificates.is_empty();
        match (&self.certfile, &self.keyfile) {
            (Some(_), None) => {
                return Some((
                    "ssl_options.keyfile",
                    "is missing, `certfile` needs its key",
                ));
            }
            (None, None) if has_certificates => {}
            (None, _) => {
                return Some((
                    "ssl_options.certfile",
                    "is missing, it must be a PEM file with the certificate of this listener",
                ));
            }
            (Some(_), Some(_)) => {}
        }
        if self.verify == Verify::None {
            let message = "needs `verify = \"verify_peer\"`, without which no client is asked for a certificate";
            if self.fail_if_no_peer_cert {
                return Some(("ssl_options.fail_if_no_peer_cert", message));
            }
            if !self.crlfile.is_empty() {
                return Some(("ssl_options.crlfile", message));
            }
        } else if self.cacertfile.is_none() {
            return Some((
                "ssl_options.cacertfile",
                "is missing, `verify_peer` needs the authorities of the clients' certificates",
            ));
        }
        None
    }
}

fn read_files(section: &Section<'_>) -> Result<Option<CertificateFiles>, ConfigError> {
    let certfile = section.need(
        "certfile",
        "one more certificate, shown to clients that ask for a name in it",
        &FilePath,
    )?;
    let keyfile = section.need("keyfile", "its private key", &FilePath)?;
    let both = certfile.zip(keyfile);
    Ok(both.map(|(certfile, keyfile)| CertificateFiles { certfile, keyfile }))
}
