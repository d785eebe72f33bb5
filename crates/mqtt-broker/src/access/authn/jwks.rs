//! Keys of tokens that are fetched again and again, in the background.

use crate::access::http_client::{HttpClient, HttpQuestion};
use crate::config::{HttpService, Jwt};
use hyper::Method;
use mqtt_access::{JWKS_LEN_MAX, JwtKeys};
use parking_lot::RwLock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// Time between two fetches at least, whoever asks for one.
const PAUSE: Duration = Duration::from_secs(10);

/// Time until the next try while there are no keys at all.
const RETRY: Duration = Duration::from_secs(1);

/// Keys that are fetched as long as this is there.
pub(super) struct Fetched {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    name: Arc<str>,
    keys: RwLock<Option<Arc<JwtKeys>>>,
    /// Told when a token comes that no key has signed.
    missed: Notify,
    client: HttpClient,
    url: String,
    refresh_interval: Duration,
}

impl Fetched {
    /// Begins to fetch.
    ///
    /// # Errors
    /// The authorities cannot be read, or there is no runtime to fetch on.
    pub(super) fn start(name: &Arc<str>, jwt: &Jwt) -> Result<Self, String> {
        let runtime = tokio::runtime::Handle::try_current();
        let runtime = runtime.map_err(|_| "there is no runtime to fetch keys on")?;
        let service = HttpService {
            cacertfile: jwt.cacertfile.clone(),
            pool_size: 1,
            ..HttpService::default()
        };
        let shared = Arc::new(Shared {
            name: Arc::clone(name),
            keys: RwLock::new(None),
            missed: Notify::new(),
            client: HttpClient::new(&service, JWKS_LEN_MAX)?,
            url: jwt.endpoint.clone().unwrap_or_default(),
            refresh_interval: jwt.refresh_interval.get(),
        });
        let task = runtime.spawn(Arc::clone(&shared).run());
        Ok(Self { shared, task })
    }

    /// The last that were fetched.
    pub(super) fn now(&self) -> Option<Arc<JwtKeys>> {
        self.shared.keys.read().clone()
    }

    /// A token has come that none of them has signed: there may be new ones.
    pub(super) fn missed(&self) {
        self.shared.missed.notify_one();
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn run(self: Arc<Self>) {
        loop {
            match self.fetch().await {
                Ok(keys) => {
                    tracing::debug!(
                        authenticator = &*self.name,
                        keys = keys.len(),
                        "keys fetched"
                    );
                    *self.keys.write() = Some(Arc::new(keys));
                }
                Err(error) => {
                    let kept = self.keys.read().as_ref().map_or(0, |keys| keys.len());
                    tracing::warn!(authenticator = &*self.name, %error, kept, "keys cannot be fetched");
                }
            }
            if self.keys.read().is_none() {
                tokio::time::sleep(RETRY).await;
                continue;
            }
            tokio::time::sleep(PAUSE).await;
            let rest = self.refresh_interval.saturating_sub(PAUSE);
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.missed.notified() => {}
            }
        }
    }

    async fn fetch(&self) -> Result<JwtKeys, String> {
        let question = HttpQuestion {
            method: Method::GET,
            url: Zeroizing::new(self.url.clone()),
            content_type: None,
            body: Zeroizing::default(),
        };
        let answer = self.client.ask(question).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        JwtKeys::jwks(&answer.body).map_err(|error| error.to_string())
    }
}
