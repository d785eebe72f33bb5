//! What differs per receiver in a PUBLISH that goes to many, and how it gets into the packet.

use crate::output::append_measured;
use crate::{Negotiated, NotSentReason, Output, SendRefusal, TopicForm};
use mqtt_codec::{
    Delivery, EncodeError, Properties, Property, PropertyId, PropertyList, PropertySet, Publish,
    SubscriptionIdentifier, patch_packet_id, set_publish_flags,
};

/// What one receiver's copy of a PUBLISH says that others do not.
///
/// A broker encodes a message once per wire form. Where [`Stamp::is_patch`], a copy of those bytes becomes this
/// receiver's packet by [`Stamp::patch`]; else its head is encoded anew from what [`Stamp::show`] shows.
/// Spec: v5 §3.3.1, §2.2.1, §3.3.2.3.3, §3.3.2.3.4.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// Whether it is sent again; v5 [MQTT-3.3.1-1], never because the publisher's copy was.
    pub dup: bool,
    /// QoS and Packet Identifier.
    pub delivery: Delivery,
    /// Topic Name, Topic Alias or both.
    pub topic: TopicForm,
    /// The Message Expiry Interval left, where it is not what the message says; in seconds.
    pub expiry_left_s: Option<u32>,
}

impl Stamp {
    /// Of a packet that is sent for the first time, under its Topic Name.
    pub const fn first(delivery: Delivery) -> Self {
        Self {
            dup: false,
            delivery,
            topic: TopicForm::Name,
            expiry_left_s: None,
        }
    }

    /// Whether the bytes encoded for all receivers need no more than [`Stamp::patch`].
    pub const fn is_patch(&self) -> bool {
        matches!(self.topic, TopicForm::Name) && self.expiry_left_s.is_none()
    }

    /// Writes flags and Packet Identifier into the copy of a packet encoded for all.
    ///
    /// `packet_id_at` is where [`Publish::encode_head`] put the identifier; a packet for QoS 0 has none.
    pub fn patch(&self, packet: &mut [u8], retain: bool, packet_id_at: Option<usize>) {
        set_publish_flags(packet, self.dup, self.delivery.qos(), retain);
        if let (Some(packet_id_at), Some(packet_id)) = (packet_id_at, self.delivery.packet_id()) {
            patch_packet_id(packet, packet_id_at, packet_id);
        }
    }

    /// Shows `publish` as this receiver gets it, with the identifiers of its own subscriptions added.
    ///
    /// A Topic Alias or Will Delay Interval that `publish` was received with is left out.
    pub fn show<T>(
        &self,
        publish: &Publish<'_>,
        subscription_ids: &[SubscriptionIdentifier],
        use_publish: impl FnOnce(&Publish<'_>) -> T,
    ) -> T {
        let without = PropertySet::of(&[PropertyId::TopicAlias, PropertyId::WillDelayInterval]);
        let is_as_received = || {
            subscription_ids.is_empty()
                && publish.properties.ids().difference(without) == publish.properties.ids()
        };
        if self.is_patch() && is_as_received() {
            return use_publish(&Publish {
                dup: self.dup,
                delivery: self.delivery,
                ..*publish
            });
        }
        let alias = self.topic.topic_alias().map(Property::TopicAlias);
        let expiry = self.expiry_left_s.map(Property::MessageExpiryInterval);
        let both;
        let one;
        let set: &[Property<'_>] = match (alias, expiry) {
            (None, None) => &[],
            (Some(property), None) | (None, Some(property)) => {
                one = [property];
                &one
            }
            (Some(alias), Some(expiry)) => {
                both = [alias, expiry];
                &both
            }
        };
        let list = PropertyList {
            base: publish.properties,
            without,
            set,
            subscription_ids,
        };
        let publish = Publish {
            dup: self.dup,
            delivery: self.delivery,
            topic_name: publish.topic_name.filter(|_| self.topic.has_name()),
            properties: Properties::from(&list),
            ..*publish
        };
        use_publish(&publish)
    }
}

/// Encodes `publish` to the end of `out`, if the peer takes a packet of its length; `out` stays as it was on an error.
///
/// Spec: v5 [MQTT-3.1.2-24], [MQTT-3.2.2-15].
pub(crate) fn append_publish_within(
    publish: &Publish<'_>,
    negotiated: &Negotiated,
    out: &mut impl Output,
) -> Result<(), SendRefusal> {
    let head = publish.measure_head(negotiated.version, publish.payload.len())?;
    check_len(head.packet_len(), negotiated)?;
    append_measured(&head, publish.payload, out)?;
    Ok(())
}

/// Whether what was refused can be sent once `out` has been: an empty one has no more room to give.
pub(crate) fn later_or_never(refusal: SendRefusal, out: &impl Output) -> NotSentReason {
    match refusal {
        SendRefusal::Encode(EncodeError::BufferTooSmall { .. }) if !out.is_empty() => {
            NotSentReason::Later
        }
        refusal => NotSentReason::Never(refusal),
    }
}

/// Compares the length of a whole packet with the peer's Maximum Packet Size.
pub(crate) fn check_len(len: usize, negotiated: &Negotiated) -> Result<(), SendRefusal> {
    let len_max = negotiated.peer_packet_len_max;
    match u32::try_from(len) {
        Ok(short) if short <= len_max => Ok(()),
        _ => Err(SendRefusal::PacketTooLarge { len, len_max }),
    }
}
