//! Whom a rule is about.

use crate::subject::Subject;
use ipnet::IpNet;
use regex::Regex;

/// Whom a rule is about: every condition must hold; without one, it is about everybody.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Who {
    /// What must hold, all of it.
    pub conditions: Vec<Condition>,
}

/// What must hold for a rule to be about somebody.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Condition {
    /// The Client Identifier is one of these.
    ClientId(Vec<TextMatch>),
    /// The User Name is one of these.
    Username(Vec<TextMatch>),
    /// There is no User Name.
    Anonymous,
    /// What authentication knows under this name is one of these.
    Attribute {
        /// The name.
        name: Box<str>,
        /// Its values.
        values: Vec<TextMatch>,
    },
    /// The address is in one of these networks; IPv4 in IPv6 counts as IPv4.
    Address(Vec<IpNet>),
    /// The client came through one of these listeners; `tcp:default`, or `default` whatever the kind.
    Listener(Vec<TextMatch>),
}

/// A text, or what a text must look like.
#[derive(Clone, Debug)]
pub enum TextMatch {
    /// Just this text.
    Is(Box<str>),
    /// A text in which this is found; `^` and `$` make it the whole text.
    Matches(Regex),
}

impl PartialEq for TextMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Is(one), Self::Is(other)) => one == other,
            (Self::Matches(one), Self::Matches(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl Eq for TextMatch {}

impl Who {
    /// About this user alone.
    #[must_use]
    pub fn user(username: &str) -> Self {
        let names = vec![TextMatch::Is(username.into())];
        Self {
            conditions: vec![Condition::Username(names)],
        }
    }

    /// About clients without a User Name.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            conditions: vec![Condition::Anonymous],
        }
    }

    pub(crate) fn fits(&self, subject: &Subject<'_>) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.all(|condition| condition.holds(subject))
    }

    /// The users it is about, if it names them one by one.
    pub(crate) fn users(&self) -> Option<impl Iterator<Item = &str>> {
        let names = self.conditions.iter().find_map(Condition::usernames)?;
        let mut texts = names.iter().map(TextMatch::text);
        texts.all(|text| text.is_some()).then_some(())?;
        Some(names.iter().filter_map(TextMatch::text))
    }
}

impl Condition {
    fn usernames(&self) -> Option<&[TextMatch]> {
        match self {
            Self::Username(names) => Some(names),
            _ => None,
        }
    }

    fn holds(&self, subject: &Subject<'_>) -> bool {
        let any = |wanted: &[TextMatch], found: &str| wanted.iter().any(|text| text.fits(found));
        match self {
            Self::ClientId(wanted) => any(wanted, subject.client_id),
            Self::Username(wanted) => subject.username.is_some_and(|name| any(wanted, name)),
            Self::Anonymous => subject.username.is_none(),
            Self::Attribute { name, values } => subject
                .attribute(name)
                .is_some_and(|value| any(values, value)),
            Self::Address(networks) => subject.address.is_some_and(|address| {
                let address = address.to_canonical();
                networks.iter().any(|network| network.contains(&address))
            }),
            Self::Listener(wanted) => subject.listener.is_some_and(|listener| {
                let name = listener.rsplit(':').next().unwrap_or(listener);
                any(wanted, listener) || any(wanted, name)
            }),
        }
    }
}

impl TextMatch {
    fn fits(&self, found: &str) -> bool {
        match self {
            Self::Is(wanted) => &**wanted == found,
            Self::Matches(wanted) => wanted.is_match(found),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Is(text) => Some(text),
            Self::Matches(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_condition_must_hold() {
        let texts = |text: &str| vec![TextMatch::Is(text.into())];
        let like = |text: &str| vec![TextMatch::Matches(Regex::new(text).unwrap())];
        let attributes = BTreeMap::from([("site".into(), "north".into())]);
        let subject = Subject {
            client_id: "c1",
            username: Some("alice"),
            address: Some("::ffff:10.1.2.3".parse().unwrap()),
            listener: Some("tcp:default"),
            attributes: Some(&attributes),
            ..Subject::default()
        };
        let attribute = |name: &str, values| Condition::Attribute {
            name: name.into(),
            values,
        };
        for (condition, holds) in [
            (Condition::ClientId(texts("c1")), true),
            (Condition::ClientId(texts("c")), false),
            (Condition::ClientId(like("^c")), true),
            (Condition::Username(like("^al.*e$")), true),
            (Condition::Username(like("^bob")), false),
            (Condition::Anonymous, false),
            (attribute("site", texts("north")), true),
            (attribute("site", texts("south")), false),
            (attribute("role", texts("north")), false),
            (
                Condition::Address(vec!["10.0.0.0/8".parse().unwrap()]),
                true,
            ),
            (
                Condition::Address(vec!["10.1.2.4/32".parse().unwrap()]),
                false,
            ),
            (Condition::Listener(texts("default")), true),
            (Condition::Listener(texts("tcp:default")), true),
            (Condition::Listener(texts("ssl:default")), false),
        ] {
            let alone = Who {
                conditions: vec![condition.clone()],
            };
            assert_eq!(alone.fits(&subject), holds, "{condition:?}");
            let both = Who {
                conditions: vec![Condition::Username(texts("alice")), condition],
            };
            assert_eq!(both.fits(&subject), holds, "{both:?}");
        }
        assert!(Who::default().fits(&subject));
        assert!(Who::anonymous().fits(&Subject::default()));
        assert!(!Who::user("alice").fits(&Subject::default()));
    }
}
