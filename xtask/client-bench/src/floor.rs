//! No client: a blocking socket that writes and reads the bytes a client has to, and looks at no more than it must.

use crate::Failure;
use crate::client::{END, Measurement, Received, TOPIC, Taken, Work};
use mqtt_codec::{
    Connect, Delivery, Packet, PacketId, Properties, Property, PropertyList, ProtocolVersion,
    Publish, QoS, Subscribe, SubscribeFilters, SubscriptionOptions, TopicFilter, TopicName,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU16;

const VERSION: ProtocolVersion = ProtocolVersion::V5;
/// Bytes written, or read, at once if there are so many.
const BLOCK: usize = 64 * 1024;

/// A socket and what was read from it.
struct Socket {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// Packets begin here.
    at: usize,
    /// Bytes end here.
    end: usize,
}

/// Beginning and length of a packet in [`Socket::bytes`].
struct Place {
    at: usize,
    header: usize,
    len: usize,
}

impl Socket {
    fn connect(work: &Work) -> Result<Self, Failure> {
        let stream = TcpStream::connect(work.broker)?;
        stream.set_nodelay(true)?;
        let mut socket = Self {
            stream,
            bytes: vec![0; BLOCK.max(2 * work.payload)],
            at: 0,
            end: 0,
        };
        let window = NonZeroU16::new(work.window).unwrap_or(NonZeroU16::MIN);
        let properties = [Property::ReceiveMaximum(window)];
        let list = PropertyList::new(&properties);
        socket.send(&Packet::Connect(Connect {
            clean_start: true,
            properties: Properties::from(&list),
            ..Connect::new(VERSION, "floor")
        }))?;
        socket.next()?;
        Ok(socket)
    }

    fn send(&mut self, packet: &Packet<'_>) -> Result<(), Failure> {
        Ok(self.stream.write_all(&encoded(packet)?)?)
    }

    /// The next packet.
    fn next(&mut self) -> Result<Place, Failure> {
        loop {
            if let Some(place) = self.try_next() {
                return Ok(place);
            }
            self.read()?;
        }
    }

    /// The next packet if it is here.
    fn try_next(&mut self) -> Option<Place> {
        let here = self.bytes.get(self.at..self.end)?;
        let (mut len, mut header) = (0, 1);
        loop {
            let byte = usize::from(*here.get(header)?);
            len |= (byte & 0x7F) << (7 * (header - 1));
            header += 1;
            if byte < 0x80 {
                break;
            }
        }
        let at = self.at;
        if here.len() < header + len {
            return None;
        }
        self.at += header + len;
        Some(Place { at, header, len })
    }

    fn read(&mut self) -> Result<(), Failure> {
        self.bytes.copy_within(self.at..self.end, 0);
        self.end -= self.at;
        self.at = 0;
        match self.stream.read(&mut self.bytes[self.end..])? {
            0 => Err("the broker has closed the connection".into()),
            len => {
                self.end += len;
                Ok(())
            }
        }
    }

    fn kind(&self, place: &Place) -> u8 {
        self.bytes[place.at] >> 4
    }

    /// The Packet Identifier of an acknowledgement.
    fn packet_id(&self, place: &Place) -> [u8; 2] {
        let at = place.at + place.header;
        [self.bytes[at], self.bytes[at + 1]]
    }
}

fn encoded(packet: &Packet<'_>) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![0; packet.encoded_len(VERSION)?];
    packet.encode(VERSION, &mut bytes)?;
    Ok(bytes)
}

fn message(topic_name: &str, qos: u8, packet_id: u16, len: usize) -> Result<Vec<u8>, Failure> {
    let qos = QoS::from_u8(qos).unwrap_or(QoS::AtMostOnce);
    let packet_id = (qos != QoS::AtMostOnce)
        .then_some(PacketId::new(packet_id))
        .flatten();
    let payload = vec![b'x'; len];
    encoded(&Packet::Publish(Publish {
        dup: false,
        retain: false,
        delivery: Delivery::new(qos, packet_id).ok_or("no delivery")?,
        topic_name: Some(TopicName::try_new(topic_name)?),
        properties: Properties::EMPTY,
        payload: &payload,
    }))
}

pub(crate) fn publish(work: &Work) -> Result<Taken, Failure> {
    let mut socket = Socket::connect(work)?;
    send(&mut socket, work, work.messages / 10)?;
    let measurement = Measurement::begin();
    send(&mut socket, work, work.messages)?;
    Ok(measurement.taken())
}

/// Two half windows by turns: while one is on its way, the other is answered.
fn send(socket: &mut Socket, work: &Work, messages: u64) -> Result<(), Failure> {
    let half = (work.window / 2).max(1);
    let mut halves = Vec::new();
    for first in [1, half + 1] {
        let mut bytes = Vec::new();
        for packet_id in first..first + half {
            bytes.extend(message(TOPIC, work.qos, packet_id, work.payload)?);
        }
        halves.push(bytes);
    }
    let turns = messages / u64::from(half);
    let mut unanswered = 0_u64;
    for (_, half_window) in (0..turns).zip(halves.iter().cycle()) {
        for block in half_window.chunks(BLOCK) {
            socket.stream.write_all(block)?;
        }
        if work.qos != 0 {
            unanswered += u64::from(half);
            while unanswered > u64::from(half) {
                unanswered -= answers(socket)?;
            }
        }
    }
    while unanswered != 0 {
        unanswered -= answers(socket)?;
    }
    socket.stream.write_all(&message(END, 1, u16::MAX, 0)?)?;
    socket.next()?;
    Ok(())
}

/// Reads once and answers what has to be; how many messages are through.
fn answers(socket: &mut Socket) -> Result<u64, Failure> {
    let (mut done, mut out) = (0, Vec::new());
    let mut place = socket.next()?;
    loop {
        match socket.kind(&place) {
            // PUBACK, PUBCOMP
            4 | 7 => done += 1,
            // PUBREC
            5 => {
                let [high, low] = socket.packet_id(&place);
                out.extend([0x62, 2, high, low]);
            }
            _ => {}
        }
        match socket.try_next() {
            Some(next) => place = next,
            None => break,
        }
    }
    if !out.is_empty() {
        socket.stream.write_all(&out)?;
    }
    Ok(done)
}

pub(crate) fn receive(work: &Work) -> Result<Taken, Failure> {
    let mut socket = Socket::connect(work)?;
    let qos = QoS::from_u8(work.qos).unwrap_or(QoS::AtMostOnce);
    let filters = [(TopicFilter::try_new(TOPIC)?, SubscriptionOptions::new(qos))];
    socket.send(&Packet::Subscribe(Subscribe {
        packet_id: PacketId::MAX,
        properties: Properties::EMPTY,
        filters: SubscribeFilters::from(&filters[..]),
    }))?;
    socket.next()?;
    let mut received = Received::begin(work)?;
    let mut out = Vec::new();
    loop {
        let Some(place) = socket.try_next() else {
            if !out.is_empty() {
                socket.stream.write_all(&out)?;
                out.clear();
            }
            socket.read()?;
            continue;
        };
        let body = place.at + place.header;
        match socket.kind(&place) {
            // PUBLISH
            3 => {
                let topic_len = u16::from_be_bytes([socket.bytes[body], socket.bytes[body + 1]]);
                let id = body + 2 + usize::from(topic_len);
                let (high, low) = (socket.bytes[id], socket.bytes[id + 1]);
                match work.qos {
                    0 => {}
                    1 => out.extend([0x40, 2, high, low]),
                    _ => out.extend([0x50, 2, high, low]),
                }
                assert!(place.len > work.payload);
                if let Some(taken) = received.add()? {
                    return Ok(taken);
                }
            }
            // PUBREL
            6 => {
                let [high, low] = socket.packet_id(&place);
                out.extend([0x70, 2, high, low]);
            }
            _ => {}
        }
    }
}
