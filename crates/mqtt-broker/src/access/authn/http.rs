//! A service that is asked who a client is, and answers in EMQX's form.

use super::{Asked, Desk, Verdict, attributes};
use crate::access::Identity;
use crate::access::http_client::{HttpAnswer, HttpClient, HttpQuestion};
use crate::access::template::{Notation, Template, push_percent};
use crate::authenticate::{ConnectRequest, Grant};
use crate::config::{HttpMethod, HttpService};
use hyper::Method;
use mqtt_access::Rules;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Bytes an answer may have.
const ANSWER_LEN_MAX: usize = 64 * 1024;

/// Answers that are remembered.
const CACHE_LEN_MAX: usize = 10_000;

/// One such service.
pub(in crate::access) struct HttpAuthenticator {
    name: Arc<str>,
    client: HttpClient,
    method: HttpMethod,
    url: Template,
    body: BTreeMap<Box<str>, Template>,
    cache_ttl: Duration,
    cache: Mutex<HashMap<[u8; 32], Remembered>>,
}

/// Consent that was given a moment ago.
struct Remembered {
    grant: Grant,
    until: Instant,
}

impl HttpAuthenticator {
    /// One for this service.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(name: &Arc<str>, service: &HttpService) -> Result<Self, String> {
        let url = service.url.as_deref().ok_or("it has no `url`")?;
        let placeholders_at = url.find("${").unwrap_or(url.len());
        let after_scheme = url.find("://").map_or(0, |at| at + 3);
        let host = url.get(after_scheme..).unwrap_or_default();
        let host_end = after_scheme + host.find(['/', '?']).unwrap_or(host.len());
        if placeholders_at < host_end {
            return Err("`url` has a placeholder before its path".to_owned());
        }
        let body = service.body.iter().map(|(key, text)| {
            let template = Template::parse(text).map_err(|error| format!("`body.{key}`: {error}"));
            Ok((key.as_str().into(), template?))
        });
        Ok(Self {
            name: Arc::clone(name),
            client: HttpClient::new(service, ANSWER_LEN_MAX)?,
            method: service.method,
            url: Template::parse(url).map_err(|error| format!("`url`: {error}"))?,
            body: body.collect::<Result<_, String>>()?,
            cache_ttl: service.cache_ttl.get(),
            cache: Mutex::default(),
        })
    }

    /// Consent that was given a moment ago, for the same question.
    pub(super) fn ask_now(&self, desk: &Desk, request: &ConnectRequest<'_>) -> Option<Verdict> {
        let question = self.question(request);
        // What cannot be put into words cannot be known.
        let Some(question) = question else {
            return Some(Verdict::Ignore);
        };
        let key = self.key(desk, &question);
        let cache = self.cache.lock();
        let found = cache.get(&key)?;
        (found.until > Instant::now()).then(|| Verdict::Allow(Box::new(found.grant.clone())))
    }

    /// Asks the service. Whatever is no clear answer is none.
    pub(super) async fn ask(&self, desk: &Desk, asked: &Asked) -> Verdict {
        let request = asked.request();
        let Some(question) = self.question(&request) else {
            return Verdict::Ignore;
        };
        let key = self.key(desk, &question);
        let answer = match self.client.ask(question).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(authenticator = &*self.name, %error, "asking who a client is failed");
                return Verdict::Unavailable;
            }
        };
        let verdict = self.read(&answer, &request);
        if let Verdict::Allow(grant) = &verdict {
            self.remember(key, grant);
        }
        verdict
    }

    fn question(&self, request: &ConnectRequest<'_>) -> Option<HttpQuestion> {
        let mut url = self.url.fill(request, Notation::Percent)?;
        let fields = self.body.iter().map(|(key, template)| {
            let value = template.fill(request, Notation::Plain)?;
            Some((&**key, value))
        });
        let fields: Vec<_> = fields.collect::<Option<_>>()?;
        let (method, content_type, body) = match self.method {
            HttpMethod::Get => {
                if !fields.is_empty() {
                    let joint = if url.contains('?') { '&' } else { '?' };
                    url.push(joint);
                    push_form(&mut url, &fields);
                }
                (Method::GET, None, Zeroizing::default())
            }
            HttpMethod::Post if self.client.sends_forms() => {
                let mut form = Zeroizing::new(String::new());
                push_form(&mut form, &fields);
                (Method::POST, None, Zeroizing::new(form.as_bytes().to_vec()))
            }
            HttpMethod::Post => {
                let fields = fields.iter();
                let object: Map<String, Value> = fields
                    .map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str())))
                    .collect();
                let body = Zeroizing::new(Value::Object(object).to_string().into_bytes());
                (Method::POST, Some("application/json"), body)
            }
        };
        Some(HttpQuestion {
            method,
            url,
            content_type,
            body,
        })
    }

    /// Stands for a question, without being one.
    fn key(&self, desk: &Desk, question: &HttpQuestion) -> [u8; 32] {
        let fields = [
            self.name.as_bytes(),
            question.url.as_bytes(),
            &question.body,
        ];
        *desk.proofs.digest_of(b"question", &fields)
    }

    /// EMQX's form: 204, or 200 with a `result`; whatever else says no more than that the service is not well.
    fn read(&self, answer: &HttpAnswer, request: &ConnectRequest<'_>) -> Verdict {
        if answer.status == 204 {
            return Verdict::Allow(Box::new(self.grant(request, None)));
        }
        if answer.status != 200 {
            tracing::warn!(
                authenticator = &*self.name,
                status = answer.status,
                "asking who a client is: neither 200 nor 204"
            );
            return Verdict::Unavailable;
        }
        let object = match serde_json::from_slice(&answer.body) {
            Ok(Value::Object(object)) => object,
            _ => Map::new(),
        };
        match object.get("result").and_then(Value::as_str) {
            Some("deny") => Verdict::Deny("the service says no"),
            Some("ignore") => Verdict::Ignore,
            Some("allow") => match self.read_grant(&object, request) {
                Ok(grant) => Verdict::Allow(Box::new(grant)),
                Err(error) => {
                    tracing::warn!(authenticator = &*self.name, %error, "asking who a client is: the answer is wrong");
                    Verdict::Unavailable
                }
            },
            _ => {
                tracing::warn!(
                    authenticator = &*self.name,
                    "asking who a client is: an answer without a result"
                );
                Verdict::Unavailable
            }
        }
    }

    fn read_grant(
        &self,
        object: &Map<String, Value>,
        request: &ConnectRequest<'_>,
    ) -> Result<Grant, String> {
        let expires_at_s = match object.get("expire_at") {
            None | Some(Value::Null) => None,
            Some(at) => Some(at.as_u64().ok_or("expire_at is no time")?),
        };
        let rules = object.get("acl").filter(|acl| !acl.is_null());
        let rules = rules.map(|acl| Rules::from_claim(acl, &self.name));
        let rules = rules.transpose().map_err(|error| format!("acl: {error}"))?;
        let superuser = object.get("is_superuser");
        Ok(Grant {
            superuser: superuser.and_then(Value::as_bool).unwrap_or(false),
            attributes: attributes(object.get("client_attrs")),
            rules: rules.map(Arc::new),
            ..self.grant(request, expires_at_s)
        })
    }

    fn grant(&self, request: &ConnectRequest<'_>, expires_at_s: Option<u64>) -> Grant {
        Grant {
            identity: Some(Arc::new(Identity {
                authenticator: Arc::clone(&self.name),
                user: request.username.unwrap_or(request.client_id).into(),
                stamp: 0,
                expires_at_s,
            })),
            ..Grant::default()
        }
    }

    fn remember(&self, key: [u8; 32], grant: &Grant) {
        if self.cache_ttl.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut cache = self.cache.lock();
        if cache.len() >= CACHE_LEN_MAX {
            cache.retain(|_, remembered| remembered.until > now);
        }
        if cache.len() < CACHE_LEN_MAX {
            let (grant, until) = (grant.clone(), now + self.cache_ttl);
            cache.insert(key, Remembered { grant, until });
        }
    }
}

fn push_form(to: &mut String, fields: &[(&str, Zeroizing<String>)]) {
    for (place, (key, value)) in fields.iter().enumerate() {
        if place > 0 {
            to.push('&');
        }
        push_percent(to, key);
        to.push('=');
        push_percent(to, value);
    }
}
