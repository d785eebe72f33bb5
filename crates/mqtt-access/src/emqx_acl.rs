//! EMQX's `acl.conf`: the common subset of its terms.

use crate::erlang_term::{Term, Terms};
use crate::rule::{Actions, Permit, Rule, Source};
use crate::rule_error::{RULE_PROBLEMS_MAX, RuleError, RulesError};
use crate::rules::Rules;
use crate::toml_rules::network;
use crate::topic_pattern::TopicPattern;
use crate::who::{Condition, TextMatch, Who};
use ipnet::IpNet;
use regex::Regex;
use std::path::Path;
use std::sync::Arc;

/// Ways in which `'and'` and `'or'` of one term may be met.
const WAYS_MAX: usize = 1000;

/// What a rule is about, as far as its action says.
#[derive(Clone, Debug)]
struct Acts {
    actions: Actions,
    qos: Vec<u8>,
    retain: Option<bool>,
}

impl Rules {
    /// Reads the terms of an `acl.conf`; `file` is what they say they come from.
    ///
    /// Known are `allow` and `deny`; `all`, `username` (`user`), `clientid` (`client`), each a text or `{re, ...}`,
    /// `ipaddr`, `ipaddrs`, `client_attr`, `listener`, `'and'`, `'or'`; `publish`, `subscribe`, `all` (`pubsub`), with
    /// `qos` and `retain`; topics with placeholders, and `{eq, ...}`. A rule that denies a subscription is about
    /// every subscription that brings any of its topics, which in EMQX it is not.
    ///
    /// # Errors
    /// Every term that has no counterpart, with its line: none of the file is taken then, as what a term that is
    /// left out would have denied might be allowed.
    pub fn parse_emqx(text: &str, file: &Path) -> Result<Self, RulesError> {
        let shared = Arc::new(file.to_path_buf());
        let mut terms = Terms::new(text);
        let mut rules = Vec::new();
        let mut problems = Vec::new();
        loop {
            let (line, term) = match terms.next() {
                Ok(None) => break,
                Ok(Some(found)) => found,
                Err((line, message)) => {
                    problems.push((line, RuleError::Term { message }));
                    break;
                }
            };
            let source = Source {
                file: Arc::clone(&shared),
                line,
            };
            match rules_of(&term, &source) {
                Ok(found) => rules.extend(found),
                Err(cause) if problems.len() + 1 < RULE_PROBLEMS_MAX => {
                    problems.push((line, cause));
                }
                Err(_) => {}
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

/// The rules that are together what one term is: one for each way in which somebody may be meant.
fn rules_of(term: &Term, source: &Source) -> Result<Vec<Rule>, RuleError> {
    let Term::Tuple(parts) = term else {
        return Err(unmapped(term));
    };
    let everything = Term::Atom("all".to_owned());
    let (permit, who, acts, topics) = match parts.as_slice() {
        [permit, who] => (permit, who, &everything, None),
        [permit, who, acts] => (permit, who, acts, None),
        [permit, who, acts, topics] => (permit, who, acts, Some(topics)),
        _ => return Err(unmapped(term)),
    };
    let permit = match permit {
        Term::Atom(word) if word == "allow" => Permit::Allow,
        Term::Atom(word) if word == "deny" => Permit::Deny,
        other => return Err(unmapped(other)),
    };
    let ways = ways(who)?;
    let acts = acts_of(acts)?;
    let topics = topics.map_or(Ok(Vec::new()), topics_of)?;
    let rules = ways.into_iter().map(|conditions| Rule {
        permit,
        actions: acts.actions,
        who: Who { conditions },
        topics: topics.clone(),
        qos: acts.qos.clone(),
        retain: acts.retain,
        source: source.clone(),
    });
    Ok(rules.collect())
}

/// Each way in which somebody may be meant: all conditions of one of them hold.
fn ways(who: &Term) -> Result<Vec<Vec<Condition>>, RuleError> {
    let one = |condition| Ok(vec![vec![condition]]);
    let (word, args) = match who {
        Term::Atom(word) if word == "all" => return Ok(vec![Vec::new()]),
        Term::Tuple(parts) => match parts.split_first() {
            Some((Term::Atom(word), args)) => (word.as_str(), args),
            _ => return Err(unmapped(who)),
        },
        _ => return Err(unmapped(who)),
    };
    match (word, args) {
        ("username" | "user", [name]) => one(Condition::Username(texts(name)?)),
        ("clientid" | "client", [client_id]) => one(Condition::ClientId(texts(client_id)?)),
        ("listener", [name]) => one(Condition::Listener(texts(name)?)),
        ("client_attr", [name, value]) => {
            let (name, values) = (text(name)?.into(), texts(value)?);
            one(Condition::Attribute { name, values })
        }
        ("ipaddr", [address]) => one(Condition::Address(vec![address_of(address)?])),
        ("ipaddrs", [Term::List(addresses)]) if !addresses.is_empty() => {
            let addresses = addresses.iter().map(address_of).collect::<Result<_, _>>()?;
            one(Condition::Address(addresses))
        }
        ("and", [Term::List(all)]) if !all.is_empty() => {
            let mut met: Vec<Vec<Condition>> = vec![Vec::new()];
            for who in all {
                let other = ways(who)?;
                check_ways(met.len().saturating_mul(other.len()))?;
                let both = |way: &Vec<Condition>| {
                    let other = other.iter().map(|other| [way.as_slice(), other].concat());
                    other.collect::<Vec<_>>()
                };
                met = met.iter().flat_map(both).collect();
            }
            Ok(met)
        }
        ("or", [Term::List(any)]) if !any.is_empty() => {
            let mut met = Vec::new();
            for who in any {
                met.extend(ways(who)?);
                check_ways(met.len())?;
            }
            Ok(met)
        }
        _ => Err(unmapped(who)),
    }
}

fn check_ways(ways: usize) -> Result<(), RuleError> {
    let (what, max) = ("ways in which somebody is meant", WAYS_MAX);
    match ways > max {
        true => Err(RuleError::TooMany { what, max }),
        false => Ok(()),
    }
}

fn acts_of(term: &Term) -> Result<Acts, RuleError> {
    let (word, options) = match term {
        Term::Atom(word) => (word, &[] as &[Term]),
        Term::Tuple(parts) => match parts.as_slice() {
            [Term::Atom(word), Term::List(options)] => (word, options.as_slice()),
            [Term::Atom(word), option @ Term::Tuple(_)] => (word, std::slice::from_ref(option)),
            _ => return Err(unmapped(term)),
        },
        _ => return Err(unmapped(term)),
    };
    let actions = match word.as_str() {
        "publish" => Actions::Publish,
        "subscribe" => Actions::Subscribe,
        "all" | "pubsub" => Actions::All,
        _ => return Err(unmapped(term)),
    };
    let mut acts = Acts {
        actions,
        qos: Vec::new(),
        retain: None,
    };
    for option in options {
        let Term::Tuple(parts) = option else {
            return Err(unmapped(option));
        };
        match parts.as_slice() {
            [Term::Atom(word), Term::Number(level)] if word == "qos" => {
                acts.qos.push(qos(*level, option)?);
            }
            [Term::Atom(word), Term::List(levels)] if word == "qos" && !levels.is_empty() => {
                for level in levels {
                    match level {
                        Term::Number(level) => acts.qos.push(qos(*level, option)?),
                        other => return Err(unmapped(other)),
                    }
                }
            }
            [Term::Atom(word), Term::Atom(value)] if word == "retain" => {
                acts.retain = match value.as_str() {
                    "true" => Some(true),
                    "false" => Some(false),
                    "all" => None,
                    _ => return Err(unmapped(option)),
                };
            }
            _ => return Err(unmapped(option)),
        }
    }
    Ok(acts)
}

fn qos(level: u64, option: &Term) -> Result<u8, RuleError> {
    let level = u8::try_from(level).ok().filter(|level| *level <= 2);
    level.ok_or_else(|| unmapped(option))
}

fn topics_of(term: &Term) -> Result<Vec<TopicPattern>, RuleError> {
    match term {
        Term::Atom(word) if word == "all" => Ok(Vec::new()),
        Term::List(topics) if !topics.is_empty() => topics.iter().map(topic_of).collect(),
        _ => Err(unmapped(term)),
    }
}

fn topic_of(term: &Term) -> Result<TopicPattern, RuleError> {
    let (read, text) = match term {
        // `eq ` within the text is a topic like any other in some versions and an exact one in others.
        Term::Text(text) if !text.starts_with("eq ") => (TopicPattern::parse(text), text),
        Term::Tuple(parts) => match parts.as_slice() {
            [Term::Atom(word), Term::Text(text)] if word == "eq" => {
                (TopicPattern::parse(&format!("eq {text}")), text)
            }
            _ => return Err(unmapped(term)),
        },
        _ => return Err(unmapped(term)),
    };
    read.map_err(|cause| {
        let text = text.clone();
        RuleError::Topic { text, cause }
    })
}

fn texts(term: &Term) -> Result<Vec<TextMatch>, RuleError> {
    let expression = match term {
        Term::Text(text) => return Ok(vec![TextMatch::Is(text.as_str().into())]),
        Term::Tuple(parts) => match parts.as_slice() {
            [Term::Atom(word), Term::Text(expression)] if word == "re" => expression,
            _ => return Err(unmapped(term)),
        },
        _ => return Err(unmapped(term)),
    };
    match Regex::new(expression) {
        Ok(expression) => Ok(vec![TextMatch::Matches(expression)]),
        Err(_) => {
            let text = expression.clone();
            Err(RuleError::Expression { text })
        }
    }
}

fn text(term: &Term) -> Result<&str, RuleError> {
    match term {
        Term::Text(text) | Term::Atom(text) => Ok(text),
        other => Err(unmapped(other)),
    }
}

fn address_of(term: &Term) -> Result<IpNet, RuleError> {
    let Term::Text(text) = term else {
        return Err(unmapped(term));
    };
    network(text).ok_or_else(|| RuleError::Address { text: text.clone() })
}

fn unmapped(term: &Term) -> RuleError {
    let what = term.to_string();
    RuleError::Unmapped { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Rules, String> {
        Rules::parse_emqx(text, Path::new("acl.conf")).map_err(|error| error.to_string())
    }

    /// The file that comes with EMQX, but for the line of its security profiles.
    #[test]
    fn the_default_file_is_read() {
        let text = r##"
%% Allow MQTT client using username "dashboard" to subscribe to "$SYS/#" topics
{allow, {username, {re, "^dashboard$"}}, subscribe, ["$SYS/#"]}.
{allow, {ipaddr, "127.0.0.1"}, all, ["$SYS/#", "#"]}.
{deny, all, subscribe, ["$SYS/#", {eq, "#"}, {eq, "+/#"}]}.
{allow, all}.
"##;
        let rules = parse(text).unwrap();
        let lines: Vec<_> = rules.rules().iter().map(|rule| rule.source.line).collect();
        assert_eq!(lines, [3, 4, 5, 6]);
    }

    #[test]
    fn what_has_no_counterpart_is_named_by_line() {
        let text = "{allow, {security_profile, legacy}}.\n{allow, all}.\n{allow, {zone, \"z\"}, all, [\"a\"]}.\n{maybe, all}.\n{allow, all, fetch}.\n{allow, all, all, [\"a/#/b\"]}.\n{allow, all, all, [\"eq a\"]}.";
        let expected = "acl.conf:1: `{security_profile, \"legacy\"}` has no counterpart here; \
            acl.conf:3: `{zone, \"z\"}` has no counterpart here; \
            acl.conf:4: `maybe` has no counterpart here; \
            acl.conf:5: `fetch` has no counterpart here; \
            acl.conf:6: topic \"a/#/b\": a wildcard stands where none may stand; \
            acl.conf:7: `\"eq a\"` has no counterpart here";
        let expected = expected.replace("\"legacy\"", "legacy");
        assert_eq!(parse(text).unwrap_err(), expected);
    }

    #[test]
    fn conditions_are_joined() {
        let rules = parse(
            "{deny, {'and', [{username, \"a\"}, {'or', [{clientid, \"b\"}, {ipaddrs, [\"10.0.0.0/8\"]}]}]}, {publish, [{qos, [1, 2]}, {retain, true}]}, [\"t\"]}.",
        )
        .unwrap();
        let [first, second] = rules.rules() else {
            panic!("one for each way");
        };
        for rule in [first, second] {
            assert_eq!(rule.who.conditions.len(), 2);
            assert_eq!(
                (rule.qos.as_slice(), rule.retain),
                (&[1, 2][..], Some(true))
            );
            assert_eq!(rule.source.line, 1);
        }
        assert_eq!(
            second.who.conditions.last(),
            Some(&Condition::Address(vec!["10.0.0.0/8".parse().unwrap()]))
        );
        let either = "{'or', [{username, \"a\"}, {username, \"b\"}]}";
        let many = format!("{{deny, {{'and', [{}]}}}}.", [either; 11].join(","));
        assert_eq!(
            parse(&many).unwrap_err(),
            "acl.conf:1: ways in which somebody is meant: more than 1000"
        );
    }
}
