//! The rules in force: those of the configuration, of its files, and of a client's own.

use crate::config::{AuthorizationSource, Config, ConfigError, DenyAction, LostRight};
use mqtt_access::{Action, Permit, Rules, Source, Subject, Verdict};
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
    OwnRule(Source),
    /// A rule of the configuration or of a file.
    Rule(Source),
    /// No rule is about it: `authorization.no_match`.
    NoMatch,
    /// A topic nobody has any right to: it is the broker's own, or none that could be meant.
    OfBroker,
    /// A subscription that may be made, as each message is decided about when it is delivered.
    OnReceipt,
}

impl Ground {
    /// A short stable word for counters.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Superuser => "superuser",
            Self::NoRules => "no_rules",
            Self::OwnRule(_) => "own_rule",
            Self::Rule(_) => "rule",
            Self::NoMatch => "no_match",
            Self::OfBroker => "of_broker",
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
            Self::OnReceipt => f.write_str("each message is decided about when it is delivered"),
        }
    }
}

/// Rules in their order, and what holds where none is about what is wanted.
#[derive(Debug)]
pub(crate) struct Policy {
    sources: Vec<Rules>,
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
            sources.push(Rules::new(authorization.rules.clone()));
        }
        for source in &authorization.sources {
            match source {
                AuthorizationSource::File { path, format } => {
                    let text = read(path).map_err(|source| {
                        let path = path.clone();
                        ConfigError::RulesUnreadable { path, source }
                    })?;
                    sources.push(Rules::parse(*format, &text, path)?);
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
        self.sources.iter().any(Rules::is_decided_on_receipt)
    }

    /// What the rules say, those of the client itself first.
    pub(crate) fn ask<'a>(
        &'a self,
        own: Option<&'a Rules>,
        subject: &Subject<'_>,
        action: &Action<'_>,
    ) -> Ruling<'a> {
        let all = own.into_iter().chain(&self.sources);
        for (nth, rules) in all.enumerate() {
            let is_own = nth == 0 && own.is_some();
            match rules.ask(subject, action) {
                Verdict::NoMatch => {}
                Verdict::DecidedOnReceipt => return Ruling::OnReceipt,
                Verdict::Allowed(rule) | Verdict::Denied(rule) => {
                    let (permit, source) = (rule.permit, &rule.source);
                    return Ruling::Rule {
                        permit,
                        source,
                        is_own,
                    };
                }
            }
        }
        match (self.no_match, own.is_none() && self.sources.is_empty()) {
            (None, true) => Ruling::NoRules,
            (no_match, _) => Ruling::NoMatch(no_match.unwrap_or(Permit::Deny)),
        }
    }
}

/// What rules say, without a copy of anything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ruling<'a> {
    NoRules,
    NoMatch(Permit),
    OnReceipt,
    Rule {
        permit: Permit,
        source: &'a Source,
        is_own: bool,
    },
}

impl Ruling<'_> {
    pub(crate) fn is_allowed(self) -> bool {
        match self {
            Self::NoRules | Self::OnReceipt => true,
            Self::NoMatch(permit) | Self::Rule { permit, .. } => permit == Permit::Allow,
        }
    }

    pub(crate) fn explanation(self) -> Explanation {
        let is_allowed = self.is_allowed();
        let ground = match self {
            Self::NoRules => Ground::NoRules,
            Self::NoMatch(_) => Ground::NoMatch,
            Self::OnReceipt => Ground::OnReceipt,
            Self::Rule {
                source,
                is_own: true,
                ..
            } => Ground::OwnRule(source.clone()),
            Self::Rule { source, .. } => Ground::Rule(source.clone()),
        };
        Explanation { is_allowed, ground }
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
