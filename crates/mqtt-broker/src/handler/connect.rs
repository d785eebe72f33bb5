//! CONNECT: who it is, what is agreed, which session goes on.

use crate::access::{AccessRequest, ClientInfo, Decision};
use crate::core::cause::EndCause;
use crate::core::connection::{Connection, HeldAnswer, Open, Step};
use crate::core::log::LogPosition;
use crate::core::message::{Message, Source};
use crate::core::session_cell::SessionKey;
use crate::core::{AttachRequest, Batch, Will, ask, push};
use mqtt_codec::{
    ConnAck, Connect, Frame, Packet, Properties, Property, PropertyList, PropertyScope,
    ProtocolVersion, ReasonCode,
};
use mqtt_session::{AckQueue, InboundAliases, Negotiated, ReceiveQuota, SessionExpiry};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

/// CONNACK 1, as every version before v5 understands it; what an unknown version understands is anybody's guess.
///
/// Spec: v3.1.1 [MQTT-3.1.2-2].
const UNACCEPTABLE_VERSION: [u8; 4] = [0x20, 0x02, 0x00, 0x01];

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
        let version = connect.version;
        if let Some(reason) = self.refusal(&connect) {
            self.refuse(version, reason);
            return Err(EndCause::ConnectRefused(reason));
        }
        let client = ClientInfo {
            client_id: connect.client_id.into(),
            username: connect.username.map(Into::into),
            peer: self.peer,
        };
        match self.decide(&connect, &client) {
            None => return Ok(Step::Wait),
            Some(Decision::Deny(reason)) => {
                self.refuse(version, reason);
                return Err(EndCause::ConnectRefused(reason));
            }
            Some(Decision::Allow) => {}
        }
        let negotiated = Negotiated::of_connect(&connect, &self.core.limits.server());
        let request = AttachRequest {
            client_id: connect.client_id,
            clean_start: connect.clean_start,
            negotiated,
        };
        let attached = match self.core.attach(&request, batch, now_ms) {
            Ok(attached) => attached,
            Err(reason) => {
                self.refuse(version, reason);
                return Err(EndCause::ConnectRefused(reason));
            }
        };
        self.open = Some(Box::new(Open {
            client: ClientInfo {
                client_id: attached.cell.client_id.clone(),
                ..client
            },
            cell: attached.cell,
            epoch: attached.epoch,
            negotiated,
            receive_quota: ReceiveQuota::new(negotiated.own_receive_maximum),
            aliases: InboundAliases::new(negotiated.own_topic_alias_maximum),
            routes: Default::default(),
            held: AckQueue::new(),
            greeted: false,
        }));
        self.welcome(&connect, attached.session_present, attached.position)?;
        self.keep_will(&connect);
        tracing::debug!(peer = %self.peer, client_id = connect.client_id, "connected");
        Ok(Step::Done)
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
                self.refuse(version, reason);
            }
            _ => {}
        }
    }

    /// What can be refused without asking anybody.
    fn refusal(&self, connect: &Connect<'_>) -> Option<ReasonCode> {
        let client_id = connect.client_id;
        let too_long = client_id.len() > self.core.limits.client_id_len_max;
        if too_long {
            return Some(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID);
        }
        let levels_max = self.core.limits.topic_levels_max;
        if connect
            .will
            .as_ref()
            .is_some_and(|will| will.topic_name.level_count() > levels_max)
        {
            return Some(ReasonCode::TOPIC_NAME_INVALID);
        }
        let method = connect.properties.authentication_method();
        method
            .is_some()
            .then_some(ReasonCode::BAD_AUTHENTICATION_METHOD)
    }

    /// May it connect, and may its will be published?
    fn decide(&mut self, connect: &Connect<'_>, client: &ClientInfo) -> Option<Decision> {
        let request = AccessRequest::Connect {
            client_id: connect.client_id,
            username: connect.username,
            password: connect.password,
            peer: self.peer,
        };
        let decision = ask(&mut self.gate, &*self.core.access, &request)?;
        let (Decision::Allow, Some(will)) = (decision, &connect.will) else {
            return Some(decision);
        };
        let request = AccessRequest::Publish {
            client,
            topic_name: will.topic_name.as_str(),
            qos: will.qos,
            retain: will.retain,
        };
        ask(&mut self.gate, &*self.core.access, &request)
    }

    fn refuse(&mut self, version: ProtocolVersion, reason: ReasonCode) {
        self.out.extend(refusal_bytes(version, reason));
    }

    /// From now on the will is published unless the client says goodbye.
    fn keep_will(&self, connect: &Connect<'_>) {
        let Some(open) = &self.open else { return };
        let mut state = open.cell.state.lock();
        if state.epoch == open.epoch {
            state.will = connect.will.map(|will| will_of(&will, open.cell.key));
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
    ) -> Result<(), EndCause> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let (negotiated, limits) = (&open.negotiated, &self.core.limits);
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
            set.push(Property::TopicAliasMaximum(limits.topic_alias_maximum));
            if negotiated.keep_alive_s != connect.keep_alive_s {
                set.push(Property::ServerKeepAlive(negotiated.keep_alive_s));
            }
        }
        let list = PropertyList::new(&set);
        let connack = ConnAck {
            session_present,
            reason: ReasonCode::SUCCESS,
            properties: Properties::from(&list),
        };
        let mut bytes = Vec::new();
        push(&mut bytes, negotiated.version, &Packet::ConnAck(connack));
        let fits = |bytes: &[u8]| {
            u32::try_from(bytes.len()).is_ok_and(|len| len <= negotiated.peer_packet_len_max)
        };
        if !fits(&bytes) {
            let reason = ReasonCode::PACKET_TOO_LARGE;
            let refusal = refusal_bytes(negotiated.version, reason);
            if fits(&refusal) {
                self.out.extend_from_slice(&refusal);
            }
            return Err(EndCause::ConnectRefused(reason));
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
