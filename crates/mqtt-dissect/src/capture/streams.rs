//! The TCP connections of a capture, and what each of them is.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use super::file::Frame;
use super::link::{Carried, Segment, carried};
use super::protocol::{Opening, opening};
use super::reassembly::{Piece, Reassembly};
use super::websocket::{Over, Unwrap};
use super::{CaptureReport, CaptureSettings, Heard, Stream, What};
use crate::conversation::{Conversation, Side, Spoken, Start};

/// Both ends, the lower one first, whoever sent.
type Ends = (SocketAddr, SocketAddr);

/// What is kept of the start of a direction until it is known what it is. Unit: bytes.
const START_LEN_MAX: usize = 4096;

/// The port on which WebSockets are looked for also without their beginning.
const WEBSOCKET_PORT: u16 = 8083;

/// All connections.
pub(super) struct Streams<'s, 'e> {
    settings: &'s CaptureSettings,
    each: &'e mut dyn FnMut(Heard<'_>) -> ControlFlow<()>,
    table: HashMap<Ends, Connection>,
    report: CaptureReport,
    time: Duration,
}

/// One connection.
struct Connection {
    stream: Stream,
    /// Which direction is which is known for certain.
    knows_sides: bool,
    start: Start,
    client: Reassembly,
    server: Reassembly,
    speech: Speech,
    /// The number of the frame it was last in.
    last_frame: u64,
    is_closed: bool,
}

/// What a connection speaks.
enum Speech {
    /// It is not known yet: the first bytes of each side.
    Unknown {
        client: Vec<u8>,
        server: Vec<u8>,
    },
    Mqtt(Box<Conversation>),
    WebSocket(Box<WebSocket>),
    /// Nothing that can be read.
    Nothing,
}

struct WebSocket {
    client: Unwrap,
    server: Unwrap,
    conversation: Conversation,
    is_announced: bool,
}

impl<'s, 'e> Streams<'s, 'e> {
    pub(super) fn new(
        settings: &'s CaptureSettings,
        each: &'e mut dyn FnMut(Heard<'_>) -> ControlFlow<()>,
    ) -> Self {
        Self {
            settings,
            each,
            table: HashMap::new(),
            report: CaptureReport::default(),
            time: Duration::ZERO,
        }
    }

    pub(super) fn take(&mut self, frame: &Frame<'_>) -> ControlFlow<()> {
        self.report.frames += 1;
        self.time = frame.time;
        match carried(frame) {
            Carried::Tcp(segment) => {
                self.report.segments += 1;
                self.segment(&segment)
            }
            Carried::Other => ControlFlow::Continue(()),
            Carried::Unread => {
                self.report.unread += 1;
                ControlFlow::Continue(())
            }
        }
    }

    /// Gives what is still held of every connection.
    pub(super) fn finish(mut self) -> CaptureReport {
        let mut connections: Vec<Connection> = self
            .table
            .drain()
            .map(|(_, connection)| connection)
            .collect();
        connections.sort_by_key(|connection| connection.stream.number);
        for connection in connections {
            if self.end(connection).is_break() {
                break;
            }
        }
        self.report
    }

    fn segment(&mut self, segment: &Segment<'_>) -> ControlFlow<()> {
        let ends = if segment.from <= segment.to {
            (segment.from, segment.to)
        } else {
            (segment.to, segment.from)
        };
        let opens = segment.syn && !segment.ack;
        let is_another = |known: &Connection| {
            let direction = known.direction(known.side(segment));
            opens && direction.has_begun() && (known.is_closed || direction.is_another(segment.seq))
        };
        if self.table.get(&ends).is_some_and(is_another)
            && let Some(old) = self.table.remove(&ends)
        {
            self.end(old)?;
        }
        let mut connection = match self.table.remove(&ends) {
            Some(connection) => connection,
            None => {
                self.make_room()?;
                self.report.streams += 1;
                Connection::new(self.report.streams, segment, self.settings)
            }
        };
        connection.last_frame = self.report.frames;
        let flow = self.follow(&mut connection, segment);
        self.table.insert(ends, connection);
        flow
    }

    fn follow(&mut self, connection: &mut Connection, segment: &Segment<'_>) -> ControlFlow<()> {
        let side = connection.side(segment);
        let seq = match segment.syn {
            true => segment.seq.wrapping_add(1),
            false => segment.seq,
        };
        connection.is_closed |= segment.rst || segment.fin;
        let mut pieces = Vec::new();
        let direction = connection.direction_mut(side);
        let repeated = direction.repeated();
        if !segment.rst {
            direction.take(seq, segment.payload, segment.missing, &mut pieces);
        }
        self.report.repeated += direction.repeated() - repeated;
        self.pieces(connection, side, pieces)
    }

    fn pieces(
        &mut self,
        connection: &mut Connection,
        side: Side,
        pieces: Vec<Piece>,
    ) -> ControlFlow<()> {
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => self.bytes(connection, side, &bytes)?,
                Piece::Gap(len) => self.gap(connection, side, len)?,
            }
        }
        ControlFlow::Continue(())
    }

    fn bytes(&mut self, connection: &mut Connection, side: Side, bytes: &[u8]) -> ControlFlow<()> {
        let Connection { stream, speech, .. } = connection;
        match speech {
            Speech::Nothing => ControlFlow::Continue(()),
            Speech::Mqtt(conversation) => {
                let packets = conversation.feed(side, Some(self.time), bytes);
                self.packets(stream, packets)
            }
            Speech::WebSocket(websocket) => {
                let fed = websocket.feed(side, self.time, bytes);
                if fed.is_ok() && !websocket.is_announced && websocket.is_open() {
                    websocket.is_announced = true;
                    self.say(stream, What::WebSocket)?;
                }
                match fed {
                    Ok(packets) => self.packets(stream, packets),
                    Err(over) => {
                        connection.speech = Speech::Nothing;
                        let stream = connection.stream.clone();
                        self.say(
                            &stream,
                            match over {
                                Over::NoUpgrade => What::NoWebSocket,
                                Over::Compressed => What::Compressed,
                            },
                        )
                    }
                }
            }
            Speech::Unknown { client, server } => {
                let start = match side {
                    Side::Client => client,
                    Side::Server => server,
                };
                start.extend_from_slice(bytes);
                self.decide(connection, side)
            }
        }
    }

    /// Finds out what a connection speaks once enough of it is there.
    fn decide(&mut self, connection: &mut Connection, side: Side) -> ControlFlow<()> {
        let Speech::Unknown { client, server } = &connection.speech else {
            return ControlFlow::Continue(());
        };
        let heard = match side {
            Side::Client => client,
            Side::Server => server,
        };
        let port = connection.stream.server.port();
        let is_mqtt_port = self.settings.ports.contains(&port);
        let found = opening(heard);
        let too_many = heard.len() > START_LEN_MAX;
        // Whoever says CONNECT is the client, whatever the ports look like.
        let opens = matches!(found, Opening::Connect | Opening::Http);
        if side == Side::Server && opens && !connection.knows_sides {
            connection.turn();
            return self.decide(connection, Side::Client);
        }
        let in_frames = port == WEBSOCKET_PORT
            && connection.start == Start::Middle
            && heard.first().is_some_and(|first| first & 0x70 == 0);
        let start = connection.start;
        let speaks = match found {
            Opening::TooFew if !too_many => return ControlFlow::Continue(()),
            Opening::Connect if side == Side::Client => Speech::mqtt(self.settings, start),
            Opening::Http if side == Side::Client => {
                Speech::websocket(self.settings, start, Unwrap::from_start)
            }
            Opening::Tls if is_mqtt_port || connection.knows_sides => {
                connection.speech = Speech::Nothing;
                // On other ports TLS is nothing that anybody takes for MQTT.
                return match is_mqtt_port || port == 8883 || port == 8084 {
                    true => self.say(&connection.stream, What::Tls),
                    false => ControlFlow::Continue(()),
                };
            }
            _ if is_mqtt_port && in_frames => {
                Speech::websocket(self.settings, start, Unwrap::from_frame)
            }
            _ if is_mqtt_port => Speech::mqtt(self.settings, start),
            _ => Speech::Nothing,
        };
        if !matches!(speaks, Speech::Nothing) {
            self.report.mqtt_streams += 1;
        }
        let Speech::Unknown { client, server } = std::mem::replace(&mut connection.speech, speaks)
        else {
            return ControlFlow::Continue(());
        };
        self.bytes(connection, Side::Client, &client)?;
        self.bytes(connection, Side::Server, &server)
    }

    fn gap(&mut self, connection: &mut Connection, side: Side, len: u64) -> ControlFlow<()> {
        self.report.missing += len;
        let time = Some(self.time);
        let cut = match &mut connection.speech {
            Speech::Nothing => return ControlFlow::Continue(()),
            Speech::Unknown { .. } => {
                connection.start = Start::Middle;
                return ControlFlow::Continue(());
            }
            Speech::Mqtt(conversation) => conversation.gap(side, time, len),
            Speech::WebSocket(websocket) => websocket.gap(side, time, len),
        };
        self.say(&connection.stream, What::Gap { side, len })?;
        self.packets(&connection.stream, cut.into_iter().collect())
    }

    /// Ends a connection: what is held, and what is unfinished.
    fn end(&mut self, mut connection: Connection) -> ControlFlow<()> {
        for side in [Side::Client, Side::Server] {
            let mut pieces = Vec::new();
            connection.direction_mut(side).finish(&mut pieces);
            self.pieces(&mut connection, side, pieces)?;
        }
        let conversation = match &mut connection.speech {
            Speech::Mqtt(conversation) => conversation,
            Speech::WebSocket(websocket) => &mut websocket.conversation,
            Speech::Unknown { .. } | Speech::Nothing => return ControlFlow::Continue(()),
        };
        let time = Some(self.time);
        let cut = [Side::Client, Side::Server].map(|side| conversation.finish(side, time));
        self.packets(&connection.stream, cut.into_iter().flatten().collect())
    }

    fn packets(&mut self, stream: &Stream, packets: Vec<Spoken>) -> ControlFlow<()> {
        for packet in packets {
            self.report.packets += 1;
            self.report.faults += u64::from(!packet.is_right());
            self.say(stream, What::Packet(packet))?;
        }
        ControlFlow::Continue(())
    }

    fn say(&mut self, stream: &Stream, what: What) -> ControlFlow<()> {
        (self.each)(Heard {
            stream,
            time: self.time,
            what,
        })
    }

    /// Gives up what is over, or else the quarter that was silent for longest.
    fn make_room(&mut self) -> ControlFlow<()> {
        let max = self.settings.streams_max.max(1);
        if self.table.len() < max {
            return ControlFlow::Continue(());
        }
        let mut old: Vec<(bool, u64, Ends)> = self
            .table
            .iter()
            .map(|(ends, known)| (!known.is_over(), known.last_frame, *ends))
            .collect();
        old.sort_unstable_by_key(|(is_live, last_frame, _)| (*is_live, *last_frame));
        let over = old.iter().filter(|(is_live, _, _)| !is_live).count();
        for (is_live, _, ends) in old.into_iter().take(over.max(max / 4).max(1)) {
            if let Some(connection) = self.table.remove(&ends) {
                self.report.given_up += u64::from(is_live);
                self.end(connection)?;
            }
        }
        ControlFlow::Continue(())
    }
}

impl Connection {
    /// A connection by its first segment.
    fn new(number: u64, segment: &Segment<'_>, settings: &CaptureSettings) -> Self {
        let is_mqtt = |addr: &SocketAddr| settings.ports.contains(&addr.port());
        let from_client = match (segment.syn, segment.ack) {
            (true, answers) => !answers,
            _ if is_mqtt(&segment.to) != is_mqtt(&segment.from) => is_mqtt(&segment.to),
            // A server's port is seldom the higher one.
            _ => segment.from.port() >= segment.to.port(),
        };
        let (client, server) = if from_client {
            (segment.from, segment.to)
        } else {
            (segment.to, segment.from)
        };
        Self {
            stream: Stream {
                number,
                client,
                server,
            },
            knows_sides: segment.syn,
            start: match segment.syn {
                true => Start::Beginning,
                false => Start::Middle,
            },
            client: Reassembly::new(settings.held_len_max),
            server: Reassembly::new(settings.held_len_max),
            speech: Speech::Unknown {
                client: Vec::new(),
                server: Vec::new(),
            },
            last_frame: 0,
            is_closed: false,
        }
    }

    fn side(&self, segment: &Segment<'_>) -> Side {
        match segment.from == self.stream.client {
            true => Side::Client,
            false => Side::Server,
        }
    }

    const fn direction(&self, side: Side) -> &Reassembly {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    const fn direction_mut(&mut self, side: Side) -> &mut Reassembly {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Nothing more comes of it that could be told.
    const fn is_over(&self) -> bool {
        self.is_closed || matches!(self.speech, Speech::Nothing)
    }

    /// The client is the server.
    fn turn(&mut self) {
        std::mem::swap(&mut self.stream.client, &mut self.stream.server);
        std::mem::swap(&mut self.client, &mut self.server);
        if let Speech::Unknown { client, server } = &mut self.speech {
            std::mem::swap(client, server);
        }
        self.knows_sides = true;
    }
}

impl Speech {
    fn mqtt(settings: &CaptureSettings, start: Start) -> Self {
        Self::Mqtt(Box::new(Conversation::new(settings.dissect, start)))
    }

    fn websocket(settings: &CaptureSettings, start: Start, unwrap: fn() -> Unwrap) -> Self {
        Self::WebSocket(Box::new(WebSocket {
            client: unwrap(),
            server: unwrap(),
            conversation: Conversation::new(settings.dissect, start),
            is_announced: false,
        }))
    }
}

impl WebSocket {
    /// Whether both sides have agreed.
    const fn is_open(&self) -> bool {
        self.client.is_in_frames() && self.server.is_in_frames()
    }

    const fn direction(&mut self, side: Side) -> &mut Unwrap {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn feed(&mut self, side: Side, time: Duration, bytes: &[u8]) -> Result<Vec<Spoken>, Over> {
        let unwrapped = self.direction(side).feed(bytes)?;
        Ok(self.conversation.feed(side, Some(time), &unwrapped))
    }

    /// In a frame it is as if the bytes were missing in what it carries.
    fn gap(&mut self, side: Side, time: Option<Duration>, len: u64) -> Option<Spoken> {
        self.direction(side).lose(len);
        self.conversation.gap(side, time, len)
    }
}
