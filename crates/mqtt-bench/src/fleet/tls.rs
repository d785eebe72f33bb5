//! What a fleet puts over TCP.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::settings::{Over, TlsFiles};
use crate::error::BenchError;
use crate::link::{AnyCertificate, LinkPlan, tls_error};

impl LinkPlan {
    /// To this host.
    pub(crate) fn to(
        host: &str,
        port: u16,
        over: &Over,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, BenchError> {
        let tls = match tls {
            None => None,
            Some(config) => {
                let name = ServerName::try_from(host.to_owned()).map_err(tls_error)?;
                Some((Arc::clone(config), name))
            }
        };
        let upgrade = over.ws_path.as_ref().map(|path| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Sec-WebSocket-Protocol: mqtt\r\n\r\n"
            )
        });
        let upgrade = upgrade.map(|text| text.into_bytes().into());
        Ok(Self { tls, upgrade })
    }
}

/// What clients show and whom they believe.
pub(crate) fn config(files: &TlsFiles) -> Result<Arc<ClientConfig>, BenchError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?;
    let builder = match &files.authorities {
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(file).map_err(tls_error)? {
                roots
                    .add(certificate.map_err(tls_error)?)
                    .map_err(tls_error)?;
            }
            builder.with_root_certificates(roots)
        }
    };
    let config = match &files.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_file_iter(certificate).map_err(tls_error)?;
            let chain = chain.collect::<Result<Vec<_>, _>>().map_err(tls_error)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(tls_error)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(tls_error)?
        }
    };
    Ok(Arc::new(config))
}
