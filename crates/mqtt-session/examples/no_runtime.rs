//! A client and a server over blocking sockets: no runtime, no executor, two threads and a clock.
//!
//! The server sends each message back to a client that has subscribed. Run it with
//! `cargo run -p mqtt-session --example no_runtime`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use mqtt_codec::{
    Connect, Delivery, Disconnect, PACKET_LEN_MAX, Properties, ProtocolVersion, Publish, QoS,
    ReasonCode, SubscriptionOptions, TopicFilter, TopicName, frame,
};
use mqtt_session::{
    Acceptance, ClientConnection, ClientEvent, ClientSession, ClientSettings, HandshakeEvent,
    OutgoingMessage, ServerConnection, ServerEvent, ServerHandshake, ServerLimits, ServerOffer,
    SessionExpiry, UnknownSession,
};
use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const TOPIC: &str = "kitchen/temperature";

pub(crate) fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || serve(Wire::new(listener.accept()?.0)));
    let received = visit(Wire::new(TcpStream::connect(address)?))?;
    println!("client: got {received:?} back");
    server
        .join()
        .map_err(|_| Error::other("the server panicked"))?
}

/// An Application Message as both sides keep it until its last acknowledgement.
#[derive(Debug)]
struct Message {
    qos: QoS,
    text: String,
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
        Some(use_publish(&Publish {
            dup,
            delivery,
            topic_name: TopicName::try_new(TOPIC).ok(),
            payload: self.text.as_bytes(),
            ..Publish::default()
        }))
    }
}

/// Connects, subscribes, sends a message at QoS 2, and leaves when it has come back: its text.
fn visit(mut wire: Wire) -> io::Result<String> {
    let settings = ClientSettings {
        ping_answer_within_ms: 1_000,
        unknown_session: UnknownSession::Refuse,
    };
    let connect = Connect {
        keep_alive_s: 10,
        ..Connect::new(ProtocolVersion::V5, "visitor")
    };
    let mut session = ClientSession::<Message, ()>::new();
    let mut client = ClientConnection::connect(
        &mut session,
        &connect,
        settings,
        wire.now_ms(),
        &mut wire.out,
    )
    .map_err(Error::other)?;
    let mut received = String::new();
    while received.is_empty() || client.inflight() > 0 {
        let Some(packet) = wire.next_packet(client.next_deadline_ms())? else {
            let timed_out = client.handle_timeout(wire.now_ms(), &mut wire.out);
            timed_out.map_err(Error::other)?;
            continue;
        };
        let now_ms = wire.now_ms();
        let frame = whole(&packet)?;
        let event = client.handle_frame(frame, now_ms, &mut wire.out);
        match event.map_err(Error::other)? {
            ClientEvent::Connected { .. } => {
                let options = SubscriptionOptions {
                    qos: QoS::ExactlyOnce,
                    ..SubscriptionOptions::default()
                };
                let filter = TopicFilter::try_new("kitchen/+").map_err(Error::other)?;
                let filters = [(filter, options)];
                client
                    .subscribe(&filters, Properties::EMPTY, (), now_ms, &mut wire.out)
                    .map_err(|refused| Error::other(format!("{:?}", refused.reason)))?;
            }
            ClientEvent::Subscribed { .. } => {
                let message = Message {
                    qos: QoS::ExactlyOnce,
                    text: "21.5".into(),
                };
                println!("client: sends {:?}", message.text);
                client
                    .publish(message, now_ms, &mut wire.out)
                    .map_err(|refused| Error::other(format!("{:?}", refused.reason)))?;
            }
            ClientEvent::Message { publish, ack } => {
                received = String::from_utf8_lossy(publish.payload).into_owned();
                if let Some(token) = ack {
                    client.acknowledge(token, ReasonCode::SUCCESS, now_ms, &mut wire.out);
                }
            }
            ClientEvent::Acknowledged { message, .. } => {
                println!("client: the server has {:?}", message.text);
            }
            ClientEvent::Handled => {}
            other => return Err(Error::other(format!("{other:?}"))),
        }
    }
    client
        .disconnect(&Disconnect::default(), wire.now_ms(), &mut wire.out)
        .map_err(Error::other)?;
    wire.flush()?;
    Ok(received)
}

/// Serves one client until it leaves.
fn serve(mut wire: Wire) -> io::Result<()> {
    let mut server = greet(&mut wire)?;
    let mut has_subscribed = false;
    loop {
        let Some(packet) = wire.next_packet(server.next_deadline_ms())? else {
            let timed_out = server.handle_timeout(wire.now_ms());
            timed_out.map_err(Error::other)?;
            continue;
        };
        let now_ms = wire.now_ms();
        let mut back = None;
        match server.handle_frame(whole(&packet)?, now_ms, &mut wire.out) {
            Ok(ServerEvent::Message { publish, ack }) => {
                let text = String::from_utf8_lossy(publish.payload).into_owned();
                println!("server: got {text:?}");
                let qos = publish.delivery.qos();
                back = has_subscribed.then_some(Message { qos, text });
                if let Some(token) = ack {
                    let acknowledged =
                        server.acknowledge(token, ReasonCode::SUCCESS, &mut wire.out);
                    acknowledged.map_err(Error::other)?;
                }
            }
            Ok(ServerEvent::Repeated { ack }) => server
                .acknowledge(ack, ReasonCode::SUCCESS, &mut wire.out)
                .map_err(Error::other)?,
            Ok(ServerEvent::Subscribe { subscribe, answer }) => {
                let granted = vec![ReasonCode::GRANTED_QOS_2; subscribe.filters.len()];
                has_subscribed = true;
                server
                    .answer_subscribe(&answer, &granted, Properties::EMPTY, &mut wire.out)
                    .map_err(Error::other)?;
            }
            Ok(ServerEvent::Disconnected(_)) => {
                println!("server: the client has left");
                return wire.flush();
            }
            Ok(_) => {}
            Err(error) => {
                server.fail(error, &mut wire.out);
                wire.flush()?;
                return Err(Error::other(error));
            }
        }
        if let Some(message) = back {
            server
                .publish(message, now_ms, &mut wire.out)
                .map_err(|refused| Error::other(format!("{:?}", refused.reason)))?;
        }
    }
}

/// Takes CONNECT and accepts whoever sent it.
fn greet(wire: &mut Wire) -> io::Result<ServerConnection<Message, ()>> {
    let offer = ServerOffer::new(ServerLimits {
        receive_maximum: 10,
        inflight_max: 10,
        topic_alias_maximum: 0,
        packet_len_max: PACKET_LEN_MAX,
        session_expiry_max: SessionExpiry::AT_DISCONNECT,
        keep_alive_max_s: None,
    });
    let mut handshake = ServerHandshake::new(offer, wire.now_ms());
    let Some(packet) = wire.next_packet(handshake.next_deadline_ms())? else {
        return Err(ErrorKind::TimedOut.into());
    };
    match handshake.handle_frame(whole(&packet)?, wire.now_ms()) {
        Ok(HandshakeEvent::Connect(connect)) => println!("server: hello {}", connect.client_id),
        other => return Err(Error::other(format!("{other:?}"))),
    }
    let acceptance = Acceptance {
        found: None,
        will: None,
        properties: Properties::EMPTY,
    };
    let accepted = handshake.accept(acceptance, wire.now_ms(), &mut wire.out);
    let accepted = accepted.map_err(|refused| Error::other(refused.reason))?;
    Ok(accepted.connection)
}

/// A socket with what was read and not taken, what is to be written, and a clock.
struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
    out: Vec<u8>,
    start: Instant,
}

impl Wire {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            received: Vec::new(),
            out: Vec::new(),
            start: Instant::now(),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Writes what there is to write, then waits for a whole packet; none when the deadline came first.
    fn next_packet(&mut self, deadline_ms: Option<u64>) -> io::Result<Option<Vec<u8>>> {
        self.flush()?;
        loop {
            let framed = frame(&self.received, PACKET_LEN_MAX).map_err(Error::other)?;
            if let Some(len) = framed.map(|frame| frame.len) {
                return Ok(Some(self.received.drain(..len).collect()));
            }
            let left_ms = deadline_ms.map(|at_ms| at_ms.saturating_sub(self.now_ms()));
            if left_ms == Some(0) {
                return Ok(None);
            }
            self.stream
                .set_read_timeout(left_ms.map(Duration::from_millis))?;
            let mut chunk = [0; 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => self
                    .received
                    .extend_from_slice(chunk.get(..len).unwrap_or_default()),
                // Windows and others name it differently.
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn whole(packet: &[u8]) -> io::Result<mqtt_codec::Frame<'_>> {
    let framed = frame(packet, PACKET_LEN_MAX).map_err(Error::other)?;
    framed.ok_or_else(|| ErrorKind::UnexpectedEof.into())
}
