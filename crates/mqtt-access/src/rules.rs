//! All rules, in their order.

use crate::rule::{Action, Permit, Rule};
use crate::subject::Subject;

/// Rules in the order in which they are asked: the first that is about what is wanted decides.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
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
    pub const fn new(rules: Vec<Rule>) -> Self {
        let is_decided_on_receipt = false;
        Self {
            rules,
            is_decided_on_receipt,
        }
    }

    /// Rules that let every subscription be made, and decide about each message it brings, as Mosquitto does.
    #[must_use]
    pub const fn deciding_on_receipt(rules: Vec<Rule>) -> Self {
        let is_decided_on_receipt = true;
        Self {
            rules,
            is_decided_on_receipt,
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
        match self
            .rules
            .iter()
            .find(|rule| rule.is_about(subject, action))
        {
            None => Verdict::NoMatch,
            Some(rule) if rule.permit == Permit::Allow => Verdict::Allowed(rule),
            Some(rule) => Verdict::Denied(rule),
        }
    }
}
