//! `TlsServerOptions`: what a server shows, and whom it lets in.

use super::pem::{self, Source};
use super::resolver::ByName;
use super::{PeerCertificate, TlsAcceptor, TlsError};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, InconsistentKeys, RootCertStore, ServerConfig, SupportedCipherSuite};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Sessions kept for resumption when nothing is set.
const SESSIONS: usize = 1024;

/// The cipher suites there are, as OpenSSL and as the standard call them; TLS 1.3 first, each the preferred one first.
const CIPHERS: [(&str, &str, CipherSuite); 9] = [
    (
        "TLS_AES_256_GCM_SHA384",
        "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_AES_256_GCM_SHA384,
    ),
    (
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_128_GCM_SHA256,
    ),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// The versions of TLS there are; older ones are spoken by nobody here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// A cipher suite that can be chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TlsCipher {
    suite: CipherSuite,
    name: &'static str,
}

impl TlsCipher {
    /// The suite of a name, OpenSSL's (`ECDHE-RSA-AES128-GCM-SHA256`) or the standard's.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut known = CIPHERS.iter();
        let found = known.find(|(openssl, standard, _)| name == *openssl || name == *standard);
        found.map(|(name, _, suite)| Self {
            suite: *suite,
            name,
        })
    }

    /// Whether that is it.
    pub(super) fn is(self, suite: CipherSuite) -> bool {
        self.suite == suite
    }

    /// What OpenSSL calls it.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// What OpenSSL calls those there are, TLS 1.3 first, each the preferred one first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CIPHERS.iter().map(|(openssl, _, _)| *openssl)
    }
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    NotAsked,
    /// They may; one that is shown has to be good.
    Optional,
    /// They have to.
    Required,
}

/// What a server shows and whom it lets in, before it is used.
///
/// ```no_run
/// # fn example() -> Result<(), mqtt_io::TlsError> {
/// use mqtt_io::{ClientCertificates, TlsIdentity, TlsServerOptions};
///
/// let identity = TlsIdentity::certificate_file("etc/server.pem")?.key_file("etc/server.key")?;
/// let acceptor = TlsServerOptions::new()
///     .identity(identity)
///     .client_certificates(ClientCertificates::Required)
///     .client_ca_file("etc/devices-ca.pem")?
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct TlsServerOptions {
    identities: Vec<Arc<CertifiedKey>>,
    authorities: RootCertStore,
    revoked: Vec<CertificateRevocationListDer<'static>>,
    client_certificates: ClientCertificates,
    versions: Vec<TlsVersion>,
    ciphers: Vec<TlsCipher>,
    sessions: usize,
    alpn: Vec<Vec<u8>>,
}

/// A certificate of a server with its key.
pub struct TlsIdentity(Arc<CertifiedKey>);

/// A certificate whose key is still to come.
#[derive(Debug)]
pub struct TlsCertificate {
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
}

impl TlsIdentity {
    /// The certificates of a file, the server's own first; PEM, or DER with one.
    ///
    /// # Errors
    /// The file cannot be read or has no certificate in it, or one that is broken: with the line it begins on.
    pub fn certificate_file(path: impl AsRef<Path>) -> Result<TlsCertificate, TlsError> {
        let source = Source::read(path.as_ref())?;
        let chain = pem::certificates(&source)?;
        if let Some((line, own)) = chain.first()
            && PeerCertificate::from_der(own).is_none()
        {
            return Err(source.broken(*line));
        }
        Ok(TlsCertificate {
            chain: chain.into_iter().map(|(_, der)| der).collect(),
        })
    }

    /// What the certificate says.
    pub fn describe(&self) -> Option<PeerCertificate> {
        PeerCertificate::from_der(self.0.end_entity_cert().ok()?)
    }
}

impl TlsCertificate {
    /// With the first private key of a file.
    ///
    /// # Errors
    /// The file cannot be read or has no key in it, or one that is encrypted, unknown, or another certificate's.
    pub fn key_file(self, path: impl AsRef<Path>) -> Result<TlsIdentity, TlsError> {
        let key = pem::private_key(&Source::read(path.as_ref())?)?;
        self.key(key)
    }

    /// The same, where the key may be one that `password` opens: PKCS#8, `BEGIN ENCRYPTED PRIVATE KEY`.
    ///
    /// # Errors
    /// As of [`key_file`](Self::key_file), and a password that is wrong.
    #[cfg(feature = "encrypted-keys")]
    pub fn key_file_with_password(
        self,
        path: impl AsRef<Path>,
        password: &str,
    ) -> Result<TlsIdentity, TlsError> {
        let key = pem::private_key_with_password(&Source::read(path.as_ref())?, password)?;
        self.key(key)
    }

    fn key(self, key: PrivateKeyDer<'static>) -> Result<TlsIdentity, TlsError> {
        let key = provider().key_provider.load_private_key(key);
        let key = key.map_err(TlsError::of_configuration)?;
        let certified = CertifiedKey::new(self.chain, key);
        match certified.keys_match() {
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(TlsError::KeyMismatch)
            }
            _ => Ok(TlsIdentity(Arc::new(certified))),
        }
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}

impl Default for TlsServerOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl TlsServerOptions {
    /// TLS 1.2 and 1.3, all cipher suites, 1,024 sessions kept for resumption, no client certificates, and no identity
    /// yet.
    pub fn new() -> Self {
        Self {
            identities: Vec::new(),
            authorities: RootCertStore::empty(),
            revoked: Vec::new(),
            client_certificates: ClientCertificates::NotAsked,
            versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            ciphers: Vec::new(),
            sessions: SESSIONS,
            alpn: Vec::new(),
        }
    }

    /// Adds a certificate. The one shown is the first whose names have in them what the client asks for (SNI) and whose
    /// kind of key it knows; else the first of all that it knows.
    pub fn identity(mut self, identity: TlsIdentity) -> Self {
        self.identities.push(identity.0);
        self
    }

    /// Whether clients have to show a certificate.
    pub const fn client_certificates(mut self, client_certificates: ClientCertificates) -> Self {
        self.client_certificates = client_certificates;
        self
    }

    /// Accepts the clients' certificates that the authorities of this file have signed, and no others.
    ///
    /// # Errors
    /// The file cannot be read or has no certificate in it, or one that is broken: with the line it begins on.
    pub fn client_ca_file(mut self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let source = Source::read(path.as_ref())?;
        for (line, certificate) in pem::certificates(&source)? {
            self.authorities
                .add(certificate)
                .map_err(|_| source.broken(line))?;
        }
        Ok(self)
    }

    /// Refuses the clients' certificates that the lists of this file (CRL) have revoked. From the first file on, a
    /// certificate whose authority has no list here is refused, too.
    ///
    /// # Errors
    /// The file cannot be read or has no list in it, or one that is broken: with the line it begins on.
    pub fn crl_file(mut self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let source = Source::read(path.as_ref())?;
        for (_, list) in pem::revocation_lists(&source)? {
            self.revoked.push(list);
        }
        Ok(self)
    }

    /// Speaks these versions only; none stands for all.
    pub fn versions(mut self, versions: impl IntoIterator<Item = TlsVersion>) -> Self {
        self.versions = versions.into_iter().collect();
        self
    }

    /// Takes these cipher suites only, the preferred one first; none stands for all. A version of TLS without one of its
    /// own among them is not spoken.
    pub fn ciphers(mut self, ciphers: impl IntoIterator<Item = TlsCipher>) -> Self {
        self.ciphers = ciphers.into_iter().collect();
        self
    }

    /// Keeps so many sessions for resumption, the oldest goes first; 0 for none.
    pub const fn sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions;
        self
    }

    /// Speaks these protocols (ALPN), the preferred one first; a client that offers none is served, too.
    pub fn alpn<P: AsRef<[u8]>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols
            .into_iter()
            .map(|name| name.as_ref().to_vec())
            .collect();
        self
    }

    /// What was decided, ready for use.
    ///
    /// # Errors
    /// What was decided cannot be had together.
    pub fn build(self) -> Result<TlsAcceptor, TlsError> {
        Ok(TlsAcceptor::from(Arc::new(self.build_config()?)))
    }

    /// What was decided, for a transport that does TLS by itself.
    ///
    /// # Errors
    /// As [`TlsServerOptions::build`].
    pub fn build_config(self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(self.provider());
        let versions: Vec<_> = [
            (TlsVersion::Tls13, &rustls::version::TLS13),
            (TlsVersion::Tls12, &rustls::version::TLS12),
        ]
        .into_iter()
        .filter(|(version, _)| self.versions.is_empty() || self.versions.contains(version))
        .filter(|(_, rustls)| {
            let mut suites = provider.cipher_suites.iter();
            suites.any(|suite| suite.version().version == rustls.version)
        })
        .map(|(_, rustls)| rustls)
        .collect();
        let verifier = verifier(
            self.client_certificates,
            self.authorities,
            self.revoked,
            &provider,
        )?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(TlsError::of_configuration)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(ByName::new(self.identities)));
        config.alpn_protocols = self.alpn;
        config.session_storage = match self.sessions {
            0 => Arc::new(NoServerSessionStorage {}),
            sessions => ServerSessionMemoryCache::new(sessions),
        };
        if self.sessions == 0 {
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }

    fn provider(&self) -> CryptoProvider {
        let mut provider = provider();
        if !self.ciphers.is_empty() {
            let known = provider.cipher_suites.clone();
            let suite = |cipher: &TlsCipher| -> Option<SupportedCipherSuite> {
                let mut known = known.iter();
                known.find(|known| known.suite() == cipher.suite).copied()
            };
            provider.cipher_suites = self.ciphers.iter().filter_map(suite).collect();
        }
        provider
    }
}

impl fmt::Debug for TlsServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServerOptions")
            .field("identities", &self.identities.len())
            .field("authorities", &self.authorities.len())
            .field("client_certificates", &self.client_certificates)
            .field("versions", &self.versions)
            .finish_non_exhaustive()
    }
}

fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

fn verifier(
    client_certificates: ClientCertificates,
    authorities: RootCertStore,
    revoked: Vec<CertificateRevocationListDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    if client_certificates == ClientCertificates::NotAsked {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(provider))
            .with_crls(revoked)
            .only_check_end_entity_revocation();
    let verifier = match client_certificates {
        ClientCertificates::Optional => verifier.allow_unauthenticated(),
        _ => verifier,
    };
    verifier.build().map_err(|error| TlsError::Configuration {
        source: rustls::Error::General(error.to_string()),
    })
}
