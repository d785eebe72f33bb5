//! What must hold for any file of rules: each function takes input of no particular form, and a test or a fuzz target
//! calls it and nothing else.

use mqtt_access::{Action, Permit, RULE_PROBLEMS_MAX, RuleFormat, Rules, Subject, Verdict};
use std::path::Path;

/// Rules in TOML; see [`rules`].
///
/// # Panics
/// When it does not hold.
pub fn rules_toml(bytes: &[u8]) {
    rules(RuleFormat::Toml, bytes);
}

/// Mosquitto's `acl_file`; see [`rules`].
///
/// # Panics
/// When it does not hold.
pub fn rules_mosquitto(bytes: &[u8]) {
    rules(RuleFormat::Mosquitto, bytes);
}

/// EMQX's `acl.conf`; see [`rules`].
///
/// # Panics
/// When it does not hold.
pub fn rules_emqx(bytes: &[u8]) {
    rules(RuleFormat::Emqx, bytes);
}

/// A file is refused with lines that it has, or read; then every rule says where it stands, and asking finds the first
/// that is about what is wanted.
///
/// # Panics
/// When it does not hold.
pub fn rules(format: RuleFormat, bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let lines = text.split('\n').count();
    let rules = match Rules::parse(format, text, Path::new("rules")) {
        Ok(rules) => rules,
        Err(error) => {
            assert!((1..=RULE_PROBLEMS_MAX).contains(&error.problems.len()));
            for (line, cause) in &error.problems {
                assert!((1..=lines).contains(line), "{line} of {lines}");
                assert!(!cause.to_string().is_empty());
            }
            return;
        }
    };
    for rule in rules.rules() {
        assert!((1..=lines).contains(&rule.source.line));
    }
    for username in [None, Some("alice"), Some("a+b")] {
        let subject = Subject {
            client_id: "c1",
            username,
            address: Some([10, 0, 0, 1].into()),
            ..Subject::default()
        };
        for topic in ["a", "a/b", "$SYS/x", "devices/c1/in", ""] {
            let (topic_name, topic_filter) = (topic, topic);
            let (qos, retain) = (1, false);
            check(
                &rules,
                &subject,
                &Action::Publish {
                    topic_name,
                    qos,
                    retain,
                },
            );
            check(&rules, &subject, &Action::Subscribe { topic_filter, qos });
            check(&rules, &subject, &Action::Receive { topic_name });
        }
        for topic_filter in ["#", "+/b", "$SYS/#"] {
            check(
                &rules,
                &subject,
                &Action::Subscribe {
                    topic_filter,
                    qos: 0,
                },
            );
        }
    }
}

fn check(rules: &Rules, subject: &Subject<'_>, action: &Action<'_>) {
    let mut all = rules.rules().iter();
    let first = all.find(|rule| rule.is_about(subject, action));
    let expected = match (rules.is_decided_on_receipt(), action) {
        (true, Action::Subscribe { .. }) => Verdict::DecidedOnReceipt,
        _ => match first {
            None => Verdict::NoMatch,
            Some(rule) if rule.permit == Permit::Allow => Verdict::Allowed(rule),
            Some(rule) => Verdict::Denied(rule),
        },
    };
    assert_eq!(
        rules.ask(subject, action),
        expected,
        "{subject:?} {action:?}"
    );
}
