//! What the application wants sent.

use super::connection::{Phase, append};
use super::{
    AckToken, ClientConnection, Flow, NotSent, NotSentReason, OutgoingMessage, SendRefusal,
};
use crate::{AckKind, NotNow, Resend, Settling};
use alloc::vec::Vec;
use mqtt_codec::{
    Ack, Delivery, Packet, PacketId, Properties, ProtocolVersion, Publish, QoS, ReasonCode,
    Subscribe, SubscribeFilters, SubscriptionOptions, TopicFilter, Unsubscribe, UnsubscribeFilters,
    patch_packet_id,
};

impl<M: OutgoingMessage, R> ClientConnection<M, R> {
    /// Encodes PUBLISH to the end of `out`.
    ///
    /// A message of QoS 0 comes back at once, one of QoS 1 or 2 with its last acknowledgement.
    ///
    /// # Errors
    /// [`NotSentReason::Later`] when the send quota is used up; [`NotSentReason::Never`] when this server does not
    /// take such a message.
    pub fn publish(
        &mut self,
        message: M,
        now_ms: u64,
        out: &mut Vec<u8>,
    ) -> Result<Option<M>, NotSent<M>> {
        self.now_ms = now_ms;
        let qos = message.qos();
        let is_full = self.link.send_quota().left() == 0 || self.session.flows.is_resuming();
        if self.phase == Phase::Connected && qos != QoS::AtMostOnce && is_full {
            return Err(NotSent {
                item: message,
                reason: NotSentReason::Later,
            });
        }
        let at = out.len();
        let packet_id_at = match self.write_publish(&message, false, placeholder(qos), out) {
            Ok(packet_id_at) => packet_id_at,
            Err(refusal) => {
                return Err(NotSent {
                    item: message,
                    reason: NotSentReason::Never(refusal),
                });
            }
        };
        if qos == QoS::AtMostOnce {
            return Ok(Some(message));
        }
        match self
            .session
            .flows
            .send_publish(&mut self.link, qos, Flow::Publish(message))
        {
            Ok(packet_id) => {
                if let Some(packet_id_at) = packet_id_at {
                    patch_packet_id(out, packet_id_at, packet_id);
                }
                Ok(None)
            }
            Err(NotNow {
                message: Flow::Publish(message),
                ..
            }) => {
                out.truncate(at);
                Err(NotSent {
                    item: message,
                    reason: NotSentReason::Later,
                })
            }
            // Only the message given can come back.
            Err(_) => Ok(None),
        }
    }

    /// Encodes the next packet of a resume to the end of `out`, as far as the quota goes.
    ///
    /// Call until it gives none. A message comes back when this server does not take it any more.
    /// Spec: v5 [MQTT-4.4.0-1].
    pub fn poll_resend(&mut self, now_ms: u64, out: &mut Vec<u8>) -> Option<(M, SendRefusal)> {
        self.now_ms = now_ms;
        while self.phase == Phase::Connected {
            let (version, len_max) = (self.negotiated.version, self.negotiated.peer_packet_len_max);
            let (packet_id, qos, refusal) = match self.session.flows.poll_resend(&mut self.link)? {
                Resend::PubRel { packet_id } => {
                    let pubrel = self.answer(packet_id, ReasonCode::SUCCESS);
                    self.send(&Packet::PubRel(pubrel), out);
                    continue;
                }
                Resend::Publish {
                    packet_id,
                    qos,
                    message: Flow::Publish(message),
                } => {
                    let Some(delivery) = Delivery::new(qos, Some(packet_id)) else {
                        continue;
                    };
                    let written = message.with_publish(true, delivery, |publish| {
                        self.grants.check_publish(qos, publish.retain)?;
                        append_publish(publish, version, len_max, out)
                    });
                    self.keep_alive.sent(now_ms);
                    let Some(Err(refusal)) = written else {
                        continue;
                    };
                    (packet_id, qos, refusal)
                }
                Resend::Publish { .. } => continue,
            };
            if let Some(message) = self.give_up(packet_id, qos) {
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
        out: &mut Vec<u8>,
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
        let packet = Packet::Subscribe(Subscribe {
            packet_id: PacketId::MIN,
            properties,
            filters: SubscribeFilters::from(filters),
        });
        let flow = Flow::Subscribe {
            request,
            filters: filters.len(),
        };
        self.request(&packet, flow, now_ms, out)
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
        out: &mut Vec<u8>,
    ) -> Result<(), NotSent<R>> {
        let packet = Packet::Unsubscribe(Unsubscribe {
            packet_id: PacketId::MIN,
            properties,
            filters: UnsubscribeFilters::from(filters),
        });
        let flow = Flow::Unsubscribe {
            request,
            filters: filters.len(),
        };
        self.request(&packet, flow, now_ms, out)
    }

    /// The application has the message of `token` and answers `reason`; what may leave now goes to `out`.
    ///
    /// Acknowledgements leave in the order their messages came, so this one may wait for others.
    /// Before v5 there is no negative answer: the message counts as taken whatever `reason` is.
    /// A refusal counts at once: if the connection ends before it leaves, what the server repeats is new.
    pub fn acknowledge(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
        now_ms: u64,
        out: &mut Vec<u8>,
    ) {
        self.now_ms = now_ms;
        if token.epoch != self.epoch {
            return;
        }
        let reason = self.answer(token.packet_id, reason).reason;
        let first = self.acks.first_gate().map(|gate| gate.serial);
        let ahead = first.and_then(|first| token.serial.checked_sub(first));
        let ahead = ahead.and_then(|ahead| usize::try_from(ahead).ok());
        if let Some((gate, ack)) = ahead.and_then(|ahead| self.acks.get_mut(ahead)) {
            gate.open = true;
            ack.reason = reason;
            if token.kind == AckKind::PubRec && reason.is_error() {
                self.session.flows.refuse(token.packet_id);
            }
        }
        if self.phase == Phase::Connected {
            self.send_acks(out);
        }
    }

    /// Sends the acknowledgements whose turn it is.
    pub(super) fn send_acks(&mut self, out: &mut Vec<u8>) {
        while let Some(pending) = self.acks.pop_if(|gate| gate.open) {
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
            let settling = Settling {
                kind: pending.kind,
                packet_id: pending.packet_id,
            };
            self.session
                .flows
                .settle(&mut self.link, settling, pending.reason);
        }
    }

    fn request(
        &mut self,
        packet: &Packet<'_>,
        flow: Flow<M, R>,
        now_ms: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), NotSent<R>> {
        self.now_ms = now_ms;
        let at = out.len();
        if let Err(refusal) = self.write_request(packet, out) {
            return not_sent(flow, NotSentReason::Never(refusal));
        }
        match self.session.flows.send_request(flow) {
            Ok(packet_id) => {
                let packet_id_at = at + fixed_header_len(out.get(at..).unwrap_or_default());
                patch_packet_id(out, packet_id_at, packet_id);
                self.keep_alive.sent(now_ms);
                Ok(())
            }
            Err(NotNow { message, .. }) => {
                out.truncate(at);
                not_sent(message, NotSentReason::Later)
            }
        }
    }

    fn write_request(&self, packet: &Packet<'_>, out: &mut Vec<u8>) -> Result<(), SendRefusal> {
        if self.phase != Phase::Connected {
            return Err(SendRefusal::NotConnected);
        }
        let len = packet.encoded_len(self.negotiated.version)?;
        check_len(len, self.negotiated.peer_packet_len_max)?;
        append(packet, self.negotiated.version, out)?;
        Ok(())
    }

    /// Where the Packet Identifier is in `out`, if there is one.
    fn write_publish(
        &mut self,
        message: &M,
        dup: bool,
        delivery: Delivery,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, SendRefusal> {
        if self.phase != Phase::Connected {
            return Err(SendRefusal::NotConnected);
        }
        let (version, len_max) = (self.negotiated.version, self.negotiated.peer_packet_len_max);
        let written = message.with_publish(dup, delivery, |publish| {
            self.grants.check_publish(delivery.qos(), publish.retain)?;
            append_publish(publish, version, len_max, out)
        });
        self.keep_alive.sent(self.now_ms);
        written.unwrap_or(Ok(None))
    }

    /// Ends the flow of a message that cannot be sent again, as if the server had refused it.
    fn give_up(&mut self, packet_id: PacketId, qos: QoS) -> Option<M> {
        let flows = &mut self.session.flows;
        let flow = match qos {
            QoS::AtMostOnce => return None,
            QoS::AtLeastOnce => flows.handle_puback(&mut self.link, packet_id).ok()?,
            QoS::ExactlyOnce => {
                let refused = ReasonCode::PACKET_TOO_LARGE;
                match flows
                    .handle_pubrec(&mut self.link, packet_id, refused)
                    .ok()?
                {
                    crate::PubRecOutcome::Refused(flow) => flow,
                    _ => return None,
                }
            }
        };
        flow.into_message()
    }
}

/// Encodes PUBLISH to the end of `out`; leaves `out` as it was on an error.
fn append_publish(
    publish: &Publish<'_>,
    version: ProtocolVersion,
    len_max: u32,
    out: &mut Vec<u8>,
) -> Result<Option<usize>, SendRefusal> {
    let head_len = publish.head_len(version, publish.payload.len())?;
    check_len(head_len.saturating_add(publish.payload.len()), len_max)?;
    let at = out.len();
    out.resize(at.saturating_add(head_len), 0);
    let head = publish.encode_head(
        version,
        publish.payload.len(),
        out.get_mut(at..).unwrap_or_default(),
    );
    match head {
        Ok(head) => {
            out.extend_from_slice(publish.payload);
            Ok(head.packet_id_at.map(|packet_id_at| at + packet_id_at))
        }
        Err(error) => {
            out.truncate(at);
            Err(error.into())
        }
    }
}

fn check_len(len: usize, len_max: u32) -> Result<(), SendRefusal> {
    match u32::try_from(len) {
        Ok(short) if short <= len_max => Ok(()),
        _ => Err(SendRefusal::PacketTooLarge { len, len_max }),
    }
}

/// A delivery to measure and encode with before the Packet Identifier is known.
fn placeholder(qos: QoS) -> Delivery {
    match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce(PacketId::MIN),
        QoS::ExactlyOnce => Delivery::ExactlyOnce(PacketId::MIN),
    }
}

/// The first byte and the Remaining Length, whose last byte has no continuation bit.
fn fixed_header_len(packet: &[u8]) -> usize {
    let continued = packet
        .iter()
        .skip(1)
        .take_while(|byte| **byte & 0x80 != 0)
        .count();
    continued + 2
}

fn not_sent<M, R>(flow: Flow<M, R>, reason: NotSentReason) -> Result<(), NotSent<R>> {
    match flow.into_request() {
        Some(item) => Err(NotSent { item, reason }),
        None => Ok(()),
    }
}
