//! Encoding PUBLISH for subscribers: once per wire form, whatever the number of receivers.

use super::message::Source;
use bytes::Bytes;
use mqtt_codec::{
    Delivery, EncodeError, PacketId, Properties, Property, PropertyId, PropertyList, PropertySet,
    ProtocolVersion, Publish, QoS, SubscriptionIdentifier,
};
use mqtt_io::WriteQueue;

/// Payloads from this size on are shared between receivers instead of copied; in bytes.
pub(crate) const SHARE_FROM: usize = 8 * 1024;

/// One encoded PUBLISH with QoS, DUP, RETAIN and Packet Identifier still to be filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    start: usize,
    end: usize,
    packet_id_at: Option<usize>,
    /// Length of the whole packet, a shared payload included.
    packet_len: usize,
}

impl Form {
    /// Length of the whole packet, in bytes.
    pub(crate) const fn packet_len(self) -> usize {
        self.packet_len
    }
}

/// The wire forms of one message, made when first needed: with and without properties, with and without identifier.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    bytes: Vec<u8>,
    forms: [Option<Form>; 4],
}

impl Forms {
    /// A new message: earlier forms are forgotten, the memory is kept.
    pub(crate) fn begin(&mut self) {
        self.bytes.clear();
        self.forms = [None; 4];
    }

    /// The form for a receiver of `version` at QoS 0 or above.
    pub(crate) fn shared(
        &mut self,
        source: &Source<'_>,
        version: ProtocolVersion,
        with_packet_id: bool,
    ) -> Result<Form, EncodeError> {
        let at = usize::from(version.has_properties()) * 2 + usize::from(with_packet_id);
        if let Some(Some(form)) = self.forms.get(at) {
            return Ok(*form);
        }
        let form = encode(&mut self.bytes, source, version, with_packet_id, &[])?;
        if let Some(slot) = self.forms.get_mut(at) {
            *slot = Some(form);
        }
        Ok(form)
    }

    /// A form for one receiver only, with its Subscription Identifiers.
    pub(crate) fn own(
        &mut self,
        source: &Source<'_>,
        version: ProtocolVersion,
        with_packet_id: bool,
        subscription_ids: &[SubscriptionIdentifier],
    ) -> Result<Form, EncodeError> {
        encode(
            &mut self.bytes,
            source,
            version,
            with_packet_id,
            subscription_ids,
        )
    }

    fn bytes(&self, form: Form) -> &[u8] {
        self.bytes.get(form.start..form.end).unwrap_or_default()
    }
}

/// What differs per receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    pub(crate) packet_id: Option<PacketId>,
}

fn encode(
    bytes: &mut Vec<u8>,
    source: &Source<'_>,
    version: ProtocolVersion,
    with_packet_id: bool,
    subscription_ids: &[SubscriptionIdentifier],
) -> Result<Form, EncodeError> {
    let expiry;
    let set: &[Property<'_>] = match source.expiry_left_s {
        Some(left_s) => {
            expiry = [Property::MessageExpiryInterval(left_s)];
            &expiry
        }
        None => &[],
    };
    let list = PropertyList {
        base: source.properties,
        without: PropertySet::of(&[
            PropertyId::TopicAlias,
            PropertyId::SubscriptionIdentifier,
            PropertyId::WillDelayInterval,
        ]),
        set,
        subscription_ids,
    };
    let properties =
        match source.properties.is_empty() && set.is_empty() && subscription_ids.is_empty() {
            true => Properties::EMPTY,
            false => Properties::from(&list),
        };
    let publish = Publish {
        dup: false,
        retain: false,
        delivery: match with_packet_id {
            true => Delivery::AtLeastOnce(PacketId::MIN),
            false => Delivery::AtMostOnce,
        },
        topic_name: Some(source.topic_name),
        properties,
        payload: &[],
    };
    let start = bytes.len();
    let head_len = publish.head_len(version, source.payload.len())?;
    bytes.resize(start + head_len, 0);
    let head = bytes.get_mut(start..).unwrap_or_default();
    let head = publish.encode_head(version, source.payload.len(), head)?;
    if source.payload.len() < SHARE_FROM {
        bytes.extend_from_slice(source.payload);
    }
    Ok(Form {
        start,
        end: bytes.len(),
        packet_id_at: head.packet_id_at,
        packet_len: head_len + source.payload.len(),
    })
}

/// Encoded packets waiting for one connection to write them.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// Payloads that go between `bytes`, each at an offset.
    shared: Vec<(usize, Bytes)>,
    shared_len: usize,
}

/// An end of an [`Outbox`] to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    bytes: usize,
    shared: usize,
}

impl Outbox {
    /// Bytes waiting.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.shared_len
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends `form` as `stamp` says; `payload` is there when it is shared.
    pub(crate) fn push(
        &mut self,
        forms: &Forms,
        form: Form,
        stamp: Stamp,
        payload: Option<&Bytes>,
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(forms.bytes(form));
        self.stamp(start, form.packet_id_at, stamp);
        self.share(payload);
    }

    /// Encodes and appends a message for this receiver alone.
    pub(crate) fn encode(
        &mut self,
        source: &Source<'_>,
        version: ProtocolVersion,
        subscription_ids: &[SubscriptionIdentifier],
        stamp: Stamp,
        payload: Option<&Bytes>,
    ) -> Result<(), EncodeError> {
        let start = self.bytes.len();
        let with_packet_id = stamp.packet_id.is_some();
        match encode(
            &mut self.bytes,
            source,
            version,
            with_packet_id,
            subscription_ids,
        ) {
            Ok(form) => {
                self.stamp(start, form.packet_id_at, stamp);
                self.share(payload);
                Ok(())
            }
            Err(error) => {
                self.bytes.truncate(start);
                Err(error)
            }
        }
    }

    /// The encoded bytes, to append other packets to.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Takes back what was appended since the outbox held `mark`.
    pub(crate) fn roll_back(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        while self.shared.len() > mark.shared {
            if let Some((_, payload)) = self.shared.pop() {
                self.shared_len -= payload.len();
            }
        }
    }

    /// Where the outbox ends now.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            bytes: self.bytes.len(),
            shared: self.shared.len(),
        }
    }

    /// Gives it a buffer if it has none: a session for which nothing waits holds no memory.
    pub(crate) fn lend(&mut self, spare: impl FnOnce() -> Vec<u8>) {
        if self.bytes.capacity() == 0 {
            self.bytes = spare();
        }
    }

    /// Hands everything to `queue`, the buffer with it.
    pub(crate) fn take_into(&mut self, queue: &mut WriteQueue) {
        if self.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        if self.shared.is_empty() {
            queue.push(bytes);
            return;
        }
        let bytes = Bytes::from(bytes);
        let mut from = 0;
        for (at, payload) in std::mem::take(&mut self.shared) {
            queue.push_shared(bytes.slice(from..at));
            queue.push_shared(payload);
            from = at;
        }
        queue.push_shared(bytes.slice(from..));
        self.shared_len = 0;
    }

    /// Forgets everything and gives the memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn stamp(&mut self, start: usize, packet_id_at: Option<usize>, stamp: Stamp) {
        let Some(packet) = self.bytes.get_mut(start..) else {
            return;
        };
        mqtt_codec::set_publish_flags(packet, stamp.dup, stamp.qos, stamp.retain);
        if let (Some(packet_id_at), Some(packet_id)) = (packet_id_at, stamp.packet_id) {
            mqtt_codec::patch_packet_id(packet, packet_id_at, packet_id);
        }
    }

    fn share(&mut self, payload: Option<&Bytes>) {
        if let Some(payload) = payload {
            self.shared_len += payload.len();
            self.shared.push((self.bytes.len(), payload.clone()));
        }
    }
}
