//! How many subscribers of a fleet each message of it reaches.

use std::collections::HashMap;

use super::crew::{Names, Role};
use super::settings::Fleet;
use super::template::{Random, Template};

/// Comparisons of topics with filters that are worth making.
const COMPARISONS_MAX: usize = 20_000_000;
/// Two numbers that stand for all that a topic may have in a place that varies.
const SAMPLES: [u64; 2] = [0, 7_777_777];

/// For each publisher, for each of its topics, the deliveries of one message; `None` where that cannot be told.
pub(crate) fn copies(fleet: &Fleet, host: &str, run: u32) -> Option<Vec<Vec<u64>>> {
    if fleet.publishers == 0 || fleet.subscribers == 0 {
        return None;
    }
    let filters = Filters::of(fleet, host, run)?;
    let topics = usize::try_from(fleet.publishers).ok()? * fleet.publishing.topics.len();
    if topics.checked_mul(filters.open.len() + 1)? > COMPARISONS_MAX {
        return None;
    }
    let publishers = (0..fleet.publishers).map(|index| {
        let names = Names::new(fleet, host, run, Role::Publish, index);
        let topics = fleet.publishing.topics.iter().map(|topic| {
            let template = Template::new(&topic.name).for_client(&names.known(host));
            let [one, other] = SAMPLES.map(|sample| {
                let name = template.text(sample, &mut Random::new(sample));
                filters.matching(&name)
            });
            (one == other).then_some(one)
        });
        topics.collect::<Option<Vec<u64>>>()
    });
    publishers.collect()
}

/// All filters of the subscribers, and of how many subscribers each is; a shared group counts as one.
#[derive(Debug, Default)]
struct Filters {
    exact: HashMap<String, u64>,
    open: Vec<(String, u64)>,
}

impl Filters {
    fn of(fleet: &Fleet, host: &str, run: u32) -> Option<Self> {
        let mut all: HashMap<String, u64> = HashMap::new();
        for index in 0..fleet.subscribers {
            let names = Names::new(fleet, host, run, Role::Subscribe, index);
            let filters = names.topic_filters(fleet, host);
            let is_open = |filter: &String| filter.contains(['+', '#']);
            // Where filters of one client overlap, servers may send one copy or several.
            if filters.len() > 1 && filters.iter().any(is_open) {
                return None;
            }
            for filter in filters {
                *all.entry(filter).or_default() += 1;
            }
        }
        let mut found = Self::default();
        for (filter, count) in all {
            let (filter, count) = match filter
                .strip_prefix("$share/")
                .and_then(|rest| rest.split_once('/'))
            {
                Some((_, shared)) => (shared.to_owned(), 1),
                None => (filter, count),
            };
            match filter.contains(['+', '#']) {
                true => found.open.push((filter, count)),
                false => *found.exact.entry(filter).or_default() += count,
            }
        }
        Some(found)
    }

    fn matching(&self, topic_name: &str) -> u64 {
        let open = self
            .open
            .iter()
            .filter(|(filter, _)| matches(filter, topic_name));
        let open: u64 = open.map(|(_, count)| count).sum();
        open + self.exact.get(topic_name).copied().unwrap_or(0)
    }
}

/// Whether a filter with wildcards matches a name. Spec: v5 §4.7.1.
fn matches(filter: &str, topic_name: &str) -> bool {
    if topic_name.starts_with('$') != filter.starts_with('$') {
        return false;
    }
    let mut names = topic_name.split('/');
    for level in filter.split('/') {
        match (level, names.next()) {
            ("#", _) => return true,
            (_, None) => return false,
            ("+", Some(_)) => {}
            (level, Some(name)) if level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::settings::{Payload, Topic};

    fn reached(counts: [u32; 2], topic: &str, filters: &[&str]) -> Option<Vec<u64>> {
        let mut fleet = Fleet {
            publishers: counts[0],
            subscribers: counts[1],
            ..Fleet::default()
        };
        fleet.publishing.topics = vec![Topic {
            name: topic.to_owned(),
            payload: Payload::Size(64),
            qos: None,
            retain: None,
        }];
        fleet.subscribing.topic_filters = filters.iter().map(|&filter| filter.to_owned()).collect();
        copies(&fleet, "h", 1).map(|all| all.into_iter().flatten().collect())
    }

    #[test]
    fn pairs_fans_and_groups_are_told() {
        assert_eq!(reached([3, 2], "b/%i", &["b/%i"]), Some(vec![1, 1, 0]));
        assert_eq!(reached([1, 100], "b", &["b"]), Some(vec![100]));
        assert_eq!(reached([2, 1], "b/%i", &["b/+"]), Some(vec![1, 1]));
        assert_eq!(reached([2, 5], "b/%i", &["$share/g/b/#"]), Some(vec![1, 1]));
        assert_eq!(reached([1, 2], "b/%s", &["b/#"]), Some(vec![2]));
        assert_eq!(reached([1, 2], "b/1", &["b/1", "c"]), Some(vec![2]));
    }

    #[test]
    fn what_depends_on_the_message_or_the_broker_is_not_told() {
        assert_eq!(reached([1, 2], "b/%s", &["b/0"]), None);
        assert_eq!(reached([1, 2], "b/1", &["b/+", "b/#"]), None);
    }

    #[test]
    fn wildcards_match_as_in_the_standard() {
        for (filter, name, is_match) in [
            ("#", "a/b", true),
            ("#", "$SYS/a", false),
            ("a/#", "a", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("+/b", "a/b", true),
            ("+/b", "a/b/c", false),
        ] {
            assert_eq!(matches(filter, name), is_match, "{filter} {name}");
        }
    }
}
