//! Topic Names, Topic Filters, and which goes with which.

use mqtt_codec::{
    Connect, Malformed, ReasonCode, SharedFilter, TopicError, TopicFilter, TopicName,
};
use proptest::prelude::{prop_assert_eq, proptest};

use crate::support::{STANDARD, V5, answer, field, filter, name, no_properties, packet, refused};

fn matches(topic_filter: &str, topic_name: &str) -> bool {
    filter(topic_filter).matches(name(topic_name))
}

/// Covers: v5 [MQTT-4.7.0-1], v3.1.1 [MQTT-4.7.1-1].
#[test]
fn v5_4_7_0_1_wildcards_are_for_filters() {
    for text in ["#", "+", "a/+", "a/#", "a#", "+a", "0123456789abcdef+"] {
        assert_eq!(TopicName::try_new(text), Err(TopicError::Wildcard));
    }
    for text in ["+", "#", "a/+/b", "+/+", "a/#"] {
        assert!(filter(text).has_wildcard());
    }
    assert!(!filter("a/b").has_wildcard());
}

/// Covers: v5 [MQTT-4.7.1-1], v3.1.1 [MQTT-4.7.1-2].
#[test]
fn v5_4_7_1_1_multi_level_wildcard_is_the_last_level() {
    for text in [
        "#",
        "/#",
        "a/#",
        "sport/tennis/#",
        "+/#",
        "$share/g/#",
        "$share/g/a/#",
    ] {
        assert!(TopicFilter::try_new(text).is_ok(), "{text}");
    }
    for text in [
        "a#",
        "#a",
        "#/a",
        "a/#/b",
        "a/b#",
        "##",
        "#/",
        "$share/g/a#",
        "$share/g/#/a",
    ] {
        assert_eq!(
            TopicFilter::try_new(text),
            Err(TopicError::MultiLevelWildcard),
            "{text}"
        );
        for version in STANDARD {
            let head = [&[0, 1], no_properties(version), &field(text)].concat();
            let subscribe = packet(0x82, &[&head[..], &[0]].concat());
            assert_eq!(refused(version, &subscribe), Malformed::MultiLevelWildcard);
            assert_eq!(
                answer(version, &subscribe),
                ReasonCode::TOPIC_FILTER_INVALID
            );
            assert_eq!(
                refused(version, &packet(0xA2, &head)),
                Malformed::MultiLevelWildcard
            );
        }
    }
}

/// Covers: v5 [MQTT-4.7.1-2], v3.1.1 [MQTT-4.7.1-3].
#[test]
fn v5_4_7_1_2_single_level_wildcard_is_a_whole_level() {
    for text in [
        "+",
        "+/a",
        "a/+",
        "a/+/b",
        "+/+/+",
        "/+",
        "+/",
        "$share/g/+",
    ] {
        assert!(TopicFilter::try_new(text).is_ok(), "{text}");
    }
    for text in ["a+", "+a", "a/b+", "a/+b/c", "++", "+/++", "$share/g/a+"] {
        assert_eq!(
            TopicFilter::try_new(text),
            Err(TopicError::SingleLevelWildcard),
            "{text}"
        );
        for version in STANDARD {
            let head = [&[0, 1], no_properties(version), &field(text)].concat();
            let subscribe = packet(0x82, &[&head[..], &[0]].concat());
            assert_eq!(refused(version, &subscribe), Malformed::SingleLevelWildcard);
            assert_eq!(
                refused(version, &packet(0xA2, &head)),
                Malformed::SingleLevelWildcard
            );
        }
    }
}

/// Covers: v5 [MQTT-4.7.3-1], v3.1.1 [MQTT-4.7.3-1].
#[test]
fn v5_4_7_3_1_empty_topics_are_refused() {
    assert_eq!(TopicName::try_new(""), Err(TopicError::Empty));
    assert_eq!(TopicFilter::try_new(""), Err(TopicError::Empty));
    for version in STANDARD {
        let head = [&[0, 1], no_properties(version), &[0, 0]].concat();
        let subscribe = packet(0x82, &[&head[..], &[0]].concat());
        assert_eq!(refused(version, &subscribe), Malformed::TopicFilterEmpty);
        assert_eq!(
            refused(version, &packet(0xA2, &head)),
            Malformed::TopicFilterEmpty
        );
    }
    assert!(TopicName::try_new("/").is_ok() && TopicName::try_new(" ").is_ok());
}

/// Covers: v5 [MQTT-4.7.3-2], v3.1.1 [MQTT-4.7.3-2].
#[test]
fn v5_4_7_3_2_null_characters_are_refused() {
    for text in [
        "\0",
        "a\0",
        "0123456789abcdef\0",
        "+/\0",
        "$share/g/a\0",
        "$share/\0/a",
    ] {
        assert_eq!(TopicFilter::try_new(text), Err(TopicError::NullCharacter));
        assert!(TopicName::try_new(text).is_err());
    }
    assert_eq!(TopicName::try_new("a\0b"), Err(TopicError::NullCharacter));
}

/// Covers: v5 [MQTT-4.7.3-3], v3.1.1 [MQTT-4.7.3-3].
#[test]
fn v5_4_7_3_3_topics_have_at_most_65_535_bytes() {
    let longest = "\u{e4}".repeat(32_767) + "x";
    assert_eq!(longest.len(), 65_535);
    assert!(TopicName::try_new(&longest).is_ok() && TopicFilter::try_new(&longest).is_ok());
    let longer = longest + "x";
    assert_eq!(TopicName::try_new(&longer), Err(TopicError::TooLong));
    assert_eq!(TopicFilter::try_new(&longer), Err(TopicError::TooLong));
}

/// Covers: v5 [MQTT-4.8.2-1].
#[test]
fn v5_4_8_2_1_share_name_is_not_empty() {
    for text in ["$share//t", "$share//", "$share/"] {
        assert_eq!(
            TopicFilter::try_new(text),
            Err(TopicError::Shared),
            "{text}"
        );
    }
    let shared = SharedFilter {
        share_name: "g",
        topic_filter: filter("a/+/#"),
    };
    assert_eq!(filter("$share/g/a/+/#").shared(), Some(shared));
    for text in [
        "share/g/t",
        "$Share/g/t",
        "$shared/g/t",
        "$share",
        "a/$share/g/t",
    ] {
        assert_eq!(filter(text).shared(), None, "{text}");
    }
}

/// Covers: v5 [MQTT-4.8.2-2].
#[test]
fn v5_4_8_2_2_share_name_is_plain_and_a_filter_follows() {
    for text in [
        "$share/g",
        "$share/g/",
        "$share/+/t",
        "$share/#/t",
        "$share/a+b/t",
        "$share/g#/t",
    ] {
        assert_eq!(
            TopicFilter::try_new(text),
            Err(TopicError::Shared),
            "{text}"
        );
        for version in STANDARD {
            let head = [&[0, 1], no_properties(version), &field(text)].concat();
            let subscribe = packet(0x82, &[&head[..], &[0]].concat());
            assert_eq!(refused(version, &subscribe), Malformed::SharedFilterInvalid);
        }
    }
    let shared = filter("$share/g//").shared();
    assert_eq!(shared.map(|shared| shared.topic_filter.as_str()), Some("/"));
}

/// Covers: v5 [MQTT-4.7.2-1], v3.1.1 [MQTT-4.7.2-1].
#[test]
fn v5_4_7_2_1_leading_wildcards_do_not_match_dollar_topics() {
    for topic_filter in ["#", "+", "+/#", "+/info", "$share/g/#", "$share/g/+/info"] {
        assert!(!matches(topic_filter, "$SYS/info"), "{topic_filter}");
        assert!(!matches(topic_filter, "$SYS"), "{topic_filter}");
    }
    for topic_filter in ["$SYS/#", "$SYS/+", "$SYS/info", "$share/g/$SYS/#"] {
        assert!(matches(topic_filter, "$SYS/info"), "{topic_filter}");
    }
    assert!(matches("a/#", "a/$b") && matches("a/+", "a/$b"));
}

#[test]
fn filters_match_the_examples_of_the_standard() {
    for (topic_filter, topic_name, expected) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/ranking",
            true,
        ),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
        ),
        ("sport/#", "sport", true),
        ("sport/#", "sports", false),
        ("#", "sport", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "/", true),
        ("ACCOUNTS", "Accounts", false),
        ("a b", "a b", true),
        ("/a", "a", false),
        ("a/+/c", "a//c", true),
        ("a/b", "a/b/c", false),
        ("a/b/c", "a/b", false),
        ("+/#", "a", true),
    ] {
        assert_eq!(
            matches(topic_filter, topic_name),
            expected,
            "{topic_filter} {topic_name}"
        );
    }
}

#[test]
fn levels_are_parted_by_slashes() {
    for (text, levels) in [
        ("a", &["a"][..]),
        ("/", &["", ""]),
        ("a//b", &["a", "", "b"]),
        ("a/", &["a", ""]),
    ] {
        assert!(name(text).levels().eq(levels.iter().copied()));
        assert!(filter(text).levels().rev().eq(levels.iter().rev().copied()));
        assert_eq!(name(text).level_count(), levels.len());
        assert_eq!(filter(text).level_count(), levels.len());
        assert_eq!(
            (name(text).to_string(), filter(text).to_string()),
            (text.into(), text.into())
        );
    }
}

/// What a Topic Name is refused for, looked for character by character.
fn naive(text: &str) -> Result<TopicName<'_>, TopicError> {
    match text {
        "" => Err(TopicError::Empty),
        _ if text.contains('\0') => Err(TopicError::NullCharacter),
        _ if text.contains(['+', '#']) => Err(TopicError::Wildcard),
        _ => Ok(name(text)),
    }
}

/// Texts are searched many bytes at a time: nothing hides at any place in a text of any length.
#[test]
fn every_character_is_found_at_every_place() {
    for len in 1..=40 {
        for at in 0..len {
            for byte in 0..0x80 {
                let mut text = vec![b'a'; len];
                text[at] = byte;
                let text = str::from_utf8(&text).unwrap();
                let special = matches!(byte, 0 | b'+' | b'#');
                assert_eq!(TopicName::try_new(text).is_err(), special, "{text:?}");
                let sent = Connect::new(V5, text).encoded_len();
                assert_eq!(sent.is_err(), byte == 0, "{text:?}");
                if special {
                    assert_eq!(TopicName::try_new(text), naive(text), "{text:?}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn topic_names_are_refused_as_by_a_naive_check(text in "[\\x00+#a/\u{e9}]{0,3}.{0,40}") {
        prop_assert_eq!(TopicName::try_new(&text), naive(&text));
    }
}
