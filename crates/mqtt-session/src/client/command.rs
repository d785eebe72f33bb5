//! What the application wants sent.

use super::connection::{ANSWER_LEN_MAX, Phase};
use super::{ClientConnection, Flow, NotSent, NotSentReason, OutgoingMessage, SendRefusal};
use crate::output::append;
use crate::stamp::{append_publish_within, check_len, later_or_never};
use crate::storage::PacketIds;
use crate::{
    AckKind, AckToken, GivenUp, Journal, NotNow, Output, PendingAck, Settling, Stamp, Storage,
};
use core::mem;
use mqtt_codec::{
    Ack, Delivery, Packet, PacketId, Properties, PropertyId, PropertyList, PropertySet, Publish,
    QoS, ReasonCode, Subscribe, SubscribeFilters, SubscriptionOptions, TopicFilter, Unsubscribe,
    UnsubscribeFilters,
};

impl<M: OutgoingMessage, R, S: Storage, J: Journal<M>> ClientConnection<M, R, S, J> {
    /// Encodes PUBLISH to the end of `out`.
    ///
    /// A message of QoS 0 comes back at once, one of QoS 1 or 2 with its last acknowledgement.
    ///
    /// # Errors
    /// [`NotSentReason::Later`] when the send quota is used up, or there is no room for it in the session or in
    /// `out`; [`NotSentReason::Never`] when this server does not take such a message, or an empty `out` has no room
    /// for it.
    pub fn publish(
        &mut self,
        message: M,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<Option<M>, NotSent<M>> {
        self.now_ms = now_ms;
        let qos = message.qos();
        let not_sent = |item, reason| Err(NotSent { item, reason });
        let delivery = match self.next_delivery(qos) {
            Ok(delivery) => delivery,
            Err(reason) => return not_sent(message, reason),
        };
        let at = out.len();
        if let Err(refusal) = self.write_first(&message, delivery, out) {
            return not_sent(message, later_or_never(refusal, out));
        }
        if qos == QoS::AtMostOnce {
            return Ok(Some(message));
        }
        let flow = Flow::Publish(message);
        match self.session.flows.send_publish(&mut self.link, qos, flow) {
            Err(NotNow {
                message: Flow::Publish(message),
                ..
            }) => {
                out.truncate(at);
                self.outbound.forget();
                not_sent(message, NotSentReason::Later)
            }
            // Only the message given can come back.
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Encodes to the end of `out` a PUBLISH of QoS 0 without properties, by the Topic Alias of the one before it.
    ///
    /// `topic_name` is UTF-8. `false`, and no change, where the one before was to another topic or has no alias, and where something speaks against it:
    /// then [`ClientConnection::publish`] sees to it.
    /// Spec: v5 §3.3.2.3.4.
    pub fn publish_again(
        &mut self,
        topic_name: &[u8],
        retain: bool,
        payload: &[u8],
        now_ms: u64,
        out: &mut impl Output,
    ) -> bool {
        let is_granted = self.grants.check_publish(QoS::AtMostOnce, retain).is_ok();
        if self.phase != Phase::Connected || !is_granted {
            return false;
        }
        let (aliases, negotiated) = (&mut self.outbound, &self.negotiated);
        let is_written = aliases.append_plain(topic_name, retain, payload, negotiated, out);
        if is_written {
            self.now_ms = now_ms;
            self.keep_alive.sent(now_ms);
        }
        is_written
    }

    /// Encodes what is owed to the end of `out`, as far as there is room and the quota goes: acknowledgements that
    /// found no room before, then the packets of a resume.
    ///
    /// Call until it gives none. A message comes back when this server does not take it any more.
    /// Spec: v5 [MQTT-4.4.0-1].
    pub fn poll_resend(&mut self, now_ms: u64, out: &mut impl Output) -> Option<(M, SendRefusal)> {
        self.now_ms = now_ms;
        if self.phase != Phase::Connected {
            return None;
        }
        self.send_acks(out);
        // Also for the PUBREL of a message that is given up.
        while out.room() >= ANSWER_LEN_MAX {
            let (packet_id, publish) = self.session.flows.next_resend(&self.link)?;
            let Some((qos, Flow::Publish(message))) = publish else {
                let pubrel = self.answer(packet_id, ReasonCode::SUCCESS);
                self.send(&Packet::PubRel(pubrel), out);
                self.session.flows.poll_resend(&mut self.link);
                continue;
            };
            // The alias of the first sending was that connection's, and expiry stops nothing that has begun.
            let stamp = Stamp {
                dup: true,
                expiry_left_s: message.expiry().map(|expiry| expiry.left_s(now_ms)),
                ..Stamp::first(Delivery::new(qos, Some(packet_id))?)
            };
            let (grants, negotiated) = (self.grants, &self.negotiated);
            let written = message.with_publish(true, stamp.delivery, |publish| {
                grants.check_publish(qos, publish.retain)?;
                without_subscription_ids(publish, |publish| {
                    stamp.show(publish, &[], |shown| {
                        append_publish_within(shown, negotiated, out)
                    })
                })
            });
            let written = written.unwrap_or(Err(SendRefusal::NoBody));
            match written {
                Ok(()) => self.keep_alive.sent(now_ms),
                Err(refusal) if later_or_never(refusal, out) == NotSentReason::Later => {
                    return None;
                }
                Err(_) => {}
            }
            self.session.flows.poll_resend(&mut self.link);
            if let Err(refusal) = written
                && let Some(message) = self.give_up(packet_id, out)
            {
                return Some((message, refusal));
            }
        }
        None
    }

    /// Encodes SUBSCRIBE to the end of `out`.
    ///
    /// # Errors
    /// As [`ClientConnection::publish`].
    pub fn subscribe(
        &mut self,
        filters: &[(TopicFilter<'_>, SubscriptionOptions)],
        properties: Properties<'_>,
        request: R,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<(), NotSent<R>> {
        let refused = match properties.subscription_identifiers().next() {
            Some(_) if !self.grants.subscription_identifiers => {
                Err(SendRefusal::SubscriptionIdentifiersNotSupported)
            }
            _ => self.grants.check_filters(filters),
        };
        if let Err(refusal) = refused {
            return Err(NotSent {
                item: request,
                reason: NotSentReason::Never(refusal),
            });
        }
        let flow = Flow::Subscribe {
            request,
            filters: filters.len(),
        };
        let packet = |packet_id| {
            Packet::Subscribe(Subscribe {
                packet_id,
                properties,
                filters: SubscribeFilters::from(filters),
            })
        };
        self.request(packet, flow, now_ms, out)
    }

    /// Encodes UNSUBSCRIBE to the end of `out`.
    ///
    /// # Errors
    /// As [`ClientConnection::publish`].
    pub fn unsubscribe(
        &mut self,
        filters: &[TopicFilter<'_>],
        properties: Properties<'_>,
        request: R,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<(), NotSent<R>> {
        let flow = Flow::Unsubscribe {
            request,
            filters: filters.len(),
        };
        let packet = |packet_id| {
            Packet::Unsubscribe(Unsubscribe {
                packet_id,
                properties,
                filters: UnsubscribeFilters::from(filters),
            })
        };
        self.request(packet, flow, now_ms, out)
    }

    /// The application has the message of `token` and answers `reason`; what may leave now goes to `out`.
    ///
    /// What finds no room leaves with [`ClientConnection::poll_resend`].
    /// Acknowledgements leave in the order their messages came, so this one may wait for others.
    /// Before v5 there is no negative answer: the message counts as taken whatever `reason` is.
    /// A Reason Code that the acknowledgement does not have is sent as 0x80.
    /// A refusal counts at once: if the connection ends before it leaves, what the server repeats is new.
    /// A token of QoS 2 is good on the next connections of the session too, also before CONNACK: the repeat of its
    /// message, which is not handed on, waits for it. One of QoS 1 does nothing there.
    pub fn acknowledge(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
        now_ms: u64,
        out: &mut impl Output,
    ) {
        self.now_ms = now_ms;
        let packet_id = token.packet_id;
        let reason = self.negotiated.ack_reason(token.kind.fitting(reason));
        if self.acks.ahead_of(&token).is_some() {
            self.acks.open(&token, reason);
        } else if self.session.is_earlier(&token) && self.session.held.remove(packet_id) {
            if reason.is_error() {
                self.acks.refuse_repeats(packet_id, reason);
            }
        } else {
            return;
        }
        if token.kind == AckKind::PubRec && reason.is_error() {
            self.session.flows.refuse(packet_id);
        }
        if self.phase == Phase::Connected {
            self.send_acks(out);
        }
    }

    /// Sends the acknowledgements whose turn it is, as far as there is room.
    pub(super) fn send_acks(&mut self, out: &mut impl Output) {
        while out.room() >= ANSWER_LEN_MAX
            && let Some(pending) = self
                .acks
                .pop(|packet_id| self.session.held.contains(packet_id))
        {
            self.send_ack(pending, out);
            let settling = Settling {
                kind: pending.kind,
                packet_id: pending.packet_id,
            };
            self.session
                .flows
                .settle(&mut self.link, settling, pending.reason);
        }
    }

    fn send_ack(&mut self, pending: PendingAck, out: &mut impl Output) {
        if pending.reason == ReasonCode::SUCCESS {
            let packet = Ack::success(pending.kind.packet_type(), pending.packet_id);
            if out.extend_from(&packet) {
                self.keep_alive.sent(self.now_ms);
            }
            return;
        }
        let ack = Ack {
            packet_id: pending.packet_id,
            reason: pending.reason,
            properties: Properties::EMPTY,
        };
        let packet = match pending.kind {
            AckKind::PubAck => Packet::PubAck(ack),
            AckKind::PubRec => Packet::PubRec(ack),
            AckKind::PubComp => Packet::PubComp(ack),
        };
        self.send(&packet, out);
    }

    fn request<'p>(
        &mut self,
        packet: impl FnOnce(PacketId) -> Packet<'p>,
        flow: Flow<M, R>,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<(), NotSent<R>> {
        self.now_ms = now_ms;
        if self.phase != Phase::Connected {
            return not_sent(flow, NotSentReason::Never(SendRefusal::NotConnected));
        }
        let Ok(packet_id) = self.session.flows.next_packet_id() else {
            return not_sent(flow, NotSentReason::Later);
        };
        let at = out.len();
        if let Err(refusal) = self.write_request(&packet(packet_id), out) {
            return not_sent(flow, later_or_never(refusal, out));
        }
        match self.session.flows.send_request(flow) {
            Ok(_) => {
                self.keep_alive.sent(now_ms);
                Ok(())
            }
            Err(NotNow { message, .. }) => {
                out.truncate(at);
                not_sent(message, NotSentReason::Later)
            }
        }
    }

    fn write_request(&self, packet: &Packet<'_>, out: &mut impl Output) -> Result<(), SendRefusal> {
        let len = packet.encoded_len(self.negotiated.version)?;
        check_len(len, &self.negotiated)?;
        append(packet, self.negotiated.version, out)?;
        Ok(())
    }

    /// With which identifier a message of `qos` can be sent now.
    fn next_delivery(&mut self, qos: QoS) -> Result<Delivery, NotSentReason> {
        if self.phase != Phase::Connected {
            return Err(NotSentReason::Never(SendRefusal::NotConnected));
        }
        if qos == QoS::AtMostOnce {
            return Ok(Delivery::AtMostOnce);
        }
        if self.link.send_quota().left() == 0 || self.session.flows.is_resuming() {
            return Err(NotSentReason::Later);
        }
        let packet_id = self.session.flows.next_packet_id().ok();
        Delivery::new(qos, packet_id).ok_or(NotSentReason::Later)
    }

    /// Encodes a first PUBLISH, by a Topic Alias if one is worth it.
    fn write_first(
        &mut self,
        message: &M,
        delivery: Delivery,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        let expiry = message.expiry();
        if expiry.is_some_and(|expiry| expiry.is_over(self.now_ms)) {
            return Err(SendRefusal::Expired);
        }
        let stamp = Stamp {
            expiry_left_s: expiry.map(|expiry| expiry.left_s(self.now_ms)),
            ..Stamp::first(delivery)
        };
        let (aliases, negotiated) = (&mut self.outbound, &self.negotiated);
        let written = message.with_publish(false, delivery, |publish| {
            self.grants.check_publish(delivery.qos(), publish.retain)?;
            without_subscription_ids(publish, |publish| {
                aliases.append(publish, stamp, negotiated, out)
            })
        });
        written.unwrap_or(Err(SendRefusal::NoBody))?;
        self.keep_alive.sent(self.now_ms);
        Ok(())
    }

    /// Ends the repetition of a message that cannot be sent again; the message comes back.
    ///
    /// The identifier of one of QoS 2 stays in use until the server has forgotten it.
    fn give_up(&mut self, packet_id: PacketId, out: &mut impl Output) -> Option<M> {
        match self.session.flows.give_up(&mut self.link, packet_id).ok()? {
            GivenUp::Ended(flow) => flow.into_message(),
            GivenUp::Release(flow) => {
                let message = mem::replace(flow, Flow::GivenUp).into_message();
                let pubrel = self.answer(packet_id, ReasonCode::SUCCESS);
                self.send(&Packet::PubRel(pubrel), out);
                message
            }
        }
    }
}

/// Shows `publish` as a client may send it: a message that came from a server may have more; v5 [MQTT-3.3.4-6].
fn without_subscription_ids<T>(
    publish: &Publish<'_>,
    use_publish: impl FnOnce(&Publish<'_>) -> T,
) -> T {
    let id = PropertyId::SubscriptionIdentifier;
    if !publish.properties.has(id) {
        return use_publish(publish);
    }
    let list = PropertyList {
        base: publish.properties,
        without: PropertySet::of(&[id]),
        ..PropertyList::default()
    };
    use_publish(&Publish {
        properties: Properties::from(&list),
        ..*publish
    })
}

fn not_sent<M, R>(flow: Flow<M, R>, reason: NotSentReason) -> Result<(), NotSent<R>> {
    match flow.into_request() {
        Some(item) => Err(NotSent { item, reason }),
        None => Ok(()),
    }
}
