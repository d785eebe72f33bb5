//! A server that does what the test says, packet by packet.

use mqtt_client::{Client, ClientBuilder, ProtocolVersion, QoS, ReasonCode};
use mqtt_codec::{
    Ack, ConnAck, Delivery, PACKET_LEN_MAX, Packet, PacketId, Properties, Property, PropertyList,
    Publish, ReasonCodes, SubAck, TopicName, UnsubAck, bytes_missing, frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};

/// Bytes a duplex stream holds in each direction.
pub(crate) const DUPLEX_LEN: usize = 64 * 1024;

/// One connection, from the server's side.
pub(crate) struct Server<S = DuplexStream> {
    pub(crate) stream: S,
    pub(crate) version: ProtocolVersion,
}

/// A packet as it came, to be looked at with [`Received::packet`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Received {
    bytes: Vec<u8>,
    version: ProtocolVersion,
}

impl Received {
    pub(crate) fn packet(&self) -> Packet<'_> {
        let frame = frame(&self.bytes, PACKET_LEN_MAX).unwrap().unwrap();
        Packet::decode(frame, self.version).unwrap()
    }

    /// Topic Name, payload and delivery of a PUBLISH.
    pub(crate) fn publish(&self) -> Publish<'_> {
        match self.packet() {
            Packet::Publish(publish) => publish,
            other => panic!("PUBLISH expected, {other:?} came"),
        }
    }

    pub(crate) fn packet_id(&self) -> PacketId {
        match self.packet() {
            Packet::Publish(publish) => publish.delivery.packet_id().unwrap(),
            Packet::PubAck(ack)
            | Packet::PubRec(ack)
            | Packet::PubRel(ack)
            | Packet::PubComp(ack) => ack.packet_id,
            Packet::Subscribe(subscribe) => subscribe.packet_id,
            Packet::Unsubscribe(unsubscribe) => unsubscribe.packet_id,
            other => panic!("a packet with an identifier expected, {other:?} came"),
        }
    }
}

impl<S: AsyncReadExt + AsyncWriteExt + Unpin> Server<S> {
    pub(crate) fn new(stream: S, version: ProtocolVersion) -> Self {
        Self { stream, version }
    }

    /// The next packet.
    pub(crate) async fn recv(&mut self) -> Received {
        self.try_recv()
            .await
            .expect("a packet, not the end of the stream")
    }

    /// The next packet; none at the end of the stream.
    pub(crate) async fn try_recv(&mut self) -> Option<Received> {
        let mut bytes = Vec::new();
        loop {
            let missing = bytes_missing(&bytes);
            if missing == 0 {
                return Some(Received {
                    bytes,
                    version: self.version,
                });
            }
            let at = bytes.len();
            bytes.resize(at + missing, 0);
            if self.stream.read_exact(&mut bytes[at..]).await.is_err() {
                return None;
            }
        }
    }

    pub(crate) async fn send(&mut self, packet: Packet<'_>) {
        let mut bytes = vec![0; packet.encoded_len(self.version).unwrap()];
        packet.encode(self.version, &mut bytes).unwrap();
        self.send_bytes(&bytes).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Takes CONNECT and accepts it.
    pub(crate) async fn accept(&mut self) -> Received {
        self.accept_with(false, &[]).await
    }

    pub(crate) async fn accept_with(
        &mut self,
        session_present: bool,
        properties: &[Property<'_>],
    ) -> Received {
        let connect = self.recv().await;
        assert!(matches!(connect.packet(), Packet::Connect(_)));
        let list = PropertyList::new(properties);
        let properties = Properties::from(&list);
        let reason = ReasonCode::SUCCESS;
        self.send(Packet::ConnAck(ConnAck {
            session_present,
            reason,
            properties,
        }))
        .await;
        connect
    }

    /// Takes SUBSCRIBE and grants `reason` for each filter.
    pub(crate) async fn grant(&mut self, reason: ReasonCode) -> Received {
        let subscribe = self.recv().await;
        let Packet::Subscribe(packet) = subscribe.packet() else {
            panic!("SUBSCRIBE expected, {:?} came", subscribe.packet())
        };
        let reasons = vec![reason; packet.filters.len()];
        self.suback(packet.packet_id, &reasons).await;
        subscribe
    }

    pub(crate) async fn suback(&mut self, packet_id: PacketId, reasons: &[ReasonCode]) {
        let reasons = ReasonCodes::from(reasons);
        let properties = Properties::EMPTY;
        self.send(Packet::SubAck(SubAck {
            packet_id,
            properties,
            reasons,
        }))
        .await;
    }

    /// Takes UNSUBSCRIBE and says yes; returns its filters.
    pub(crate) async fn unsubscribed(&mut self) -> Vec<String> {
        let unsubscribe = self.recv().await;
        let Packet::Unsubscribe(packet) = unsubscribe.packet() else {
            panic!("UNSUBSCRIBE expected, {:?} came", unsubscribe.packet())
        };
        let reasons = vec![ReasonCode::SUCCESS; packet.filters.len()];
        let reasons = match self.version.has_unsuback_reasons() {
            true => ReasonCodes::from(reasons.as_slice()),
            false => ReasonCodes::EMPTY,
        };
        let (packet_id, properties) = (packet.packet_id, Properties::EMPTY);
        self.send(Packet::UnsubAck(UnsubAck {
            packet_id,
            properties,
            reasons,
        }))
        .await;
        packet
            .filters
            .iter()
            .map(|topic_filter| topic_filter.as_str().to_owned())
            .collect()
    }

    pub(crate) async fn publish(&mut self, topic_name: &str, qos: QoS, packet_id: u16) {
        self.publish_with(topic_name, qos, packet_id, &[]).await;
    }

    pub(crate) async fn publish_with(
        &mut self,
        topic_name: &str,
        qos: QoS,
        packet_id: u16,
        properties: &[Property<'_>],
    ) {
        let list = PropertyList::new(properties);
        let packet_id = (qos != QoS::AtMostOnce).then(|| PacketId::new(packet_id).unwrap());
        self.send(Packet::Publish(Publish {
            dup: false,
            retain: false,
            delivery: Delivery::new(qos, packet_id).unwrap(),
            topic_name: Some(TopicName::try_new(topic_name).unwrap()),
            properties: Properties::from(&list),
            payload: topic_name.as_bytes(),
        }))
        .await;
    }

    /// Takes DISCONNECT and the end of the stream.
    pub(crate) async fn disconnected(&mut self) {
        let packet = self.recv().await;
        assert!(
            matches!(packet.packet(), Packet::Disconnect(_)),
            "{:?}",
            packet.packet()
        );
        assert!(
            self.try_recv().await.is_none(),
            "DISCONNECT is the last packet"
        );
    }
}

/// An acknowledgement that says yes.
pub(crate) fn ack(packet_id: PacketId) -> Ack<'static> {
    ack_with(packet_id, ReasonCode::SUCCESS)
}

pub(crate) fn ack_with(packet_id: PacketId, reason: ReasonCode) -> Ack<'static> {
    Ack {
        packet_id,
        reason,
        properties: Properties::EMPTY,
    }
}

/// A client and its server, connected in `version`.
pub(crate) async fn connected(version: ProtocolVersion) -> (Client, Server) {
    connected_with(version, |builder| builder, &[]).await
}

pub(crate) async fn connected_with(
    version: ProtocolVersion,
    options: impl FnOnce(ClientBuilder) -> ClientBuilder,
    properties: &[Property<'_>],
) -> (Client, Server) {
    let (near, far) = tokio::io::duplex(DUPLEX_LEN);
    let mut server = Server::new(far, version);
    let builder = options(
        Client::builder("server.example")
            .client_id("client")
            .version(version),
    );
    let (client, _) = tokio::join!(
        builder.connect_over(near),
        server.accept_with(false, properties)
    );
    (client.unwrap(), server)
}

/// A listening socket for what needs more than one connection, and its address.
pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("mqtt://{}", listener.local_addr().unwrap());
    (listener, address)
}

pub(crate) async fn next(listener: &TcpListener, version: ProtocolVersion) -> Server<TcpStream> {
    Server::new(listener.accept().await.unwrap().0, version)
}
