//! One connection of the server in memory: what it answers to each packet.

use super::{Inner, Published};
use bytes::Bytes;
use mqtt_codec::{
    Ack, Auth, ConnAck, Delivery, Frame, Packet, PacketId, Properties, ProtocolVersion, Publish,
    QoS, ReasonCode, ReasonCodes, SubAck, TopicName, UnsubAck,
};
use mqtt_io::{PacketReader, Verdict};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

/// The longest packet taken, in bytes.
const PACKET_LEN_MAX: u32 = 16 * 1024 * 1024;

/// One connection of the server in memory.
pub(super) struct Connection {
    server: Arc<Inner>,
    /// The answer to CONNECT.
    reason: ReasonCode,
    version: ProtocolVersion,
    is_accepted: bool,
    is_over: bool,
    next_packet_id: PacketId,
    out: Vec<u8>,
}

impl Connection {
    pub(super) const fn new(server: Arc<Inner>, reason: ReasonCode) -> Self {
        Self {
            server,
            reason,
            version: ProtocolVersion::V5, // version: until CONNECT says
            is_accepted: false,
            is_over: false,
            next_packet_id: PacketId::MIN,
            out: Vec::new(),
        }
    }

    /// Answers until either side ends, or another connection takes its place.
    pub(super) async fn run(mut self, mut stream: DuplexStream, mut in_use: watch::Receiver<u64>) {
        in_use.mark_unchanged();
        let server = Arc::clone(&self.server);
        let mut reader = PacketReader::new(PACKET_LEN_MAX);
        let mut bytes = vec![0; 4096];
        while !self.is_over {
            self.send_outgoing();
            let out = std::mem::take(&mut self.out);
            if stream.write_all(&out).await.is_err() {
                return;
            }
            tokio::select! {
                biased;
                _ = in_use.changed() => return,
                () = server.work.notified() => {}
                read = stream.read(&mut bytes) => {
                    let len = read.unwrap_or(0);
                    let chunk = bytes.get(..len).unwrap_or_default();
                    let fed = reader.feed(chunk, |frame| self.handle(frame));
                    if len == 0 || fed.is_err() {
                        return;
                    }
                }
            }
        }
        // The last words, as far as they are read.
        let _ = stream.write_all(&self.out).await;
    }

    fn handle(&mut self, frame: Frame<'_>) -> Verdict {
        let version = match mqtt_codec::Connect::decode(frame) {
            Ok(connect) => connect.version,
            Err(_) => self.version,
        };
        self.version = version;
        let Ok(packet) = Packet::decode(frame, version) else {
            self.is_over = true;
            return Verdict::Stop;
        };
        self.answer(packet);
        match self.is_over {
            true => Verdict::Stop,
            false => Verdict::Continue,
        }
    }

    fn answer(&mut self, packet: Packet<'_>) {
        match packet {
            Packet::Connect(connect) => self.connect(connect.clean_start),
            Packet::Publish(publish) => self.publish(publish),
            Packet::PubRec(ack) => self.send(Packet::PubRel(yes(ack.packet_id))),
            Packet::PubRel(ack) => self.send(Packet::PubComp(yes(ack.packet_id))),
            Packet::Subscribe(subscribe) => {
                let filters = subscribe.filters.iter();
                let granted: Vec<_> = filters
                    .map(|(topic_filter, options)| {
                        self.server
                            .lock()
                            .subscribed
                            .push(topic_filter.as_str().into());
                        ReasonCode::new(u8::from(options.qos))
                    })
                    .collect();
                self.server.changed.notify_waiters();
                self.send(Packet::SubAck(SubAck {
                    packet_id: subscribe.packet_id,
                    properties: Properties::EMPTY,
                    reasons: ReasonCodes::from(granted.as_slice()),
                }));
            }
            Packet::Unsubscribe(unsubscribe) => {
                let mut removed = Vec::new();
                for topic_filter in unsubscribe.filters.iter() {
                    let mut state = self.server.lock();
                    state
                        .subscribed
                        .retain(|other| other != topic_filter.as_str());
                    removed.push(ReasonCode::SUCCESS);
                }
                let reasons = match self.version.has_unsuback_reasons() {
                    true => ReasonCodes::from(removed.as_slice()),
                    false => ReasonCodes::EMPTY,
                };
                self.send(Packet::UnsubAck(UnsubAck {
                    packet_id: unsubscribe.packet_id,
                    properties: Properties::EMPTY,
                    reasons,
                }));
            }
            Packet::PingReq => self.send(Packet::PingResp),
            Packet::Disconnect(_) => self.is_over = true,
            Packet::Auth(Auth { .. }) => self.is_over = true,
            _ => {}
        }
    }

    fn connect(&mut self, clean_start: bool) {
        let mut state = self.server.lock();
        if clean_start {
            state.subscribed.clear();
        }
        let session_present = state.has_session && !clean_start && !self.reason.is_error();
        state.has_session = !self.reason.is_error();
        drop(state);
        self.send(Packet::ConnAck(ConnAck {
            session_present,
            reason: self.reason,
            properties: Properties::EMPTY,
        }));
        self.is_accepted = !self.reason.is_error();
        self.is_over = !self.is_accepted;
    }

    fn publish(&mut self, publish: Publish<'_>) {
        let mut state = self.server.lock();
        state.published.push_back(Published {
            topic_name: publish.topic_name.map_or("", TopicName::as_str).into(),
            payload: Bytes::copy_from_slice(publish.payload),
            qos: Delivery::qos(publish.delivery),
            retain: publish.retain,
        });
        let reason = match self.version.has_ack_reason() {
            true => state.publish_reason,
            false => ReasonCode::SUCCESS,
        };
        drop(state);
        self.server.changed.notify_waiters();
        let ack = |packet_id| Ack {
            reason,
            ..yes(packet_id)
        };
        match publish.delivery {
            Delivery::AtMostOnce => {}
            Delivery::AtLeastOnce(packet_id) => self.send(Packet::PubAck(ack(packet_id))),
            Delivery::ExactlyOnce(packet_id) => self.send(Packet::PubRec(ack(packet_id))),
        }
    }

    fn send_outgoing(&mut self) {
        while self.is_accepted
            && let Some(message) = { self.server.lock().outgoing.pop_front() }
        {
            let packet_id = (message.qos != QoS::AtMostOnce).then(|| self.take_packet_id());
            let delivery = Delivery::new(message.qos, packet_id);
            let (Some(delivery), Ok(topic_name)) =
                (delivery, TopicName::try_new(&message.topic_name))
            else {
                continue;
            };
            self.send(Packet::Publish(Publish {
                dup: false,
                retain: message.retain,
                delivery,
                topic_name: Some(topic_name),
                properties: Properties::EMPTY,
                payload: &message.payload,
            }));
        }
    }

    fn take_packet_id(&mut self) -> PacketId {
        let packet_id = self.next_packet_id;
        let next = packet_id.get().checked_add(1).and_then(PacketId::new);
        self.next_packet_id = next.unwrap_or(PacketId::MIN);
        packet_id
    }

    fn send(&mut self, packet: Packet<'_>) {
        let at = self.out.len();
        let Ok(len) = packet.encoded_len(self.version) else {
            return;
        };
        self.out.resize(at + len, 0);
        if let Some(place) = self.out.get_mut(at..)
            && packet.encode(self.version, place).is_err()
        {
            self.out.truncate(at);
        }
    }
}

fn yes(packet_id: PacketId) -> Ack<'static> {
    Ack {
        packet_id,
        reason: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    }
}
