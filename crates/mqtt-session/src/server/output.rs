//! What the server's owner wants sent: messages, acknowledgements and answers.

use super::connection::{ANSWER_LEN_MAX, Phase};
use super::{EncodedPublish, RequestToken, ServerConnection, ServerError};
use crate::fitting::append_fitting;
use crate::held_acks::AckToken;
use crate::stamp::{append_publish_within, check_len, later_or_never};
use crate::{
    AckKind, AuthExchange, AuthMethod, GivenUp, Negotiated, NotNow, NotSent, NotSentReason,
    OutgoingMessage, Output, PendingAck, RefusedPublish, SendRefusal, Settling, Stamp, Storage,
    TopicForm,
};
use mqtt_codec::{
    Ack, Delivery, Packet, PacketId, Properties, QoS, ReasonCode, ReasonCodes, SubAck, UnsubAck,
};

/// The most that a Topic Alias adds to a packet that has the Topic Name too: three bytes, and one to each of the two
/// lengths it counts in. Unit: bytes.
const ALIAS_LEN_MAX: usize = 5;

impl<M: OutgoingMessage, W, S: Storage> ServerConnection<M, W, S> {
    /// Encodes PUBLISH to the end of `out`.
    ///
    /// A message of QoS 0 comes back at once, one of QoS 1 or 2 with its last acknowledgement.
    ///
    /// # Errors
    /// [`NotSentReason::Later`] when the send quota is used up or a resume is not through: keep it and try after the
    /// next acknowledgement. [`NotSentReason::Never`] when the client does not take it or it has expired: drop it as
    /// if it had been delivered, v5 [MQTT-3.1.2-25], [MQTT-3.3.2-5].
    pub fn publish(
        &mut self,
        message: M,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<Option<M>, NotSent<M>> {
        let not_sent = |item, reason| Err(NotSent { item, reason });
        let qos = message.qos();
        let delivery = match self.next_delivery(qos) {
            Ok(delivery) => delivery,
            Err(reason) => return not_sent(message, reason),
        };
        let at = out.len();
        if let Err(refusal) = self.write_first(&message, delivery, now_ms, out) {
            return not_sent(message, later_or_never(refusal, out));
        }
        if qos == QoS::AtMostOnce {
            return Ok(Some(message));
        }
        let flows = &mut self.session.flows;
        match flows.send_publish(&mut self.link, qos, message) {
            Ok(_) => Ok(None),
            Err(NotNow { message, .. }) => {
                out.truncate(at);
                if let Some(rare) = self.rare_if_made() {
                    rare.outbound.forget();
                }
                not_sent(message, NotSentReason::Later)
            }
        }
    }

    /// What differs in this client's copy of a message of QoS 0 that is encoded for many.
    ///
    /// # Errors
    /// The client does not take it: drop it as if it had been delivered.
    pub fn stamp_at_most_once(
        &mut self,
        encoded: &EncodedPublish<'_>,
    ) -> Result<Stamp, SendRefusal> {
        if self.phase != Phase::Connected {
            return Err(SendRefusal::NotConnected);
        }
        check_len(encoded.packet_len, &self.negotiated)?;
        Ok(Stamp {
            topic: self.plan_sent(encoded),
            ..Stamp::first(Delivery::AtMostOnce)
        })
    }

    /// Begins the flow of a message of QoS 1 or 2 that is encoded for many: what differs in this client's copy.
    ///
    /// `message` comes back with its last acknowledgement; until then it can be sent again.
    ///
    /// # Errors
    /// As [`ServerConnection::publish`].
    pub fn stamp_acknowledged(
        &mut self,
        message: M,
        encoded: &EncodedPublish<'_>,
    ) -> Result<Stamp, NotSent<M>> {
        let not_sent = |item, reason| Err(NotSent { item, reason });
        let delivery = match self.next_delivery(encoded.qos) {
            Ok(delivery) => delivery,
            Err(reason) => return not_sent(message, reason),
        };
        if let Err(refusal) = check_len(encoded.packet_len, &self.negotiated) {
            return not_sent(message, NotSentReason::Never(refusal));
        }
        let flows = &mut self.session.flows;
        match flows.send_publish(&mut self.link, encoded.qos, message) {
            Ok(_) => Ok(Stamp {
                topic: self.plan_sent(encoded),
                ..Stamp::first(delivery)
            }),
            Err(NotNow { message, .. }) => not_sent(message, NotSentReason::Later),
        }
    }

    /// Encodes the next packets of a resume to the end of `out`, as far as the quota goes.
    ///
    /// Call until it gives none. A message comes back when the client does not take it any more: drop it as if it
    /// had been delivered. One of QoS 2 comes back with PUBCOMP, for the client may know its identifier.
    /// Spec: v5 [MQTT-4.4.0-1], [MQTT-3.1.2-25].
    pub fn poll_resend(&mut self, now_ms: u64, out: &mut impl Output) -> Option<(M, SendRefusal)> {
        if self.phase != Phase::Connected {
            return None;
        }
        self.send_acks(out);
        // Also for the PUBREL of a message that is given up.
        while out.room() >= ANSWER_LEN_MAX {
            let (packet_id, publish) = self.session.flows.next_resend(&self.link)?;
            let Some((qos, message)) = publish else {
                self.send_pubrel(packet_id, out);
                self.session.flows.poll_resend(&mut self.link);
                continue;
            };
            // The alias of the first sending was that connection's, and expiry stops nothing that has begun.
            let stamp = Stamp {
                dup: true,
                delivery: Delivery::new(qos, Some(packet_id))?,
                topic: TopicForm::Name,
                expiry_left_s: message.expiry().map(|expiry| expiry.left_s(now_ms)),
            };
            let written = write(message, &stamp, &self.negotiated, out);
            if let Err(refusal) = written
                && later_or_never(refusal, out) == NotSentReason::Later
            {
                return None;
            }
            self.session.flows.poll_resend(&mut self.link);
            let Err(refusal) = written else {
                continue;
            };
            match self.session.flows.give_up(&mut self.link, packet_id) {
                Ok(GivenUp::Ended(message)) => return Some((message, refusal)),
                Ok(GivenUp::Release(message)) => {
                    message.forget_body();
                    self.send_pubrel(packet_id, out);
                }
                Err(_) => {}
            }
        }
        None
    }

    /// The message of `token` is the server's own, or refused with `reason`; what may leave now goes to `out`.
    ///
    /// Acknowledgements leave in the order their messages came, so this one may wait for others. A Reason Code that
    /// the acknowledgement does not have is sent as 0x80.
    /// Spec: v5 [MQTT-4.6.0-2], [MQTT-4.6.0-3].
    ///
    /// # Errors
    /// The message is refused, and the version has no word for that: end the connection with
    /// [`ServerConnection::fail`], so that no acknowledgement is a lie. Spec: v3.1.1 §3.3.5.
    pub fn acknowledge(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
        out: &mut impl Output,
    ) -> Result<(), ServerError> {
        self.acknowledge_with(token, reason, Properties::EMPTY, out)
    }

    /// As [`ServerConnection::acknowledge`], with words for people, which are left out where it has to wait.
    ///
    /// # Errors
    /// As [`ServerConnection::acknowledge`].
    pub fn acknowledge_with(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
        properties: Properties<'_>,
        out: &mut impl Output,
    ) -> Result<(), ServerError> {
        let ahead = self.rare().and_then(|rare| rare.acks.ahead_of(&token));
        let Some(ahead) = ahead else {
            return Ok(());
        };
        let reason = token.kind.fitting(reason);
        if reason.is_error() && token.kind == AckKind::PubRec {
            // From now on a repeat is new, even if the answer never leaves.
            self.session.flows.refuse(token.packet_id);
        }
        if reason.is_error() && self.negotiated.refused_publish() == RefusedPublish::Close {
            return Err(ServerError::PublishRefused(reason));
        }
        let reason = self.negotiated.ack_reason(reason);
        let is_connected = self.phase == Phase::Connected;
        let Some(rare) = self.rare_if_made() else {
            return Ok(());
        };
        rare.acks.open(&token, reason);
        if !is_connected {
            return Ok(());
        }
        if ahead == 0
            && out.room() >= ANSWER_LEN_MAX
            && let Some(pending) = rare.acks.pop(|_| false)
        {
            self.send_ack(pending, properties, out);
        }
        self.send_acks(out);
        Ok(())
    }

    /// Answers SUBSCRIBE with a Reason Code for each of its Topic Filters.
    ///
    /// # Errors
    /// Another number of Reason Codes, or one that is no answer to SUBSCRIBE, or SUBACK is larger than the client takes;
    /// or the request came on an earlier Network Connection.
    pub fn answer_subscribe(
        &mut self,
        token: &RequestToken,
        reasons: &[ReasonCode],
        properties: Properties<'_>,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        self.check_answer(token, reasons)?;
        let suback = SubAck {
            packet_id: token.packet_id,
            properties,
            reasons: ReasonCodes::from(reasons),
        };
        append_fitting(&Packet::SubAck(suback), &self.negotiated, out)
    }

    /// Answers UNSUBSCRIBE with a Reason Code for each of its Topic Filters; before v5 they are not sent.
    ///
    /// # Errors
    /// As [`ServerConnection::answer_subscribe`].
    pub fn answer_unsubscribe(
        &mut self,
        token: &RequestToken,
        reasons: &[ReasonCode],
        properties: Properties<'_>,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        self.check_answer(token, reasons)?;
        let unsuback = UnsubAck {
            packet_id: token.packet_id,
            properties,
            reasons: ReasonCodes::from(reasons),
        };
        append_fitting(&Packet::UnsubAck(unsuback), &self.negotiated, out)
    }

    /// Asks the client for more by AUTH 0x18, in a re-authentication it began; the method is added.
    ///
    /// Spec: v5 [MQTT-4.12.0-2], [MQTT-4.12.0-5], §4.12.1.
    ///
    /// # Errors
    /// The client owes the next step, has begun nothing, or CONNECT named no method.
    pub fn authenticate(
        &mut self,
        properties: Properties<'_>,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        self.send_auth(AuthExchange::proceed, properties, out)?;
        self.limit_authentication(now_ms);
        Ok(())
    }

    /// Ends a re-authentication well: AUTH 0x00. A failed one ends the connection: v5 [MQTT-4.12.1-2].
    ///
    /// # Errors
    /// As [`ServerConnection::authenticate`].
    pub fn finish_authentication(
        &mut self,
        properties: Properties<'_>,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        self.send_auth(AuthExchange::succeed, properties, out)
    }

    /// Sends the acknowledgements whose turn it is.
    fn send_acks(&mut self, out: &mut impl Output) {
        while out.room() >= ANSWER_LEN_MAX
            && let Some(rare) = self.rare_if_made()
            && let Some(pending) = rare.acks.pop(|_| false)
        {
            self.send_ack(pending, Properties::EMPTY, out);
        }
    }

    fn send_pubrel(&mut self, packet_id: PacketId, out: &mut impl Output) {
        let pubrel = self.answer(packet_id, ReasonCode::SUCCESS);
        self.send(&Packet::PubRel(pubrel), out);
    }

    fn send_ack(&mut self, pending: PendingAck, properties: Properties<'_>, out: &mut impl Output) {
        let ack = Ack {
            packet_id: pending.packet_id,
            reason: pending.reason,
            properties,
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
        let flows = &mut self.session.flows;
        flows.settle(&mut self.link, settling, pending.reason);
    }

    fn send_auth(
        &mut self,
        step: impl FnOnce(&mut AuthExchange<AuthMethod>) -> Option<ReasonCode>,
        properties: Properties<'_>,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        if self.phase != Phase::Connected {
            return Err(SendRefusal::NotConnected);
        }
        let negotiated = self.negotiated;
        match self.auth_mut() {
            Some(auth) => auth.send(step, properties, &negotiated, out),
            None => Err(SendRefusal::AuthenticationNotDue),
        }
    }

    /// With which identifier a message of `qos` can be sent now.
    fn next_delivery(&mut self, qos: QoS) -> Result<Delivery, NotSentReason> {
        if self.phase != Phase::Connected {
            return Err(NotSentReason::Never(SendRefusal::NotConnected));
        }
        if qos == QoS::AtMostOnce {
            return Ok(Delivery::AtMostOnce);
        }
        if self.window() == 0 {
            return Err(NotSentReason::Later);
        }
        let packet_id = self.session.flows.next_packet_id().ok();
        Delivery::new(qos, packet_id).ok_or(NotSentReason::Later)
    }

    fn check_answer(
        &self,
        token: &RequestToken,
        reasons: &[ReasonCode],
    ) -> Result<(), SendRefusal> {
        if self.phase != Phase::Connected || token.connection != self.session.connections {
            return Err(SendRefusal::NotConnected);
        }
        match (token.filters, reasons.len()) {
            (wanted, got) if wanted != got => Err(SendRefusal::ReasonCodeCount { wanted, got }),
            _ => Ok(()),
        }
    }

    /// How to name the topic of a packet that is as good as written.
    fn plan_sent(&mut self, encoded: &EncodedPublish<'_>) -> TopicForm {
        let with_alias = encoded.packet_len.saturating_add(ALIAS_LEN_MAX);
        let has_room = check_len(with_alias, &self.negotiated).is_ok();
        let Some(aliases) = self.outbound_mut() else {
            return TopicForm::Name;
        };
        let form = match aliases.plan(encoded.topic) {
            TopicForm::NameAndAlias(_) if !has_room => TopicForm::Name,
            form => form,
        };
        aliases.sent(encoded.topic, form);
        form
    }

    /// Writes a first PUBLISH, by an alias if one is worth it.
    fn write_first(
        &mut self,
        message: &M,
        delivery: Delivery,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        let expiry = message.expiry();
        if expiry.is_some_and(|expiry| expiry.is_over(now_ms)) {
            return Err(SendRefusal::Expired);
        }
        let negotiated = self.negotiated;
        let stamp = Stamp {
            expiry_left_s: expiry.map(|expiry| expiry.left_s(now_ms)),
            ..Stamp::first(delivery)
        };
        match self.outbound_mut() {
            None => write(message, &stamp, &negotiated, out),
            Some(aliases) => message
                .with_publish(false, delivery, |publish| {
                    aliases.append(publish, stamp, &negotiated, out)
                })
                .unwrap_or(Err(SendRefusal::NoBody)),
        }
    }
}

fn write<M: OutgoingMessage>(
    message: &M,
    stamp: &Stamp,
    negotiated: &Negotiated,
    out: &mut impl Output,
) -> Result<(), SendRefusal> {
    message
        .with_publish(stamp.dup, stamp.delivery, |publish| {
            stamp.show(publish, &[], |shown| {
                append_publish_within(shown, negotiated, out)
            })
        })
        .unwrap_or(Err(SendRefusal::NoBody))
}
