//! What a PUBLISH becomes before it is published: rewriting rules, `$delayed`, hooks.

use crate::access::ClientInfo;
use crate::core::{Core, Gate, is_of_broker};
use crate::extensions::Delay;
use crate::hooks::{Changes, Interest, Publication, PublishVerdict};
use bytes::Bytes;
use mqtt_codec::{Properties, QoS, ReasonCode, TopicName};

/// What changes in a publication; what is none is as published.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    topic_name: Option<String>,
    payload: Option<Bytes>,
    qos: Option<QoS>,
    retain: Option<bool>,
    /// How long it waits, in seconds.
    delay_s: Option<u32>,
    fate: Fate,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Fate {
    #[default]
    Publish,
    /// Acknowledged, and goes nowhere.
    Discard,
    Refuse(ReasonCode),
}

/// A publication as it goes on.
#[derive(Clone, Copy)]
pub(super) struct Goes<'a> {
    pub(super) topic_name: TopicName<'a>,
    pub(super) payload: &'a [u8],
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// How long it waits before it is published, in seconds.
    pub(super) delay_s: Option<u32>,
    pub(super) fate: Fate,
}

impl Prepared {
    /// What `written` has become.
    pub(super) fn goes<'a>(&'a self, written: Goes<'a>) -> Goes<'a> {
        let other = self.topic_name.as_deref();
        let other = other.and_then(|other| TopicName::try_new(other).ok());
        Goes {
            topic_name: other.unwrap_or(written.topic_name),
            payload: self.payload.as_deref().unwrap_or(written.payload),
            qos: self.qos.unwrap_or(written.qos),
            retain: self.retain.unwrap_or(written.retain),
            delay_s: self.delay_s,
            fate: self.fate,
        }
    }

    fn refused(reason: ReasonCode) -> Box<Self> {
        Box::new(Self {
            fate: Fate::Refuse(reason),
            ..Self::default()
        })
    }
}

/// Whether [`prepare`] has anything to do for an ordinary topic.
pub(super) fn is_needed(core: &Core) -> bool {
    core.extensions.rewriter.has_publish_rules() || core.hub.wants(Interest::PUBLISH)
}

/// The topic that rights are about; an error for one nobody has any rights to.
///
/// `delays`: whether `$delayed/SECONDS/TOPIC` stands for a topic.
pub(crate) fn topic_of_rights(delays: bool, topic_name: &str) -> Result<&str, ReasonCode> {
    let topic_name = match Delay::of(topic_name) {
        _ if !delays => topic_name,
        Delay::None => topic_name,
        Delay::By { topic_name, .. } => topic_name,
        Delay::Malformed => return Err(ReasonCode::TOPIC_NAME_INVALID),
    };
    match is_of_broker(topic_name) {
        true => Err(ReasonCode::NOT_AUTHORIZED),
        false => Ok(topic_name),
    }
}

/// What becomes of `written`; none when a hook's verdict is pending.
#[cold]
pub(super) fn prepare(
    core: &Core,
    gate: &mut Gate,
    client: &ClientInfo,
    written: Goes<'_>,
    properties: Properties<'_>,
) -> Option<Box<Prepared>> {
    let invalid = || Some(Prepared::refused(ReasonCode::TOPIC_NAME_INVALID));
    let mut prepared = Box::new(Prepared::default());
    let topic_name = written.topic_name.as_str();
    match core.extensions.rewriter.publish(client, topic_name) {
        Ok(rewritten) => prepared.topic_name = rewritten,
        Err(_) => return invalid(),
    }
    if core.extensions.delayed.is_enabled() {
        let rewritten = prepared.topic_name.as_deref();
        match Delay::of(rewritten.unwrap_or(topic_name)) {
            Delay::None => {}
            Delay::By {
                seconds,
                topic_name,
            } => {
                prepared.delay_s = Some(seconds);
                prepared.topic_name = Some(topic_name.to_owned());
            }
            Delay::Malformed => return invalid(),
        }
    }
    if prepared.topic_name.as_deref().is_some_and(is_of_broker) {
        return Some(Prepared::refused(ReasonCode::NOT_AUTHORIZED));
    }
    for hook in core.hub.of(Interest::PUBLISH) {
        let goes = prepared.goes(written);
        let publication = Publication {
            client: Some(client),
            topic_name: goes.topic_name.as_str(),
            payload: goes.payload,
            qos: goes.qos,
            retain: goes.retain,
            properties,
        };
        match gate.verdict(|| hook.publish(&publication))? {
            PublishVerdict::Pass => {}
            PublishVerdict::Change(changes) => {
                if !prepared.take(*changes) {
                    return invalid();
                }
            }
            PublishVerdict::Discard => {
                prepared.fate = Fate::Discard;
                return Some(prepared);
            }
            PublishVerdict::Refuse(reason) => return Some(Prepared::refused(sayable(reason))),
        }
    }
    let topic_name = prepared.topic_name.as_deref();
    match topic_name.map(TopicName::try_new) {
        Some(Err(_)) => return invalid(),
        Some(Ok(topic_name)) if core.limits.of_topic(topic_name.as_str()).is_some() => {
            return invalid();
        }
        _ => {}
    }
    Some(prepared)
}

/// A Reason Code that PUBACK and PUBREC have.
fn sayable(reason: ReasonCode) -> ReasonCode {
    use mqtt_codec::PacketType::PubAck;
    match reason.is_error() && reason.allowed_in(PubAck) {
        true => reason,
        false => ReasonCode::NOT_AUTHORIZED,
    }
}

impl Prepared {
    /// `false`: the other Topic Name is none.
    fn take(&mut self, changes: Changes) -> bool {
        if let Some(topic_name) = changes.topic_name {
            if TopicName::try_new(&topic_name).is_err() {
                return false;
            }
            self.topic_name = Some(topic_name);
        }
        if changes.payload.is_some() {
            self.payload = changes.payload;
        }
        self.qos = changes.qos.or(self.qos);
        self.retain = changes.retain.or(self.retain);
        true
    }
}
