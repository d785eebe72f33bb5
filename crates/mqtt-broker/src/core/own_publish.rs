//! Messages that no client's PUBLISH brings: Will Messages, the embedding program's, the broker's own.

use super::cause::DropCause;
use super::log::LogPosition;
use super::message::Source;
use super::{Batch, Core, Incoming};
use crate::hooks::{Interest, Publication, PublishAnswer, PublishVerdict};
use bytes::Bytes;
use mqtt_codec::{ReasonCode, TopicName};

impl Core {
    /// Publishes after asking hooks: when what must survive is durable, and to how many it went.
    ///
    /// Nobody could wait for a hook whose answer comes late, so such a one counts as a refusal.
    pub(crate) fn publish_own(
        &self,
        batch: &mut Batch,
        now_ms: u64,
        incoming: &Incoming<'_>,
    ) -> Result<(LogPosition, usize), ReasonCode> {
        if !self.hub.wants(Interest::PUBLISH) {
            return self.publish_as_is(batch, now_ms, incoming);
        }
        let written = incoming.source;
        let (mut topic_name, mut payload) = (None::<String>, None::<Bytes>);
        let (mut qos, mut retain) = (incoming.qos, incoming.retain);
        for hook in self.hub.of(Interest::PUBLISH) {
            let publication = Publication {
                client: None,
                topic_name: topic_name.as_deref().unwrap_or(written.topic_name.as_str()),
                payload: payload.as_deref().unwrap_or(written.payload),
                qos,
                retain,
                properties: written.properties,
            };
            let verdict = match hook.publish(&publication) {
                PublishAnswer::Ready(verdict) => verdict,
                PublishAnswer::Pending(_) => PublishVerdict::Refuse(ReasonCode::NOT_AUTHORIZED),
            };
            match verdict {
                PublishVerdict::Pass => {}
                PublishVerdict::Change(changes) => {
                    topic_name = changes.topic_name.or(topic_name);
                    payload = changes.payload.or(payload);
                    qos = changes.qos.unwrap_or(qos);
                    retain = changes.retain.unwrap_or(retain);
                }
                PublishVerdict::Discard => {
                    drop_own(batch, &written);
                    return Ok((LogPosition::NONE, 0));
                }
                PublishVerdict::Refuse(reason) => {
                    drop_own(batch, &written);
                    return Err(reason);
                }
            }
        }
        let changed = topic_name.as_deref().map(TopicName::try_new).transpose();
        let changed = changed.map_err(|_| ReasonCode::TOPIC_NAME_INVALID)?;
        let source = Source {
            topic_name: changed.unwrap_or(written.topic_name),
            payload: payload.as_deref().unwrap_or(written.payload),
            ..written
        };
        let incoming = Incoming {
            source,
            qos,
            retain,
            ..*incoming
        };
        self.publish_as_is(batch, now_ms, &incoming)
    }

    /// Publishes what nobody has to be asked about.
    pub(crate) fn publish_as_is(
        &self,
        batch: &mut Batch,
        now_ms: u64,
        incoming: &Incoming<'_>,
    ) -> Result<(LogPosition, usize), ReasonCode> {
        let routes = self.router.routes(incoming.source.topic_name.as_str());
        let accepted = self.publish(batch, now_ms, incoming, &routes)?;
        Ok((accepted.position, accepted.subscribers))
    }
}

fn drop_own(batch: &mut Batch, written: &Source<'_>) {
    batch.counts.dropped(DropCause::Hook, 1);
    batch.counts.name_drops(None, written.topic_name.as_str());
}
