//! A connection to the broker: whole packets out and in.

use mqtt_codec::{
    Ack, Connect, Packet, PacketId, PacketType, Properties, Property, PropertyList,
    ProtocolVersion, ReasonCode, frame,
};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long one packet may take. A broker that was killed closes at once.
const PACKET_WITHIN: Duration = Duration::from_secs(10);
/// The largest packet taken.
const PACKET_LEN_MAX: u32 = 1 << 20;

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    received: Vec<u8>,
    /// Bytes of `received` that were taken.
    taken: usize,
    sent: Vec<u8>,
}

fn version() -> ProtocolVersion {
    let [.., newest] = ProtocolVersion::ALL;
    newest
}

impl Link {
    /// Connects to the session of `client_id`, which lasts for an hour; with Session Present.
    pub(crate) fn open(
        addr: SocketAddr,
        client_id: &str,
        clean_start: bool,
    ) -> io::Result<(Self, bool)> {
        let stream = TcpStream::connect_timeout(&addr, CONNECT_WITHIN)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PACKET_WITHIN))?;
        stream.set_write_timeout(Some(PACKET_WITHIN))?;
        let mut link = Self {
            stream,
            received: Vec::new(),
            taken: 0,
            sent: Vec::new(),
        };
        let set = [Property::SessionExpiryInterval(3600)];
        let list = PropertyList::new(&set);
        let connect = Connect {
            clean_start,
            keep_alive_s: 0,
            properties: Properties::from(&list),
            ..Connect::new(version(), client_id)
        };
        link.push(&Packet::Connect(connect))?;
        link.flush()?;
        let present = link.receive(|packet| match packet {
            Packet::ConnAck(ack) if !ack.reason.is_error() => Some(ack.session_present),
            _ => None,
        })?;
        Ok((link, present.ok_or(ErrorKind::ConnectionRefused)?))
    }

    /// Puts a packet behind those to be sent.
    pub(crate) fn push(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let refused = |_| io::Error::from(ErrorKind::InvalidInput);
        let len = packet.encoded_len(version()).map_err(refused)?;
        let start = self.sent.len();
        self.sent.resize(start + len, 0);
        let space = self.sent.get_mut(start..).unwrap_or_default();
        packet.encode(version(), space).map_err(refused)?;
        Ok(())
    }

    /// Puts an acknowledgement behind what is to be sent.
    pub(crate) fn push_ack(&mut self, kind: PacketType, packet_id: PacketId) -> io::Result<()> {
        let ack = Ack {
            packet_id,
            reason: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        };
        self.push(&match kind {
            PacketType::PubAck => Packet::PubAck(ack),
            PacketType::PubRec => Packet::PubRec(ack),
            PacketType::PubRel => Packet::PubRel(ack),
            _ => Packet::PubComp(ack),
        })
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.sent)?;
        self.sent.clear();
        Ok(())
    }

    /// How long the next packet may take.
    pub(crate) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))
    }

    /// Whether a whole packet has come that was not taken.
    pub(crate) fn has_packet(&self) -> bool {
        let bytes = self.received.get(self.taken..).unwrap_or_default();
        matches!(frame(bytes, PACKET_LEN_MAX), Ok(Some(_)))
    }

    /// Waits for the next packet.
    pub(crate) fn receive<T>(&mut self, take: impl FnOnce(&Packet<'_>) -> T) -> io::Result<T> {
        let invalid = |_| io::Error::from(ErrorKind::InvalidData);
        loop {
            let bytes = self.received.get(self.taken..).unwrap_or_default();
            if let Some(found) = frame(bytes, PACKET_LEN_MAX).map_err(invalid)? {
                self.taken += found.len;
                let packet = Packet::decode(found, version()).map_err(invalid)?;
                return Ok(take(&packet));
            }
            self.received.drain(..self.taken);
            self.taken = 0;
            let mut chunk = [0; 16 * 1024];
            let len = self.stream.read(&mut chunk)?;
            if len == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.received
                .extend_from_slice(chunk.get(..len).unwrap_or_default());
        }
    }
}

/// Whether nothing came in time, and the connection is as it was.
pub(crate) fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
