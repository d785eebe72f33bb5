//! A service that is asked who may publish and subscribe, and answers in EMQX's form.

use super::http_client::{HttpClient, HttpQuestion};
use crate::config::{AuthorizationCache, HttpAuthorization};
use hyper::Method;
use mqtt_access::{Action, Permit, Subject};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Bytes an answer may have.
const ANSWER_LEN_MAX: usize = 4096;

/// One such service.
pub(crate) struct HttpSource {
    url: Box<str>,
    client: HttpClient,
    cache: Option<Cache>,
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource").finish_non_exhaustive()
    }
}

/// What it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HttpRuling {
    Says(Permit),
    /// The next source is asked.
    Nothing,
    /// There is no answer that could be read.
    Failed,
}

/// What it has said a moment ago.
struct Cache {
    ttl: Duration,
    len_max: usize,
    answers: Mutex<HashMap<Box<str>, (HttpRuling, Instant)>>,
}

impl HttpSource {
    /// One for this service.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(
        settings: &HttpAuthorization,
        cache: &AuthorizationCache,
    ) -> Result<Self, String> {
        let service = settings.service();
        Ok(Self {
            url: settings.url.as_str().into(),
            client: HttpClient::new(&service, ANSWER_LEN_MAX)?,
            cache: cache.enable.then(|| Cache {
                ttl: cache.ttl.get(),
                len_max: cache.max_size,
                answers: Mutex::default(),
            }),
        })
    }

    /// What it said a moment ago to the same question.
    pub(super) fn ask_now(&self, subject: &Subject<'_>, action: &Action<'_>) -> Option<HttpRuling> {
        let cache = self.cache.as_ref()?;
        let question = question(subject, action);
        let answers = cache.answers.lock();
        let (ruling, until) = answers.get(&*question)?;
        (*until > Instant::now()).then_some(*ruling)
    }

    /// Asks it. Whatever is no clear answer is none.
    pub(super) async fn ask(&self, question: String) -> HttpRuling {
        let body = Zeroizing::new(question.as_bytes().to_vec());
        let asked = HttpQuestion {
            method: Method::POST,
            url: Zeroizing::new(self.url.to_string()),
            content_type: Some("application/json"),
            body,
        };
        let ruling = match self.client.ask(asked).await {
            Ok(answer) => match read(answer.status, &answer.body) {
                Some(ruling) => ruling,
                None => {
                    let status = answer.status;
                    tracing::warn!(status, "asking who may do what: the answer cannot be read");
                    HttpRuling::Failed
                }
            },
            Err(error) => {
                tracing::warn!(%error, "asking who may do what failed");
                HttpRuling::Failed
            }
        };
        if let (Some(cache), true) = (&self.cache, ruling != HttpRuling::Failed) {
            cache.keep(question.into(), ruling);
        }
        ruling
    }
}

impl Cache {
    fn keep(&self, question: Box<str>, ruling: HttpRuling) {
        let now = Instant::now();
        let mut answers = self.answers.lock();
        if answers.len() >= self.len_max {
            answers.retain(|_, (_, until)| *until > now);
        }
        // All of them are good still: any one gives way.
        if answers.len() >= self.len_max
            && let Some(any) = answers.keys().next().cloned()
        {
            answers.remove(&any);
        }
        answers.insert(question, (ruling, now + self.ttl));
    }
}

/// What it is asked, as JSON.
pub(super) fn question(subject: &Subject<'_>, action: &Action<'_>) -> String {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("clientid", subject.client_id.into());
    put("username", subject.username.into());
    let address = subject
        .address
        .map(|address| address.to_canonical().to_string());
    put("peerhost", address.into());
    put("listener", subject.listener.into());
    put("cert_common_name", subject.cert_common_name.into());
    let attributes = subject.attributes.into_iter().flatten();
    let attributes = attributes.map(|(name, value)| (name.to_string(), json!(&**value)));
    put("client_attrs", Value::Object(attributes.collect()));
    let (word, topic, qos, retain) = match *action {
        Action::Publish {
            topic_name,
            qos,
            retain,
        } => ("publish", topic_name, qos, Some(retain)),
        Action::Subscribe { topic_filter, qos } => ("subscribe", topic_filter, qos, None),
        Action::Receive { topic_name } => ("receive", topic_name, 0, None),
    };
    put("action", word.into());
    put("topic", topic.into());
    put("qos", qos.into());
    put("retain", retain.into());
    Value::Object(object).to_string()
}

/// EMQX's form: 204, or 200 with a `result`.
fn read(status: u16, body: &[u8]) -> Option<HttpRuling> {
    match status {
        204 => return Some(HttpRuling::Says(Permit::Allow)),
        200 => {}
        _ => return None,
    }
    let Value::Object(object) = serde_json::from_slice(body).ok()? else {
        return None;
    };
    match object.get("result")?.as_str()? {
        "allow" => Some(HttpRuling::Says(Permit::Allow)),
        "deny" => Some(HttpRuling::Says(Permit::Deny)),
        "ignore" => Some(HttpRuling::Nothing),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_is_one() {
        let says = |permit| Some(HttpRuling::Says(permit));
        for (status, body, expected) in [
            (204, "", says(Permit::Allow)),
            (200, "{\"result\": \"allow\"}", says(Permit::Allow)),
            (200, "{\"result\": \"deny\"}", says(Permit::Deny)),
            (200, "{\"result\": \"ignore\"}", Some(HttpRuling::Nothing)),
            (200, "{\"result\": \"yes\"}", None),
            (200, "{\"result\": true}", None),
            (200, "[]", None),
            (200, "", None),
            (403, "{\"result\": \"allow\"}", None),
            (500, "", None),
        ] {
            assert_eq!(read(status, body.as_bytes()), expected, "{status} {body}");
        }
    }

    #[test]
    fn the_cache_has_a_bound() {
        let cache = Cache {
            ttl: Duration::from_secs(60),
            len_max: 3,
            answers: Mutex::default(),
        };
        for nth in 0..10 {
            cache.keep(nth.to_string().into(), HttpRuling::Nothing);
        }
        let answers = cache.answers.lock();
        assert_eq!(answers.len(), 3);
        assert!(answers.contains_key("9"));
    }
}
