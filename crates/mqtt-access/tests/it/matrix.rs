//! The same rights in every form: who may do what, as a table.

use mqtt_access::{Action, RuleFormat, Rules, Subject, Verdict};
use std::path::Path;

const ALL: [(&str, RuleFormat, &str); 3] = [
    (
        "house.toml",
        RuleFormat::Toml,
        include_str!("inputs/rules_toml/house.toml"),
    ),
    (
        "house.conf",
        RuleFormat::Emqx,
        include_str!("inputs/rules_emqx/house.conf"),
    ),
    (
        "house.acl",
        RuleFormat::Mosquitto,
        include_str!("inputs/rules_mosquitto/house.acl"),
    ),
];

/// Whether it is allowed, however that was decided.
fn may(rules: &Rules, username: Option<&str>, action: &Action<'_>) -> bool {
    let subject = Subject {
        client_id: "c1",
        username,
        ..Subject::default()
    };
    match rules.ask(&subject, action) {
        Verdict::Allowed(_) | Verdict::DecidedOnReceipt => true,
        Verdict::Denied(_) | Verdict::NoMatch => false,
    }
}

fn publish(topic_name: &str) -> Action<'_> {
    Action::Publish {
        topic_name,
        qos: 0,
        retain: false,
    }
}

/// Publishing, and getting messages: the same in every form.
#[test]
fn every_form_says_the_same() {
    let (alice, bob, nobody) = (Some("alice"), Some("bob"), None);
    let table = [
        // who, topic, may publish, may receive
        (alice, "home/door", true, true),
        (alice, "home", true, true),
        (alice, "home/secret", false, false),
        (alice, "home/secret/safe", false, false),
        (alice, "public/x", false, false),
        (alice, "devices/c1/alice", true, false),
        (alice, "devices/c1/in", false, true),
        (alice, "devices/c2/in", false, false),
        (alice, "devices/c2/alice", false, false),
        (alice, "devices/c1/bob", false, false),
        (alice, "$SYS/broker/uptime", false, false),
        (bob, "home/hall/temperature", false, true),
        (bob, "home/hall/door", false, false),
        (bob, "home/temperature", false, false),
        (bob, "home/door", false, false),
        (bob, "devices/c1/bob", true, false),
        (bob, "public/x", false, false),
        (nobody, "public/x", false, true),
        (nobody, "public", false, true),
        (nobody, "home/door", false, false),
        (nobody, "devices/c1/in", false, true),
        (nobody, "devices/c1/", false, false),
        (nobody, "devices/c1/${username}", false, false),
    ];
    for (file, format, text) in ALL {
        let rules = Rules::parse(format, text, Path::new(file)).unwrap();
        for (username, topic_name, may_publish, may_receive) in table {
            let found = (
                may(&rules, username, &publish(topic_name)),
                may(&rules, username, &Action::Receive { topic_name }),
            );
            let expected = (may_publish, may_receive);
            assert_eq!(found, expected, "{file}: {username:?} {topic_name}");
        }
    }
}

/// Subscriptions: those of Mosquitto's rules are all made.
#[test]
fn a_subscription_is_all_or_nothing_but_for_mosquittos() {
    let (alice, bob, nobody) = (Some("alice"), Some("bob"), None);
    let table = [
        (alice, "home/door", true),
        (alice, "home/+", false),
        (alice, "home/#", false),
        (alice, "home/door/+", true),
        (alice, "#", false),
        (alice, "$SYS/#", false),
        (bob, "home/+/temperature", true),
        (bob, "home/hall/temperature", true),
        (bob, "home/+/+", false),
        (bob, "+/+/temperature", false),
        (nobody, "public/#", true),
        (nobody, "public/+/x", true),
        (nobody, "+/x", false),
        (nobody, "devices/c1/in", true),
        (nobody, "devices/+/in", false),
    ];
    for (file, format, text) in ALL {
        let rules = Rules::parse(format, text, Path::new(file)).unwrap();
        for (username, topic_filter, expected) in table {
            let action = Action::Subscribe {
                topic_filter,
                qos: 1,
            };
            let expected = expected || rules.is_decided_on_receipt();
            let found = may(&rules, username, &action);
            assert_eq!(found, expected, "{file}: {username:?} {topic_filter}");
        }
    }
}

/// What stands for a placeholder leads nowhere else, whoever chose it.
#[test]
fn names_chosen_by_a_client_open_nothing() {
    for (file, format, text) in ALL {
        let rules = Rules::parse(format, text, Path::new(file)).unwrap();
        for client_id in ["+", "#", "c2/in", "", "c1/../c2"] {
            let subject = Subject {
                client_id,
                username: Some("mallory"),
                ..Subject::default()
            };
            for topic_name in [
                "devices/c2/in",
                "devices/x/in",
                "devices/c2/mallory",
                "devices//in",
            ] {
                let receive = Action::Receive { topic_name };
                for action in [receive, publish(topic_name)] {
                    let found = rules.ask(&subject, &action);
                    assert_eq!(found, Verdict::NoMatch, "{file}: {client_id:?} {action:?}");
                }
            }
        }
    }
}
