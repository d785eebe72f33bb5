//! Which packets are shown.

use mqtt_codec::{PacketType, TopicError, TopicFilter, TopicName};
use mqtt_dissect::{Note, Spoken};

/// Which packets are shown; what is left empty lets all through.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    clients: Vec<ClientPattern>,
    packet_types: Vec<PacketType>,
    /// INVARIANT: Topic Filters.
    topic_filters: Vec<String>,
}

/// A Client Identifier, in which `*` stands for any characters or none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientPattern(String);

impl ClientPattern {
    /// The pattern that is written so.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether this Client Identifier is meant.
    #[must_use]
    pub fn matches(&self, client_id: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = client_id.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            let Some((_, behind)) = rest.split_once(part) else {
                return false;
            };
            rest = behind;
        }
        rest.ends_with(last)
    }
}

impl Filter {
    /// Shows only what is about topics that one of these Topic Filters matches: publications, their
    /// acknowledgements, and subscriptions to such topics.
    ///
    /// # Errors
    /// One is no Topic Filter.
    pub fn topics<F: Into<String>>(
        mut self,
        topic_filters: impl IntoIterator<Item = F>,
    ) -> Result<Self, TopicError> {
        for topic_filter in topic_filters {
            let topic_filter = topic_filter.into();
            TopicFilter::try_new(&topic_filter)?;
            self.topic_filters.push(topic_filter);
        }
        Ok(self)
    }

    /// Shows only connections whose Client Identifier is one of these; none stands for all.
    #[must_use]
    pub fn with_clients(mut self, clients: Vec<ClientPattern>) -> Self {
        self.clients = clients;
        self
    }

    /// Shows only packets of these types; none stands for all.
    #[must_use]
    pub fn with_types(mut self, packet_types: Vec<PacketType>) -> Self {
        self.packet_types = packet_types;
        self
    }

    pub(crate) const fn has_types(&self) -> bool {
        !self.packet_types.is_empty()
    }

    /// Whether topics were named.
    pub(crate) const fn has_topics(&self) -> bool {
        !self.topic_filters.is_empty()
    }

    pub(crate) fn takes_client(&self, client_id: Option<&str>) -> bool {
        let mut clients = self.clients.iter();
        self.clients.is_empty()
            || client_id.is_some_and(|client_id| clients.any(|client| client.matches(client_id)))
    }

    pub(crate) fn takes_type(&self, packet_type: Option<PacketType>) -> bool {
        self.packet_types.is_empty()
            || packet_type.is_some_and(|packet_type| self.packet_types.contains(&packet_type))
    }

    /// Whether a packet names a topic that is shown.
    pub(crate) fn takes_topics_of(&self, spoken: &Spoken) -> bool {
        let packet = &spoken.packet;
        let of_alias = spoken.notes.iter().filter_map(|note| match note {
            Note::Topic { topic_name } => Some(topic_name.as_str()),
            _ => None,
        });
        let names = ["topic name", "will topic"];
        let named = packet.fields.iter().filter_map(|field| {
            let field = names.iter().find_map(|name| field.find(name))?;
            packet.text(field)
        });
        let filters = packet.fields.iter().filter_map(|field| {
            let field = field.find("topic filter")?;
            packet.text(field)
        });
        named.into_iter().any(|topic_name| self.takes(&topic_name))
            || of_alias
                .into_iter()
                .any(|topic_name| self.takes(topic_name))
            || filters.into_iter().any(|filter| self.takes_filter(&filter))
    }

    fn takes(&self, topic_name: &str) -> bool {
        let Ok(topic_name) = TopicName::try_new(topic_name) else {
            return false;
        };
        let filters = self.topic_filters.iter();
        let mut filters = filters.filter_map(|filter| TopicFilter::try_new(filter).ok());
        filters.any(|filter| filter.matches(topic_name))
    }

    /// Whether a subscription is to such topics: to this very filter, or to a topic that it matches.
    fn takes_filter(&self, topic_filter: &str) -> bool {
        let is_same = |ours: &String| ours == topic_filter || self.takes(topic_filter);
        self.topic_filters.iter().any(is_same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_with_stars() {
        for (pattern, matched, other) in [
            ("a", &["a"][..], &["", "ab", "ba"][..]),
            ("a*", &["a", "abc"], &["", "ba"]),
            ("*a", &["a", "cba"], &["ab"]),
            ("a*b*c", &["abc", "a1b2c", "abbcc"], &["ac", "abd", "bac"]),
            ("*", &["", "a"], &[]),
            ("a*a", &["aa", "aba"], &["a"]),
        ] {
            let pattern = ClientPattern::new(pattern);
            for client_id in matched {
                assert!(pattern.matches(client_id), "{pattern:?} {client_id}");
            }
            for client_id in other {
                assert!(!pattern.matches(client_id), "{pattern:?} {client_id}");
            }
        }
    }

    #[test]
    fn a_topic_filter_that_is_none_is_refused() {
        assert!(Filter::default().topics(["a/#/b"]).is_err());
        assert!(Filter::default().topics(["a/#"]).is_ok());
    }
}
