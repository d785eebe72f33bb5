//! Rules that come with a token, or from a service: the forms that EMQX takes.

use crate::PatternError;
use crate::rule::{Actions, Permit, Rule, Source};
use crate::rules::Rules;
use crate::topic_pattern::TopicPattern;
use crate::who::Who;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// Rules one client may bring.
const RULES_MAX: usize = 1000;

/// What is wrong with rules that somebody brings.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum AclClaimError {
    /// Neither an object of topics nor a list of rules.
    #[error("they are neither an object with pub, sub and all, nor a list of rules")]
    Form,
    /// A field that is not there, or has a value that is none.
    #[error("rule {number}: `{field}` is missing or wrong")]
    Field {
        /// Which rule, from 1.
        number: usize,
        /// Which field.
        field: &'static str,
    },
    /// A topic.
    #[error("rule {number}: {cause}")]
    Topic {
        /// Which rule, from 1.
        number: usize,
        /// What is wrong with it.
        cause: PatternError,
    },
    /// More than may be.
    #[error("more than {RULES_MAX} rules")]
    TooMany,
}

impl Rules {
    /// The rules of an `acl` claim, in either of EMQX's forms: `{"pub": [..], "sub": [..], "all": [..]}`, which allows,
    /// and `[{"permission": "allow", "action": "publish", "topic": ".."}]`. `origin` stands for them where a rule's file
    /// would be named.
    ///
    /// # Errors
    /// They have another form: none of them is to be used then.
    pub fn from_claim(value: &Value, origin: &str) -> Result<Self, AclClaimError> {
        let file = Arc::new(PathBuf::from(origin));
        let source = |number| Source {
            file: Arc::clone(&file),
            line: number,
        };
        let mut rules = Vec::new();
        match value {
            Value::Object(object) => {
                for (name, actions) in [
                    ("pub", Actions::Publish),
                    ("sub", Actions::Subscribe),
                    ("all", Actions::All),
                ] {
                    let Some(found) = object.get(name) else {
                        continue;
                    };
                    let number = rules.len() + 1;
                    let wrong = AclClaimError::Field {
                        number,
                        field: name,
                    };
                    let topics = topics(found, number, &wrong)?;
                    // No topic is no right, and a rule without topics is about all.
                    if !topics.is_empty() {
                        rules.push(rule(Permit::Allow, actions, topics, source(number)));
                    }
                }
            }
            Value::Array(list) if list.len() > RULES_MAX => return Err(AclClaimError::TooMany),
            Value::Array(list) => {
                for (number, value) in (1..).zip(list) {
                    rules.extend(of_list(value, number, source(number))?);
                }
            }
            _ => return Err(AclClaimError::Form),
        }
        Ok(Self::new(rules))
    }
}

fn rule(permit: Permit, actions: Actions, topics: Vec<TopicPattern>, source: Source) -> Rule {
    Rule {
        permit,
        actions,
        who: Who::default(),
        topics,
        qos: Vec::new(),
        retain: None,
        source,
    }
}

/// One rule of a list; none for one about no topic.
fn of_list(value: &Value, number: usize, source: Source) -> Result<Option<Rule>, AclClaimError> {
    let wrong = |field| AclClaimError::Field { number, field };
    let text = |field| value.get(field).and_then(Value::as_str);
    let permit = match text("permission") {
        Some("allow") => Permit::Allow,
        Some("deny") => Permit::Deny,
        _ => return Err(wrong("permission")),
    };
    let actions = match (value.get("action"), text("action")) {
        (_, Some("publish" | "pub")) => Actions::Publish,
        (_, Some("subscribe" | "sub")) => Actions::Subscribe,
        (None, _) | (_, Some("all" | "pubsub")) => Actions::All,
        _ => return Err(wrong("action")),
    };
    let found = value.get("topic").or_else(|| value.get("topics"));
    let topics = topics(
        found.ok_or_else(|| wrong("topic"))?,
        number,
        &wrong("topic"),
    )?;
    let mut rule = rule(permit, actions, topics, source);
    if let Some(qos) = value.get("qos") {
        let one = |value: &Value| value.as_u64().and_then(|qos| u8::try_from(qos).ok());
        let levels: Option<Vec<_>> = match qos {
            Value::Array(levels) => levels.iter().map(one).collect(),
            level => one(level).map(|level| vec![level]),
        };
        let mut levels = levels.ok_or_else(|| wrong("qos"))?;
        levels.sort_unstable();
        if levels.is_empty() || levels.iter().any(|level| *level > 2) {
            return Err(wrong("qos"));
        }
        rule.qos = levels;
    }
    rule.retain = match value.get("retain") {
        None => None,
        Some(Value::Bool(retain)) => Some(*retain),
        Some(Value::String(word)) if word == "all" => None,
        Some(_) => return Err(wrong("retain")),
    };
    Ok((!rule.topics.is_empty()).then_some(rule))
}

/// One topic, or a list; `eq ` before one means it word for word, as EMQX has it.
fn topics(
    value: &Value,
    number: usize,
    wrong: &AclClaimError,
) -> Result<Vec<TopicPattern>, AclClaimError> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if list.len() > RULES_MAX {
        return Err(AclClaimError::TooMany);
    }
    let one = |value: &Value| {
        let text = value.as_str().ok_or_else(|| wrong.clone())?;
        TopicPattern::parse(text).map_err(|cause| AclClaimError::Topic { number, cause })
    };
    list.iter().map(one).collect()
}
