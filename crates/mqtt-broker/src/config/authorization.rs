//! `authorization.*`: who may publish and subscribe to what.

use std::{collections::BTreeMap, path::PathBuf};

use mqtt_access::{Permit, Rule, RuleFormat};

use super::{
    ConfigError, Duration, HttpService, Secret,
    access_kind::{Headers, Url},
    kind::{Choice, FilePath, Flag, Maybe, Number, Text, Time},
    reader::Section,
    settings::settings,
};

/// `authorization.*`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Authorization {
    /// `no_match`: what is decided where no rule is about what is wanted. Default: none is set, that is `deny` as
    /// soon as there is a source or a rule, and `allow` as long as there is none.
    pub no_match: Option<Permit>,
    /// `deny_action`: what becomes of a client that wants what it may not. Default: `ignore`.
    pub deny_action: DenyAction,
    /// `on_lost_right`: what becomes of a client that has a subscription and no right to it any more. Default:
    /// `disconnect`.
    pub on_lost_right: LostRight,
    /// `cache.*`.
    pub cache: AuthorizationCache,
    /// `rules`: asked before all sources. Default: none.
    pub rules: Vec<Rule>,
    /// `sources`: asked in this order. Default: none.
    pub sources: Vec<AuthorizationSource>,
}

/// What becomes of a client that wants what it may not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DenyAction {
    /// The request is refused, and the connection stays; before v5 a refused PUBLISH above QoS 0 still closes it, as
    /// there is no other answer.
    #[default]
    Ignore,
    /// The connection is ended with 0x87.
    Disconnect,
}

/// What becomes of a client that has a subscription and no right to it any more.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LostRight {
    /// The subscription is removed and the connection ended with 0x87, so that the client hears of it.
    #[default]
    Disconnect,
    /// The subscription is removed, and the client hears nothing of it.
    Unsubscribe,
}

settings! {
    /// `authorization.cache.*`: answers of sources that take their time.
    pub struct AuthorizationCache {
        /// whether answers of sources that take their time are kept
        enable: bool = true, Flag;
        /// how long an answer is kept
        ttl: Duration = Duration::from_secs(60),
            Time(Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60));
        /// answers kept at a time, of all clients together
        max_size: usize = 100_000, Number(1..=10_000_000);
    }
}

/// `authorization.sources[]`: where rules come from.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AuthorizationSource {
    /// A file.
    File {
        /// The file, relative to where the broker is started.
        path: PathBuf,
        /// How it is written.
        format: RuleFormat,
    },
    /// A service that is asked over HTTP; it is not asked about messages that are delivered.
    Http(HttpAuthorization),
}

/// A service that is asked over HTTP who may do what: POST with a JSON object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpAuthorization {
    /// `url`: its address.
    pub url: String,
    /// How it is asked.
    pub request: HttpRequest,
}

settings! {
    /// How a service of [`HttpAuthorization`] is asked.
    pub struct HttpRequest {
        /// headers of each request
        headers: BTreeMap<String, Secret> = BTreeMap::new(), Headers;
        /// time it has for its answer; without one, what was asked for is denied
        request_timeout: Duration = Duration::from_secs(3),
            Time(Duration::from_millis(1)..=Duration::from_secs(60));
        /// requests to it at a time
        pool_size: usize = 8, Number(1..=1024);
        /// a file with the authorities (PEM) that `url` is trusted by, instead of the system's
        cacertfile: Option<PathBuf> = None, Maybe(FilePath);
    }
}

impl HttpAuthorization {
    /// The same as a service that is asked for who clients are.
    pub(crate) fn service(&self) -> HttpService {
        HttpService {
            url: Some(self.url.clone()),
            headers: self.request.headers.clone(),
            request_timeout: self.request.request_timeout,
            pool_size: self.request.pool_size,
            cacertfile: self.request.cacertfile.clone(),
            ..HttpService::default()
        }
    }
}

const FORMATS: Choice<RuleFormat> = Choice(&[
    ("toml", RuleFormat::Toml),
    ("mosquitto", RuleFormat::Mosquitto),
    ("emqx", RuleFormat::Emqx),
]);

/// The types of sources.
#[derive(Clone, Copy, Eq, PartialEq)]
enum SourceType {
    File,
    Http,
}

const TYPES: Choice<SourceType> = Choice(&[("file", SourceType::File), ("http", SourceType::Http)]);

impl Authorization {
    /// Whether anything was said about who may do what.
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty() || !self.sources.is_empty()
    }

    pub(super) fn read(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.set(
            "no_match",
            "what is decided where no rule is about what is wanted; without it `deny` as soon as there is a source or a rule, `allow` as long as there is none",
            &mut self.no_match,
            &Maybe(Choice(&[("allow", Permit::Allow), ("deny", Permit::Deny)])),
        )?;
        section.set(
            "deny_action",
            "what becomes of a client that wants what it may not: it is told where there is an answer, or its connection is ended with 0x87",
            &mut self.deny_action,
            &Choice(&[
                ("ignore", DenyAction::Ignore),
                ("disconnect", DenyAction::Disconnect),
            ]),
        )?;
        section.set(
            "on_lost_right",
            "what becomes of a client that has a subscription and no right to it any more: the subscription is removed, and the connection ended with 0x87 or not",
            &mut self.on_lost_right,
            &Choice(&[
                ("disconnect", LostRight::Disconnect),
                ("unsubscribe", LostRight::Unsubscribe),
            ]),
        )?;
        self.cache.read(&section.section("cache")?)?;
        if let Some(rules) = section.rules("rules")? {
            self.rules = rules;
        }
        if let Some(sources) = section.tables("sources")? {
            let sources = sources.iter().map(AuthorizationSource::read);
            let sources = sources.collect::<Result<Vec<_>, _>>()?;
            self.sources = sources.into_iter().flatten().collect();
        }
        Ok(())
    }
}

impl AuthorizationSource {
    /// `None` while only the keys are asked for.
    fn read(section: &Section<'_>) -> Result<Option<Self>, ConfigError> {
        let source_type = section.need("type", "where the rules come from", &TYPES)?;
        let mut source = None;
        if source_type != Some(SourceType::Http) {
            let path = section.need(
                "path",
                "of `file`: the file, relative to where the broker is started",
                &Text,
            )?;
            let mut format = RuleFormat::default();
            section.set(
                "format",
                "of `file`: how it is written: a list of tables `[[rules]]`, Mosquitto's `acl_file`, or EMQX's `acl.conf`",
                &mut format,
                &FORMATS,
            )?;
            source = path.map(|path| Self::File {
                path: path.into(),
                format,
            });
        }
        if source_type != Some(SourceType::File) {
            let url = section.need("url", "of `http`: the address of the service", &Url)?;
            let mut request = HttpRequest::default();
            request.read(section)?;
            let url = url.filter(|_| source_type.is_some());
            source = source.or(url.map(|url| Self::Http(HttpAuthorization { url, request })));
        }
        Ok(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use mqtt_access::Actions;

    fn refusal(text: &str) -> String {
        Config::from_toml(text, "b.toml").unwrap_err().to_string()
    }

    #[test]
    fn every_key_reaches_its_field() {
        let text = r#"
[authorization]
no_match = "allow"
deny_action = "disconnect"
on_lost_right = "unsubscribe"
cache.enable = false
cache.ttl = "5s"
cache.max_size = 10

[[authorization.rules]]
permission = "deny"
action = "publish"
topics = ["a/${clientid}"]
username = "alice"

[[authorization.sources]]
type = "file"
path = "acl.conf"
format = "emqx"
"#;
        let found = Config::from_toml(text, "b.toml").unwrap().authorization;
        let [rule] = found.rules.as_slice() else {
            panic!("one rule: {found:?}");
        };
        assert_eq!(
            (rule.permit, rule.actions),
            (Permit::Deny, Actions::Publish)
        );
        assert_eq!(rule.source.to_string(), "b.toml:10");
        let expected = Authorization {
            no_match: Some(Permit::Allow),
            deny_action: DenyAction::Disconnect,
            on_lost_right: LostRight::Unsubscribe,
            cache: AuthorizationCache {
                enable: false,
                ttl: Duration::from_secs(5),
                max_size: 10,
            },
            rules: found.rules.clone(),
            sources: vec![AuthorizationSource::File {
                path: "acl.conf".into(),
                format: RuleFormat::Emqx,
            }],
        };
        assert_eq!(found, expected);
        assert!(found.has_rules() && !Authorization::default().has_rules());
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said_with_its_line() {
        assert_eq!(
            refusal(
                "[[authorization.rules]]\npermission = \"allow\"\n\n[[authorization.rules]]\ntopics = [\"#\"]"
            ),
            "b.toml:4: `permission` is missing, it must be \"allow\" or \"deny\""
        );
        assert_eq!(
            refusal("[[authorization.rules]]\npermission = \"allow\"\ntopic = \"#\""),
            "b.toml:3: unknown key `topic`, a rule has permission, action, topics, username, clientid, client_attrs, address, listener, qos, retain"
        );
        assert_eq!(
            refusal("authorization.rules = 3"),
            "b.toml:1: `authorization.rules` is `3`, it must be a list of tables: `[[authorization.rules]]`"
        );
        assert_eq!(
            refusal("[[authorization.sources]]\ntype = \"file\""),
            "b.toml:1: `authorization.sources[0].path` is missing, it must be a string"
        );
    }
}
