//! Mosquitto's `acl_file`.

use crate::error::AclLineError;
use crate::rule::{Actions, Permit, Rule, Source};
use crate::rules::Rules;
use crate::topic_pattern::{Notation, TopicPattern};
use crate::who::Who;
use std::path::Path;
use std::sync::Arc;

/// What a line is about, in the order in which Mosquitto asks: what is denied first, patterns for everybody last.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Rank {
    is_pattern: bool,
    is_allowed: bool,
}

impl Rules {
    /// Reads the lines of an `acl_file`; `file` is what they say they come from.
    ///
    /// As in Mosquitto: lines before the first `user` are about clients without a User Name; what is denied is asked
    /// first; `%c` and `%u` stand for Client Identifier and User Name in `pattern` lines; subscriptions are all let
    /// through, and each message is asked about when it is delivered.
    ///
    /// # Errors
    /// The first line that is wrong, from 1, and why.
    pub fn parse_mosquitto(text: &str, file: &Path) -> Result<Self, (usize, AclLineError)> {
        let file = Arc::new(file.to_path_buf());
        let mut who = Who::anonymous();
        let mut ranked = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
            let rest = rest.trim_start();
            let is_pattern = match word {
                "user" if rest.is_empty() => return Err((line, AclLineError::NoName)),
                "user" => {
                    who = Who::user(rest);
                    continue;
                }
                "topic" => false,
                "pattern" => true,
                _ => {
                    let word = word.into();
                    return Err((line, AclLineError::Keyword { word }));
                }
            };
            let (permit, actions, topic) = right(rest).map_err(|error| (line, error))?;
            let notation = if is_pattern {
                Notation::Percent
            } else {
                Notation::None
            };
            let topic =
                TopicPattern::read(topic, notation).map_err(|error| (line, error.into()))?;
            let rank = Rank {
                is_pattern,
                is_allowed: permit == Permit::Allow,
            };
            let rule = Rule {
                permit,
                actions,
                who: if is_pattern {
                    Who::default()
                } else {
                    who.clone()
                },
                topics: vec![topic],
                qos: Vec::new(),
                retain: None,
                source: Source {
                    file: Arc::clone(&file),
                    line,
                },
            };
            ranked.push((rank, rule));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let rules = ranked.into_iter().map(|(_, rule)| rule);
        Ok(Self::deciding_on_receipt(rules.collect()))
    }
}

fn right(text: &str) -> Result<(Permit, Actions, &str), AclLineError> {
    if text.is_empty() {
        return Err(AclLineError::NoTopic);
    }
    let Some((word, topic)) = text.split_once([' ', '\t']) else {
        return Ok((Permit::Allow, Actions::All, text));
    };
    let (permit, actions) = match word {
        "read" => (Permit::Allow, Actions::Subscribe),
        "write" => (Permit::Allow, Actions::Publish),
        "readwrite" => (Permit::Allow, Actions::All),
        "deny" => (Permit::Deny, Actions::All),
        _ => {
            let word = word.into();
            return Err(AclLineError::Access { word });
        }
    };
    Ok((permit, actions, topic.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::PatternError;
    use crate::rule::Action;
    use crate::rules::Verdict;
    use crate::subject::Subject;

    const FILE: &str = "\
# who is nobody in particular
topic read public/#

user alice
topic readwrite home/#
topic deny home/secret/#
topic readwrite plans/for alice

pattern read devices/%c/in
pattern write devices/%c/%u
";

    fn rules() -> Rules {
        Rules::parse_mosquitto(FILE, Path::new("acl")).unwrap()
    }

    fn may(username: Option<&str>, action: Action<'_>) -> Option<usize> {
        let subject = Subject {
            client_id: "c1",
            username,
            ..Subject::default()
        };
        match rules().ask(&subject, &action) {
            Verdict::Allowed(rule) => Some(rule.source.line),
            _ => None,
        }
    }

    fn publish(topic_name: &str) -> Action<'_> {
        let (qos, retain) = (0, false);
        Action::Publish {
            topic_name,
            qos,
            retain,
        }
    }

    fn receive(topic_name: &str) -> Action<'_> {
        Action::Receive { topic_name }
    }

    #[test]
    fn lines_say_who_may_do_what() {
        let alice = Some("alice");
        for (username, action, line) in [
            (None, receive("public/x"), Some(2)),
            (None, publish("public/x"), None),
            (alice, receive("public/x"), None),
            (alice, publish("home/door"), Some(5)),
            (alice, publish("home/secret/door"), None),
            (alice, receive("home/secret"), None),
            (alice, publish("plans/for alice"), Some(7)),
            (Some("bob"), publish("home/door"), None),
            (None, receive("devices/c1/in"), Some(9)),
            (None, receive("devices/c2/in"), None),
            (alice, publish("devices/c1/alice"), Some(10)),
            // There is no User Name to stand for %u.
            (None, publish("devices/c1/"), None),
            (alice, receive("$SYS/broker/uptime"), None),
        ] {
            assert_eq!(may(username, action), line, "{username:?} {action:?}");
        }
    }

    #[test]
    fn every_subscription_is_made() {
        let action = Action::Subscribe {
            topic_filter: "#",
            qos: 0,
        };
        let rules = rules();
        assert_eq!(
            rules.ask(&Subject::default(), &action),
            Verdict::DecidedOnReceipt
        );
    }

    #[test]
    fn the_first_wrong_line_is_named() {
        let word = |word: &str| word.into();
        for (text, line, error) in [
            (
                "\nusers bob",
                2,
                AclLineError::Keyword {
                    word: word("users"),
                },
            ),
            ("user", 1, AclLineError::NoName),
            ("topic", 1, AclLineError::NoTopic),
            (
                "topic reads a",
                1,
                AclLineError::Access {
                    word: word("reads"),
                },
            ),
            ("user a\ntopic a/#/b", 2, PatternError::Wildcard.into()),
        ] {
            let error = Err((line, error));
            assert_eq!(
                Rules::parse_mosquitto(text, Path::new("acl")),
                error,
                "{text}"
            );
        }
    }
}
