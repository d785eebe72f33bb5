//! Rules on who may publish and subscribe to what, and what they say.

use crate::subject::Subject;
use crate::topic_pattern::{Filled, TopicPattern};
use crate::who::Who;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action<'a> {
    /// To publish a message.
    Publish {
        /// Where to.
        topic_name: &'a str,
        /// 0 to 2.
        qos: u8,
        /// Whether the message is to be retained.
        retain: bool,
    },
    /// To subscribe.
    Subscribe {
        /// To what, without `$share/NAME/`.
        topic_filter: &'a str,
        /// 0 to 2.
        qos: u8,
    },
    /// To get a message of a subscription.
    Receive {
        /// What it was published to.
        topic_name: &'a str,
    },
}

/// What a rule says of what it is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permit {
    /// It may be done.
    Allow,
    /// It may not be done.
    Deny,
}

/// Which actions a rule is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Actions {
    /// Publishing.
    Publish,
    /// Subscribing, and getting what subscriptions bring.
    Subscribe,
    /// Both.
    All,
}

/// Where a rule is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// The file.
    pub file: Arc<PathBuf>,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// One rule. What it does not name it is not particular about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// What it says.
    pub permit: Permit,
    /// About which actions.
    pub actions: Actions,
    /// Whom it is about.
    pub who: Who,
    /// About which topics; empty for all.
    pub topics: Vec<TopicPattern>,
    /// At which QoS, lowest first; empty for all.
    pub qos: Vec<u8>,
    /// About messages to be retained only, or others only.
    pub retain: Option<bool>,
    /// Where it is written.
    pub source: Source,
}

impl Rule {
    /// Whether the rule is about this.
    ///
    /// One that allows is about a subscription if it is about all the subscription can bring; one that denies, if it is
    /// about any of it.
    #[must_use]
    pub fn is_about(&self, subject: &Subject<'_>, action: &Action<'_>) -> bool {
        let (of_kind, of_qos, of_retain) = match *action {
            Action::Publish { qos, retain, .. } => {
                (self.actions != Actions::Subscribe, Some(qos), Some(retain))
            }
            Action::Subscribe { qos, .. } => (self.actions != Actions::Publish, Some(qos), None),
            Action::Receive { .. } => (self.actions != Actions::Publish, None, None),
        };
        let is_qos = self.qos.is_empty() || of_qos.is_none_or(|qos| self.qos.contains(&qos));
        let is_retain = self.retain.is_none() || of_retain.is_none() || self.retain == of_retain;
        let is_topic = || {
            self.topics.is_empty()
                || self
                    .topics
                    .iter()
                    .any(|topic| self.is_about_topic(topic, subject, action))
        };
        of_kind && is_qos && is_retain && self.who.fits(subject) && is_topic()
    }

    fn is_about_topic(
        &self,
        pattern: &TopicPattern,
        subject: &Subject<'_>,
        action: &Action<'_>,
    ) -> bool {
        let levels = match pattern.fill(subject) {
            Filled::Levels(levels) => levels,
            Filled::Absent => return false,
            // Nobody knows what is meant, so nothing is allowed by it, and what it denies stays denied.
            Filled::Unclear => return self.permit == Permit::Deny,
        };
        match *action {
            Action::Subscribe { topic_filter, .. } => match self.permit {
                _ if pattern.is_exact() => levels.is(topic_filter),
                Permit::Allow => levels.covers(topic_filter),
                Permit::Deny => levels.overlaps(topic_filter),
            },
            Action::Publish { topic_name, .. } | Action::Receive { topic_name } => {
                match pattern.is_exact() {
                    true => levels.is(topic_name),
                    false => levels.matches(topic_name),
                }
            }
        }
    }
}
