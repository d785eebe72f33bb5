//! Encoding PUBLISH for subscribers: once per wire form, whatever the number of receivers.
// Size: the forms a message is written in share their parts and are read side by side.

use super::message::Source;
use super::seldom_vec::SeldomVec;
use bytes::Bytes;
use mqtt_codec::{
    Delivery, EncodeError, Frame, PacketId, Properties, Property, PropertyId, PropertyList,
    PropertySet, ProtocolVersion, Publish, QoS, SubscriptionIdentifier,
};
use mqtt_io::WriteQueue;
use mqtt_session::TopicForm;

#[cfg(test)]
mod tests;

/// Payloads from this size on are shared between receivers instead of copied; in bytes.
pub(crate) const SHARE_FROM: usize = 8 * 1024;

/// One encoded PUBLISH with QoS, DUP, RETAIN and Packet Identifier still to be filled in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Form {
    start: usize,
    end: usize,
    packet_id_at: Option<usize>,
    /// Where the Topic Alias is, if it is still to be filled in.
    alias_at: Option<usize>,
    /// Length of the whole packet, a shared payload included.
    packet_len: usize,
    /// It is the packet as it came in, and nowhere else.
    is_received: bool,
}

impl Form {
    /// Length of the whole packet, in bytes.
    pub(crate) const fn packet_len(self) -> usize {
        self.packet_len
    }
}

/// A PUBLISH as it came in, for subscribers to whom nothing in it is different.
///
/// What the encoder would write for them is the same bytes: lengths come in their shortest form only, and
/// nothing that is for the broker alone is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsReceived<'a> {
    frame: Frame<'a>,
    has_properties: bool,
    packet_id_at: Option<usize>,
}

impl<'a> AsReceived<'a> {
    /// The packet `publish` was read from; none when every subscriber gets something else.
    #[inline(always)]
    pub(crate) fn of(
        frame: Frame<'a>,
        publish: &Publish<'_>,
        version: ProtocolVersion,
    ) -> Option<Self> {
        let is_passed_on = publish.payload.len() < SHARE_FROM
            && publish.topic_name.is_some()
            && !publish.properties.has(PropertyId::TopicAlias);
        let packet_id_at = match publish.delivery {
            Delivery::AtMostOnce => None,
            _ => {
                let topic_len = publish.topic_name.map_or(0, |name| name.as_str().len());
                Some(frame.len - frame.body.len() + 2 + topic_len)
            }
        };
        is_passed_on.then_some(Self {
            frame,
            has_properties: version.has_properties(),
            packet_id_at,
        })
    }

    /// Whether it is the form for a receiver of `version`, at QoS 0 or above.
    #[inline(always)]
    fn is_for(&self, version: ProtocolVersion, with_packet_id: bool) -> bool {
        self.has_properties == version.has_properties()
            && self.packet_id_at.is_some() == with_packet_id
    }

    #[inline(always)]
    fn form(&self) -> Form {
        Form {
            start: 0,
            end: 0,
            packet_id_at: self.packet_id_at,
            alias_at: None,
            packet_len: self.frame.len,
            is_received: true,
        }
    }
}

/// The wire forms of one message, made when first needed: with and without properties, with and without identifier,
/// and for those who take Topic Aliases with an alias and with the Topic Name or without.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    bytes: Vec<u8>,
    forms: [Form; 4],
    aliased: [Form; 4],
    /// Which of `forms` there are, and from [`ALIASED`] on which of `aliased`: one bit for each.
    made: u8,
}

/// The bit of the first aliased form.
const ALIASED: u8 = 1 << 4;

impl Forms {
    /// A new message: earlier forms are forgotten, the memory is kept.
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        self.bytes.clear();
        self.made = 0;
    }

    /// The form for a receiver of `version` at QoS 0 or above.
    #[inline(always)]
    pub(crate) fn shared(
        &mut self,
        source: &Source<'_>,
        as_received: Option<&AsReceived<'_>>,
        version: ProtocolVersion,
        with_packet_id: bool,
    ) -> Result<Form, EncodeError> {
        if let Some(received) = as_received
            && received.is_for(version, with_packet_id)
        {
            return Ok(received.form());
        }
        let at = usize::from(version.has_properties()) * 2 + usize::from(with_packet_id);
        let bit = 1 << at;
        if self.made & bit != 0
            && let Some(form) = self.forms.get(at)
        {
            return Ok(*form);
        }
        let wanted = Wanted {
            version,
            with_packet_id,
            topic: TopicForm::Name,
            subscription_ids: &[],
        };
        let form = encode(&mut self.bytes, source, wanted)?;
        if let Some(slot) = self.forms.get_mut(at) {
            *slot = form;
            self.made |= bit;
        }
        Ok(form)
    }

    /// The form for receivers that take Topic Aliases, each with an alias of its own.
    pub(crate) fn shared_aliased(
        &mut self,
        source: &Source<'_>,
        version: ProtocolVersion,
        with_packet_id: bool,
        topic: TopicForm,
    ) -> Result<Form, EncodeError> {
        let at = usize::from(topic.has_name()) * 2 + usize::from(with_packet_id);
        let bit = ALIASED << at;
        if self.made & bit != 0
            && let Some(form) = self.aliased.get(at)
        {
            return Ok(*form);
        }
        let wanted = Wanted {
            version,
            with_packet_id,
            topic,
            subscription_ids: &[],
        };
        let form = encode(&mut self.bytes, source, wanted)?;
        if let Some(slot) = self.aliased.get_mut(at) {
            *slot = form;
            self.made |= bit;
        }
        Ok(form)
    }

    /// A form for one receiver only, with its Subscription Identifiers.
    pub(crate) fn own(
        &mut self,
        source: &Source<'_>,
        wanted: Wanted<'_>,
    ) -> Result<Form, EncodeError> {
        encode(&mut self.bytes, source, wanted)
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
    pub(crate) topic: TopicForm,
}

/// What a form is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) version: ProtocolVersion,
    pub(crate) with_packet_id: bool,
    pub(crate) topic: TopicForm,
    pub(crate) subscription_ids: &'a [SubscriptionIdentifier],
}

#[inline(never)]
fn encode(
    bytes: &mut Vec<u8>,
    source: &Source<'_>,
    wanted: Wanted<'_>,
) -> Result<Form, EncodeError> {
    // Nearly every message takes the first way, so that one is kept short.
    match (wanted.topic, source.expiry_left_s) {
        (TopicForm::Name, None) => encode_with(bytes, source, wanted, &[]),
        _ => encode_rare(bytes, source, wanted),
    }
}

/// A message that expires, or whose topic has an alias.
#[inline(never)]
fn encode_rare(
    bytes: &mut Vec<u8>,
    source: &Source<'_>,
    wanted: Wanted<'_>,
) -> Result<Form, EncodeError> {
    let expiry = source.expiry_left_s.map(Property::MessageExpiryInterval);
    let alias = wanted.topic.topic_alias().map(Property::TopicAlias);
    match (expiry, alias) {
        (None, None) => encode_with(bytes, source, wanted, &[]),
        (Some(one), None) | (None, Some(one)) => encode_with(bytes, source, wanted, &[one]),
        // The alias last, where it is found again.
        (Some(expiry), Some(alias)) => encode_with(bytes, source, wanted, &[expiry, alias]),
    }
}

#[inline(always)]
fn encode_with(
    bytes: &mut Vec<u8>,
    source: &Source<'_>,
    wanted: Wanted<'_>,
    set: &[Property<'_>],
) -> Result<Form, EncodeError> {
    let Wanted {
        version,
        with_packet_id,
        topic,
        subscription_ids,
    } = wanted;
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
        topic_name: topic.has_name().then_some(source.topic_name),
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
    // The last two bytes of the properties, which end the head.
    let alias_at = (topic != TopicForm::Name && subscription_ids.is_empty())
        .then(|| head_len.saturating_sub(2));
    Ok(Form {
        start,
        end: bytes.len(),
        packet_id_at: head.packet_id_at,
        alias_at,
        packet_len: head_len + source.payload.len(),
        is_received: false,
    })
}

/// Encoded packets waiting for one connection to write them.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// Payloads that go between `bytes`, each at an offset.
    shared: SeldomVec<(usize, Bytes)>,
    shared_len: usize,
    /// Packets that were dropped; nothing until a reader is too slow.
    gaps: Option<Box<Gaps>>,
    /// Where packets start that set a Topic Alias: those behind may depend on them.
    pinned: SeldomVec<usize>,
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
        let gap_len = self.gaps.as_ref().map_or(0, |gaps| gaps.len);
        self.bytes.len() + self.shared_len - gap_len
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Drops packets of QoS 0, oldest first, until `len` more bytes stay within `len_max`: how many were dropped.
    pub(crate) fn make_room(&mut self, len: usize, len_max: usize) -> u64 {
        let mut dropped = 0;
        let mut gaps = self.gaps.take().unwrap_or_default();
        let mut excess =
            (self.bytes.len() + self.shared_len - gaps.len + len).saturating_sub(len_max);
        while excess > 0 {
            let Some(packet) = gaps.next_packet(&self.bytes, &self.shared) else {
                break;
            };
            gaps.examined = packet.end;
            if !packet.is_at_most_once || self.pinned.binary_search(&packet.start).is_ok() {
                continue;
            }
            let mut freed = packet.end - packet.start;
            gaps.add(packet.start, packet.end);
            if let Some((_, payload)) = packet.shared.and_then(|at| self.shared.remove(at)) {
                self.shared_len -= payload.len();
                freed += payload.len();
            }
            dropped += 1;
            excess = excess.saturating_sub(freed);
        }
        self.gaps = Some(gaps);
        self.close_gaps(self.bytes.len() / 2);
        dropped
    }

    /// Moves the bytes together when the gaps are more than `len_max`.
    fn close_gaps(&mut self, len_max: usize) {
        let Some(gaps) = self.gaps.take_if(|gaps| gaps.len > len_max) else {
            return;
        };
        let mut kept = Vec::with_capacity(self.bytes.len() - gaps.len);
        let (mut from, mut shift, mut shared) = (0, 0, 0);
        let mut examined = gaps.examined;
        let ranges = gaps.ranges;
        for (start, end) in ranges
            .iter()
            .copied()
            .chain([(self.bytes.len(), self.bytes.len())])
        {
            kept.extend_from_slice(self.bytes.get(from..start).unwrap_or_default());
            while let Some((at, _)) = self.shared.get_mut(shared).filter(|(at, _)| *at <= start) {
                *at -= shift;
                shared += 1;
            }
            if end <= gaps.examined {
                examined -= end - start;
            }
            shift += end - start;
            from = end;
        }
        for pinned in self.pinned.iter_mut() {
            // What is dropped in front of it.
            let before = ranges.iter().filter(|(_, end)| *end <= *pinned);
            *pinned -= before.map(|(start, end)| end - start).sum::<usize>();
        }
        self.bytes = kept;
        self.gaps = Some(Box::new(Gaps {
            examined,
            ..Gaps::default()
        }));
    }

    /// Appends `form` as `stamp` says; `payload` is there when it is shared.
    #[inline]
    pub(crate) fn push(
        &mut self,
        forms: &Forms,
        as_received: Option<&AsReceived<'_>>,
        form: Form,
        stamp: Stamp,
        payload: Option<&Bytes>,
    ) {
        let start = self.bytes.len();
        match as_received {
            Some(received) if form.is_received => {
                let bytes = &mut self.bytes;
                bytes.reserve(form.packet_len);
                received
                    .frame
                    .write_to(|part| bytes.extend_from_slice(part));
            }
            _ => self.bytes.extend_from_slice(forms.bytes(form)),
        }
        self.stamp(start, form, stamp);
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
        let wanted = Wanted {
            version,
            with_packet_id: stamp.packet_id.is_some(),
            topic: stamp.topic,
            subscription_ids,
        };
        match encode(&mut self.bytes, source, wanted) {
            Ok(form) => {
                self.stamp(start, form, stamp);
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
        self.pinned.retain(|start| *start < mark.bytes);
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
        if self.gaps.is_some() {
            self.close_gaps(0);
            self.gaps = None;
        }
        self.pinned.clear();
        let bytes = std::mem::take(&mut self.bytes);
        if self.shared.is_empty() {
            queue.push(bytes);
            return;
        }
        let bytes = Bytes::from(bytes);
        let mut from = 0;
        for (at, payload) in self.shared.take() {
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

    fn stamp(&mut self, start: usize, form: Form, stamp: Stamp) {
        let Some(packet) = self.bytes.get_mut(start..) else {
            return;
        };
        mqtt_codec::set_publish_flags(packet, stamp.dup, stamp.qos, stamp.retain);
        if let (Some(packet_id_at), Some(packet_id)) = (form.packet_id_at, stamp.packet_id) {
            mqtt_codec::patch_packet_id(packet, packet_id_at, packet_id);
        }
        if let Some(alias) = stamp.topic.topic_alias() {
            let place = form.alias_at.and_then(|at| packet.get_mut(at..at + 2));
            if let Some(place) = place {
                place.copy_from_slice(&alias.get().to_be_bytes());
            }
            if stamp.topic.has_name() {
                self.pinned.push(start);
            }
        }
    }

    fn share(&mut self, payload: Option<&Bytes>) {
        if let Some(payload) = payload {
            self.shared_len += payload.len();
            self.shared.push((self.bytes.len(), payload.clone()));
        }
    }
}

/// Where packets were in an [`Outbox`] that are not to be sent any more.
#[derive(Debug, Default)]
struct Gaps {
    /// INVARIANT: in order, apart from each other, none empty.
    ranges: Vec<(usize, usize)>,
    /// INVARIANT: sum of the lengths in `ranges`.
    len: usize,
    /// No packet before this place can be dropped.
    examined: usize,
}

/// A whole packet in an [`Outbox`].
#[derive(Debug)]
struct Whole {
    start: usize,
    end: usize,
    is_at_most_once: bool,
    /// Its payload among those that are shared.
    shared: Option<usize>,
}

impl Gaps {
    /// The first packet not examined yet.
    fn next_packet(&self, bytes: &[u8], shared: &[(usize, Bytes)]) -> Option<Whole> {
        let start = self.examined;
        let packet = bytes.get(start..)?;
        let first = *packet.first()?;
        let mut body_len = 0;
        let mut header_len = 1;
        for (byte, shift) in packet.iter().skip(1).zip([0, 7, 14, 21]) {
            body_len |= usize::from(byte & 0x7F) << shift;
            header_len += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let whole_len = header_len + body_len;
        let at = shared.partition_point(|(at, _)| *at <= start);
        // A payload that is shared ends its packet; one behind is further away than this packet is long.
        let own = shared
            .get(at)
            .filter(|(at, payload)| at - start + payload.len() == whole_len);
        let end = own.map_or(start + whole_len, |(at, _)| *at);
        Some(Whole {
            start,
            end: end.min(bytes.len()),
            is_at_most_once: first & 0xF6 == 0x30,
            shared: own.map(|_| at),
        })
    }

    fn add(&mut self, start: usize, end: usize) {
        self.len += end - start;
        match self.ranges.last_mut() {
            Some((_, last_end)) if *last_end == start => *last_end = end,
            _ => self.ranges.push((start, end)),
        }
    }
}
