//! The rules in force: those of the configuration, of its files, and of a client's own.

#[cfg(feature = "http")]
use super::http_source::{HttpRuling, HttpSource, question};
use crate::config::{
    AuthorizationCache, AuthorizationSource, Config, ConfigError, DenyAction, HttpAuthorization,
    LostRight,
};
use mqtt_access::{Action, Permit, Rule, Rules, Source as Written, Subject, Verdict};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A file of rules may have so many bytes.
pub const RULE_FILE_LEN_MAX: u64 = 64 * 1024 * 1024;

/// What was decided, and by what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// Whether it may be done.
    pub is_allowed: bool,
    /// What decided.
    pub ground: Ground,
    /// What the rule says that decided, in one line; none where none did, and where nobody asked for that.
    pub rule: Option<Box<str>>,
}

impl Explanation {
    pub(crate) const fn new(is_allowed: bool, ground: Ground) -> Self {
        let rule = None;
        Self {
            is_allowed,
            ground,
            rule,
        }
    }
}

/// What a decision rests on. Its text names files and rules: it is for the log and for operators, not for clients.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Ground {
    /// The client may do everything.
    Superuser,
    /// There are no rules.
    NoRules,
    /// A rule that came with the client's token, or from the service that knows it.
    OwnRule(Written),
    /// A rule of the configuration or of a file.
    Rule(Written),
    /// No rule is about it: `authorization.no_match`.
    NoMatch,
    /// A topic nobody has any right to: it is the broker's own, or none that could be meant.
    OfBroker,
    /// A service that was asked.
    Service,
    /// A service that was asked and gave no answer: nothing is allowed then.
    ServiceFailed,
    /// A subscription that may be made, as each message is decided about when it is delivered.
    OnReceipt,
}

impl Ground {
    /// Where the rule is written that decided, if one did.
    #[must_use]
    pub const fn rule(&self) -> Option<&Written> {
        match self {
            Self::OwnRule(written) | Self::Rule(written) => Some(written),
            _ => None,
        }
    }

    /// A short stable word for counters.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Superuser => "superuser",
            Self::NoRules => "no_rules",
            Self::OwnRule(_) => "own_rule",
            Self::Rule(_) => "rule",
            Self::NoMatch => "no_match",
            Self::OfBroker => "of_broker",
            Self::Service => "service",
            Self::ServiceFailed => "service_failed",
            Self::OnReceipt => "on_receipt",
        }
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superuser => f.write_str("the client may do everything"),
            Self::NoRules => f.write_str("there are no rules"),
            Self::OwnRule(source) => write!(f, "the client's own rule {source}"),
            Self::Rule(source) => write!(f, "the rule {source}"),
            Self::NoMatch => f.write_str("no rule is about it (authorization.no_match)"),
            Self::OfBroker => f.write_str("the topic is the broker's own"),
            Self::Service => f.write_str("the service that is asked (authorization.sources)"),
            Self::ServiceFailed => {
                f.write_str("the service that is asked gives no answer (authorization.sources)")
            }
            Self::OnReceipt => f.write_str("each message is decided about when it is delivered"),
        }
    }
}

/// Rules in their order, and what holds where none is about what is wanted.
#[derive(Debug)]
pub(crate) struct Policy {
    sources: Vec<Source>,
    no_match: Option<Permit>,
    pub(crate) deny_action: DenyAction,
    pub(crate) on_lost_right: LostRight,
    /// Whether `$delayed/SECONDS/TOPIC` stands for a topic.
    pub(crate) delays: bool,
}

impl Policy {
    /// Reads the files that are named.
    pub(crate) fn load(config: &Config) -> Result<Self, ConfigError> {
        let authorization = &config.authorization;
        let mut sources = Vec::new();
        if !authorization.rules.is_empty() {
            sources.push(Source::Rules(Rules::new(authorization.rules.clone())));
        }
        for source in &authorization.sources {
            match source {
                AuthorizationSource::File { path, format } => {
                    let text = read(path).map_err(|source| {
                        let path = path.clone();
                        ConfigError::RulesUnreadable { path, source }
                    })?;
                    sources.push(Source::Rules(Rules::parse(*format, &text, path)?));
                }
                AuthorizationSource::Http(service) => {
                    sources.push(Source::http(service, &authorization.cache)?);
                }
            }
        }
        Ok(Self {
            sources,
            no_match: authorization.no_match,
            deny_action: authorization.deny_action,
            on_lost_right: authorization.on_lost_right,
            delays: config.delayed.enable,
        })
    }

    /// Whether everybody without rules of its own may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.sources.is_empty() && self.no_match != Some(Permit::Deny)
    }

    /// Whether there are subscriptions whose messages are decided about one by one.
    pub(crate) fn decides_on_receipt(&self) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|source| match source {
            Source::Rules(rules) => rules.is_decided_on_receipt(),
            #[cfg(feature = "http")]
            Source::Http(_) => false,
        })
    }

    /// Whether some decisions have to be waited for.
    pub(crate) fn may_wait(&self) -> bool {
        let mut sources = self.sources.iter();
        !sources.all(|source| matches!(source, Source::Rules(_)))
    }

    /// What the rules say, those of the client itself first, as far as that is known now.
    pub(crate) fn ask<'a>(
        &'a self,
        own: Option<&'a Rules>,
        subject: &Subject<'_>,
        action: &Action<'_>,
    ) -> Ruling<'a> {
        let its_own = own.and_then(|own| Ruling::of(own.ask(subject, action), true));
        let mut all = self.sources.iter();
        let found = its_own.or_else(|| all.find_map(|source| source.ask_now(subject, action)));
        found.unwrap_or_else(|| self.otherwise(own.is_some()))
    }

    /// What the rules say, with the answers of services.
    pub(crate) async fn ask_all<'a>(
        &'a self,
        own: Option<&'a Rules>,
        subject: &Subject<'_>,
        action: &Action<'_>,
    ) -> Ruling<'a> {
        if let Some(ruling) = own.and_then(|own| Ruling::of(own.ask(subject, action), true)) {
            return ruling;
        }
        for source in &self.sources {
            if let Some(ruling) = source.ask(subject, action).await {
                return ruling;
            }
        }
        self.otherwise(own.is_some())
    }

    fn otherwise(&self, has_own: bool) -> Ruling<'_> {
        match (self.no_match, !has_own && self.sources.is_empty()) {
            (None, true) => Ruling::NoRules,
            (no_match, _) => Ruling::NoMatch(no_match.unwrap_or(Permit::Deny)),
        }
    }
}

/// Where rules come from.
#[derive(Debug)]
enum Source {
    Rules(Rules),
    #[cfg(feature = "http")]
    Http(Box<HttpSource>),
}

impl Source {
    /// What it says, as far as that is known now; none where it says nothing.
    fn ask_now(&self, subject: &Subject<'_>, action: &Action<'_>) -> Option<Ruling<'_>> {
        match self {
            Self::Rules(rules) => Ruling::of(rules.ask(subject, action), false),
            #[cfg(feature = "http")]
            Self::Http(_) if matches!(action, Action::Receive { .. }) => None,
            #[cfg(feature = "http")]
            Self::Http(service) => match service.ask_now(subject, action) {
                None => Some(Ruling::Unknown),
                Some(answer) => Ruling::of_service(answer),
            },
        }
    }

    /// What it says; none where it says nothing.
    async fn ask(&self, subject: &Subject<'_>, action: &Action<'_>) -> Option<Ruling<'_>> {
        let known = self.ask_now(subject, action);
        #[cfg(feature = "http")]
        if let (Self::Http(service), Some(Ruling::Unknown)) = (self, known) {
            return Ruling::of_service(service.ask(question(subject, action)).await);
        }
        known
    }

    #[cfg(feature = "http")]
    fn http(service: &HttpAuthorization, cache: &AuthorizationCache) -> Result<Self, ConfigError> {
        let source = HttpSource::new(service, cache);
        source
            .map(|source| Self::Http(Box::new(source)))
            .map_err(|cause| {
                let url = service.url.clone();
                ConfigError::RulesService { url, cause }
            })
    }

    #[cfg(not(feature = "http"))]
    fn http(service: &HttpAuthorization, _cache: &AuthorizationCache) -> Result<Self, ConfigError> {
        let cause = "this program was built without the feature `http`".to_owned();
        let url = service.url.clone();
        Err(ConfigError::RulesService { url, cause })
    }
}

/// What rules say, without a copy of anything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ruling<'a> {
    NoRules,
    NoMatch(Permit),
    OnReceipt,
    /// A service has to be asked first.
    #[cfg_attr(
        not(feature = "http"),
        expect(dead_code, reason = "there is no service to be asked")
    )]
    Unknown,
    /// A service says it.
    #[cfg_attr(
        not(feature = "http"),
        expect(dead_code, reason = "there is no service to be asked")
    )]
    Service(Permit),
    /// A service does not answer.
    #[cfg_attr(
        not(feature = "http"),
        expect(dead_code, reason = "there is no service to be asked")
    )]
    ServiceFailed,
    Rule {
        rule: &'a Rule,
        is_own: bool,
    },
}

impl<'a> Ruling<'a> {
    fn of(verdict: Verdict<'a>, is_own: bool) -> Option<Self> {
        match verdict {
            Verdict::NoMatch => None,
            Verdict::DecidedOnReceipt => Some(Self::OnReceipt),
            Verdict::Allowed(rule) | Verdict::Denied(rule) => Some(Self::Rule { rule, is_own }),
        }
    }

    #[cfg(feature = "http")]
    fn of_service(answer: HttpRuling) -> Option<Self> {
        match answer {
            HttpRuling::Nothing => None,
            HttpRuling::Says(permit) => Some(Self::Service(permit)),
            HttpRuling::Failed => Some(Self::ServiceFailed),
        }
    }

    pub(crate) fn is_unknown(self) -> bool {
        matches!(self, Self::Unknown)
    }

    pub(crate) fn is_allowed(self) -> bool {
        match self {
            Self::NoRules | Self::OnReceipt => true,
            Self::Unknown | Self::ServiceFailed => false,
            Self::NoMatch(permit) | Self::Service(permit) => permit == Permit::Allow,
            Self::Rule { rule, .. } => rule.permit == Permit::Allow,
        }
    }

    pub(crate) fn explanation(self) -> Explanation {
        let is_allowed = self.is_allowed();
        let ground = match self {
            Self::NoRules => Ground::NoRules,
            Self::NoMatch(_) => Ground::NoMatch,
            Self::OnReceipt => Ground::OnReceipt,
            Self::Service(_) => Ground::Service,
            Self::Unknown | Self::ServiceFailed => Ground::ServiceFailed,
            Self::Rule { rule, is_own: true } => Ground::OwnRule(rule.source.clone()),
            Self::Rule { rule, .. } => Ground::Rule(rule.source.clone()),
        };
        Explanation::new(is_allowed, ground)
    }

    /// The same with what the rule says, for people who have asked.
    pub(crate) fn explanation_in_full(self) -> Explanation {
        let rule = match self {
            Self::Rule { rule, .. } => Some(rule.to_string().into()),
            _ => None,
        };
        Explanation {
            rule,
            ..self.explanation()
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut file = File::open(path)?.take(RULE_FILE_LEN_MAX + 1);
    let len = file.read_to_string(&mut text)?;
    match u64::try_from(len).is_ok_and(|len| len <= RULE_FILE_LEN_MAX) {
        true => Ok(text),
        false => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {RULE_FILE_LEN_MAX} bytes"),
        )),
    }
}
