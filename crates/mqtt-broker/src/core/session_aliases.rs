//! Topic Aliases towards one client: which form of a message it gets.

use super::batch::Batch;
use super::limits::Limits;
use super::message::Source;
use super::session_cell::SessionState;
use super::subscription::Via;
use super::wire::{Form, Wanted};
use mqtt_codec::QoS;
use mqtt_session::{AliasTopic, OutboundAliases, TopicForm};

impl SessionState {
    /// A connection begins or ends: Topic Aliases last no longer; v5 [MQTT-3.3.2-7].
    pub(crate) fn begin_aliases(&mut self, limits: &Limits) {
        let maximum = self.negotiated.peer_topic_alias_maximum;
        let aliases = OutboundAliases::new(limits.outbound_aliases_max, maximum);
        let is_used = self.connected && aliases.maximum() > 0;
        self.aliases = is_used.then(|| Box::new(aliases));
    }

    /// How to name the topic of the next packet; v5 [MQTT-3.1.2-26], [MQTT-3.1.2-27].
    pub(super) fn plan_topic(&self, limits: &Limits, topic: AliasTopic<'_>) -> TopicForm {
        let form = match &self.aliases {
            None => TopicForm::Name,
            Some(aliases) => aliases.plan(topic),
        };
        match form {
            // A packet that sets an alias cannot be dropped, so it must not be one of those a slow reader piles up.
            TopicForm::NameAndAlias(_) if self.outbox.len() > limits.outbox_bytes_max / 2 => {
                TopicForm::Name
            }
            form => form,
        }
    }

    /// If the outbox has grown since it was `len_before`, a packet named its topic as `form` says.
    pub(crate) fn note_sent(&mut self, len_before: usize, source: &Source<'_>, form: TopicForm) {
        if self.aliases.is_some() && self.outbox.len() > len_before {
            self.note_topic(AliasTopic::new(source.topic_name.as_str()), form);
        }
    }

    /// A packet named its topic as `form` says.
    pub(super) fn note_topic(&mut self, topic: AliasTopic<'_>, form: TopicForm) {
        if let Some(aliases) = &mut self.aliases {
            aliases.sent(topic, form);
        }
    }

    /// The form of a message for this client: `form`, unless it takes aliases.
    pub(crate) fn named(
        &self,
        batch: &mut Batch,
        limits: &Limits,
        form: Form,
        source: &Source<'_>,
        qos: QoS,
        via: &Via,
    ) -> (Form, TopicForm) {
        match self.aliases {
            None => (form, TopicForm::Name),
            Some(_) => self.aliased(batch, limits, form, source, qos, via),
        }
    }

    #[inline(never)]
    fn aliased(
        &self,
        batch: &mut Batch,
        limits: &Limits,
        form: Form,
        source: &Source<'_>,
        qos: QoS,
        via: &Via,
    ) -> (Form, TopicForm) {
        let topic = self.plan_topic(limits, AliasTopic::new(source.topic_name.as_str()));
        if topic == TopicForm::Name {
            return (form, topic);
        }
        let (version, with_packet_id) = (self.negotiated.version, qos != QoS::AtMostOnce);
        let subscription_ids = via.subscription_ids();
        let made = match subscription_ids.is_empty() {
            true => batch
                .forms
                .shared_aliased(source, version, with_packet_id, topic),
            false => {
                let wanted = Wanted {
                    version,
                    with_packet_id,
                    topic,
                    subscription_ids,
                };
                batch.forms.own(source, wanted)
            }
        };
        match made {
            Ok(aliased) if !self.is_too_large(aliased.packet_len()) => (aliased, topic),
            _ => (form, TopicForm::Name),
        }
    }
}
