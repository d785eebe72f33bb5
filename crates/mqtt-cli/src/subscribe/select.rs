//! Which messages are printed.

use mqtt_client::Message;
use mqtt_codec::{TopicFilter, TopicName};

use crate::args::SubscribeArgs;

/// What the flags say of messages that come.
pub(super) struct Selection {
    without: Vec<String>,
    no_retained: bool,
    retained_only: bool,
    remove_retained: bool,
    /// Of a hundred.
    percent: f64,
}

impl Selection {
    pub(super) fn new(args: &SubscribeArgs) -> Self {
        Self {
            without: args.without.clone(),
            no_retained: args.no_retained,
            retained_only: args.retained_only,
            remove_retained: args.remove_retained,
            percent: args.random_filter.unwrap_or(100.0),
        }
    }

    /// Whether nothing more is wanted from this message on.
    pub(super) fn ends_with(&self, message: &Message) -> bool {
        self.retained_only && !message.retain()
    }

    /// Whether `-T` names its topic.
    pub(super) fn is_filtered_out(&self, message: &Message) -> bool {
        let Ok(topic_name) = TopicName::try_new(message.topic_name()) else {
            return false;
        };
        let mut filters = self.without.iter();
        filters.any(|filter| TopicFilter::try_new(filter).is_ok_and(|it| it.matches(topic_name)))
    }

    /// Whether the broker shall forget it; one without payload is no retained message any more.
    pub(super) fn removes(&self, message: &Message) -> bool {
        self.remove_retained && message.retain() && !message.payload().is_empty()
    }

    /// Whether it is old and `-R` is given.
    pub(super) fn is_hidden(&self, message: &Message) -> bool {
        self.no_retained && message.retain()
    }

    /// Whether chance lets it through.
    pub(super) fn is_drawn(&self) -> bool {
        self.percent >= 100.0 || fastrand::f64() * 100.0 < self.percent
    }
}
