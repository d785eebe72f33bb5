//! `backend = "http"`: a service that is asked.

use super::{
    Duration, Secret,
    access_kind::{Headers, Texts, Url},
    kind::{Choice, FilePath, Maybe, Number, Time},
    settings::settings,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How a service is asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HttpMethod {
    /// GET: what `body` says goes into the query.
    Get,
    /// POST: as JSON, or as a form if `headers` say so.
    #[default]
    Post,
}

settings! {
    /// A service that is asked over HTTP.
    pub struct HttpService {
        /// how the service is asked: by GET, with what `body` says in the query, or by POST, with it as JSON or, by its `content-type`, as a form
        method: HttpMethod = HttpMethod::Post,
            Choice(&[("get", HttpMethod::Get), ("post", HttpMethod::Post)]);
        /// its address, with placeholders of the client in its path and query
        url: Option<String> = None, Maybe(Url);
        /// headers of each request
        headers: BTreeMap<String, Secret> = BTreeMap::new(), Headers;
        /// what it is told: texts with `${clientid}`, `${username}`, `${password}`, `${peerhost}`, `${listener}`, `${cert_common_name}` and `${cert_subject}`
        body: BTreeMap<String, String> = BTreeMap::new(), Texts;
        /// time it has for its answer
        request_timeout: Duration = Duration::from_secs(3),
            Time(Duration::from_millis(1)..=Duration::from_secs(60));
        /// requests to it at a time
        pool_size: usize = 8, Number(1..=1024);
        /// time for which its consent is remembered; a refusal is not
        cache_ttl: Duration = Duration::from_secs(10),
            Time(Duration::from_secs(0)..=Duration::from_secs(60 * 60));
        /// a file with the authorities (PEM) that `endpoint` or `url` is trusted by, instead of the system's
        cacertfile: Option<PathBuf> = None, Maybe(FilePath);
    }
}
