//! All rules of one source, in their order.

use crate::rule::{Action, Permit, Rule};
use crate::subject::Subject;
use std::collections::HashMap;

/// Rules in the order in which they are asked: the first that is about what is wanted decides.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Places of the rules that are about users by name, in their order.
    by_user: HashMap<Box<str>, Vec<usize>>,
    /// Places of all others, in their order.
    others: Vec<usize>,
    /// Whether every subscription may be made, and what it brings is decided message by message.
    is_decided_on_receipt: bool,
}

/// What rules say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict<'a> {
    /// It may be done, by this rule.
    Allowed(&'a Rule),
    /// It may not be done, by this rule.
    Denied(&'a Rule),
    /// The subscription may be made; [`Action::Receive`] decides about each message.
    DecidedOnReceipt,
    /// No rule is about it.
    NoMatch,
}

impl Rules {
    /// Rules that decide about a subscription when it is made.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut by_user = HashMap::<_, Vec<usize>>::new();
        let mut others = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            match rule.who.users() {
                None => others.push(place),
                Some(users) => {
                    for user in users {
                        by_user.entry(user.into()).or_default().push(place);
                    }
                }
            }
        }
        Self {
            rules,
            by_user,
            others,
            is_decided_on_receipt: false,
        }
    }

    /// Rules that let every subscription be made, and decide about each message it brings, as Mosquitto does.
    #[must_use]
    pub fn deciding_on_receipt(rules: Vec<Rule>) -> Self {
        let is_decided_on_receipt = true;
        Self {
            is_decided_on_receipt,
            ..Self::new(rules)
        }
    }

    /// In their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether each message of a subscription has to be asked about.
    #[must_use]
    pub const fn is_decided_on_receipt(&self) -> bool {
        self.is_decided_on_receipt
    }

    /// What they say.
    #[must_use]
    pub fn ask(&self, subject: &Subject<'_>, action: &Action<'_>) -> Verdict<'_> {
        if self.is_decided_on_receipt && matches!(action, Action::Subscribe { .. }) {
            return Verdict::DecidedOnReceipt;
        }
        let mut rules = self.of(subject);
        match rules.find(|rule| rule.is_about(subject, action)) {
            None => Verdict::NoMatch,
            Some(rule) if rule.permit == Permit::Allow => Verdict::Allowed(rule),
            Some(rule) => Verdict::Denied(rule),
        }
    }

    /// Those that may be about somebody, in their order: rules for other users by name are left out.
    fn of(&self, subject: &Subject<'_>) -> impl Iterator<Item = &Rule> {
        let own = match subject.username {
            Some(username) if !self.by_user.is_empty() => self.by_user.get(username),
            _ => None,
        };
        let mut own = own.map_or(&[] as &[usize], Vec::as_slice);
        let mut others = self.others.as_slice();
        std::iter::from_fn(move || {
            let place = match (own.split_first(), others.split_first()) {
                (Some((first, rest)), Some((other, _))) if first < other => {
                    own = rest;
                    first
                }
                (_, Some((other, rest))) => {
                    others = rest;
                    other
                }
                (Some((first, rest)), None) => {
                    own = rest;
                    first
                }
                (None, None) => return None,
            };
            self.rules.get(*place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Actions, Source};
    use crate::who::{Condition, TextMatch, Who};
    use std::path::PathBuf;
    use std::sync::Arc;

    /// Rules by name and rules for everybody, asked in the order in which they stand.
    #[test]
    fn the_first_that_is_about_it_decides() {
        let file = Arc::new(PathBuf::from("acl"));
        let rule = |line, permit, who| Rule {
            permit,
            actions: Actions::All,
            who,
            topics: Vec::new(),
            qos: Vec::new(),
            retain: None,
            source: Source {
                file: Arc::clone(&file),
                line,
            },
        };
        let client = |client_id: &str| Who {
            conditions: vec![Condition::ClientId(vec![TextMatch::Is(client_id.into())])],
        };
        let rules = Rules::new(vec![
            rule(1, Permit::Deny, client("bad")),
            rule(2, Permit::Allow, Who::user("alice")),
            rule(3, Permit::Deny, Who::user("bob")),
            rule(4, Permit::Allow, client("good")),
            rule(5, Permit::Deny, Who::user("carol")),
            rule(6, Permit::Deny, Who::default()),
        ]);
        for (client_id, username, line) in [
            ("c1", Some("alice"), 2),
            ("bad", Some("alice"), 1),
            ("good", Some("bob"), 3),
            ("good", Some("carol"), 4),
            ("c1", Some("carol"), 5),
            ("c1", None, 6),
            ("c1", Some("dora"), 6),
        ] {
            let subject = Subject {
                client_id,
                username,
                ..Subject::default()
            };
            let topic_name = "a";
            let found = match rules.ask(&subject, &Action::Receive { topic_name }) {
                Verdict::Allowed(rule) | Verdict::Denied(rule) => rule.source.line,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, line, "{client_id} {username:?}");
        }
    }
}
