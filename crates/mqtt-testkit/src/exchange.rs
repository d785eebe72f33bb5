//! One message after the other from a client session to a server session, and the same packets without sessions.
//!
//! For measuring what a session costs beyond the codec, and for counting what it allocates.

use mqtt_codec::{
    Ack, ConnAck, Connect, Delivery, PACKET_LEN_MAX, Packet, PacketId, Properties, ProtocolVersion,
    Publish, QoS, ReasonCode, TopicName, frame,
};
use mqtt_session::{
    Acceptance, ClientConnection, ClientEvent, ClientSession, ClientSettings, HandshakeEvent,
    OutgoingMessage, Output, ServerConnection, ServerEvent, ServerHandshake, ServerLimits,
    ServerOffer, SessionExpiry, UnknownSession,
};
use std::hint::black_box;

/// The Topic Name of every message.
const TOPIC: &str = "bench/publisher/7/topic";
/// The payload of every message.
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// Room for every packet, in bytes.
const PACKET_ROOM: usize = 256;

/// A broken exchange, in words.
pub type Broken = String;

/// A message as the client keeps it.
#[derive(Clone, Copy, Debug)]
struct Message {
    qos: QoS,
}

impl OutgoingMessage for Message {
    fn qos(&self) -> QoS {
        self.qos
    }

    fn with_publish<T>(
        &self,
        dup: bool,
        delivery: Delivery,
        use_publish: impl FnOnce(&Publish<'_>) -> T,
    ) -> Option<T> {
        Some(use_publish(&publish(dup, delivery)))
    }
}

fn publish(dup: bool, delivery: Delivery) -> Publish<'static> {
    Publish {
        dup,
        delivery,
        topic_name: TopicName::try_new(TOPIC).ok(),
        payload: &PAYLOAD,
        ..Publish::default()
    }
}

/// A client and a server on a connection that never fails.
#[derive(Debug)]
pub struct Exchange {
    client: ClientConnection<Message, ()>,
    server: ServerConnection<Message, ()>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
}

impl Exchange {
    /// Both ends, connected.
    ///
    /// # Errors
    /// The handshake failed.
    pub fn new(version: ProtocolVersion) -> Result<Self, Broken> {
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        let settings = ClientSettings {
            ping_answer_within_ms: 1_000,
            unknown_session: UnknownSession::Refuse,
        };
        let connect = Connect::new(version, "bench");
        let mut session = ClientSession::new();
        let client = ClientConnection::connect(&mut session, &connect, settings, 0, &mut to_server);
        let mut client = client.map_err(|refusal| format!("{refusal:?}"))?;
        let offer = ServerOffer::new(ServerLimits {
            receive_maximum: 100,
            inflight_max: 100,
            topic_alias_maximum: 0,
            packet_len_max: PACKET_LEN_MAX,
            session_expiry_max: SessionExpiry::NEVER,
            keep_alive_max_s: None,
        });
        let mut handshake = ServerHandshake::new(offer, 0);
        let found = whole(&to_server)?;
        let asked = handshake
            .handle_frame(found, 0)
            .map_err(|error| format!("{error:?}"))?;
        if !matches!(asked, HandshakeEvent::Connect(_)) {
            return Err("CONNECT is expected".to_owned());
        }
        let acceptance = Acceptance {
            found: None,
            will: None,
            properties: Properties::EMPTY,
        };
        let accepted = handshake.accept(acceptance, 0, &mut to_client);
        let accepted = accepted.map_err(|not| format!("{:?}", not.reason))?;
        let connected = client.handle_frame(whole(&to_client)?, 0, &mut to_server);
        match connected {
            Ok(ClientEvent::Connected {
                connack: ConnAck { reason, .. },
            }) if !reason.is_error() => {}
            other => return Err(format!("{other:?}")),
        }
        to_server.clear();
        to_client.clear();
        Ok(Self {
            client,
            server: accepted.connection,
            to_server,
            to_client,
        })
    }

    /// Publishes one message and lets every packet of its flow be written and read.
    ///
    /// # Errors
    /// An end did something else than its part.
    #[inline(never)]
    pub fn publish(&mut self, qos: QoS) -> Result<(), Broken> {
        let message = black_box(Message { qos });
        self.to_server.clear();
        let sent = self.client.publish(message, 0, &mut self.to_server);
        let mut is_done = sent
            .map_err(|not_sent| format!("{:?}", not_sent.reason))?
            .is_some();
        loop {
            self.to_client.clear();
            let found = whole(&self.to_server)?;
            let event = self.server.handle_frame(found, 0, &mut self.to_client);
            match event.map_err(|error| format!("{error:?}"))? {
                ServerEvent::Message { publish, ack } => {
                    black_box(&publish);
                    if let Some(token) = ack {
                        let reason = ReasonCode::SUCCESS;
                        let acknowledged =
                            self.server.acknowledge(token, reason, &mut self.to_client);
                        acknowledged.map_err(|error| format!("{error:?}"))?;
                    }
                }
                ServerEvent::Handled => {}
                other => return Err(format!("{other:?}")),
            }
            if is_done {
                return Ok(());
            }
            self.to_server.clear();
            let found = whole(&self.to_client)?;
            let event = self.client.handle_frame(found, 0, &mut self.to_server);
            match event.map_err(|error| format!("{error:?}"))? {
                ClientEvent::Acknowledged { message, ack } => {
                    black_box((message, ack));
                    is_done = true;
                }
                ClientEvent::Handled => {}
                other => return Err(format!("{other:?}")),
            }
            if is_done {
                return Ok(());
            }
        }
    }

    /// Bytes that wait to be read by either end; none between two messages.
    pub fn is_idle(&self) -> bool {
        self.client.inflight() == 0 && Output::is_empty(&self.to_server)
    }
}

/// The same packets, written and read by the codec alone.
#[derive(Debug)]
pub struct CodecAlone {
    version: ProtocolVersion,
    buffer: [u8; PACKET_ROOM],
    packet_id: PacketId,
}

impl CodecAlone {
    /// Nothing but a buffer.
    pub const fn new(version: ProtocolVersion) -> Self {
        Self {
            version,
            buffer: [0; PACKET_ROOM],
            packet_id: PacketId::MAX,
        }
    }

    /// Writes and reads every packet of the flow of one message.
    ///
    /// # Errors
    /// The codec refused one.
    #[inline(never)]
    pub fn publish(&mut self, qos: QoS) -> Result<(), Broken> {
        let packet_id = black_box(self.packet_id);
        let delivery = match black_box(qos) {
            QoS::AtMostOnce => Delivery::AtMostOnce,
            QoS::AtLeastOnce => Delivery::AtLeastOnce(packet_id),
            QoS::ExactlyOnce => Delivery::ExactlyOnce(packet_id),
        };
        self.pass(&Packet::Publish(publish(false, delivery)))?;
        let ack = Ack {
            packet_id,
            reason: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        };
        match qos {
            QoS::AtMostOnce => Ok(()),
            QoS::AtLeastOnce => self.pass(&Packet::PubAck(ack)),
            QoS::ExactlyOnce => {
                self.pass(&Packet::PubRec(ack))?;
                self.pass(&Packet::PubRel(ack))?;
                self.pass(&Packet::PubComp(ack))
            }
        }
    }

    #[inline]
    fn pass(&mut self, packet: &Packet<'_>) -> Result<(), Broken> {
        let len = packet.encode(self.version, &mut self.buffer);
        let len = len.map_err(|error| format!("{error:?}"))?;
        let bytes = black_box(&self.buffer).get(..len).unwrap_or_default();
        let read = Packet::decode(whole(bytes)?, self.version);
        black_box(read.map_err(|error| format!("{error:?}"))?);
        Ok(())
    }
}

/// The one packet in `bytes`.
#[inline]
fn whole(bytes: &[u8]) -> Result<mqtt_codec::Frame<'_>, Broken> {
    match frame(bytes, PACKET_LEN_MAX) {
        Ok(Some(found)) if found.len == bytes.len() => Ok(found),
        other => Err(format!("{other:?} in {} bytes", bytes.len())),
    }
}
