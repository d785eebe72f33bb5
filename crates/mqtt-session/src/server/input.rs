//! Packets from the client after CONNACK.

use super::connection::{ANSWER_LEN_MAX, Phase};
use super::{RequestToken, ServerConnection, ServerError, ServerEvent};
use crate::error::too_large;
use crate::fitting::append_fitting;
use crate::held_acks::WaitsFor;
use crate::{
    OutgoingMessage, Output, ProtocolError, PubRecOutcome, Received, ServerGrants, SessionExpiry,
    Settling, Storage, UnexpectedAck,
};
use mqtt_codec::{
    Ack, Auth, Disconnect, Frame, Packet, PacketId, PacketType, Properties, PropertyId, Publish,
    QoS, ReasonCode, Subscribe, TopicName,
};

impl<M: OutgoingMessage, W, S: Storage> ServerConnection<M, W, S> {
    /// Takes one Control Packet; answers that need no decision go to the end of `out`.
    ///
    /// Call [`ServerConnection::poll_resend`] afterwards: an acknowledgement may have made room.
    ///
    /// # Errors
    /// [`ServerError::NoRoom`]: nothing has happened, give `frame` again later. Else the client broke the protocol: end
    /// the connection with [`ServerConnection::fail`].
    pub fn handle_frame<'a>(
        &'a mut self,
        frame: Frame<'a>,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<ServerEvent<'a, M>, ServerError> {
        self.session.since_ms = now_ms;
        if self.phase != Phase::Connected {
            return Ok(ServerEvent::Handled);
        }
        if u32::try_from(frame.len).map_or(true, |len| len > self.negotiated.own_packet_len_max) {
            return Err(too_large().into());
        }
        let packet = Packet::decode(frame, self.negotiated.version)?;
        if !self.has_room_for(&packet, out) {
            return Err(ServerError::NoRoom);
        }
        match packet {
            Packet::Publish(publish) => self.handle_publish(publish),
            Packet::PubAck(ack) => {
                let ended = self
                    .session
                    .flows
                    .handle_puback(&mut self.link, ack.packet_id);
                acknowledged(ended, ack, PacketType::PubAck)
            }
            Packet::PubRec(ack) => self.handle_pubrec(ack, out),
            Packet::PubRel(ack) => {
                let flows = &mut self.session.flows;
                let reason = flows.handle_pubrel(&mut self.link, ack.packet_id);
                let pubcomp = self.answer(ack.packet_id, reason);
                self.send(&Packet::PubComp(pubcomp), out);
                Ok(ServerEvent::Handled)
            }
            Packet::PubComp(ack) => {
                let ended = self
                    .session
                    .flows
                    .handle_pubcomp(&mut self.link, ack.packet_id);
                acknowledged(ended, ack, PacketType::PubComp)
            }
            Packet::Subscribe(subscribe) => {
                check_subscribe(&subscribe, self.grants)?;
                let answer = RequestToken {
                    connection: self.session.connections,
                    packet_id: subscribe.packet_id,
                    filters: subscribe.filters.len(),
                };
                Ok(ServerEvent::Subscribe { subscribe, answer })
            }
            Packet::Unsubscribe(unsubscribe) => {
                let answer = RequestToken {
                    connection: self.session.connections,
                    packet_id: unsubscribe.packet_id,
                    filters: unsubscribe.filters.len(),
                };
                Ok(ServerEvent::Unsubscribe {
                    unsubscribe,
                    answer,
                })
            }
            Packet::PingReq => {
                self.send(&Packet::PingResp, out);
                Ok(ServerEvent::Handled)
            }
            Packet::Disconnect(disconnect) => self.handle_disconnect(disconnect),
            Packet::Auth(auth) => self.handle_auth(auth),
            other => Err(unexpected(other.packet_type())),
        }
    }

    /// Whether what `packet` brings about has a place: its answer in `out`, its acknowledgement behind others.
    fn has_room_for(&self, packet: &Packet<'_>, out: &impl Output) -> bool {
        match packet {
            Packet::PubRec(_) | Packet::PubRel(_) | Packet::PingReq => out.room() >= ANSWER_LEN_MAX,
            Packet::Publish(publish) if publish.delivery.qos() != QoS::AtMostOnce => {
                let is_full = self.rare().is_some_and(|rare| rare.acks.is_full());
                // One above the Receive Maximum is no case of waiting.
                !is_full || self.link.receive_quota.is_used_up()
            }
            _ => true,
        }
    }

    fn handle_publish<'a>(
        &'a mut self,
        mut publish: Publish<'a>,
    ) -> Result<ServerEvent<'a, M>, ServerError> {
        check_publish(&publish, self.grants)?;
        let alias = publish.properties.topic_alias();
        if let Some(alias) = alias {
            // First of all: a message whose topic nobody knows is not received, and its repeat is none.
            let given = publish.topic_name.map(TopicName::as_str);
            self.rare_mut().inbound.resolve(alias, given)?;
        }
        let flows = &mut self.session.flows;
        let received = flows.handle_publish(&mut self.link, publish.delivery)?;
        // There is a place: it was looked for before.
        let ack = Settling::of(publish.delivery)
            .and_then(|settling| self.rare_mut().acks.hold(settling, WaitsFor::Token));
        if let (Some(alias), None) = (alias, publish.topic_name) {
            let topic_name = self.rare_mut().inbound.resolve(alias, None)?;
            publish.topic_name = TopicName::try_new(topic_name).ok();
        }
        Ok(match (received, ack) {
            (Received::Duplicate, Some(ack)) => ServerEvent::Repeated { ack },
            (_, ack) => ServerEvent::Message { publish, ack },
        })
    }

    fn handle_pubrec<'a>(
        &mut self,
        ack: Ack<'a>,
        out: &mut impl Output,
    ) -> Result<ServerEvent<'a, M>, ServerError> {
        let (packet_id, reason) = (ack.packet_id, ack.reason);
        let flows = &mut self.session.flows;
        let mut answer = ReasonCode::SUCCESS;
        match flows.handle_pubrec(&mut self.link, packet_id, reason) {
            Ok(PubRecOutcome::Release(message)) => message.forget_body(),
            Ok(PubRecOutcome::ReleaseAgain) => {}
            Ok(PubRecOutcome::Refused(message)) => {
                return Ok(ServerEvent::Acknowledged { message, ack });
            }
            // A refusal of something this side has forgotten leaves nothing to release.
            Err(UnexpectedAck::Unknown) if reason.is_error() => return Ok(ServerEvent::Handled),
            Err(UnexpectedAck::Unknown) => answer = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
            Err(UnexpectedAck::WrongKind) => return Err(wrong(PacketType::PubRec, packet_id)),
        }
        let pubrel = self.answer(packet_id, answer);
        self.send(&Packet::PubRel(pubrel), out);
        Ok(ServerEvent::Handled)
    }

    /// Spec: v5 §3.14.2.2.2, [MQTT-3.1.2-10], [MQTT-3.14.4-3].
    fn handle_disconnect<'a>(
        &mut self,
        disconnect: Disconnect<'a>,
    ) -> Result<ServerEvent<'a, M>, ServerError> {
        if let Some(asked_s) = disconnect.properties.session_expiry_interval_s()
            && !self.override_session_expiry(SessionExpiry(asked_s))
        {
            return Err(ProtocolError::SessionExpiryRaised.into());
        }
        self.phase = match disconnect.reason {
            ReasonCode::NORMAL_DISCONNECTION => Phase::Goodbye,
            _ => Phase::Ended,
        };
        Ok(ServerEvent::Disconnected(disconnect))
    }

    /// Spec: v5 [MQTT-4.12.0-5], [MQTT-4.12.0-7], [MQTT-4.12.1-1].
    fn handle_auth<'a>(&mut self, auth: Auth<'a>) -> Result<ServerEvent<'a, M>, ServerError> {
        let exchange = self.auth_mut();
        let exchange = exchange.ok_or_else(|| unexpected(PacketType::Auth))?;
        exchange.handle_auth(&auth)?;
        Ok(ServerEvent::Authenticate(auth))
    }

    /// An answer in a QoS flow with `reason`, as far as the version can say it.
    pub(super) fn answer(&self, packet_id: PacketId, reason: ReasonCode) -> Ack<'static> {
        Ack {
            packet_id,
            reason: self.negotiated.ack_reason(reason),
            properties: Properties::EMPTY,
        }
    }

    /// Sends a packet of ours that is correct by construction.
    pub(super) fn send(&mut self, packet: &Packet<'_>, out: &mut impl Output) {
        // A client that takes no packet of four bytes gets none, and its flow stays open.
        let _ = append_fitting(packet, &self.negotiated, out);
    }
}

/// Spec: v5 [MQTT-3.3.4-6], §3.2.2.3.4, §3.2.2.3.5.
fn check_publish(publish: &Publish<'_>, grants: ServerGrants) -> Result<(), ProtocolError> {
    let packet_type = PacketType::Publish;
    if publish.properties.has(PropertyId::SubscriptionIdentifier) {
        return Err(ProtocolError::SubscriptionIdentifierFromClient);
    }
    if publish.delivery.qos() > grants.maximum_qos {
        let reason = ReasonCode::QOS_NOT_SUPPORTED;
        return Err(ProtocolError::NotOffered {
            packet_type,
            reason,
        });
    }
    if publish.retain && !grants.retain {
        let reason = ReasonCode::RETAIN_NOT_SUPPORTED;
        return Err(ProtocolError::NotOffered {
            packet_type,
            reason,
        });
    }
    Ok(())
}

/// Spec: v5 §3.2.2.3.11, §3.2.2.3.12, §3.2.2.3.13.
fn check_subscribe(subscribe: &Subscribe<'_>, grants: ServerGrants) -> Result<(), ProtocolError> {
    let not_offered = |reason| {
        let packet_type = PacketType::Subscribe;
        Err(ProtocolError::NotOffered {
            packet_type,
            reason,
        })
    };
    let has_id = subscribe.properties.has(PropertyId::SubscriptionIdentifier);
    if has_id && !grants.subscription_identifiers {
        return not_offered(ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED);
    }
    if grants.wildcards && grants.shared_subscriptions {
        return Ok(());
    }
    for (topic_filter, _) in subscribe.filters.iter() {
        if topic_filter.has_wildcard() && !grants.wildcards {
            return not_offered(ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED);
        }
        if topic_filter.shared().is_some() && !grants.shared_subscriptions {
            return not_offered(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED);
        }
    }
    Ok(())
}

/// What an acknowledgement that should end a flow brings about; one that names nothing is ignored.
fn acknowledged<'a, M>(
    ended: Result<M, UnexpectedAck>,
    ack: Ack<'a>,
    packet_type: PacketType,
) -> Result<ServerEvent<'a, M>, ServerError> {
    match ended {
        Ok(message) => Ok(ServerEvent::Acknowledged { message, ack }),
        Err(UnexpectedAck::Unknown) => Ok(ServerEvent::Handled),
        Err(UnexpectedAck::WrongKind) => Err(wrong(packet_type, ack.packet_id)),
    }
}

fn unexpected(packet_type: PacketType) -> ServerError {
    ProtocolError::Unexpected { packet_type }.into()
}

fn wrong(packet_type: PacketType, packet_id: PacketId) -> ServerError {
    ProtocolError::WrongAcknowledgement {
        packet_type,
        packet_id: packet_id.get(),
    }
    .into()
}
