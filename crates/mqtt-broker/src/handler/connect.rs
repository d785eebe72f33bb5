//! CONNECT: who it is, what is agreed, which session goes on.

use super::auth::{Authenticated, take_grant};
use crate::access::{AccessRequest, ClientInfo, Decision};
use crate::authenticate::{AuthStep, Grant, Refusal};
use crate::config::CertificateField;
use crate::core::cause::{EndCause, RequestRefused};
use crate::core::connection::{Connection, HeldAnswer, Open, Step};
use crate::core::log::LogPosition;
use crate::core::message::{Message, Source};
use crate::core::reached::LimitCause;
use crate::core::refusals::Reference;
use crate::core::session_cell::SessionKey;
use crate::core::{
    AttachRequest, Batch, Lost, Wanted, Will, ask, is_of_broker, push, push_fitting,
};
use crate::ownership::{Claim, OwnerEpoch};
use mqtt_codec::{
    ConnAck, Connect, Frame, Packet, PacketType, Properties, Property, PropertyScope,
    ProtocolVersion, ReasonCode,
};
use mqtt_session::{AckQueue, Negotiated, ReceiveQuota, SessionExpiry};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// CONNACK 1, as every version before v5 understands it; what an unknown version understands is anybody's guess.
///
/// Spec: v3.1.1 [MQTT-3.1.2-2].
const UNACCEPTABLE_VERSION: [u8; 4] = [0x20, 0x02, 0x00, 0x01];

/// Names from a certificate, which count instead of those in CONNECT.
#[derive(Default)]
struct TakenNames {
    username: Option<Box<str>>,
    client_id: Option<Box<str>>,
}

impl TakenNames {
    fn over<'c>(&'c self, connect: Connect<'c>) -> Connect<'c> {
        Connect {
            username: self.username.as_deref().or(connect.username),
            client_id: self.client_id.as_deref().unwrap_or(connect.client_id),
            ..connect
        }
    }
}

impl Connection {
    /// Accepts or refuses a client. Spec: v5 §3.1.4, v3.1.1 §3.1.4.
    pub(crate) fn handle_connect(
        &mut self,
        frame: Frame<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<Step, EndCause> {
        let connect = match Connect::decode(frame) {
            Ok(connect) => connect,
            Err(error) => {
                self.refuse_undecoded(frame, error.reason_code());
                return Err(EndCause::Malformed(error));
            }
        };
        let negotiated = Negotiated::of_connect(&connect, &self.core.limits.server());
        let Some(names) = self.taken_names() else {
            let refusal = Refusal::new(ReasonCode::NOT_AUTHORIZED);
            return Err(self.refuse(connect.client_id, &negotiated, &refusal));
        };
        let connect = names.over(connect);
        if let Some(reason) = self.refusal(&connect) {
            return Err(self.refuse(connect.client_id, &negotiated, &Refusal::new(reason)));
        }
        match self.authenticate(&connect, &negotiated) {
            Authenticated::Wait => Ok(Step::Wait),
            Authenticated::Asked => Ok(Step::Done),
            Authenticated::Out(refusal) => {
                Err(self.refuse(connect.client_id, &negotiated, &refusal))
            }
            Authenticated::In(grant) => self.admit(&connect, negotiated, grant, batch, now_ms),
        }
    }

    /// The names that the client's certificate gives it; none when it has not what they are taken from.
    fn taken_names(&self) -> Option<TakenNames> {
        let Some(arrival) = &self.arrival else {
            return Some(TakenNames::default());
        };
        let certificate = arrival.certificate.as_deref();
        let name = |field: CertificateField| match field {
            CertificateField::Disabled => Some(None),
            field => field.of(certificate?).map(Some),
        };
        Some(TakenNames {
            username: name(arrival.fields.username)?,
            client_id: name(arrival.fields.client_id)?,
        })
    }

    /// The client is who it says: gives it its session.
    pub(super) fn admit(
        &mut self,
        connect: &Connect<'_>,
        negotiated: Negotiated,
        grant: Grant,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<Step, EndCause> {
        let Some((peer, listener)) = self.origin() else {
            return Err(EndCause::ConnectExpected);
        };
        let mut client = ClientInfo {
            client_id: connect.client_id.into(),
            username: connect.username.map(Into::into),
            peer,
            version: connect.version,
            listener: Arc::clone(listener),
            superuser: false,
            attributes: None,
            rules: None,
            identity: None,
            certificate: self.arrival.as_ref().and_then(|a| a.certificate.clone()),
        };
        let words = (
            grant.response_information.clone(),
            grant.authentication_data.clone(),
        );
        take_grant(&mut client, grant);
        // It may be another user than it said.
        if self
            .core
            .is_banned(connect.client_id, client.username.as_deref())
        {
            let refusal = Refusal::new(ReasonCode::BANNED);
            return Err(self.refuse(connect.client_id, &negotiated, &refusal));
        }
        match self.may_leave_will(connect, &client) {
            None => return Ok(Step::Wait),
            Some(Decision::Deny(reason) | Decision::Disconnect(reason)) => {
                let mut refusal = Refusal::new(reason);
                let reference = self.note_will_refused(connect, &client, reason, now_ms);
                refusal.reason_string = reference.map(|reference| reference.words().into());
                return Err(self.refuse(connect.client_id, &negotiated, &refusal));
            }
            Some(Decision::Allow) => {}
        }
        let asked = match connect.clean_start {
            true => Vec::new(),
            false => self.core.to_ask_again(&client),
        };
        let lost = match asked.is_empty() {
            true => Lost::These(Vec::new()),
            false => match self.gate.lost(|| self.core.ask_again(&client, &asked)) {
                None => return Ok(Step::Wait),
                Some(lost) => lost,
            },
        };
        let owner_epoch = match self.claim(connect) {
            None => return Ok(Step::Wait),
            Some(Claim::Refused(reason)) => {
                return Err(self.refuse(connect.client_id, &negotiated, &Refusal::new(reason)));
            }
            Some(Claim::Owned(epoch)) => epoch,
        };
        let mut client = Arc::new(client);
        let request = AttachRequest {
            client_id: connect.client_id,
            clean_start: connect.clean_start,
            negotiated,
            owner_epoch,
            client: &client,
        };
        let attached = match self.core.attach(&request, batch, now_ms) {
            Ok(attached) => attached,
            Err(reason) => {
                if !connect.client_id.is_empty() {
                    self.core.ownership.release(connect.client_id, owner_epoch);
                }
                return Err(self.refuse(connect.client_id, &negotiated, &Refusal::new(reason)));
            }
        };
        if client.client_id != attached.cell.client_id {
            Arc::make_mut(&mut client).client_id = attached.cell.client_id.clone();
        }
        if attached.session_present {
            self.core.lose(&attached.cell, &client, lost, asked, now_ms);
        }
        self.arrival = None;
        self.open = Some(Box::new(Open {
            client,
            cell: attached.cell,
            epoch: attached.epoch,
            negotiated,
            receive_quota: ReceiveQuota::new(negotiated.own_receive_maximum),
            aliases: None,
            last_topic: Default::default(),
            held: AckQueue::new(),
            retained: Default::default(),
        }));
        let position = attached
            .position
            .max(self.keep_client(connect, batch, now_ms));
        let (response_information, data) = (words.0.as_deref(), words.1.as_deref());
        self.welcome(
            connect,
            attached.session_present,
            position,
            response_information,
            data,
        )?;
        if let Some(open) = &self.open {
            let (client, present) = (&open.client, attached.session_present);
            self.core.hub.connected(client, present);
            let clean_start = connect.clean_start;
            self.core
                .tell_sys_connected(client, &negotiated, clean_start, batch, now_ms);
        }
        self.core.counters.accepted.fetch_add(1, Ordering::Relaxed);
        self.auto_subscribe(batch, now_ms);
        tracing::debug!(%peer, client_id = connect.client_id, "connected");
        Ok(Step::Done)
    }

    fn peer_text(&self) -> String {
        let origin = self.origin();
        origin.map_or_else(String::new, |(peer, _)| peer.to_string())
    }

    /// Who is it?
    fn authenticate(&mut self, connect: &Connect<'_>, negotiated: &Negotiated) -> Authenticated {
        if let Some(method) = connect.properties.authentication_method() {
            return self.begin_exchange(connect, method, negotiated);
        }
        let Some(authenticate) = self.core.authenticate.clone() else {
            let Some((peer, _)) = self.origin() else {
                return Authenticated::Out(Refusal::new(ReasonCode::NOT_AUTHORIZED));
            };
            let request = AccessRequest::Connect {
                client_id: connect.client_id,
                username: connect.username,
                password: connect.password,
                peer,
            };
            return match ask(&mut self.gate, &*self.core.access, None, &request) {
                None => Authenticated::Wait,
                Some(Decision::Allow) => Authenticated::In(Grant::default()),
                Some(Decision::Deny(reason) | Decision::Disconnect(reason)) => {
                    Authenticated::Out(Refusal::new(reason))
                }
            };
        };
        let Self { arrival, gate, .. } = self;
        let Some(arrival) = arrival else {
            return Authenticated::Out(Refusal::new(ReasonCode::NOT_AUTHORIZED));
        };
        let request = arrival.connect_request(connect);
        match gate.step(|| authenticate.connect(&request)) {
            None => Authenticated::Wait,
            Some(AuthStep::Accept(grant)) => Authenticated::In(*grant),
            Some(AuthStep::Refuse(refusal)) => Authenticated::Out(*refusal),
            // Without a method there is no packet to ask with.
            Some(AuthStep::Continue(_)) => {
                Authenticated::Out(Refusal::new(ReasonCode::NOT_AUTHORIZED))
            }
        }
    }

    /// Is the session ours?
    fn claim(&mut self, connect: &Connect<'_>) -> Option<Claim> {
        // A Client Identifier that is assigned here is nobody else's.
        if connect.client_id.is_empty() {
            return Some(Claim::Owned(OwnerEpoch::default()));
        }
        let ownership = &self.core.ownership;
        self.gate
            .claim(|| ownership.claim(connect.client_id, connect.clean_start))
    }

    /// Two mistakes of a CONNECT have an answer of their own; what else is malformed has none.
    ///
    /// Spec: v3.1.1 [MQTT-3.1.2-2], [MQTT-3.1.3-8], [MQTT-3.1.4-1].
    fn refuse_undecoded(&mut self, frame: Frame<'_>, reason: ReasonCode) {
        match (reason, Connect::version_of(frame)) {
            (ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, _) => {
                self.out.extend_from_slice(&UNACCEPTABLE_VERSION);
            }
            (ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, Some(version)) => {
                self.out.extend(refusal_bytes(version, reason));
            }
            _ => {}
        }
    }

    /// What can be refused without asking anybody.
    fn refusal(&self, connect: &Connect<'_>) -> Option<ReasonCode> {
        let client_id = connect.client_id;
        let too_long = client_id.len() > self.core.limits.client_id_len_max;
        if too_long {
            self.core
                .note_limit(LimitCause::ClientIdLen, &self.peer_text());
            return Some(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID);
        }
        if self.core.is_banned(client_id, connect.username) {
            return Some(ReasonCode::BANNED);
        }
        let (limits, offer) = (&self.core.limits, &self.core.offer);
        let will = connect.will.as_ref()?;
        if let Some(cause) = limits.of_topic(will.topic_name.as_str()) {
            self.core.note_limit(cause, client_id);
            return Some(ReasonCode::TOPIC_NAME_INVALID);
        }
        if will.payload.len() > limits.will_len_max {
            self.core.note_limit(LimitCause::WillLen, client_id);
            return Some(ReasonCode::QUOTA_EXCEEDED);
        }
        // Spec: v5 [MQTT-3.2.2-12], [MQTT-3.2.2-13].
        if will.qos > offer.qos_max {
            return Some(ReasonCode::QOS_NOT_SUPPORTED);
        }
        if will.retain && !offer.retain {
            return Some(ReasonCode::RETAIN_NOT_SUPPORTED);
        }
        is_of_broker(will.topic_name.as_str()).then_some(ReasonCode::NOT_AUTHORIZED)
    }

    /// May its will be published?
    fn may_leave_will(&mut self, connect: &Connect<'_>, client: &ClientInfo) -> Option<Decision> {
        let Some(will) = &connect.will else {
            return Some(Decision::Allow);
        };
        let request = AccessRequest::Publish {
            client,
            topic_name: will.topic_name.as_str(),
            qos: will.qos,
            retain: will.retain,
        };
        ask(&mut self.gate, &*self.core.access, Some(client), &request)
    }

    /// Its will may not: what it may be told to ask about.
    fn note_will_refused(
        &self,
        connect: &Connect<'_>,
        client: &ClientInfo,
        reason: ReasonCode,
        now_ms: u64,
    ) -> Option<Reference> {
        let will = connect.will.as_ref()?;
        let topic_name = will.topic_name.as_str();
        let request = AccessRequest::Publish {
            client,
            topic_name,
            qos: will.qos,
            retain: will.retain,
        };
        let cause = RequestRefused::Publish(reason);
        let core = &self.core;
        core.note_refused(client, topic_name, cause, Some(&request), now_ms)
    }

    /// CONNACK that says no, as far as the client's version and packet size have words for it.
    pub(super) fn refuse(
        &mut self,
        client_id: &str,
        negotiated: &Negotiated,
        refusal: &Refusal,
    ) -> EndCause {
        let asked = refusal.reason;
        let reason = match asked.is_error() && asked.allowed_in(PacketType::ConnAck) {
            true => asked,
            false => ReasonCode::NOT_AUTHORIZED,
        };
        let mut set = Vec::new();
        if let (Some(server), true) = (
            &refusal.server_reference,
            negotiated.version.has_properties(),
        ) {
            set.push(Property::ServerReference(server));
        }
        if let Some(arrival) = &mut self.arrival {
            arrival.refused = Some(client_id.into());
        }
        // Return codes before v5 have no words for these, and "unavailable" would have the client try again.
        let is_unsayable = !negotiated.version.has_properties()
            && matches!(
                reason,
                ReasonCode::QOS_NOT_SUPPORTED | ReasonCode::RETAIN_NOT_SUPPORTED
            );
        if is_unsayable {
            // Spec: v3.1.1 [MQTT-3.2.2-6].
            return EndCause::ConnectRefused(reason);
        }
        let words = refusal.reason_string.as_deref();
        let is_said = push_fitting(&mut self.out, negotiated, &set, words, |properties| {
            Packet::ConnAck(ConnAck {
                session_present: false,
                reason,
                properties,
            })
        });
        self.answers_sent += u32::from(is_said);
        EndCause::ConnectRefused(reason)
    }

    /// Subscriptions it gets without asking.
    fn auto_subscribe(&mut self, batch: &mut Batch, now_ms: u64) {
        let auto = &self.core.extensions.auto_subscriptions;
        let Some(open) = self.open.as_mut().filter(|_| !auto.is_empty()) else {
            return;
        };
        for (topic_filter, options) in auto.of(&open.client) {
            let Ok(subscribed) = self.core.subscribed(&topic_filter) else {
                continue;
            };
            let wanted = Wanted {
                subscribed,
                options,
                subscription_id: None,
            };
            match self.core.subscribe(&open.cell, &wanted) {
                Ok(made) => {
                    let now = LogPosition::NONE;
                    let left = self
                        .core
                        .follow_up(&open.cell, &wanted, made, now, batch, now_ms);
                    left.into_iter().for_each(|left| open.retained.push(left));
                }
                Err(reason) => {
                    let client_id = &open.client.client_id;
                    tracing::info!(%client_id, %topic_filter, %reason, "not subscribed automatically");
                }
            }
        }
    }

    /// Who is connected, and with which will; when CONNACK may leave because of that.
    fn keep_client(&self, connect: &Connect<'_>, batch: &mut Batch, now_ms: u64) -> LogPosition {
        let Some(open) = &self.open else {
            return LogPosition::NONE;
        };
        let mut state = open.cell.state.lock();
        if state.epoch == open.epoch {
            state.client = Some(Arc::clone(&open.client));
            state.connected_at_ms = now_ms;
        }
        drop(state);
        let will = connect.will.map(|will| will_of(&will, open.cell.key));
        match self.core.keep_will(&open.cell, open.epoch, will) {
            Ok(position) => position,
            Err(late) => {
                // Taken over already: as if it had been there when that happened.
                if let Some(will) = late.filter(|will| will.delay_s == 0) {
                    self.core.publish_will(&will, batch, now_ms);
                }
                LogPosition::NONE
            }
        }
    }

    /// CONNACK with what differs from what was asked for; v5 §3.2.2.3.
    ///
    /// A client that takes no packet of that size cannot be told on what terms, so it is refused.
    fn welcome(
        &mut self,
        connect: &Connect<'_>,
        session_present: bool,
        position: LogPosition,
        response_information: Option<&str>,
        authentication_data: Option<&[u8]>,
    ) -> Result<(), EndCause> {
        let core = Arc::clone(&self.core);
        let method = self.accepted_method().map(str::to_owned);
        let Some(open) = &self.open else {
            return Ok(());
        };
        let (negotiated, limits, offer) = (open.negotiated, &core.limits, &core.offer);
        let mut set = Vec::new();
        if negotiated.version.has_properties() {
            let asked_expiry = connect.properties.session_expiry_interval_s().unwrap_or(0);
            if negotiated.session_expiry != SessionExpiry(asked_expiry) {
                set.push(Property::SessionExpiryInterval(negotiated.session_expiry.0));
            }
            if let Some(maximum) = NonZeroU16::new(negotiated.own_receive_maximum) {
                set.push(Property::ReceiveMaximum(maximum));
            }
            if let Some(maximum) = NonZeroU32::new(limits.packet_len_max) {
                set.push(Property::MaximumPacketSize(maximum));
            }
            if connect.client_id.is_empty() {
                set.push(Property::AssignedClientIdentifier(&open.client.client_id));
            }
            set.push(Property::TopicAliasMaximum(
                negotiated.own_topic_alias_maximum,
            ));
            set.extend(offer.properties());
            if connect.properties.request_response_information() == Some(true) {
                // Spec: v5 [MQTT-3.1.2-28].
                let words = response_information.unwrap_or(&offer.response_information);
                set.extend((!words.is_empty()).then_some(Property::ResponseInformation(words)));
            }
            if let Some(method) = &method {
                set.push(Property::AuthenticationMethod(method));
                set.extend(authentication_data.map(Property::AuthenticationData));
            }
            if negotiated.keep_alive_s != connect.keep_alive_s {
                set.push(Property::ServerKeepAlive(negotiated.keep_alive_s));
            }
        }
        let mut bytes = Vec::new();
        let fits = push_fitting(&mut bytes, &negotiated, &set, None, |properties| {
            Packet::ConnAck(ConnAck {
                session_present,
                reason: ReasonCode::SUCCESS,
                properties,
            })
        });
        if !fits {
            // It was never told that it is connected, so nothing is to be said in its name.
            let _ = self.core.keep_will(&open.cell, open.epoch, None);
            let refusal = Refusal::new(ReasonCode::PACKET_TOO_LARGE);
            return Err(self.refuse(connect.client_id, &negotiated, &refusal));
        }
        self.answer(position, HeldAnswer::Bytes(bytes.into()));
        Ok(())
    }
}

fn refusal_bytes(version: ProtocolVersion, reason: ReasonCode) -> Vec<u8> {
    let connack = ConnAck {
        session_present: false,
        reason,
        properties: Properties::EMPTY,
    };
    let mut bytes = Vec::new();
    push(&mut bytes, version, &Packet::ConnAck(connack));
    bytes
}

/// Keeps a will until its connection ends. Its Message Expiry Interval begins only when it is published.
fn will_of(will: &mqtt_codec::Will<'_>, publisher: SessionKey) -> Box<Will> {
    let source = Source {
        topic_name: will.topic_name,
        properties: will.properties,
        scope: PropertyScope::Will,
        expiry_left_s: None,
        payload: will.payload,
    };
    Box::new(Will {
        message: Arc::new(Message::new(
            &source,
            will.qos,
            will.retain,
            None,
            publisher,
        )),
        delay_s: will.properties.will_delay_interval_s().unwrap_or(0),
        expiry_s: will.properties.message_expiry_interval_s(),
    })
}
