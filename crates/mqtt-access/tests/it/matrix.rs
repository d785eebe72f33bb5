//! The same rights in every form: who may do what, as a table.

use mqtt_access::{Action, RuleFormat, Rules, Subject, Verdict};
use std::collections::BTreeMap;
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

/// Each condition alone, in the forms that have it: whom the rule is about, and how it is wanted.
///
/// The clients are alice, bob and one of whom nothing is known but its Client Identifier; each wants to publish at
/// QoS 0, to publish a message to be retained at QoS 1, and to subscribe at QoS 2.
#[test]
fn each_condition_holds_by_itself() {
    const ALICE: [bool; 9] = of([true, false, false], [true; 3]);
    let north = BTreeMap::from([("site".into(), "north".into())]);
    let south = BTreeMap::from([("site".into(), "south".into())]);
    let clients = [
        Subject {
            client_id: "c1",
            username: Some("alice"),
            address: Some("10.1.2.3".parse().unwrap()),
            listener: Some("tcp:default"),
            attributes: Some(&north),
            cert_common_name: Some("x"),
        },
        Subject {
            client_id: "d2",
            username: Some("bob"),
            address: Some("2001:db8::1".parse().unwrap()),
            listener: Some("ssl:outer"),
            attributes: Some(&south),
            cert_common_name: None,
        },
        Subject {
            client_id: "e3",
            ..Subject::default()
        },
    ];
    let topic_name = "x";
    let actions = [
        publish(topic_name),
        Action::Publish {
            topic_name,
            qos: 1,
            retain: true,
        },
        Action::Subscribe {
            topic_filter: topic_name,
            qos: 2,
        },
    ];
    let rows: [(&str, &str, [bool; 9]); 22] = [
        ("", "all, all", [true; 9]),
        (
            r#"username = "alice""#,
            r#"{username, "alice"}, all"#,
            ALICE,
        ),
        (
            r#"username = "Alice""#,
            r#"{username, "Alice"}, all"#,
            [false; 9],
        ),
        (
            r#"username = { re = "^(alice|bob)$" }"#,
            r#"{username, {re, "^(alice|bob)$"}}, all"#,
            of([true, true, false], [true; 3]),
        ),
        (r#"username = """#, "", of([false, false, true], [true; 3])),
        (r#"clientid = "c1""#, r#"{clientid, "c1"}, all"#, ALICE),
        (
            r#"clientid = { re = "^[cd]" }"#,
            r#"{clientid, {re, "^[cd]"}}, all"#,
            of([true, true, false], [true; 3]),
        ),
        (
            r#"client_attrs = { site = "north" }"#,
            r#"{client_attr, "site", "north"}, all"#,
            ALICE,
        ),
        (
            r#"client_attrs = { role = "north" }"#,
            r#"{client_attr, "role", "north"}, all"#,
            [false; 9],
        ),
        (
            r#"address = "10.0.0.0/8""#,
            r#"{ipaddr, "10.0.0.0/8"}, all"#,
            ALICE,
        ),
        (
            r#"address = ["10.1.2.3", "2001:db8::/32"]"#,
            r#"{ipaddrs, ["10.1.2.3", "2001:db8::/32"]}, all"#,
            of([true, true, false], [true; 3]),
        ),
        (
            r#"address = "10.1.2.4""#,
            r#"{ipaddr, "10.1.2.4"}, all"#,
            [false; 9],
        ),
        (
            r#"listener = "tcp:default""#,
            r#"{listener, "tcp:default"}, all"#,
            ALICE,
        ),
        (
            r#"listener = "outer""#,
            "",
            of([false, true, false], [true; 3]),
        ),
        (
            r#"action = "publish""#,
            "all, publish",
            of([true; 3], [true, true, false]),
        ),
        (
            r#"action = "subscribe""#,
            "all, subscribe",
            of([true; 3], [false, false, true]),
        ),
        ("qos = 1", "", of([true; 3], [false, true, false])),
        ("qos = [0, 2]", "", of([true; 3], [true, false, true])),
        // It is about messages, so a subscription has nothing it could be about.
        ("retain = true", "", of([true; 3], [false, true, true])),
        (
            "action = \"publish\"\nqos = [1, 2]\nretain = true",
            "all, {publish, [{qos, [1, 2]}, {retain, true}]}",
            of([true; 3], [false, true, false]),
        ),
        (
            "username = \"alice\"\naddress = \"10.0.0.0/8\"",
            r#"{'and', [{username, "alice"}, {ipaddr, "10.0.0.0/8"}]}, all"#,
            ALICE,
        ),
        (
            "username = \"alice\"\naddress = \"192.0.2.0/24\"",
            r#"{'and', [{username, "alice"}, {ipaddr, "192.0.2.0/24"}]}, all"#,
            [false; 9],
        ),
    ];
    for (toml, emqx, expected) in rows {
        let toml = format!("[[rules]]\npermission = \"allow\"\ntopics = [\"x\"]\n{toml}\n");
        let mut forms = vec![(RuleFormat::Toml, toml)];
        if !emqx.is_empty() {
            forms.push((RuleFormat::Emqx, format!("{{allow, {emqx}, [\"x\"]}}.\n")));
        }
        for (format, text) in forms {
            let rules = Rules::parse(format, &text, Path::new("f")).unwrap();
            let asked = clients.iter().flat_map(|client| {
                let rules = &rules;
                actions.iter().map(move |action| rules.ask(client, action))
            });
            let found: Vec<_> = asked
                .map(|verdict| matches!(verdict, Verdict::Allowed(_)))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}

/// Every client with every action.
const fn of(clients: [bool; 3], actions: [bool; 3]) -> [bool; 9] {
    let [a, b, c] = clients;
    let [x, y, z] = actions;
    [
        a && x,
        a && y,
        a && z,
        b && x,
        b && y,
        b && z,
        c && x,
        c && y,
        c && z,
    ]
}
