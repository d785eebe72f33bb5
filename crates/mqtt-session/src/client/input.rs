//! Packets from the server.

use super::connection::{ANSWER_LEN_MAX, Asked, Phase};
use super::{
    ClientConnection, ClientError, ClientEvent, Flow, OutgoingMessage, ServerGrants, UnknownSession,
};
use crate::error::too_large;
use crate::held_acks::WaitsFor;
use crate::storage::PacketIds;
use crate::{
    ClientKeepAlive, InboundAliases, Journal, Link, OutboundAliases, Output, ProtocolError,
    PubRecOutcome, Received, SessionExpiry, Settling, Storage, UnexpectedAck,
};
use core::num::NonZeroU16;
use mqtt_codec::{
    Ack, Auth, ConnAck, DecodeError, Disconnect, Frame, Head, Packet, PacketId, PacketType,
    Properties, PropertyId, ProtocolVersion, Publish, QoS, ReasonCode, SubAck, TopicName, UnsubAck,
};

/// Body of a CONNACK before v5: Session Present and the return code.
const CONNACK_LEN_BEFORE_PROPERTIES: usize = 2;

impl<M: OutgoingMessage, R, S: Storage, J: Journal<M>> ClientConnection<M, R, S, J> {
    /// Takes one Control Packet; answers that need no application go to the end of `out`.
    ///
    /// Call [`ClientConnection::poll_resend`] afterwards: an acknowledgement may have made room.
    ///
    /// # Errors
    /// [`ClientError::NoRoom`]: nothing has happened, give `frame` again later. Else the server broke the protocol: end
    /// the connection with [`ClientConnection::fail`].
    pub fn handle_frame<'a>(
        &'a mut self,
        frame: Frame<'a>,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<ClientEvent<'a, M, R>, ClientError> {
        self.handle_frame_known(frame, None, now_ms, out)
    }

    /// The same; a PUBLISH is likely to have the `head` of the last one of this Network Connection.
    ///
    /// If it has, the Topic Name of the event is that in `head` itself: [`str::as_ptr`] tells.
    ///
    /// # Errors
    /// As [`ClientConnection::handle_frame`].
    pub fn handle_frame_known<'a>(
        &'a mut self,
        frame: Frame<'a>,
        head: Option<Head<'a>>,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<ClientEvent<'a, M, R>, ClientError> {
        self.now_ms = now_ms;
        self.keep_alive.received(now_ms);
        if u32::try_from(frame.len).map_or(true, |len| len > self.negotiated.own_packet_len_max) {
            return Err(too_large().into());
        }
        match self.phase {
            Phase::Connecting if self.auth.is_some() && is_auth(frame) => {
                return self.handle_auth(Auth::decode(frame, self.negotiated.version)?);
            }
            Phase::Connecting => return self.handle_connack(read_connack(frame, &self.asked)?),
            Phase::Connected => {}
            // Nothing more is said, so nothing more is heard; v5 [MQTT-3.14.4-1].
            Phase::Ended => return Ok(ClientEvent::Handled),
        }
        if frame.first >> 4 == PacketType::Publish.get() {
            let version = self.negotiated.version;
            let known = head.and_then(|head| Publish::decode_as(frame, version, head));
            let (publish, alias) = match known {
                Some(publish) => (publish, None),
                None => {
                    let publish = Publish::decode(frame, version)?;
                    (publish, publish.properties.topic_alias())
                }
            };
            if !self.has_room_for_publish(&publish) {
                return Err(ClientError::NoRoom);
            }
            return self.handle_publish(publish, alias, out);
        }
        let packet = Packet::decode(frame, self.negotiated.version)?;
        if !has_room_for(&packet, out) {
            return Err(ClientError::NoRoom);
        }
        match packet {
            Packet::PubAck(ack) => {
                let ended = self
                    .session
                    .flows
                    .handle_puback(&mut self.link, ack.packet_id);
                acknowledged(ended, ack, PacketType::PubAck)
            }
            Packet::PubRec(ack) => self.handle_pubrec(ack, out),
            Packet::PubRel(ack) => {
                self.handle_pubrel(ack.packet_id, out);
                Ok(ClientEvent::Handled)
            }
            Packet::PubComp(ack) => {
                let ended = self
                    .session
                    .flows
                    .handle_pubcomp(&mut self.link, ack.packet_id);
                acknowledged(ended, ack, PacketType::PubComp)
            }
            Packet::SubAck(suback) => self.handle_suback(suback),
            Packet::UnsubAck(unsuback) => self.handle_unsuback(unsuback),
            Packet::PingResp => Ok(ClientEvent::Handled),
            Packet::Disconnect(disconnect) => self.handle_disconnect(disconnect),
            Packet::Auth(auth) => self.handle_auth(auth),
            other => Err(unexpected(other.packet_type())),
        }
    }

    /// Whether the acknowledgement of `publish` has a place behind others.
    fn has_room_for_publish(&self, publish: &Publish<'_>) -> bool {
        // One above the Receive Maximum is no case of waiting.
        publish.delivery.qos() == QoS::AtMostOnce
            || !self.acks.is_full()
            || self.link.receive_quota.is_used_up()
    }

    fn handle_connack<'a>(
        &'a mut self,
        connack: ConnAck<'a>,
    ) -> Result<ClientEvent<'a, M, R>, ClientError> {
        if connack.reason.is_error() {
            self.phase = Phase::Ended;
            return Ok(ClientEvent::Refused(connack));
        }
        match (&mut self.auth, connack.properties.authentication_method()) {
            (Some(auth), _) => auth.handle_connack(&connack)?,
            // Spec: v5 [MQTT-4.12.0-6].
            (None, Some(_)) => return Err(ProtocolError::AuthenticationMethodChanged.into()),
            (None, None) => {}
        }
        let known = self.session.established && !self.asked.clean_start;
        let session_present = match self.asked.version.has_session_present() {
            true => connack.session_present,
            // Nobody says, so it is as both sides have to have it.
            false => known && self.session.outlives_connection,
        };
        match (session_present, known) {
            (true, true) => self.session.flows.begin_resume(),
            (true, false) => {
                let refused = self.settings.unknown_session == UnknownSession::Refuse;
                if refused || self.asked.clean_start {
                    return Err(ClientError::SessionUnknown);
                }
                self.session.begin_anew(self.session.connections);
            }
            (false, _) => self.session.lose(),
        }
        self.session.established = true;
        self.phase = Phase::Connected;
        self.negotiated = self.asked.negotiated(&connack);
        self.session.outlives_connection =
            self.negotiated.session_expiry != SessionExpiry::AT_DISCONNECT;
        self.grants = ServerGrants::of(&connack, self.negotiated.version);
        let receive_maximum = match self.takes_excess {
            true => u16::MAX,
            false => self.negotiated.own_receive_maximum,
        };
        self.link = Link::with_storage(self.negotiated.peer_receive_maximum, receive_maximum);
        self.aliases = InboundAliases::with_storage(self.negotiated.own_topic_alias_maximum);
        self.outbound = OutboundAliases::with_storage(
            self.outbound_aliases_max,
            self.negotiated.peer_topic_alias_maximum,
        );
        self.keep_alive = ClientKeepAlive::new(
            self.negotiated.keep_alive_s,
            self.settings.ping_answer_within_ms,
            self.now_ms,
        );
        Ok(ClientEvent::Connected { connack })
    }

    /// Spec: v5 [MQTT-4.12.0-5], [MQTT-4.12.0-7], §4.12.1.
    fn handle_auth<'a>(&mut self, auth: Auth<'a>) -> Result<ClientEvent<'a, M, R>, ClientError> {
        let Some(exchange) = &mut self.auth else {
            return Err(unexpected(PacketType::Auth));
        };
        exchange.handle_auth(&auth)?;
        Ok(match exchange.is_idle() {
            true => ClientEvent::Authenticated(auth),
            false => ClientEvent::Authenticate(auth),
        })
    }

    /// Takes PUBLISH with a Topic Alias that is still to be resolved, if there is one.
    fn handle_publish<'a>(
        &'a mut self,
        mut publish: Publish<'a>,
        alias: Option<NonZeroU16>,
        out: &mut impl Output,
    ) -> Result<ClientEvent<'a, M, R>, ClientError> {
        if let Some(alias) = alias {
            // First of all: a message whose topic nobody knows is not received, and its repeat is none.
            let given = publish.topic_name.map(TopicName::as_str);
            self.aliases.resolve(alias, given)?;
        }
        let received = self
            .session
            .flows
            .handle_publish(&mut self.link, publish.delivery)?;
        let is_duplicate = received == Received::Duplicate;
        // There is a place: it was looked for before.
        let ack = Settling::of(publish.delivery).and_then(|settling| {
            let packet_id = settling.packet_id;
            let waits_for = match received {
                Received::Deliver => WaitsFor::Token,
                Received::Duplicate if self.session.held.contains(packet_id) => {
                    WaitsFor::EarlierToken(packet_id)
                }
                // Its first one is answered, or stands before it.
                Received::Duplicate => WaitsFor::Nothing,
            };
            self.acks.hold(settling, waits_for)
        });
        if is_duplicate {
            self.send_acks(out);
        }
        if let (Some(alias), None) = (alias, publish.topic_name) {
            let topic_name = self.aliases.resolve(alias, None)?;
            publish.topic_name = TopicName::try_new(topic_name).ok();
        }
        Ok(match received {
            Received::Deliver => ClientEvent::Message { publish, ack },
            Received::Duplicate => ClientEvent::Handled,
        })
    }

    fn handle_pubrec<'a>(
        &'a mut self,
        ack: Ack<'a>,
        out: &mut impl Output,
    ) -> Result<ClientEvent<'a, M, R>, ClientError> {
        let Ack {
            packet_id, reason, ..
        } = ack;
        let mut answer = ReasonCode::SUCCESS;
        match self
            .session
            .flows
            .handle_pubrec(&mut self.link, packet_id, reason)
        {
            Ok(PubRecOutcome::Release(Flow::Publish(message))) => {
                message.note_received(&ack);
                message.forget_body();
            }
            Ok(PubRecOutcome::Release(_) | PubRecOutcome::ReleaseAgain) => {}
            Ok(PubRecOutcome::Refused(flow)) => {
                return acknowledged(Ok(flow), ack, PacketType::PubRec);
            }
            // A refusal of something this side has forgotten leaves nothing to release.
            Err(UnexpectedAck::Unknown) if reason.is_error() => return Ok(ClientEvent::Handled),
            Err(UnexpectedAck::Unknown) => answer = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
            Err(UnexpectedAck::WrongKind) => return Err(wrong(PacketType::PubRec, packet_id)),
        }
        self.send_answer(PacketType::PubRel, packet_id, answer, out);
        Ok(ClientEvent::Handled)
    }

    fn handle_pubrel(&mut self, packet_id: PacketId, out: &mut impl Output) {
        let reason = self.session.flows.handle_pubrel(&mut self.link, packet_id);
        // Of a message that is over nothing is repeated; a repeat that waits has nothing to wait for.
        self.session.held.remove(packet_id);
        self.send_answer(PacketType::PubComp, packet_id, reason, out);
    }

    /// Sends PUBREL or PUBCOMP.
    fn send_answer(
        &mut self,
        packet_type: PacketType,
        packet_id: PacketId,
        reason: ReasonCode,
        out: &mut impl Output,
    ) {
        let ack = self.answer(packet_id, reason);
        if ack.reason == ReasonCode::SUCCESS {
            if out.extend_from(&Ack::success(packet_type, packet_id)) {
                self.keep_alive.sent(self.now_ms);
            }
            return;
        }
        let packet = match packet_type {
            PacketType::PubRel => Packet::PubRel(ack),
            _ => Packet::PubComp(ack),
        };
        self.send(&packet, out);
    }

    fn handle_suback<'a>(
        &mut self,
        suback: SubAck<'a>,
    ) -> Result<ClientEvent<'a, M, R>, ClientError> {
        let got = Some(suback.reasons.iter().len());
        let request = self.end_request(PacketType::SubAck, suback.packet_id, got)?;
        Ok(
            request.map_or(ClientEvent::Handled, |request| ClientEvent::Subscribed {
                request,
                suback,
            }),
        )
    }

    fn handle_unsuback<'a>(
        &mut self,
        unsuback: UnsubAck<'a>,
    ) -> Result<ClientEvent<'a, M, R>, ClientError> {
        let has_reasons = self.negotiated.version.has_unsuback_reasons();
        let got = has_reasons.then(|| unsuback.reasons.iter().len());
        let request = self.end_request(PacketType::UnsubAck, unsuback.packet_id, got)?;
        Ok(
            request.map_or(ClientEvent::Handled, |request| ClientEvent::Unsubscribed {
                request,
                unsuback,
            }),
        )
    }

    /// Takes the request that an answer with `got` Reason Codes is for; none for an identifier that names nothing.
    ///
    /// After an error the request is still there: [`ClientConnection::end_requests`] gives it back.
    fn end_request(
        &mut self,
        packet_type: PacketType,
        packet_id: PacketId,
        got: Option<usize>,
    ) -> Result<Option<R>, ClientError> {
        let flows = &mut self.session.flows;
        let wanted = match (flows.open_message(packet_id), packet_type) {
            (None, _) => return Ok(None),
            (Some(Flow::Subscribe { filters, .. }), PacketType::SubAck)
            | (Some(Flow::Unsubscribe { filters, .. }), PacketType::UnsubAck) => *filters,
            (Some(_), _) => return Err(wrong(packet_type, packet_id)),
        };
        if let Some(got) = got.filter(|got| *got != wanted) {
            return Err(ProtocolError::ReasonCodeCount { wanted, got }.into());
        }
        let request = flows.handle_answer(&mut self.link, packet_id);
        Ok(request.ok().and_then(Flow::into_request))
    }

    /// Spec: v5 [MQTT-3.14.2-2]: a server sends no Session Expiry Interval.
    fn handle_disconnect<'a>(
        &mut self,
        disconnect: Disconnect<'a>,
    ) -> Result<ClientEvent<'a, M, R>, ClientError> {
        let allowed = self.negotiated.version.server_may_disconnect()
            && !disconnect.properties.has(PropertyId::SessionExpiryInterval);
        if !allowed {
            return Err(unexpected(PacketType::Disconnect));
        }
        self.phase = Phase::Ended;
        Ok(ClientEvent::Disconnected(disconnect))
    }

    /// An answer in a QoS flow with `reason`, as far as the version can say it.
    pub(super) fn answer(&self, packet_id: PacketId, reason: ReasonCode) -> Ack<'static> {
        Ack {
            packet_id,
            reason: self.negotiated.ack_reason(reason),
            properties: Properties::EMPTY,
        }
    }
}

/// Whether the answer to `packet` has a place in `out`.
fn has_room_for(packet: &Packet<'_>, out: &impl Output) -> bool {
    match packet {
        Packet::PubRec(_) | Packet::PubRel(_) => out.room() >= ANSWER_LEN_MAX,
        _ => true,
    }
}

/// Reads CONNACK, also in the form of an older server that does not know the version asked for.
fn read_connack<'a>(frame: Frame<'a>, asked: &Asked) -> Result<ConnAck<'a>, ClientError> {
    let packet_type = PacketType::from_u8(frame.first >> 4);
    if let Some(packet_type) = packet_type.filter(|found| *found != PacketType::ConnAck) {
        return Err(unexpected(packet_type));
    }
    let decoded = ConnAck::decode(frame, asked.version);
    if decoded.is_err() && frame.body.len() == CONNACK_LEN_BEFORE_PROPERTIES {
        let refusal = older(asked.version)
            .and_then(|version| ConnAck::decode(frame, version).ok())
            .filter(|connack| connack.reason.is_error());
        if let Some(refusal) = refusal {
            return Ok(refusal);
        }
    }
    decoded.map_err(|error: DecodeError| error.into())
}

fn is_auth(frame: Frame<'_>) -> bool {
    frame.packet_type() == Some(PacketType::Auth)
}

/// The version before `version`.
fn older(version: ProtocolVersion) -> Option<ProtocolVersion> {
    ProtocolVersion::from_level(version.level().checked_sub(1)?)
}

/// What an acknowledgement that should end a flow brings about; one that names nothing is ignored.
fn acknowledged<'a, M, R>(
    ended: Result<Flow<M, R>, UnexpectedAck>,
    ack: Ack<'a>,
    packet_type: PacketType,
) -> Result<ClientEvent<'a, M, R>, ClientError> {
    match ended {
        Ok(Flow::Publish(message)) => Ok(ClientEvent::Acknowledged { message, ack }),
        Ok(Flow::GivenUp) | Err(UnexpectedAck::Unknown) => Ok(ClientEvent::Handled),
        Ok(Flow::Subscribe { .. } | Flow::Unsubscribe { .. }) | Err(UnexpectedAck::WrongKind) => {
            Err(wrong(packet_type, ack.packet_id))
        }
    }
}

fn unexpected(packet_type: PacketType) -> ClientError {
    ProtocolError::Unexpected { packet_type }.into()
}

fn wrong(packet_type: PacketType, packet_id: PacketId) -> ClientError {
    ProtocolError::WrongAcknowledgement {
        packet_type,
        packet_id: packet_id.get(),
    }
    .into()
}
