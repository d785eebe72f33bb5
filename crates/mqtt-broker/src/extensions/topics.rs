//! Topics with a meaning of their own: `$delayed/`, `$queue/`, `$exclusive/`.

use crate::config::DELAY_MAX_S;
use mqtt_codec::TopicName;
use std::borrow::Cow;

const DELAYED: &str = "$delayed/";
const QUEUE: &str = "$queue/";
const EXCLUSIVE: &str = "$exclusive/";

/// Whether a message waits before it is published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Delay<'a> {
    /// It does not.
    None,
    /// It waits so long and is then published there.
    By { seconds: u32, topic_name: &'a str },
    /// It says that it is to wait, but not how long and for what.
    Malformed,
}

impl<'a> Delay<'a> {
    /// What `$delayed/SECONDS/TOPIC` says.
    pub(crate) fn of(topic_name: &'a str) -> Self {
        let Some(rest) = topic_name.strip_prefix(DELAYED) else {
            return Self::None;
        };
        let parts = rest.split_once('/').and_then(|(seconds, topic_name)| {
            let is_number = seconds.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = is_number.then(|| seconds.parse().ok()).flatten()?;
            TopicName::try_new(topic_name).ok()?;
            Some((seconds, topic_name))
        });
        match parts {
            Some((seconds, topic_name)) if seconds <= DELAY_MAX_S => Self::By {
                seconds,
                topic_name,
            },
            _ => Self::Malformed,
        }
    }
}

/// A Topic Filter as the broker keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Subscribed<'a> {
    /// `$share/NAME/FILTER`, or a plain filter.
    pub(crate) topic_filter: Cow<'a, str>,
    /// Whether no other client may have it as its own at the same time.
    pub(crate) is_exclusive: bool,
}

impl<'a> Subscribed<'a> {
    /// What a client wrote: `$queue/FILTER` is the group of those who wrote that, `$exclusive/FILTER` is the plain one.
    pub(crate) fn of(written: &'a str) -> Self {
        if let Some(matched) = written.strip_prefix(QUEUE) {
            return Self {
                topic_filter: Cow::Owned(format!("$share/$queue/{matched}")),
                is_exclusive: false,
            };
        }
        let exclusive = written.strip_prefix(EXCLUSIVE);
        Self {
            topic_filter: Cow::Borrowed(exclusive.unwrap_or(written)),
            is_exclusive: exclusive.is_some(),
        }
    }

    /// What topics are matched with.
    pub(crate) fn matched(&self) -> &str {
        matched(&self.topic_filter)
    }

    /// Puts another filter in the place of the one that is matched with.
    pub(crate) fn replace(&mut self, matched_with: &str) {
        let before = self.matched().len();
        let prefix = self.topic_filter.len() - before;
        let mut replaced = self
            .topic_filter
            .get(..prefix)
            .unwrap_or_default()
            .to_owned();
        replaced.push_str(matched_with);
        self.topic_filter = Cow::Owned(replaced);
    }
}

/// The filter without `$share/NAME/`.
pub(crate) fn matched(topic_filter: &str) -> &str {
    topic_filter
        .strip_prefix("$share/")
        .and_then(|rest| rest.split_once('/'))
        .map_or(topic_filter, |(_, matched)| matched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_a_number_and_a_topic() {
        for (topic, expected) in [
            ("a/b", Delay::None),
            ("$delayedx/1/a", Delay::None),
            (
                "$delayed/15/a/b",
                Delay::By {
                    seconds: 15,
                    topic_name: "a/b",
                },
            ),
            (
                "$delayed/0//",
                Delay::By {
                    seconds: 0,
                    topic_name: "/",
                },
            ),
            (
                "$delayed/4294967/a",
                Delay::By {
                    seconds: 4_294_967,
                    topic_name: "a",
                },
            ),
            ("$delayed/4294968/a", Delay::Malformed),
            ("$delayed/15", Delay::Malformed),
            ("$delayed/15/", Delay::Malformed),
            ("$delayed/+1/a", Delay::Malformed),
            ("$delayed//a", Delay::Malformed),
            ("$delayed/99999999999/a", Delay::Malformed),
        ] {
            assert_eq!(Delay::of(topic), expected, "{topic}");
        }
    }

    #[test]
    fn filters_are_kept_without_what_is_ours() {
        for (written, kept, matched, is_exclusive) in [
            ("a/#", "a/#", "a/#", false),
            ("$share/g/a/#", "$share/g/a/#", "a/#", false),
            ("$queue/a/+", "$share/$queue/a/+", "a/+", false),
            ("$exclusive/a/b", "a/b", "a/b", true),
        ] {
            let subscribed = Subscribed::of(written);
            assert_eq!(subscribed.topic_filter, kept);
            assert_eq!(subscribed.matched(), matched);
            assert_eq!(subscribed.is_exclusive, is_exclusive);
        }
        let mut subscribed = Subscribed::of("$queue/a");
        subscribed.replace("b/c");
        assert_eq!(subscribed.topic_filter, "$share/$queue/b/c");
    }
}
