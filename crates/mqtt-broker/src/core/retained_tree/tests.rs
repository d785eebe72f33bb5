//! The retained tree against a map from Topic Name to value.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::RetainedTree;
use crate::core::topic_tree::tests::{Random, text_matches, topic_filter, topic_name};

#[test]
fn memory_returns_after_most_retained_messages_go() {
    let seed = 0x5eed_0003;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let mut names: Vec<(usize, String)> = (0..20_000)
        .map(|n| match n % 3 {
            0 => format!("dev/{n}/temp"),
            1 => format!("site/{}/{}", n % 50, n / 50),
            _ => format!("$SYS/{}/{n}", n % 7),
        })
        .enumerate()
        .collect();
    let mut tree = RetainedTree::new();
    for (value, name) in &names {
        assert_eq!(tree.insert(name, *value), None);
    }
    while names.len() > 100 {
        let (value, gone) = names.swap_remove(random.index(names.len()));
        assert_eq!(tree.remove(&gone), Some(value));
    }
    for (value, name) in &names {
        assert_eq!(tree.find(name), Some(value));
    }
    let under = |prefix: &str| {
        let values = names.iter().filter(|(_, name)| name.starts_with(prefix));
        let mut values: Vec<usize> = values.map(|(value, _)| *value).collect();
        values.sort_unstable();
        values
    };
    assert_eq!(matched_values(&tree, "site/+/+"), under("site/"));
    assert_eq!(matched_values(&tree, "dev/+/temp"), under("dev/"));
    assert_eq!(matched_values(&tree, "$SYS/#"), under("$SYS/"));
    for (_, gone) in &names {
        tree.remove(gone);
    }
    assert_eq!((tree.len(), tree.entry_count()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn retained_tree_equals_list(
        changes in prop::collection::vec((topic_name(), any::<Option<u16>>()), 0..80),
        filters in prop::collection::vec(topic_filter(), 1..12),
        divisor in 1..4_u16,
    ) {
        let mut tree = RetainedTree::new();
        let mut model: BTreeMap<String, u16> = BTreeMap::new();
        for (name, change) in changes {
            match change {
                Some(value) => prop_assert_eq!(tree.insert(&name, value), model.insert(name, value)),
                None => prop_assert_eq!(tree.remove(&name), model.remove(&name)),
            }
            prop_assert_eq!(tree.len(), model.len());
        }
        for only_some in [false, true] {
            if only_some {
                for (name, _) in model.extract_if(.., |_, value| *value % divisor != 0) {
                    tree.remove(&name);
                }
            }
            for filter in &filters {
                let matching = model.iter().filter(|(name, _)| text_matches(filter, name));
                let mut expected: Vec<u16> = matching.map(|(_, value)| *value).collect();
                expected.sort_unstable();
                prop_assert_eq!(matched_values(&tree, filter), expected, "filter {}", filter);
                prop_assert_eq!(tree.find(filter), model.get(filter));
            }
            for (name, value) in &model {
                prop_assert_eq!(tree.find(name), Some(value));
            }
        }
        for (name, value) in model {
            prop_assert_eq!(tree.remove(&name), Some(value));
        }
        prop_assert_eq!((tree.len(), tree.entry_count()), (0, 0));
    }
}

#[test]
fn a_search_in_pages_finds_what_stays_once_whatever_comes_and_goes() {
    let seed = 0x5eed_0006;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let name = |nth: usize| format!("{}/{}/{}", nth % 7, nth % 11, nth);
    for filter in ["#", "+/+/+", "3/#", "+/4/#", "+/+/77", "none/#"] {
        let mut tree = RetainedTree::new();
        for nth in 0..2000 {
            tree.insert(&name(nth), nth);
        }
        let stays = |nth: &usize| nth.is_multiple_of(2);
        let mut found = Vec::new();
        if let Some(mut search) = tree.begin_search(filter) {
            while tree.go_on(&mut search, 10, |value| found.push(*value)) {
                let nth = 1 + 2 * random.index(1000);
                if tree.remove_value(&name(nth)).is_none() {
                    tree.insert(&name(nth), nth);
                }
                tree.insert(&format!("3/4/new{nth}"), 2001);
            }
        }
        found.retain(stays);
        found.sort_unstable();
        let all = (0..2000).filter(stays);
        let matching: Vec<usize> = all
            .filter(|nth| text_matches(filter, &name(*nth)))
            .collect();
        assert_eq!(found, matching, "{filter}");
        while tree.bare_len() > 0 {
            tree.remove_bare(7);
        }
        for nth in 0..2000 {
            tree.remove(&name(nth));
        }
        for nth in 0..1000 {
            tree.remove(&format!("3/4/new{}", 1 + 2 * nth));
        }
        assert_eq!((tree.len(), tree.entry_count()), (0, 0), "{filter}");
    }
}

pub(crate) fn matched_values<T: Copy + Ord>(tree: &RetainedTree<T>, topic_filter: &str) -> Vec<T> {
    let mut values = Vec::new();
    tree.matches(topic_filter, |value| values.push(*value));
    values.sort_unstable();
    values
}
