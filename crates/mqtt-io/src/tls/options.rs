//! `TlsOptions`: what is decided about TLS before it is used.

use super::key_log::KeyLogFile;
use super::pem::{self, Source};
use super::verify::{AnyCertificate, AnyName, Pinned};
use super::{TlsCipher, TlsConfig, TlsError, TlsVersion, server_name};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore, SupportedCipherSuite};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What is decided about TLS before it is used: whom to trust, and what to show.
///
/// ```no_run
/// # fn example() -> Result<(), mqtt_io::TlsError> {
/// use mqtt_io::{Connector, TlsOptions};
///
/// let tls = TlsOptions::new()
///     .ca_file("certs/ca.pem")?
///     .identity_files("certs/device.pem", "certs/device.key")?
///     .build()?;
/// let connector = Connector::new().tls(tls);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct TlsOptions {
    authorities: RootCertStore,
    trust: Trust,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    server_name: Option<ServerName<'static>>,
    /// This version alone; without it all there are.
    only: Option<TlsVersion>,
    /// All there are when it is empty.
    ciphers: Vec<TlsCipher>,
    key_log: Option<Arc<KeyLogFile>>,
    /// Whether the names in the certificate count.
    checks_name: bool,
}

/// Which certificates of a server are accepted.
enum Trust {
    /// Those the given authorities have signed, or the system's when there are none given.
    Authorities,
    /// Those that the given authorities or the system's have signed.
    AuthoritiesAndPlatform,
    /// Those with one of these SHA-256 digests.
    Pinned(Vec<[u8; 32]>),
    /// All.
    Any,
}

/// A certificate of the client, with those that lead to its authority, and its key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl TlsOptions {
    /// TLS 1.2 and 1.3, the system's root certificates, and no certificate of our own.
    pub fn new() -> Self {
        Self {
            authorities: RootCertStore::empty(),
            trust: Trust::Authorities,
            identity: None,
            alpn: Vec::new(),
            server_name: None,
            only: None,
            ciphers: Vec::new(),
            key_log: None,
            checks_name: true,
        }
    }

    /// Trusts the authorities of a file, PEM with any number of certificates or DER with one.
    ///
    /// From the first one on the system's root certificates no longer count, unless
    /// [`TlsOptions::platform_roots`] says so.
    ///
    /// # Errors
    /// The file cannot be read or has no certificate, or one that is broken: with the line it begins on.
    pub fn ca_file(self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        self.authorities(&Source::read(path.as_ref())?)
    }

    /// Trusts the authorities of a PEM text, or of one certificate in DER. As [`TlsOptions::ca_file`].
    ///
    /// # Errors
    /// There is no certificate in it, or one that is broken: with the line it begins on.
    pub fn ca_pem(self, pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        self.authorities(&Source::given("CA certificate", pem.as_ref()))
    }

    /// Trusts the system's root certificates besides the authorities that are given.
    pub fn platform_roots(mut self) -> Self {
        self.trust = Trust::AuthoritiesAndPlatform;
        self
    }

    /// Shows the server a certificate: files in PEM, or each in DER. The certificate comes first, then those between it
    /// and its authority.
    ///
    /// # Errors
    /// A file cannot be read or has not what is expected in it, or the key is encrypted.
    pub fn identity_files(
        self,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let certificate = Source::read(certificate.as_ref())?;
        self.identity(&certificate, &Source::read(key.as_ref())?)
    }

    /// Shows the server a certificate, as [`TlsOptions::identity_files`]; both may be the same PEM text.
    ///
    /// # Errors
    /// As [`TlsOptions::identity_files`].
    pub fn identity_pem(
        self,
        certificate: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, TlsError> {
        let certificate = Source::given("client certificate", certificate.as_ref());
        self.identity(&certificate, &Source::given("client key", key.as_ref()))
    }

    /// Shows the server the certificate of a PKCS#12 file (`.p12`, `.pfx`).
    ///
    /// # Errors
    /// The file cannot be read, the password is wrong, or there is no key in it.
    #[cfg(feature = "pkcs12")]
    pub fn identity_pkcs12_file(
        mut self,
        path: impl AsRef<Path>,
        password: &str,
    ) -> Result<Self, TlsError> {
        self.identity = Some(super::pkcs12::read(
            &Source::read(path.as_ref())?,
            password,
        )?);
        Ok(self)
    }

    /// Shows the server the certificate of a PKCS#12 archive.
    ///
    /// # Errors
    /// The password is wrong, or there is no key in it.
    #[cfg(feature = "pkcs12")]
    pub fn identity_pkcs12(
        mut self,
        archive: impl AsRef<[u8]>,
        password: &str,
    ) -> Result<Self, TlsError> {
        let source = Source::given("PKCS#12 archive", archive.as_ref());
        self.identity = Some(super::pkcs12::read(&source, password)?);
        Ok(self)
    }

    /// Accepts the server certificate with this SHA-256 digest of its DER form, whoever signed it, whatever names and
    /// dates are in it, and no other; may be called again for the next one. `openssl x509 -fingerprint -sha256` prints it.
    pub fn pin_sha256(mut self, digest: [u8; 32]) -> Self {
        match &mut self.trust {
            Trust::Pinned(digests) => digests.push(digest),
            _ => self.trust = Trust::Pinned(vec![digest]),
        }
        self
    }

    /// Accepts this server certificate, in PEM or DER, and no other: as [`TlsOptions::pin_sha256`].
    ///
    /// # Errors
    /// There is no certificate in it.
    pub fn pin_certificate(mut self, certificate: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        let source = Source::given("pinned certificate", certificate.as_ref());
        for (_, certificate) in pem::certificates(&source)? {
            self = self.pin_sha256(super::verify::digest(&certificate));
        }
        Ok(self)
    }

    /// Accepts a certificate for any name, if an authority that is trusted has signed it: whoever has one of these can
    /// pretend to be the server.
    pub const fn danger_accept_any_name(mut self) -> Self {
        self.checks_name = false;
        self
    }

    /// Accepts any certificate of anyone: what is sent can be read and changed by whoever is on the way.
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.trust = Trust::Any;
        self
    }

    /// Offers these protocols (ALPN), the preferred one first; a server that knows none of them ends the handshake.
    pub fn alpn<P: AsRef<[u8]>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols
            .into_iter()
            .map(|name| name.as_ref().to_vec())
            .collect();
        self
    }

    /// Asks for this name (SNI) and expects it in the certificate, instead of the host connected to.
    ///
    /// # Errors
    /// It is no name and no address.
    pub fn server_name(mut self, name: &str) -> Result<Self, TlsError> {
        self.server_name = Some(server_name(name)?);
        Ok(self)
    }

    /// Speaks no TLS older than 1.3.
    pub const fn only_tls13(mut self) -> Self {
        self.only = Some(TlsVersion::Tls13);
        self
    }

    /// Speaks TLS 1.2 and nothing newer.
    pub const fn only_tls12(mut self) -> Self {
        self.only = Some(TlsVersion::Tls12);
        self
    }

    /// Offers these cipher suites and no others, the preferred one first; none stands for all. Those of TLS 1.3 stay as
    /// they are unless one of them is among them.
    pub fn ciphers(mut self, ciphers: impl IntoIterator<Item = TlsCipher>) -> Self {
        self.ciphers = ciphers.into_iter().collect();
        self
    }

    /// Writes the secrets of each connection to a file, which then can be read along: for Wireshark and its like.
    ///
    /// # Errors
    /// The file cannot be opened to be written at its end.
    pub fn danger_log_keys(mut self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        self.key_log = Some(Arc::new(KeyLogFile::open(path.as_ref())?));
        Ok(self)
    }

    /// What was decided, ready for use. Reads the system's root certificates if they are needed.
    ///
    /// # Errors
    /// Key and certificate do not belong together, or the system has no root certificates.
    pub fn build(self) -> Result<TlsConfig, TlsError> {
        let versions = match self.only {
            None => rustls::DEFAULT_VERSIONS,
            Some(TlsVersion::Tls12) => &[&rustls::version::TLS12][..],
            Some(TlsVersion::Tls13) => &[&rustls::version::TLS13],
        };
        let mut provider = rustls::crypto::ring::default_provider();
        if !self.ciphers.is_empty() {
            provider.cipher_suites = chosen(&provider.cipher_suites, &self.ciphers);
        }
        let provider = Arc::new(provider);
        let mut verifier = verifier(self.trust, self.authorities, &provider)?;
        if !self.checks_name {
            verifier = Arc::new(AnyName::new(verifier));
        }
        let identity = self
            .identity
            .map(|identity| certified(identity, &provider))
            .transpose()?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(TlsError::of_configuration)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
        };
        config.alpn_protocols = self.alpn;
        if let Some(key_log) = self.key_log {
            config.key_log = key_log;
        }
        Ok(TlsConfig {
            client: Arc::new(config),
            server_name: self.server_name,
        })
    }

    fn authorities(mut self, source: &Source<'_>) -> Result<Self, TlsError> {
        for (line, certificate) in pem::certificates(source)? {
            self.authorities
                .add(certificate)
                .map_err(|_| source.broken(line))?;
        }
        Ok(self)
    }

    fn identity(mut self, certificate: &Source<'_>, key: &Source<'_>) -> Result<Self, TlsError> {
        let chain = pem::certificates(certificate)?;
        self.identity = Some(Identity {
            chain: chain.into_iter().map(|(_, der)| der).collect(),
            key: pem::private_key(key)?,
        });
        Ok(self)
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("authorities", &self.authorities.len())
            .field("has_identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// Of `all` those that are chosen, in the order they were; with those of TLS 1.3 if none of them is.
fn chosen(all: &[SupportedCipherSuite], ciphers: &[TlsCipher]) -> Vec<SupportedCipherSuite> {
    let named = ciphers.iter().filter_map(|cipher| {
        let mut all = all.iter();
        all.find(|suite| cipher.is(suite.suite())).copied()
    });
    let mut chosen: Vec<_> = named.collect();
    let is_of_tls13 = |suite: &&SupportedCipherSuite| suite.tls13().is_some();
    if !chosen.iter().any(|suite| is_of_tls13(&suite)) {
        chosen.extend(all.iter().filter(is_of_tls13));
    }
    chosen
}

/// A certificate and its key, checked to belong together as far as that can be told.
fn certified(identity: Identity, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let key = provider.key_provider.load_private_key(identity.key);
    let key = key.map_err(TlsError::of_configuration)?;
    let certified = CertifiedKey::new(identity.chain, key);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(TlsError::KeyMismatch)
        }
        // Certificates of X.509 version 1, which tutorials still make, cannot be looked into; whether they are good
        // enough is for the server to say.
        _ => Ok(certified),
    }
}

fn verifier(
    trust: Trust,
    mut authorities: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let needs_platform = match trust {
        Trust::Pinned(digests) => return Ok(Arc::new(Pinned::new(digests, provider))),
        Trust::Any => return Ok(Arc::new(AnyCertificate::new(provider))),
        Trust::Authorities => authorities.is_empty(),
        Trust::AuthoritiesAndPlatform => true,
    };
    if needs_platform {
        add_platform_roots(&mut authorities)?;
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(provider));
    let verifier = verifier.build().map_err(|error| TlsError::Configuration {
        source: rustls::Error::General(error.to_string()),
    })?;
    Ok(verifier)
}

fn add_platform_roots(authorities: &mut RootCertStore) -> Result<(), TlsError> {
    let found = rustls_native_certs::load_native_certs();
    // A store of a system commonly has a few that no standard covers.
    authorities.add_parsable_certificates(found.certs);
    if authorities.is_empty() {
        let problems: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoPlatformRoots {
            problems: problems.join("; ").into(),
        });
    }
    Ok(())
}
