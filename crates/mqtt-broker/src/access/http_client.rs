//! Asks services over HTTP and HTTPS: so many at a time, with a time limit, and answers of a bounded size.

use crate::config::HttpService;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Requests that may wait for one of those under way to end.
const WAITING_MAX: usize = 4096;

/// A client of one service.
pub(crate) struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
    timeout: Duration,
    answer_len_max: usize,
    places: Semaphore,
    waiting: AtomicUsize,
}

/// What a service is asked.
pub(crate) struct HttpQuestion {
    pub(crate) method: Method,
    pub(crate) url: Zeroizing<String>,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// What it answers.
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer. Never with the address, which may have a secret in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("no answer in time")]
    Timeout,
    #[error("too many requests wait")]
    Full,
    #[error("the address is none")]
    Address,
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("the answer cannot be read, or is too long")]
    Answer,
}

impl HttpClient {
    /// One for this service, with answers of at most so many bytes.
    ///
    /// # Errors
    /// What is wrong with its headers or its authorities.
    pub(crate) fn new(service: &HttpService, answer_len_max: usize) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &service.headers {
            let name = HeaderName::try_from(name.as_str());
            let value = HeaderValue::from_str(value.expose());
            let (Ok(name), Ok(mut value)) = (name, value) else {
                return Err("a header has a name or a value that is none".to_owned());
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(service.cacertfile.as_deref())?)
            .https_or_http()
            .enable_http1();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(service.request_timeout.get()));
        Ok(Self {
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(service.pool_size)
                .build(https.wrap_connector(connector)),
            headers,
            timeout: service.request_timeout.get(),
            answer_len_max,
            places: Semaphore::new(service.pool_size),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Whether the bodies that `headers` ask for are forms.
    pub(crate) fn sends_forms(&self) -> bool {
        let content_type = self.headers.get(hyper::header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        content_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
    }

    /// Asks.
    ///
    /// # Errors
    /// There is no answer, for whatever reason.
    pub(crate) async fn ask(&self, question: HttpQuestion) -> Result<HttpAnswer, HttpError> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _less = Less(&self.waiting);
        if waiting >= WAITING_MAX {
            return Err(HttpError::Full);
        }
        let answer = tokio::time::timeout(self.timeout, self.ask_in_turn(question));
        answer.await.map_err(|_| HttpError::Timeout)?
    }

    async fn ask_in_turn(&self, question: HttpQuestion) -> Result<HttpAnswer, HttpError> {
        let _place = self.places.acquire().await.map_err(|_| HttpError::Full)?;
        let url = Uri::try_from(question.url.as_str()).map_err(|_| HttpError::Address)?;
        let body = Full::new(Bytes::copy_from_slice(&question.body));
        let mut request = Request::new(body);
        *request.method_mut() = question.method;
        *request.uri_mut() = url;
        if let Some(content_type) = question.content_type {
            let content_type = HeaderValue::from_static(content_type);
            request
                .headers_mut()
                .insert(hyper::header::CONTENT_TYPE, content_type);
        }
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let response = self.client.request(request).await;
        let response = response.map_err(|error| HttpError::Unreachable(cause_of(&error)))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), self.answer_len_max);
        let body = body.collect().await.map_err(|_| HttpError::Answer)?;
        Ok(HttpAnswer {
            status,
            body: Zeroizing::new(body.to_bytes().to_vec()),
        })
    }
}

/// One less waits when it is gone.
struct Less<'a>(&'a AtomicUsize);

impl Drop for Less<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The innermost cause, which says most.
fn cause_of(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The authorities of this file, or of the system.
fn tls(cacertfile: Option<&Path>) -> Result<ClientConfig, String> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let Some(path) = cacertfile else {
        use hyper_rustls::ConfigBuilderExt;
        let roots = builder.with_native_roots();
        return Ok(roots
            .map_err(|error| error.to_string())?
            .with_no_client_auth());
    };
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(path).map_err(|error| named(&error))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| named(&error))?;
        roots.add(certificate).map_err(|error| named(&error))?;
    }
    if roots.is_empty() {
        return Err(named(&"no certificate in it"));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
