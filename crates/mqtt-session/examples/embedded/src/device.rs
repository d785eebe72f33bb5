//! The device: what it says, what it makes of what it hears, and what it keeps when the connection is lost.
//!
//! It knows bytes and milliseconds, no sockets: this file is the same on every board.

use core::mem;
use core::num::{NonZeroU16, NonZeroU32};

use mqtt_codec::{
    Connect, Disconnect, Properties, Property, PropertyList, ProtocolVersion, QoS, ReasonCode,
    SubscriptionOptions, TopicFilter, frame,
};
use mqtt_session::{
    AckToken, ClientConnection, ClientError, ClientEvent, ClientSession, ClientSettings, NotSent,
    NotSentReason, OutputBuffer, Storage, UnknownSession,
};

use crate::message::{Message, Topic};

/// Readings that are published: the first at QoS 0, the next at QoS 1, the next at QoS 2, and so on.
const READINGS: u16 = 150;
/// Commands that may wait for the window: three times the Receive Maximum, the largest number that can come.
pub const COMMANDS: usize = 6;

/// What is open ends with the session after this time without a connection. Unit: seconds.
const SESSION_EXPIRY_S: u32 = 3600;
const KEEP_ALIVE_S: u16 = 30;
const SETTINGS: ClientSettings = ClientSettings {
    ping_answer_within_ms: 5000,
    unknown_session: UnknownSession::Refuse,
};

/// Publishes readings, and answers each command with an echo at the QoS of the command.
pub struct Device<'a, S: Storage> {
    state: State<S>,
    output: OutputBuffer<'a>,
    input: &'a mut [u8],
    input_len: usize,
    subscription: Subscription,
    next_reading: u16,
    /// Commands whose echo waits for the window; without a hole, the oldest first.
    commands: [Option<Command>; COMMANDS],
    /// A command said so.
    stopping: bool,
    done: bool,
}

/// What is there without a connection, and with one.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, and no heap for the larger part"
)]
enum State<S: Storage> {
    Offline(ClientSession<Message, (), S>),
    Online(ClientConnection<Message, (), S>),
}

/// How far SUBSCRIBE is; without its answer it ends with its connection.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Subscription {
    Due,
    Sent,
    There,
}

/// A message from the server above QoS 0 that has not been answered.
struct Command {
    message: Message,
    /// What to acknowledge it with, at QoS 2 also when its connection is gone.
    token: AckToken,
}

/// Why a connection has to be given up.
pub enum Failure {
    /// The server broke the protocol or does not answer.
    Server(ClientError),
    /// The buffers are too small for CONNECT.
    Connect,
    /// More commands wait than can come.
    TooManyCommands,
}

impl<'a, S: Storage> Device<'a, S> {
    /// A device without a connection; `input` has to take the largest packet, `output` a few.
    pub const fn new(input: &'a mut [u8], output: &'a mut [u8]) -> Self {
        Self {
            state: State::Offline(ClientSession::with_storage()),
            output: OutputBuffer::new(output),
            input,
            input_len: 0,
            subscription: Subscription::Due,
            next_reading: 0,
            commands: [const { None }; COMMANDS],
            stopping: false,
            done: false,
        }
    }

    /// A connection is there: says CONNECT.
    pub fn connect(&mut self, now_ms: u64) -> Result<(), Failure> {
        let State::Offline(session) = &mut self.state else {
            return Ok(());
        };
        let packet_len_max = u32::try_from(self.input.len()).unwrap_or(u32::MAX);
        let receive_maximum = u16::try_from(S::RECEIVE_MAXIMUM).ok();
        let receive_maximum = receive_maximum.and_then(NonZeroU16::new);
        let properties = [
            Property::SessionExpiryInterval(SESSION_EXPIRY_S),
            Property::ReceiveMaximum(receive_maximum.ok_or(Failure::Connect)?),
            Property::MaximumPacketSize(NonZeroU32::new(packet_len_max).unwrap_or(NonZeroU32::MIN)),
            Property::TopicAliasMaximum(u16::try_from(S::TOPIC_ALIAS_MAXIMUM).unwrap_or(0)),
        ];
        let properties = PropertyList::new(&properties);
        let connect = Connect {
            clean_start: false,
            keep_alive_s: KEEP_ALIVE_S,
            properties: Properties::from(&properties),
            ..Connect::new(ProtocolVersion::V5, "embedded")
        };
        let output = &mut self.output;
        let connection = ClientConnection::connect(session, &connect, SETTINGS, now_ms, output);
        self.state = State::Online(connection.map_err(|_| Failure::Connect)?);
        Ok(())
    }

    /// The connection is lost: what stays is the session, and the commands that will not come again.
    pub fn handle_lost(&mut self) {
        let nothing = State::Offline(ClientSession::with_storage());
        self.state = match mem::replace(&mut self.state, nothing) {
            State::Online(connection) => State::Offline(connection.into_session()),
            offline => offline,
        };
        if self.subscription == Subscription::Sent {
            self.subscription = Subscription::Due;
        }
        self.output.consume(usize::MAX);
        self.input_len = 0;
        for place in &mut self.commands {
            // At QoS 1 what has not been acknowledged comes again; at QoS 2 its repeat waits for the token.
            *place = place
                .take()
                .filter(|command| command.message.qos == QoS::ExactlyOnce);
        }
        self.close_holes();
    }

    /// Where the bytes that come in go; empty while a packet waits for output to leave.
    pub fn input(&mut self) -> &mut [u8] {
        self.input.get_mut(self.input_len..).unwrap_or_default()
    }

    /// `len` bytes have come in, or 0 because output has left or time has passed.
    pub fn handle_input(&mut self, len: usize, now_ms: u64) -> Result<(), Failure> {
        self.input_len = (self.input_len + len).min(self.input.len());
        if let (State::Online(connection), 1..) = (&mut self.state, len) {
            connection.handle_received(now_ms);
        }
        while self.handle_packet(now_ms)? {
            self.answer_commands(now_ms);
        }
        self.send(now_ms)
    }

    /// What has to leave.
    pub fn output(&self) -> &[u8] {
        self.output.filled()
    }

    /// The first `len` bytes of the output have left.
    pub fn handle_sent(&mut self, len: usize) {
        self.output.consume(len);
    }

    /// When something has to happen although nothing comes in.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        match &self.state {
            State::Online(connection) => connection.next_deadline_ms(),
            State::Offline(_) => None,
        }
    }

    /// Whether DISCONNECT has been said, after all there was to do, and has left.
    pub fn is_done(&self) -> bool {
        self.done && self.output().is_empty()
    }

    /// Takes a packet of the input, if a whole one is there and what it brings about has room.
    fn handle_packet(&mut self, now_ms: u64) -> Result<bool, Failure> {
        let State::Online(connection) = &mut self.state else {
            return Ok(false);
        };
        let bytes = self.input.get(..self.input_len).unwrap_or_default();
        let len_max = u32::try_from(self.input.len()).unwrap_or(u32::MAX);
        let found = frame(bytes, len_max).map_err(|error| Failure::Server(error.into()))?;
        let Some(found) = found else {
            return Ok(false);
        };
        match connection.handle_frame(found, now_ms, &mut self.output) {
            Ok(ClientEvent::Connected { connack }) => {
                if !connack.session_present {
                    self.subscription = Subscription::Due;
                }
                while connection.poll_lost().is_some() {}
            }
            Ok(ClientEvent::Subscribed { .. }) => self.subscription = Subscription::There,
            Ok(ClientEvent::Message { publish, ack }) => {
                let message = Message::new(Topic::Echo, publish.delivery.qos(), publish.payload);
                self.stopping |= publish.payload == b"stop";
                match ack {
                    Some(token) => {
                        let place = self.commands.iter_mut().find(|place| place.is_none());
                        *place.ok_or(Failure::TooManyCommands)? = Some(Command { message, token });
                    }
                    // At QoS 0 it is answered now or never: nothing bounds how many come.
                    None => drop(connection.publish(message, now_ms, &mut self.output)),
                }
            }
            Ok(ClientEvent::Refused(_) | ClientEvent::Disconnected(_)) => {
                return Err(Failure::Server(ClientError::SessionUnknown));
            }
            Ok(_) => {}
            // The packet stays where it is until output has left.
            Err(ClientError::NoRoom) => return Ok(false),
            Err(error) => {
                connection.fail(error, &mut self.output);
                return Err(Failure::Server(error));
            }
        }
        let handled = found.len;
        self.input.copy_within(handled..self.input_len, 0);
        self.input_len -= handled;
        Ok(true)
    }

    /// Sends what is due: repeats, PINGREQ, SUBSCRIBE, echoes, readings, DISCONNECT.
    fn send(&mut self, now_ms: u64) -> Result<(), Failure> {
        let State::Online(connection) = &mut self.state else {
            return Ok(());
        };
        // What the server does not take any more is given up.
        while connection.poll_resend(now_ms, &mut self.output).is_some() {}
        let timeout = connection.handle_timeout(now_ms, &mut self.output);
        timeout.map_err(Failure::Server)?;
        if !connection.is_connected() {
            return Ok(());
        }
        if self.subscription == Subscription::Due
            && let Ok(topic_filter) = TopicFilter::try_new("command/#")
        {
            let filters = [(topic_filter, SubscriptionOptions::new(QoS::ExactlyOnce))];
            let properties = Properties::EMPTY;
            let sent = connection.subscribe(&filters, properties, (), now_ms, &mut self.output);
            if sent.is_ok() {
                self.subscription = Subscription::Sent;
            }
        }
        self.answer_commands(now_ms);
        self.publish_readings(now_ms);
        self.stop(now_ms);
        Ok(())
    }

    /// Echoes commands, in order, as far as the window and the output go, and acknowledges them.
    fn answer_commands(&mut self, now_ms: u64) {
        let State::Online(connection) = &mut self.state else {
            return;
        };
        for place in &mut self.commands {
            let Some(command) = place else {
                break;
            };
            let sent = connection.publish(command.message, now_ms, &mut self.output);
            if is_later(&sent) {
                break;
            }
            if let Some(Command { token, .. }) = place.take() {
                let success = ReasonCode::SUCCESS;
                connection.acknowledge(token, success, now_ms, &mut self.output);
            }
        }
        self.close_holes();
    }

    fn publish_readings(&mut self, now_ms: u64) {
        let State::Online(connection) = &mut self.state else {
            return;
        };
        while self.next_reading < READINGS {
            let qos = match self.next_reading % 3 {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            };
            let payload = self.next_reading.to_be_bytes();
            let reading = Message::new(Topic::Reading, qos, &payload);
            if is_later(&connection.publish(reading, now_ms, &mut self.output)) {
                break;
            }
            self.next_reading += 1;
        }
    }

    /// Says DISCONNECT once everything is acknowledged.
    fn stop(&mut self, now_ms: u64) {
        let State::Online(connection) = &mut self.state else {
            return;
        };
        let is_idle = self.next_reading == READINGS
            && connection.inflight() == 0
            && connection.unacknowledged() == 0
            && self.commands.iter().all(Option::is_none);
        if self.stopping && is_idle {
            // When there is no room it is said later.
            let goodbye = Disconnect::default();
            let said = connection.disconnect(&goodbye, now_ms, &mut self.output);
            self.done = said.is_ok();
        }
    }

    fn close_holes(&mut self) {
        for at in 0..COMMANDS {
            let rest = self.commands.get_mut(at..).unwrap_or_default();
            if rest.first().is_some_and(Option::is_none) {
                let taken = rest.iter().position(Option::is_some).unwrap_or(0);
                rest.swap(0, taken);
            }
        }
    }
}

/// Whether a message has to wait; one that is never taken is dropped.
fn is_later(sent: &Result<Option<Message>, NotSent<Message>>) -> bool {
    let later = NotSentReason::Later;
    sent.as_ref()
        .is_err_and(|not_sent| not_sent.reason == later)
}
