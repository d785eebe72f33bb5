//! Any Control Packet.

pub(crate) mod ack;
pub(crate) mod auth;
pub(crate) mod connack;
pub(crate) mod connect;
pub(crate) mod disconnect;
pub(crate) mod publish;
pub(crate) mod reason_codes;
pub(crate) mod suback;
pub(crate) mod subscribe;
pub(crate) mod unsuback;
pub(crate) mod unsubscribe;

use ack::Ack;
use auth::Auth;
use connack::ConnAck;
use connect::Connect;
use disconnect::Disconnect;
use publish::Publish;
use suback::SubAck;
use subscribe::Subscribe;
use unsuback::UnsubAck;
use unsubscribe::Unsubscribe;

use crate::write::Writer;
use crate::{
    DecodeError, EncodeError, Frame, Lenience, Malformed, PacketId, PacketType, ProtocolVersion,
};

const PUB_ACK: u8 = PacketType::PubAck.first_byte();
const PUB_REC: u8 = PacketType::PubRec.first_byte();
const PUB_REL: u8 = PacketType::PubRel.first_byte();
const PUB_COMP: u8 = PacketType::PubComp.first_byte();

/// A Control Packet of any type and version, borrowing from the bytes it was read from.
///
/// Spec: v5 §3, v3.1.1 §3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Packet<'a> {
    /// Connection request. Spec: v5 §3.1, v3.1.1 §3.1.
    Connect(Connect<'a>),
    /// Connect acknowledgement. Spec: v5 §3.2, v3.1.1 §3.2.
    ConnAck(ConnAck<'a>),
    /// Publish message. Spec: v5 §3.3, v3.1.1 §3.3.
    Publish(Publish<'a>),
    /// Publish acknowledgement (QoS 1). Spec: v5 §3.4, v3.1.1 §3.4.
    PubAck(Ack<'a>),
    /// Publish received (QoS 2, part 1). Spec: v5 §3.5, v3.1.1 §3.5.
    PubRec(Ack<'a>),
    /// Publish release (QoS 2, part 2). Spec: v5 §3.6, v3.1.1 §3.6.
    PubRel(Ack<'a>),
    /// Publish complete (QoS 2, part 3). Spec: v5 §3.7, v3.1.1 §3.7.
    PubComp(Ack<'a>),
    /// Subscribe request. Spec: v5 §3.8, v3.1.1 §3.8.
    Subscribe(Subscribe<'a>),
    /// Subscribe acknowledgement. Spec: v5 §3.9, v3.1.1 §3.9.
    SubAck(SubAck<'a>),
    /// Unsubscribe request. Spec: v5 §3.10, v3.1.1 §3.10.
    Unsubscribe(Unsubscribe<'a>),
    /// Unsubscribe acknowledgement. Spec: v5 §3.11, v3.1.1 §3.11.
    UnsubAck(UnsubAck<'a>),
    /// Ping request. Spec: v5 §3.12, v3.1.1 §3.12.
    PingReq,
    /// Ping response. Spec: v5 §3.13, v3.1.1 §3.13.
    PingResp,
    /// Disconnect notification. Spec: v5 §3.14, v3.1.1 §3.14.
    Disconnect(Disconnect<'a>),
    /// Authentication exchange; v5 only. Spec: v5 §3.15.
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Reads a packet and insists on every rule. A CONNECT says its version itself.
    ///
    /// # Errors
    /// What is wrong, where, and by which rule. Nothing is ever waited for: a field that runs past
    /// the end of the packet is an error.
    #[inline(always)]
    pub fn decode(frame: Frame<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        Self::decode_lenient(frame, version, Lenience::STRICT)
    }

    /// Reads a packet and forgives what `lenience` names.
    ///
    /// # Errors
    /// As [`Packet::decode`].
    #[inline(always)]
    pub fn decode_lenient(
        frame: Frame<'a>,
        version: ProtocolVersion,
        lenience: Lenience,
    ) -> Result<Self, DecodeError> {
        if frame.first >> 4 == PacketType::Publish.get() {
            return Publish::decode_lenient(frame, version, lenience).map(Self::Publish);
        }
        // An acknowledgement that says nothing but success, as nearly all do.
        if let [high, low] = *frame.body
            && let Some(packet_id) = PacketId::new(u16::from_be_bytes([high, low]))
        {
            let ack = Ack::new(packet_id);
            match frame.first {
                PUB_ACK => return Ok(Self::PubAck(ack)),
                PUB_REC => return Ok(Self::PubRec(ack)),
                PUB_REL => return Ok(Self::PubRel(ack)),
                PUB_COMP => return Ok(Self::PubComp(ack)),
                _ => {}
            }
        }
        if frame.first >> 4 == PacketType::Connect.get() {
            return Self::decode_connect(frame, lenience);
        }
        Self::decode_other(frame, version, lenience)
    }

    /// The types of which there are few; their room on the stack is not to cost the others time.
    #[inline(never)]
    fn decode_other(
        frame: Frame<'a>,
        version: ProtocolVersion,
        lenience: Lenience,
    ) -> Result<Self, DecodeError> {
        let Some(packet_type) = frame.packet_type() else {
            return Err(DecodeError::new(Malformed::PacketTypeReserved, 0));
        };
        Ok(match packet_type {
            PacketType::Connect => return Self::decode_connect(frame, lenience),
            PacketType::ConnAck => Self::ConnAck(ConnAck::decode(frame, version)?),
            PacketType::Subscribe => Self::Subscribe(Subscribe::decode(frame, version)?),
            PacketType::SubAck => Self::SubAck(SubAck::decode(frame, version)?),
            PacketType::Unsubscribe => Self::Unsubscribe(Unsubscribe::decode(frame, version)?),
            PacketType::UnsubAck => Self::UnsubAck(UnsubAck::decode(frame, version)?),
            PacketType::PingReq => empty(frame, packet_type, Self::PingReq)?,
            PacketType::PingResp => empty(frame, packet_type, Self::PingResp)?,
            PacketType::Disconnect => Self::Disconnect(Disconnect::decode(frame, version)?),
            PacketType::Auth => Self::Auth(Auth::decode(frame, version)?),
            PacketType::Publish => {
                Self::Publish(Publish::decode_lenient(frame, version, lenience)?)
            }
            PacketType::PubAck => Self::PubAck(Ack::decode(frame, version)?),
            PacketType::PubRec => Self::PubRec(Ack::decode(frame, version)?),
            PacketType::PubRel => Self::PubRel(Ack::decode(frame, version)?),
            PacketType::PubComp => Self::PubComp(Ack::decode(frame, version)?),
        })
    }

    /// Apart from the others, so that its many fields are not moved through what they share.
    #[inline(never)]
    fn decode_connect(frame: Frame<'a>, lenience: Lenience) -> Result<Self, DecodeError> {
        Connect::decode_lenient(frame, lenience).map(Self::Connect)
    }

    /// Its type.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// The bytes [`Packet::encode`] writes. A CONNECT is measured in its own version.
    ///
    /// # Errors
    /// As [`Packet::encode`], but never [`EncodeError::BufferTooSmall`].
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        match self {
            Self::Connect(packet) => packet.encoded_len(),
            Self::ConnAck(packet) => packet.encoded_len(version),
            Self::Publish(packet) => packet.encoded_len(version),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                ack.encoded_len(self.packet_type(), version)
            }
            Self::Subscribe(packet) => packet.encoded_len(version),
            Self::SubAck(packet) => packet.encoded_len(version),
            Self::Unsubscribe(packet) => packet.encoded_len(version),
            Self::UnsubAck(packet) => packet.encoded_len(version),
            Self::PingReq | Self::PingResp => Ok(2),
            Self::Disconnect(packet) => packet.encoded_len(version),
            Self::Auth(packet) => packet.encoded_len(version),
        }
    }

    /// Writes the packet to the start of `out` and returns its length in bytes. A CONNECT is
    /// written in its own version.
    ///
    /// Properties, which a version before v5 does not have, are left out; what would change the
    /// meaning by being left out is refused.
    ///
    /// # Errors
    /// `out` is too small, or the packet is not one that this version has. `out` is untouched.
    #[inline(always)]
    pub fn encode(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        match self {
            Self::Publish(packet) => packet.encode(version, out),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                ack.encode(self.packet_type(), version, out)
            }
            _ => self.encode_other(version, out),
        }
    }

    /// The types of which there are few; their room on the stack is not to cost the others time.
    #[inline(never)]
    fn encode_other(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        match self {
            Self::Connect(packet) => packet.encode(out),
            Self::Subscribe(packet) => packet.encode(version, out),
            _ => self.encode_rest(version, out),
        }
    }

    #[inline(never)]
    fn encode_rest(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        match self {
            Self::ConnAck(packet) => packet.encode(version, out),
            Self::SubAck(packet) => packet.encode(version, out),
            Self::Unsubscribe(packet) => packet.encode(version, out),
            Self::UnsubAck(packet) => packet.encode(version, out),
            Self::PingReq | Self::PingResp => {
                Writer::start(self.packet_type().first_byte(), 0, out).map(|(_, len)| len)
            }
            Self::Disconnect(packet) => packet.encode(version, out),
            Self::Auth(packet) => packet.encode(version, out),
            Self::Publish(_)
            | Self::PubAck(_)
            | Self::PubRec(_)
            | Self::PubRel(_)
            | Self::PubComp(_)
            | Self::Connect(_)
            | Self::Subscribe(_) => self.encode(version, out),
        }
    }
}

/// A packet that is nothing but a fixed header. Spec: v5 §3.12, v5 §3.13.
fn empty<'a>(
    frame: Frame<'a>,
    packet_type: PacketType,
    packet: Packet<'a>,
) -> Result<Packet<'a>, DecodeError> {
    expect(frame, packet_type)?;
    if frame.body.is_empty() {
        return Ok(packet);
    }
    Err(DecodeError::new(
        Malformed::TrailingBytes,
        frame.at(frame.body),
    ))
}

/// The fixed header must be that of `packet_type`. Spec: v5 [MQTT-2.1.3-1], v3.1.1 [MQTT-2.2.2-1].
#[inline]
pub(crate) fn expect(frame: Frame<'_>, packet_type: PacketType) -> Result<(), DecodeError> {
    if frame.first == packet_type.first_byte() {
        return Ok(());
    }
    Err(DecodeError::new(first_is_wrong(frame, packet_type), 0))
}

/// As [`expect`], for the packets a 3.1 peer may send again with DUP set.
#[inline]
pub(crate) fn expect_maybe_dup(
    frame: Frame<'_>,
    packet_type: PacketType,
    version: ProtocolVersion,
) -> Result<(), DecodeError> {
    let dup = if version.may_resend_while_connected() {
        0x08
    } else {
        0x00
    };
    if frame.first & !dup == packet_type.first_byte() {
        return Ok(());
    }
    Err(DecodeError::new(first_is_wrong(frame, packet_type), 0))
}

#[cold]
pub(crate) fn first_is_wrong(frame: Frame<'_>, wanted: PacketType) -> Malformed {
    match frame.packet_type() {
        None => Malformed::PacketTypeReserved,
        Some(packet_type) if packet_type == wanted => Malformed::FlagsReserved { packet_type },
        Some(packet_type) => Malformed::PacketTypeUnexpected { packet_type },
    }
}
