//! From an address to a stream of bytes and the credentials to use on it.

use crate::options::Options;
use crate::{Attempt, ConnectError, Stream};
use mqtt_io::{Connector, Endpoint};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A time that is as good as never, and that every clock has: some thirty years.
const FOREVER: Duration = Duration::from_secs(1_000_000_000);

/// User Name and Password of one attempt.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Credentials {
    /// The User Name; none sends none.
    pub username: Option<String>,
    /// The Password; none sends none. Before v5 there is none without a User Name.
    pub password: Option<Vec<u8>>,
}

impl Credentials {
    /// Both.
    pub fn new(username: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        Self {
            username: Some(username.into()),
            password: Some(password.into()),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "..."))
            .finish()
    }
}

/// What gives the credentials of each attempt.
pub(crate) trait GiveCredentials: Send + Sync {
    fn give(
        &self,
        attempt: Attempt,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, ConnectError>> + Send>>;
}

impl<F, A, E> GiveCredentials for F
where
    F: Fn(Attempt) -> A + Send + Sync,
    A: Future<Output = Result<Credentials, E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn give(
        &self,
        attempt: Attempt,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, ConnectError>> + Send>> {
        let credentials = self(attempt);
        Box::pin(async move {
            let failed = |error: E| ConnectError::Credentials(Arc::from(error.into()));
            credentials.await.map_err(failed)
        })
    }
}

/// What gives the stream of bytes of each attempt.
pub(crate) trait GiveStream: Send + Sync {
    fn give(&self, attempt: Attempt) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;
}

impl<F, A> GiveStream for F
where
    F: Fn(Attempt) -> A + Send + Sync,
    A: Future<Output = io::Result<Stream>> + Send + 'static,
{
    fn give(&self, attempt: Attempt) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>> {
        Box::pin(self(attempt))
    }
}

/// Where streams come from.
#[derive(Clone)]
pub(crate) enum Dial {
    /// The network.
    Net(Box<Connector>),
    /// The application.
    Custom(Arc<dyn GiveStream>),
    /// One stream that is there already, for the first attempt.
    Given(Arc<Mutex<Option<Stream>>>),
}

impl Dial {
    /// Whether there is one stream and never another.
    pub(crate) const fn is_given(&self) -> bool {
        matches!(self, Self::Given(_))
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Net(_) => "Net",
            Self::Custom(_) => "Custom",
            Self::Given(_) => "Given",
        })
    }
}

/// A function of the application; shows no more than that it is there.
#[derive(Clone)]
pub(crate) struct CredentialsSource(pub(crate) Arc<dyn GiveCredentials>);

impl fmt::Debug for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialsSource")
    }
}

/// A function of the application; shows no more than that it is there.
#[derive(Clone)]
pub(crate) struct WrapStream(pub(crate) Arc<dyn Fn(Stream) -> Stream + Send + Sync>);

impl fmt::Debug for WrapStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrapStream")
    }
}

/// What finds the servers of a domain; shows no more than that it is there.
#[cfg(feature = "srv")]
#[derive(Clone)]
pub(crate) struct SrvSource(pub(crate) mqtt_io::SrvResolver);

#[cfg(feature = "srv")]
impl fmt::Debug for SrvSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SrvSource")
    }
}

/// What an attempt has to begin with.
#[derive(Debug)]
pub(crate) struct Dialed {
    pub(crate) stream: Stream,
    pub(crate) credentials: Credentials,
}

/// Gets the credentials, then the stream, all within the connect timeout.
pub(crate) async fn dial(
    options: Arc<Options>,
    endpoint: Endpoint,
    attempt: Attempt,
) -> Result<Dialed, ConnectError> {
    let until = Instant::now() + options.connect_timeout.min(FOREVER);
    let credentials = match &options.credentials_source {
        Some(CredentialsSource(source)) => timeout_at(until, source.give(attempt.clone()))
            .await
            .unwrap_or(Err(ConnectError::Timeout))?,
        None => static_credentials(&options, &endpoint),
    };
    let server = attempt.server.clone();
    let stream = match &options.dial {
        Dial::Net(connector) => {
            let endpoints = servers_of(&options, &endpoint, until).await?;
            connect_one(connector, &endpoints, until).await?
        }
        Dial::Custom(source) => {
            let given = timeout_at(until, source.give(attempt)).await;
            given
                .unwrap_or(Err(io::ErrorKind::TimedOut.into()))
                .map_err(|error| io_error(server, error))?
        }
        Dial::Given(given) => {
            // Nothing panics while it is held.
            let given = given.lock().unwrap_or_else(PoisonError::into_inner).take();
            given.ok_or_else(|| io_error(server, io::ErrorKind::NotConnected.into()))?
        }
    };
    let stream = match &options.wrap {
        Some(WrapStream(wrap)) => wrap(stream),
        None => stream,
    };
    Ok(Dialed {
        stream,
        credentials,
    })
}

/// The servers of a domain where the address names one, else the address itself; never none.
async fn servers_of(
    options: &Options,
    endpoint: &Endpoint,
    until: Instant,
) -> Result<Vec<Endpoint>, ConnectError> {
    #[cfg(feature = "srv")]
    if let Some(SrvSource(resolver)) = &options.srv {
        let lookup = resolver.lookup(endpoint.host(), endpoint.scheme());
        let servers = timeout_at(until, lookup).await;
        let servers = servers.map_err(|_| ConnectError::Timeout)?;
        return servers.map_err(|error| ConnectError::Srv(Arc::new(error)));
    }
    let _ = (options, until);
    Ok(vec![endpoint.clone()])
}

/// Connects to the first of `endpoints` that answers.
async fn connect_one(
    connector: &Connector,
    endpoints: &[Endpoint],
    until: Instant,
) -> Result<Stream, ConnectError> {
    let mut failed = ConnectError::Timeout;
    for endpoint in endpoints {
        let limit = until.saturating_duration_since(Instant::now());
        match connector.connect_within(endpoint, limit).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = ConnectError::Dial(Arc::new(error)),
        }
    }
    Err(failed)
}

fn io_error(server: String, error: io::Error) -> ConnectError {
    ConnectError::Io {
        server,
        source: Arc::new(error),
    }
}

fn static_credentials(options: &Options, endpoint: &Endpoint) -> Credentials {
    options.credentials.clone().unwrap_or_else(|| Credentials {
        username: endpoint.username().map(Into::into),
        password: endpoint.password().map(Into::into),
    })
}
