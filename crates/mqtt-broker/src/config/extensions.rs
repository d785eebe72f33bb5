//! What goes beyond the standards: `sys_topics`, `delayed`, `rewrite`, `auto_subscribe`.

use mqtt_codec::{TopicFilter, TopicName};
use regex::Regex;

use super::{
    ByteSize, ConfigError, Duration,
    kind::{Choice, Flag, Kind, Number, OrWord, Size, Text, Time},
    reader::Section,
    settings::settings,
};

/// Intervals of things the broker publishes by itself.
const INTERVAL: Time = Time(Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60));

settings! {
    /// `sys_topics.*`: what the broker publishes about itself below `$SYS`.
    pub struct SysTopics {
        /// how often `$SYS/broker/...` and `$SYS/brokers` are published to those who subscribed to them
        sys_msg_interval: Option<Duration> = Some(Duration::from_secs(60)), OrWord("disabled", INTERVAL);
        /// how often `$SYS/brokers/NODE/uptime` and `.../datetime` are published
        sys_heartbeat_interval: Option<Duration> = Some(Duration::from_secs(30)),
            OrWord("disabled", INTERVAL);
        /// whether `$SYS/brokers/NODE/clients/CLIENTID/connected` is published
        client_connected as "sys_event_messages.client_connected": bool = true, Flag;
        /// whether `$SYS/brokers/NODE/clients/CLIENTID/disconnected` is published
        client_disconnected as "sys_event_messages.client_disconnected": bool = true, Flag;
    }
}

settings! {
    /// `delayed.*`: messages published to `$delayed/SECONDS/TOPIC`.
    pub struct Delayed {
        /// whether a message to `$delayed/SECONDS/TOPIC` is published to `TOPIC` so many seconds later
        enable: bool = true, Flag;
        /// delayed messages at a time
        max_delayed_messages: usize = 100_000, Number(1..=1_000_000_000);
        /// bytes of delayed messages, topics and payloads
        max_delayed_bytes: ByteSize = ByteSize::from_mb(256),
            Size(ByteSize::from_kb(1)..=ByteSize::from_mb(1024 * 1024));
    }
}

/// The longest delay of `$delayed/SECONDS/TOPIC`, in seconds; the same as EMQX's.
pub const DELAY_MAX_S: u32 = 4_294_967;

/// Where a [`Rewrite`] applies.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RewriteAction {
    /// To PUBLISH.
    Publish,
    /// To SUBSCRIBE and UNSUBSCRIBE.
    Subscribe,
    /// To all three.
    #[default]
    All,
}

/// `rewrite[]`: one rule that gives topics other names.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// Where the rule applies.
    pub action: RewriteAction,
    /// The topics it is for.
    pub source_topic: String,
    /// What a topic must look like to get another name.
    pub re: Regex,
    /// The other name; `$1` is what the first group of `re` found.
    pub dest_topic: String,
}

impl PartialEq for Rewrite {
    fn eq(&self, other: &Self) -> bool {
        (self.action, self.re.as_str()) == (other.action, other.re.as_str())
            && self.source_topic == other.source_topic
            && self.dest_topic == other.dest_topic
    }
}

impl Eq for Rewrite {}

impl Rewrite {
    /// `None` while only the keys are asked for.
    pub(super) fn read(section: &Section<'_>) -> Result<Option<Self>, ConfigError> {
        let actions = Choice(&[
            ("publish", RewriteAction::Publish),
            ("subscribe", RewriteAction::Subscribe),
            ("all", RewriteAction::All),
        ]);
        let mut action = RewriteAction::default();
        section.set(
            "action",
            "which packets the rule is for: PUBLISH, SUBSCRIBE and UNSUBSCRIBE, or all three",
            &mut action,
            &actions,
        )?;
        let source_topic = section.need(
            "source_topic",
            "the topics the rule is for; the first rule in the file whose filter matches decides",
            &Filter,
        )?;
        let re = section.need(
            "re",
            "what a topic must look like to be rewritten",
            &Expression,
        )?;
        let dest_topic = section.need(
            "dest_topic",
            "the topic it becomes; `$1` is what the first group of `re` found, `${clientid}` and `${username}` are the client's",
            &Text,
        )?;
        let (Some(source_topic), Some(re), Some(dest_topic)) = (source_topic, re, dest_topic)
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            action,
            source_topic,
            re,
            dest_topic,
        }))
    }
}

settings! {
    /// How an [`AutoSubscription`] subscribes.
    pub struct AutoOptions {
        /// QoS of the subscription
        qos: u8 = 0, Number(0..=2);
        /// Retain Handling: retained messages are sent always (0), if the subscription is new (1), never (2)
        rh: u8 = 0, Number(0..=2);
        /// Retain As Published
        rap: u8 = 0, Number(0..=1);
        /// No Local
        nl: u8 = 0, Number(0..=1);
    }
}

/// `auto_subscribe.topics[]`: a subscription every client gets when it connects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AutoSubscription {
    /// The Topic Filter, with placeholders.
    pub topic: String,
    /// How it is subscribed to.
    pub options: AutoOptions,
}

impl AutoSubscription {
    /// `None` while only the keys are asked for.
    pub(super) fn read(section: &Section<'_>) -> Result<Option<Self>, ConfigError> {
        let topic = section.need(
            "topic",
            "a Topic Filter every client is subscribed to when it connects, with `${clientid}`, `${username}`, `${host}` and `${port}` of the client",
            &Filter,
        )?;
        let mut options = AutoOptions::default();
        options.read(section)?;
        Ok(topic.map(|topic| Self { topic, options }))
    }
}

/// A Topic Filter, which may be one with placeholders.
struct Filter;

impl Kind<String> for Filter {
    fn read(&self, value: &toml::de::DeValue<'_>) -> Option<String> {
        let text = value.as_str()?;
        TopicFilter::try_new(text).ok()?;
        Some(text.to_owned())
    }

    fn allowed(&self) -> String {
        "a Topic Filter".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        "a Topic Filter".to_owned()
    }

    fn show(&self, value: &String) -> String {
        Text.show(value)
    }
}

/// A regular expression.
struct Expression;

impl Kind<Regex> for Expression {
    fn read(&self, value: &toml::de::DeValue<'_>) -> Option<Regex> {
        Regex::new(value.as_str()?).ok()
    }

    fn allowed(&self) -> String {
        "a regular expression".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        "a regular expression".to_owned()
    }

    fn show(&self, value: &Regex) -> String {
        Text.show(&value.as_str().to_owned())
    }
}

/// A text that a listener's or broker's name can be: a level of a topic.
pub(super) struct NodeName;

impl Kind<String> for NodeName {
    fn read(&self, value: &toml::de::DeValue<'_>) -> Option<String> {
        let text = value.as_str()?;
        let is_level = TopicName::try_new(text).is_ok() && !text.contains('/');
        is_level.then(|| text.to_owned())
    }

    fn allowed(&self) -> String {
        "a name without `/`, `+` and `#`".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        "one topic level".to_owned()
    }

    fn show(&self, value: &String) -> String {
        Text.show(value)
    }
}
