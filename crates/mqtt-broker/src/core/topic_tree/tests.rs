//! The routing table against a list of subscriptions and a matcher that compares level by level.
//! The tests of matching ask the retained tree the same, with name and filter in each other's place.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::TopicTree;
use crate::core::retained_tree::RetainedTree;
use crate::core::retained_tree::tests::matched_values;

/// Filters and names with whether the one matches the other.
const MATCHES: &[(&str, &str, bool)] = &[
    ("a/b/c", "a/b/c", true),
    ("a/b/c", "a/b", false),
    ("a/b", "a/b/c", false),
    // `#` stands for its parent level and everything below.
    ("a/b/#", "a/b", true),
    ("a/b/#", "a/b/", true),
    ("a/b/#", "a/b/c/d", true),
    ("a/b/#", "a/bc", false),
    ("a/b/#", "a", false),
    ("#", "a", true),
    ("#", "/", true),
    ("/#", "/a", true),
    ("/#", "a", false),
    // `+` stands for one level, an empty one too.
    ("+", "a", true),
    ("+", "/a", false),
    ("+", "a/", false),
    ("+/+", "/a", true),
    ("/+", "/a", true),
    ("/+", "/", true),
    ("a/+", "a", false),
    ("a/+", "a/", true),
    ("a/+", "a/b/c", false),
    ("a/+/c", "a/b/c", true),
    ("a/+/c", "a//c", true),
    ("a/+/c", "a/b/d", false),
    ("+/b/+", "a/b/c", true),
    ("+/+/+", "a/b", false),
    // Both together; `#` still stands for its parent.
    ("+/#", "a", true),
    ("a/+/#", "a", false),
    ("a/+/#", "a/b", true),
    ("+/b/#", "a/b/c/d", true),
    ("+/b/#", "a/c/b", false),
    // Empty levels count.
    ("a//b", "a/b", false),
    ("/a", "a", false),
    ("a/", "a", false),
    // Each level is compared as a whole.
    ("a", "ab", false),
    ("ab", "a", false),
    ("Straße/+", "Straße/1", true),
    ("日本/#", "日本/東京", true),
];

/// Filters and names where the `$` in front of the name decides.
const SYSTEM_MATCHES: &[(&str, &str, bool)] = &[
    ("#", "$SYS", false),
    ("#", "$SYS/a", false),
    ("+", "$SYS", false),
    ("+/a", "$SYS/a", false),
    ("+/#", "$SYS/a", false),
    ("#", "$", false),
    ("+", "$", false),
    ("$SYS/#", "$SYS", true),
    ("$SYS/#", "$SYS/a/b", true),
    ("$SYS/+", "$SYS/a", true),
    ("$SYS/a", "$SYS/a", true),
    ("$other/#", "$other/a", true),
    // Only the first character of the name counts.
    ("#", "a/$SYS", true),
    ("+/+", "a/$SYS", true),
    ("/+", "/$SYS", true),
    ("+/+", "/$SYS", true),
];

/// Texts that look alike or mean the same, and are different topics.
const LOOK_ALIKES: &[(&str, &str)] = &[
    ("caf\u{e9}", "cafe\u{301}"),
    ("a", "A"),
    ("a", "a "),
    ("a", "\u{feff}a"),
    ("a", "\u{ff41}"),
    ("a/b", "a/./b"),
    ("a/b", "a//b"),
    ("a/b", "a/b/"),
    ("a", "\u{fffd}"),
    ("a b", "a%20b"),
];

/// Covers: v5 [MQTT-4.7.2-1], v3.1.1 [MQTT-4.7.2-1].
#[test]
fn v5_4_7_2_1_wildcard_in_front_does_not_match_dollar() {
    for (topic_filter, topic_name, expected) in SYSTEM_MATCHES {
        assert_both_trees_match(topic_filter, topic_name, *expected);
    }
}

/// Covers: v5 [MQTT-4.7.3-4], v3.1.1 [MQTT-4.7.3-4].
#[test]
fn v5_4_7_3_4_nothing_is_normalised() {
    for (one, other) in LOOK_ALIKES {
        for (topic_filter, topic_name) in [(one, other), (other, one)] {
            assert_both_trees_match(topic_filter, topic_name, false);
            assert_both_trees_match(topic_filter, topic_filter, true);
            let with_wildcard = format!("+/{topic_filter}");
            assert_both_trees_match(&with_wildcard, &format!("x/{topic_name}"), false);
            assert_both_trees_match(&with_wildcard, &format!("x/{topic_filter}"), true);
        }
    }
}

#[test]
fn wildcards_match_whole_levels() {
    for (topic_filter, topic_name, expected) in MATCHES {
        assert_both_trees_match(topic_filter, topic_name, *expected);
    }
}

/// Covers: v5 [MQTT-3.8.4-3].
#[test]
fn v5_3_8_4_3_equal_filter_replaces_subscription() {
    for topic_filter in ["a/b", "a/+", "a/#", "#", "+"] {
        let mut tree = TopicTree::new();
        assert_eq!(tree.subscribe(topic_filter, 1, "old"), None);
        assert_eq!(tree.subscribe(topic_filter, 1, "new"), Some("old"));
        assert_eq!(tree.len(), 1);
        assert_eq!(
            tree.subscribers(topic_filter).collect::<Vec<_>>(),
            [(1, &"new")]
        );
    }
}

/// Covers: v5 [MQTT-3.10.4-1], v3.1.1 [MQTT-3.10.4-1].
#[test]
fn v5_3_10_4_1_unsubscribe_compares_every_character() {
    let filters = [
        "a/b", "a/+", "a/#", "+/b", "#", "+", "+/+", "/", "a", "a/", "A/b",
    ];
    for held in filters {
        let mut tree = TopicTree::new();
        tree.subscribe(held, 1, ());
        for other in filters.iter().filter(|other| **other != held) {
            assert_eq!(
                tree.unsubscribe(other, 1),
                None,
                "{other} is not the {held} held"
            );
        }
        assert_eq!(tree.unsubscribe(held, 2), None, "{held} of another");
        assert_eq!(tree.unsubscribe(held, 1), Some(()));
        assert_eq!((tree.len(), tree.entry_count()), (0, 0));
    }
}

#[test]
fn overlapping_filters_are_all_visited() {
    // Every way to write up to seven levels with `a` or `+`, from the fifth on more nodes at a level
    // than the matcher has room for without allocating; once more with a `#` after them.
    let name = "a/a/a/a/a/a/a";
    let mut filters = Vec::new();
    for length in 1..=7 {
        for bits in 0..1_u32 << length {
            let levels = (0..length).map(|bit| if bits >> bit & 1 == 0 { "a" } else { "+" });
            let topic_filter = levels.collect::<Vec<_>>().join("/");
            filters.push(format!("{topic_filter}/#"));
            filters.push(topic_filter);
        }
    }
    filters.sort_unstable();
    let mut tree = TopicTree::new();
    for topic_filter in &filters {
        tree.subscribe(topic_filter, 7, topic_filter);
    }
    let mut found = Vec::new();
    tree.matches(name, |_, topic_filter| found.push(*topic_filter));
    found.sort_unstable();
    assert!(
        filters
            .iter()
            .filter(|filter| text_matches(filter, name))
            .eq(found)
    );
}

#[test]
fn levels_may_be_as_many_as_fit_into_a_topic() {
    let name = "/".repeat(65_535);
    let plus = vec!["+"; 32_768].join("/");
    let matching_plus = "/".repeat(32_767);
    let below = "/".repeat(65_534) + "#";
    let filters = [&name, "#", &plus, &below];

    let mut tree = TopicTree::new();
    for topic_filter in filters {
        tree.subscribe(topic_filter, 1, ());
    }
    assert_eq!(matched_keys(&tree, &name).len(), 3);
    assert_eq!(matched_keys(&tree, &matching_plus).len(), 2);
    assert_eq!(tree.filters().count(), 4);
    for topic_filter in filters {
        assert_eq!(tree.unsubscribe(topic_filter, 1), Some(()));
    }
    assert_eq!(tree.entry_count(), 0);

    let mut retained = RetainedTree::new();
    retained.insert(&name, 1);
    retained.insert(&matching_plus, 2);
    assert_eq!(matched_values(&retained, "#"), [1, 2]);
    assert_eq!(matched_values(&retained, &plus), [2]);
    assert_eq!(matched_values(&retained, &format!("{plus}/#")), [1, 2]);
    retained.remove(&name);
    retained.remove(&matching_plus);
    assert_eq!(retained.entry_count(), 0);
}

#[test]
fn many_subscribers_of_one_filter_are_kept_in_order() {
    let seed = 0x5eed_0001;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    for topic_filter in ["a", "a/+"] {
        let mut tree = TopicTree::new();
        let mut model = BTreeMap::new();
        // Up past the size where the set changes its form, and down again.
        for chance_of_removal in [1, 9] {
            for _ in 0..6_000 {
                let key = random.below(2_000);
                if random.below(10) < chance_of_removal {
                    assert_eq!(tree.unsubscribe(topic_filter, key), model.remove(&key));
                } else {
                    let value = random.below(1_000);
                    assert_eq!(
                        tree.subscribe(topic_filter, key, value),
                        model.insert(key, value)
                    );
                }
                assert_eq!(tree.len(), model.len());
            }
            let held: Vec<_> = tree
                .subscribers(topic_filter)
                .map(|(key, value)| (key, *value))
                .collect();
            assert_eq!(held, model.clone().into_iter().collect::<Vec<_>>());
            let mut visited = Vec::new();
            let name = topic_filter.replace('+', "x");
            tree.matches(&name, |key, value| visited.push((key, *value)));
            assert_eq!(visited, held);
        }
    }
}

#[test]
fn memory_returns_after_most_subscriptions_go() {
    let seed = 0x5eed_0002;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let mut filters: Vec<String> = (0..20_000)
        .map(|n| match n % 4 {
            0 => format!("dev/{n}/+/temp"),
            1 => format!("site/{}/+/{}/#", n % 50, n / 50),
            2 => format!("+/{}/x", n / 3),
            _ => format!("plain/{n}"),
        })
        .collect();
    let mut tree = TopicTree::new();
    for (key, topic_filter) in filters.iter().enumerate() {
        tree.subscribe(topic_filter, key, ());
    }
    let key_of: BTreeMap<String, usize> = filters.iter().cloned().zip(0..).collect();
    while filters.len() > 100 {
        let gone = filters.swap_remove(random.index(filters.len()));
        assert_eq!(tree.unsubscribe(&gone, key_of[&gone]), Some(()));
        if filters.len().is_multiple_of(1_000) {
            let left: BTreeSet<_> = filters.iter().map(String::as_str).collect();
            let spelled: BTreeSet<_> = tree.filters().map(String::from).collect();
            assert!(spelled.iter().map(String::as_str).eq(left));
        }
    }
    for topic_filter in &filters {
        let name = topic_filter.replace(['+', '#'], "x");
        assert!(matched_keys(&tree, &name).contains(&key_of[topic_filter]));
    }
    for gone in &filters {
        assert_eq!(tree.unsubscribe(gone, key_of[gone]), Some(()));
    }
    assert_eq!((tree.len(), tree.entry_count()), (0, 0));
    assert_eq!(tree.filters().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn topic_tree_equals_list(
        changes in prop::collection::vec((topic_filter(), 0..4_u8, any::<Option<u8>>()), 0..80),
        names in prop::collection::vec(topic_name(), 1..12),
    ) {
        let mut tree = TopicTree::new();
        let mut model: BTreeMap<(String, u8), u8> = BTreeMap::new();
        for (topic_filter, key, change) in changes {
            match change {
                Some(value) => prop_assert_eq!(
                    tree.subscribe(&topic_filter, key, value),
                    model.insert((topic_filter, key), value)
                ),
                None => prop_assert_eq!(
                    tree.unsubscribe(&topic_filter, key),
                    model.remove(&(topic_filter, key))
                ),
            }
            prop_assert_eq!(tree.len(), model.len());
        }

        for name in &names {
            let mut visited = Vec::new();
            tree.matches(name, |key, value| visited.push((key, *value)));
            visited.sort_unstable();
            let matching = model.iter().filter(|((filter, _), _)| text_matches(filter, name));
            let mut expected: Vec<_> = matching.map(|((_, key), value)| (*key, *value)).collect();
            expected.sort_unstable();
            prop_assert_eq!(visited, expected, "name {}", name);
        }

        let mut spelled: Vec<String> = tree.filters().map(String::from).collect();
        spelled.sort_unstable();
        let filters: BTreeSet<&String> = model.keys().map(|(filter, _)| filter).collect();
        prop_assert!(spelled.iter().eq(filters.iter().copied()));
        for filter in &spelled {
            let held = tree.subscribers(filter).map(|(key, value)| (key, *value));
            let of_filter = model.iter().filter(|((own, _), _)| own == filter);
            prop_assert!(held.eq(of_filter.map(|((_, key), value)| (*key, *value))));
        }

        for ((topic_filter, key), value) in model {
            prop_assert_eq!(tree.unsubscribe(&topic_filter, key), Some(value));
        }
        prop_assert_eq!((tree.len(), tree.entry_count()), (0, 0));
    }
}

/// Whether a filter matches a name, level by level as v5 §4.7 has it.
pub(crate) fn text_matches(topic_filter: &str, topic_name: &str) -> bool {
    if topic_name.starts_with('$') && topic_filter.starts_with(['+', '#']) {
        return false;
    }
    let filter: Vec<&str> = topic_filter.split('/').collect();
    let name: Vec<&str> = topic_name.split('/').collect();
    let (path, is_long_enough) = match filter.split_last() {
        Some((&"#", path)) => (path, name.len() >= path.len()),
        _ => (&filter[..], name.len() == filter.len()),
    };
    is_long_enough
        && path
            .iter()
            .zip(&name)
            .all(|(wanted, level)| *wanted == "+" || wanted == level)
}

#[track_caller]
fn assert_both_trees_match(topic_filter: &str, topic_name: &str, expected: bool) {
    let mut tree = TopicTree::new();
    tree.subscribe(topic_filter, 1, ());
    let routed = !matched_keys(&tree, topic_name).is_empty();
    assert_eq!(routed, expected, "{topic_filter} routes {topic_name}");

    let mut retained = RetainedTree::new();
    retained.insert(topic_name, 1);
    let found = !matched_values(&retained, topic_filter).is_empty();
    assert_eq!(found, expected, "{topic_filter} finds {topic_name}");
}

fn matched_keys<K: Copy + Ord, V>(tree: &TopicTree<K, V>, topic_name: &str) -> Vec<K> {
    let mut keys = Vec::new();
    tree.matches(topic_name, |key, _| keys.push(key));
    keys.sort_unstable();
    keys
}

/// Few enough levels that names and filters meet often.
fn level() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "b", "aa", "é", "日本", "$SYS", "$", " "])
}

pub(crate) fn topic_name() -> impl Strategy<Value = String> {
    prop::collection::vec(level(), 1..5)
        .prop_map(|levels| levels.join("/"))
        .prop_map(not_empty)
}

pub(crate) fn topic_filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![2 => level(), 1 => Just("+")];
    (
        prop::collection::vec(level, 0..5),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(mut levels, is_multi_level)| {
            levels.extend(is_multi_level.then_some("#"));
            levels.join("/")
        })
        .prop_map(not_empty)
}

/// A topic has at least one character; v5 [MQTT-4.7.3-1].
fn not_empty(topic: String) -> String {
    if topic.is_empty() { "/".into() } else { topic }
}

/// A small generator (SplitMix64) for tests that need many numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("less than a usize")
    }
}
