//! Rules in TOML.

use crate::rule::{Actions, Permit, Rule, Source};
use crate::rule_error::{RULE_PROBLEMS_MAX, RuleError, RulesError};
use crate::rules::Rules;
use crate::topic_pattern::TopicPattern;
use crate::who::{Condition, TextMatch, Who};
use ipnet::IpNet;
use regex::Regex;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A key of a rule in TOML.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RuleKey {
    /// Its name.
    pub name: &'static str,
    /// The word for its type.
    pub type_name: &'static str,
    /// What it means when it is not there, as it would be written; empty where that cannot be written.
    pub default: &'static str,
    /// What it may be.
    pub range: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

const fn key(
    name: &'static str,
    type_name: &'static str,
    default: &'static str,
    range: &'static str,
    meaning: &'static str,
) -> RuleKey {
    RuleKey {
        name,
        type_name,
        default,
        range,
        meaning,
    }
}

const TEXTS: &str = "a text, `{ re = \"EXPRESSION\" }`, or a list of these";

/// Every key a rule may have.
pub const RULE_KEYS: [RuleKey; 10] = [
    key(
        "permission",
        "choice",
        "",
        "allow, deny",
        "what the rule says",
    ),
    key(
        "action",
        "choice",
        "\"all\"",
        "publish, subscribe, all",
        "what it is about",
    ),
    key(
        "topics",
        "list",
        "",
        "Topic Filters with `${clientid}`, `${username}`, `${cert_common_name}`, `${client_attrs.NAME}`",
        "which topics it is about, all without it; behind `eq ` a Topic Filter as it is written, not what it matches",
    ),
    key(
        "username",
        "text",
        "",
        TEXTS,
        "which users it is about, `\"\"` for clients without a user name",
    ),
    key(
        "clientid",
        "text",
        "",
        TEXTS,
        "which client identifiers it is about",
    ),
    key(
        "client_attrs",
        "table",
        "",
        TEXTS,
        "what authentication must know of the client, by name",
    ),
    key(
        "address",
        "text",
        "",
        "addresses and networks",
        "where the client comes from",
    ),
    key(
        "listener",
        "text",
        "",
        TEXTS,
        "the listener it came through, `tcp:default`, or `default` of any kind",
    ),
    key("qos", "number", "", "0 to 2, or a list", "at which QoS"),
    key(
        "retain",
        "boolean",
        "",
        "",
        "about messages to be retained only, or about others only",
    ),
];

impl Rules {
    /// Reads a file with a list of tables `[[rules]]`; `file` is what they say they come from.
    ///
    /// # Errors
    /// Each rule that is wrong, with its line.
    pub fn parse_toml(text: &str, file: &Path) -> Result<Self, RulesError> {
        let error = |at, cause| RulesError::one(file.to_path_buf(), line_of(text, at), cause);
        let document = DeTable::parse(text).map_err(|found| {
            let message = found.message().replace('\n', ", ");
            let at = found.span().map_or(0, |span| span.start);
            error(at, RuleError::Toml { message })
        })?;
        let mut list: &[Spanned<DeValue<'_>>] = &[];
        for (key, value) in document.get_ref().iter() {
            let wrong = |cause| Err(error(key.span().start, cause));
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("rules", DeValue::Array(rules)) => list = rules,
                ("rules", _) => {
                    return wrong(RuleError::Value {
                        key: "rules".to_owned(),
                        allowed: "a list of tables: `[[rules]]`",
                    });
                }
                (key, _) => {
                    return wrong(RuleError::Value {
                        key: key.to_owned(),
                        allowed: "below `[[rules]]`",
                    });
                }
            }
        }
        let shared = Arc::new(file.to_path_buf());
        let source = |at| Source {
            file: Arc::clone(&shared),
            line: line_of(text, at),
        };
        let mut rules = Vec::new();
        let mut problems = Vec::new();
        for value in list {
            match Rule::from_toml(value, source) {
                Ok(rule) => rules.push(rule),
                Err((at, cause)) if problems.len() < RULE_PROBLEMS_MAX => {
                    problems.push((line_of(text, at), cause));
                }
                Err(_) => break,
            }
        }
        match problems.is_empty() {
            true => Ok(Self::new(rules)),
            false => Err(RulesError {
                file: file.to_path_buf(),
                problems,
            }),
        }
    }
}

impl Rule {
    /// Reads one rule, a table; `source` says where the byte at a place comes from.
    ///
    /// # Errors
    /// The place of what is wrong with it, and why.
    pub fn from_toml(
        value: &Spanned<DeValue<'_>>,
        source: impl Fn(usize) -> Source,
    ) -> Result<Self, (usize, RuleError)> {
        let at = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            let (key, allowed) = ("rules".to_owned(), "tables");
            return Err((at, RuleError::Value { key, allowed }));
        };
        let is_known = |key: &str| RULE_KEYS.iter().any(|known| known.name == key);
        if let Some(key) = table.keys().find(|key| !is_known(key.get_ref())) {
            let known: Vec<_> = RULE_KEYS.iter().map(|key| key.name).collect();
            let (known, name) = (known.join(", "), key.get_ref().to_string());
            return Err((key.span().start, RuleError::Key { key: name, known }));
        }
        let permit = choice(
            table,
            "permission",
            "\"allow\" or \"deny\"",
            &[("allow", Permit::Allow), ("deny", Permit::Deny)],
        )?;
        let missing = RuleError::Missing {
            key: "permission",
            allowed: "\"allow\" or \"deny\"",
        };
        let actions = choice(
            table,
            "action",
            "\"publish\", \"subscribe\" or \"all\"",
            &[
                ("publish", Actions::Publish),
                ("subscribe", Actions::Subscribe),
                ("all", Actions::All),
            ],
        )?;
        Ok(Self {
            permit: permit.ok_or((at, missing))?,
            actions: actions.unwrap_or(Actions::All),
            who: who(table)?,
            topics: list(table, "topics", "a list of Topic Filters", topic)?,
            qos: list(table, "qos", "0, 1 or 2, or a list of these", qos)?,
            retain: list(table, "retain", "true or false", retain)?.pop(),
            source: source(at),
        })
    }
}

/// What went wrong with a value that is not just of the wrong type.
type Cause = Option<RuleError>;

fn who(table: &DeTable<'_>) -> Result<Who, (usize, RuleError)> {
    let texts = |name| list(table, name, TEXTS, text_match);
    let mut conditions = Vec::new();
    let username = texts("username")?;
    let nobody = TextMatch::Is(Box::default());
    if username.contains(&nobody) && username.len() > 1 {
        let (key, allowed) = ("username", "one or more names, or `\"\"` alone");
        let at = table.get(key).map_or(0, |value| value.span().start);
        let key = key.to_owned();
        return Err((at, RuleError::Value { key, allowed }));
    }
    match username.first() {
        None => {}
        Some(name) if *name == nobody => conditions.push(Condition::Anonymous),
        Some(_) => conditions.push(Condition::Username(username)),
    }
    let client_id = texts("clientid")?;
    if !client_id.is_empty() {
        conditions.push(Condition::ClientId(client_id));
    }
    if let Some(value) = table.get("client_attrs") {
        let DeValue::Table(attributes) = value.get_ref() else {
            let (key, allowed) = ("client_attrs".to_owned(), "a table");
            return Err((value.span().start, RuleError::Value { key, allowed }));
        };
        for name in attributes.keys() {
            let values = list(attributes, name.get_ref(), TEXTS, text_match)?;
            let name = name.get_ref().as_ref().into();
            conditions.push(Condition::Attribute { name, values });
        }
    }
    let addresses = list(table, "address", "addresses and networks", address)?;
    if !addresses.is_empty() {
        conditions.push(Condition::Address(addresses));
    }
    let listener = texts("listener")?;
    if !listener.is_empty() {
        conditions.push(Condition::Listener(listener));
    }
    Ok(Who { conditions })
}

fn choice<T: Copy>(
    table: &DeTable<'_>,
    key: &'static str,
    allowed: &'static str,
    words: &[(&str, T)],
) -> Result<Option<T>, (usize, RuleError)> {
    let Some(value) = table.get(key) else {
        return Ok(None);
    };
    let word = value.get_ref().as_str();
    let found = word.and_then(|word| words.iter().find(|(known, _)| *known == word));
    match found {
        Some((_, found)) => Ok(Some(*found)),
        None => {
            let key = key.to_owned();
            Err((value.span().start, RuleError::Value { key, allowed }))
        }
    }
}

/// The values of a key that has one, or a list that is not empty; none where the key is not there.
fn list<T>(
    table: &DeTable<'_>,
    key: &str,
    allowed: &'static str,
    read: impl Fn(&DeValue<'_>) -> Result<T, Cause>,
) -> Result<Vec<T>, (usize, RuleError)> {
    let Some(value) = table.get(key) else {
        return Ok(Vec::new());
    };
    let wrong = |value: &Spanned<DeValue<'_>>, cause: Cause| {
        let key = key.to_owned();
        let cause = cause.unwrap_or(RuleError::Value { key, allowed });
        (value.span().start, cause)
    };
    match value.get_ref() {
        // An empty list would be about nothing, or about everything: nobody knows.
        DeValue::Array(values) if values.is_empty() => Err(wrong(value, None)),
        DeValue::Array(values) => values
            .iter()
            .map(|value| read(value.get_ref()).map_err(|cause| wrong(value, cause)))
            .collect(),
        one => Ok(vec![read(one).map_err(|cause| wrong(value, cause))?]),
    }
}

fn topic(value: &DeValue<'_>) -> Result<TopicPattern, Cause> {
    let text = value.as_str().ok_or(None)?;
    TopicPattern::parse(text).map_err(|cause| {
        let text = text.to_owned();
        Some(RuleError::Topic { text, cause })
    })
}

fn qos(value: &DeValue<'_>) -> Result<u8, Cause> {
    let number = value.as_integer().ok_or(None)?;
    let number = u8::from_str_radix(number.as_str(), number.radix()).map_err(|_| None)?;
    match number {
        0..=2 => Ok(number),
        _ => Err(None),
    }
}

fn retain(value: &DeValue<'_>) -> Result<bool, Cause> {
    value.as_bool().ok_or(None)
}

fn address(value: &DeValue<'_>) -> Result<IpNet, Cause> {
    let text = value.as_str().ok_or(None)?;
    network(text).ok_or_else(|| {
        let text = text.to_owned();
        Some(RuleError::Address { text })
    })
}

/// An address, or a network.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse()).ok()
}

fn text_match(value: &DeValue<'_>) -> Result<TextMatch, Cause> {
    let expression = match value {
        DeValue::Table(table) if table.len() == 1 => {
            let found = table.get("re").and_then(|value| value.get_ref().as_str());
            found.ok_or(None)?
        }
        value => return Ok(TextMatch::Is(value.as_str().ok_or(None)?.into())),
    };
    match Regex::new(expression) {
        Ok(expression) => Ok(TextMatch::Matches(expression)),
        Err(_) => {
            let text = expression.to_owned();
            Err(Some(RuleError::Expression { text }))
        }
    }
}

/// The line, from 1, of the byte at `at`.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let refused = Rules::parse_toml(text, Path::new("acl.toml"));
        refused.map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_rule_says_all_there_is_to_say() {
        let text = r#"
[[rules]]
permission = "deny"
action = "publish"
topics = ["a/${clientid}/#", "eq +/b"]
username = ["alice", { re = "^b" }]
clientid = { re = "^c[0-9]+$" }
client_attrs = { site = "north" }
address = ["10.0.0.0/8", "::1"]
listener = "tcp:default"
qos = [1, 2]
retain = true

[[rules]]
permission = "allow"
username = ""
"#;
        let rules = Rules::parse_toml(text, Path::new("acl.toml")).unwrap();
        let [first, second] = rules.rules() else {
            panic!("two rules");
        };
        assert_eq!(first.permit, Permit::Deny);
        assert_eq!(first.actions, Actions::Publish);
        assert_eq!(first.topics.len(), 2);
        assert_eq!(first.who.conditions.len(), 5);
        assert_eq!(
            (first.qos.as_slice(), first.retain),
            (&[1, 2][..], Some(true))
        );
        assert_eq!(first.source.to_string(), "acl.toml:2");
        assert_eq!(second.source.line, 14);
        assert_eq!(second.who, Who::anonymous());
        assert_eq!(second.actions, Actions::All);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, expected) in [
            (
                "[[rules]]\npermision = \"allow\"",
                "acl.toml:2: unknown key `permision`, a rule has permission, action, topics, username, clientid, client_attrs, address, listener, qos, retain",
            ),
            (
                "\n[[rules]]\naction = \"all\"",
                "acl.toml:2: `permission` is missing, it must be \"allow\" or \"deny\"",
            ),
            (
                "[[rules]]\npermission = \"yes\"",
                "acl.toml:2: `permission` must be \"allow\" or \"deny\"",
            ),
            (
                "[[rules]]\npermission = \"allow\"\ntopics = []",
                "acl.toml:3: `topics` must be a list of Topic Filters",
            ),
            (
                "[[rules]]\npermission = \"allow\"\ntopics = [\n\"a\",\n\"a/#/b\"]",
                "acl.toml:5: topic \"a/#/b\": a wildcard stands where none may stand",
            ),
            (
                "[[rules]]\npermission = \"allow\"\nqos = 3",
                "acl.toml:3: `qos` must be 0, 1 or 2, or a list of these",
            ),
            (
                "[[rules]]\npermission = \"allow\"\naddress = \"10.0.0\"",
                "acl.toml:3: \"10.0.0\" is not an address such as 10.0.0.1 or 10.0.0.0/8",
            ),
            (
                "[[rules]]\npermission = \"allow\"\nusername = { re = \"(\" }",
                "acl.toml:3: \"(\" is not a regular expression",
            ),
            (
                "[[rules]]\npermission = \"allow\"\nusername = [\"\", \"a\"]",
                "acl.toml:3: `username` must be one or more names, or `\"\"` alone",
            ),
            (
                "rules = 3",
                "acl.toml:1: `rules` must be a list of tables: `[[rules]]`",
            ),
            ("[rule]", "acl.toml:1: `rule` must be below `[[rules]]`"),
        ] {
            assert_eq!(problem(text), expected, "{text}");
        }
        assert!(problem("[[rules]\n").starts_with("acl.toml:1: not valid TOML: "));
    }

    #[test]
    fn every_wrong_rule_is_named() {
        let text = "[[rules]]\n[[rules]]\npermission = 3\n";
        assert_eq!(
            problem(text),
            "acl.toml:1: `permission` is missing, it must be \"allow\" or \"deny\"; acl.toml:3: `permission` must be \"allow\" or \"deny\""
        );
    }
}
