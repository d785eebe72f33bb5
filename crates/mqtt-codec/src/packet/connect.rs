//! CONNECT and the Will in it.

use crate::encode_error::{EncodeError, Field};
use crate::property_block::{self, Block, Received};
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{
    DecodeError, Frame, Lenience, Malformed, PacketType, Properties, PropertyScope,
    ProtocolVersion, QoS, TopicName,
};

const SCOPE: PropertyScope = PropertyScope::Packet(PacketType::Connect);
const USER_NAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL_RETAIN: u8 = 0x20;
const WILL_QOS: u8 = 0x18;
const WILL_QOS_SHIFT: u8 = 3;
const WILL: u8 = 0x04;
const CLEAN_START: u8 = 0x02;
const RESERVED: u8 = 0x01;

/// The bit of the protocol level by which a broker says that it is a bridge.
const BRIDGE: u8 = 0x80;

/// Connection request: the first packet of every connection.
///
/// Spec: v5 §3.1, v3.1.1 §3.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Connect<'a> {
    /// The version of the whole connection. Spec: v5 §3.1.2.2, v3.1.1 §3.1.2.2.
    pub version: ProtocolVersion,
    /// Whether the client calls itself a bridge; before v5, and read only with
    /// [`Lenience::bridge_bit`].
    pub bridge: bool,
    /// Whether to forget an earlier session. Before v5 also whether to forget this one at its end.
    /// Spec: v5 §3.1.2.4, v3.1.1 §3.1.2.4.
    pub clean_start: bool,
    /// The longest silence of the client. Unit: seconds; 0 is for ever.
    /// Spec: v5 §3.1.2.10, v3.1.1 §3.1.2.10.
    pub keep_alive_s: u16,
    /// Names the session; empty where the server is to choose. Spec: v5 §3.1.3.1, v3.1.1 §3.1.3.1.
    pub client_id: &'a str,
    /// What to publish when the connection is lost. Spec: v5 §3.1.2.5, v3.1.1 §3.1.2.5.
    pub will: Option<Will<'a>>,
    /// User Name. Spec: v5 §3.1.3.5, v3.1.1 §3.1.3.4.
    pub username: Option<&'a str>,
    /// Password; before v5 only together with a User Name. Spec: v5 §3.1.3.6, v3.1.1 §3.1.3.5.
    pub password: Option<&'a [u8]>,
    /// Its properties. Spec: v5 §3.1.2.11.
    pub properties: Properties<'a>,
}

/// What the server publishes when a client is lost.
///
/// Spec: v5 §3.1.2.5, v3.1.1 §3.1.2.5.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Will<'a> {
    /// Where it is published. Spec: v5 §3.1.3.3, v3.1.1 §3.1.3.2.
    pub topic_name: TopicName<'a>,
    /// The message, up to 65 535 bytes. Spec: v5 §3.1.3.4, v3.1.1 §3.1.3.3.
    pub payload: &'a [u8],
    /// Its Quality of Service. Spec: v5 §3.1.2.6, v3.1.1 §3.1.2.6.
    pub qos: QoS,
    /// Whether it is retained. Spec: v5 §3.1.2.7, v3.1.1 §3.1.2.7.
    pub retain: bool,
    /// Its properties, those of the Will rather than of the CONNECT. Spec: v5 §3.1.3.2.
    pub properties: Properties<'a>,
}

impl<'a> Connect<'a> {
    /// A CONNECT without Will, credentials and properties, that asks for a fresh session.
    #[must_use]
    pub const fn new(version: ProtocolVersion, client_id: &'a str) -> Self {
        Self {
            version,
            bridge: false,
            clean_start: true,
            keep_alive_s: 0,
            client_id,
            will: None,
            username: None,
            password: None,
            properties: Properties::EMPTY,
        }
    }

    /// Reads only which version a CONNECT is for; `None` if it is for none of ours.
    ///
    /// A server that refuses a CONNECT needs it to refuse in words the client understands.
    #[must_use]
    pub fn version_of(frame: Frame<'_>) -> Option<ProtocolVersion> {
        let lenience = Lenience {
            bridge_bit: true,
            ..Lenience::STRICT
        };
        read_version(&mut Reader::new(frame), lenience)
            .ok()
            .map(|(version, _)| version)
    }

    /// Reads a CONNECT, whatever its version.
    ///
    /// # Errors
    /// What is wrong, where, and by which rule; also for a packet of any other type.
    pub fn decode(frame: Frame<'a>) -> Result<Self, DecodeError> {
        Self::decode_lenient(frame, Lenience::STRICT)
    }

    /// Reads a CONNECT and forgives what `lenience` names.
    ///
    /// # Errors
    /// As [`Connect::decode`].
    #[inline(always)]
    pub fn decode_lenient(frame: Frame<'a>, lenience: Lenience) -> Result<Self, DecodeError> {
        super::expect(frame, PacketType::Connect)?;
        let mut reader = Reader::new(frame);
        let (version, bridge) = read_version(&mut reader, lenience)?;
        let before = reader.rest();
        let flags = reader.byte()?;
        check_flags(flags, version).map_err(|kind| reader.error_before(before, kind))?;
        let clean_start = flags & CLEAN_START != 0;
        let keep_alive_s = reader.two_byte()?;
        let properties = property_block::receive(&mut reader, version, SCOPE)?;
        let before = reader.rest();
        let text = reader.rest_as_text();
        let client_id = reader.string_in(text)?;
        check_client_id(client_id, clean_start, version, lenience)
            .map_err(|kind| reader.error_before(before, kind))?;
        let will = match flags & WILL {
            0 => None,
            _ => Some(ReceivedWill {
                properties: property_block::receive(&mut reader, version, PropertyScope::Will)?,
                topic_name: reader.topic_name_in(text)?,
                payload: reader.binary()?,
            }),
        };
        let missing =
            |reader: &Reader<'_>| version.allows_missing_credentials() && reader.is_empty();
        let username = match flags & USER_NAME {
            0 => None,
            _ if missing(&reader) => None,
            _ => Some(reader.string_in(text)?),
        };
        let password = match flags & PASSWORD {
            0 => None,
            _ if missing(&reader) => None,
            _ => Some(reader.binary()?),
        };
        reader.finish()?;
        Ok(Self {
            version,
            bridge,
            clean_start,
            keep_alive_s,
            client_id,
            will: will.map(|will| will.with_flags(flags)),
            username,
            password,
            properties: properties.properties(),
        })
    }

    /// The bytes [`Connect::encode`] writes.
    ///
    /// # Errors
    /// As [`Connect::encode`], but never [`EncodeError::BufferTooSmall`].
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        write::packet_len(self.measure()?.remaining)
    }

    /// Writes the packet, in its own version, to the start of `out` and returns its length in
    /// bytes.
    ///
    /// # Errors
    /// `out` is too small, or the packet is not one that its version has. `out` is untouched.
    #[inline(never)]
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let sizes = self.measure()?;
        let first = PacketType::Connect.first_byte();
        let (mut writer, len) = Writer::start(first, sizes.remaining, out)?;
        let level = self.version.level() | if self.bridge { BRIDGE } else { 0 };
        let flags = self.flags();
        let [high, low] = self.keep_alive_s.to_be_bytes();
        match *self.version.protocol_name().as_bytes() {
            // One write for the name all newer versions have.
            [m, q, t, u] => writer.array([0, 4, m, q, t, u, level, flags, high, low]),
            ref name => {
                writer.field(name);
                writer.array([level, flags, high, low]);
            }
        }
        sizes.block.write(&mut writer);
        writer.field(self.client_id.as_bytes());
        if let Some(will) = &self.will {
            sizes.will_block.write(&mut writer);
            writer.field(will.topic_name.as_str().as_bytes());
            writer.field(will.payload);
        }
        if let Some(username) = self.username {
            writer.field(username.as_bytes());
        }
        if let Some(password) = self.password {
            writer.field(password);
        }
        Ok(len)
    }

    fn flags(&self) -> u8 {
        let will = self.will.as_ref().map_or(0, |will| {
            WILL | (will.qos.get() << WILL_QOS_SHIFT) | if will.retain { WILL_RETAIN } else { 0 }
        });
        will | if self.clean_start { CLEAN_START } else { 0 }
            | if self.username.is_some() {
                USER_NAME
            } else {
                0
            }
            | if self.password.is_some() { PASSWORD } else { 0 }
    }

    #[inline(always)]
    fn measure(&self) -> Result<Sizes<'_>, EncodeError> {
        let version = self.version;
        let block = Block::new(&self.properties, version, SCOPE)?;
        if self.bridge && !version.allows_bridge_bit() {
            return Err(EncodeError::NotInVersion {
                field: Field::BridgeBit,
            });
        }
        if self.password.is_some() && self.username.is_none() && !version.allows_password_alone() {
            return Err(EncodeError::Missing {
                field: Field::UserName,
            });
        }
        if self.client_id.is_empty() && !version.allows_empty_client_id(self.clean_start) {
            return Err(EncodeError::Missing {
                field: Field::ClientId,
            });
        }
        if let Some(max) = version.client_id_len_max()
            && self.client_id.chars().count() > max
        {
            return Err(EncodeError::TooLong {
                field: Field::ClientId,
                max,
            });
        }
        // Fields cannot be so long that their sum is too large; blocks can.
        let mut fields_len = 2 + version.protocol_name().len() + 4;
        fields_len += write::string_len(Field::ClientId, self.client_id)?;
        let will_block = match &self.will {
            None => Block::ABSENT,
            Some(will) => {
                fields_len += 2 + will.topic_name.as_str().len();
                fields_len += write::binary_len(Field::WillPayload, will.payload)?;
                Block::new(&will.properties, version, PropertyScope::Will)?
            }
        };
        if let Some(username) = self.username {
            fields_len += write::string_len(Field::UserName, username)?;
        }
        if let Some(password) = self.password {
            fields_len += write::binary_len(Field::Password, password)?;
        }
        let remaining = fields_len
            .saturating_add(block.encoded_len())
            .saturating_add(will_block.encoded_len());
        Ok(Sizes {
            remaining,
            block,
            will_block,
        })
    }
}

struct Sizes<'a> {
    /// The Remaining Length. Unit: bytes.
    remaining: usize,
    block: Block<'a>,
    will_block: Block<'a>,
}

/// Protocol Name and Protocol Version. Spec: v5 §3.1.2.1, v5 §3.1.2.2.
#[inline(always)]
fn read_version(
    reader: &mut Reader<'_>,
    lenience: Lenience,
) -> Result<(ProtocolVersion, bool), DecodeError> {
    if let Some([level, rest @ ..]) = reader.rest().strip_prefix(b"\0\x04MQTT")
        && let Some(version) = ProtocolVersion::named_mqtt(*level)
    {
        reader.go_on(rest);
        return Ok((version, false));
    }
    let (version, bridge, rest) = read_any_version(reader.rest(), reader.end(), lenience)?;
    reader.go_on(rest);
    Ok((version, bridge))
}

/// As [`read_version`], also for older versions and bridges; returns what is left behind it.
#[inline(never)]
fn read_any_version(
    rest: &[u8],
    end: usize,
    lenience: Lenience,
) -> Result<(ProtocolVersion, bool, &[u8]), DecodeError> {
    let mut reader = Reader::within(rest, end);
    let name = read_name(&mut reader)?;
    let level_at = reader.at();
    let level = reader.byte()?;
    let bridge = level & BRIDGE != 0;
    ProtocolVersion::from_level(level & !BRIDGE)
        .filter(|version| version.protocol_name() == name)
        .filter(|version| !bridge || (lenience.bridge_bit && version.allows_bridge_bit()))
        .map(|version| (version, bridge, reader.rest()))
        .ok_or(DecodeError::new(
            Malformed::ProtocolLevelUnsupported { level },
            level_at,
        ))
}

/// Any Protocol Name there is.
fn read_name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let at = reader.at();
    let name = reader.string()?;
    if ProtocolVersion::ALL
        .iter()
        .any(|version| version.protocol_name() == name)
    {
        return Ok(name);
    }
    Err(DecodeError::new(Malformed::ProtocolNameUnknown, at))
}

/// Spec: v5 §3.1.2.3 to §3.1.2.9, v3.1.1 §3.1.2.3 to §3.1.2.9.
fn check_flags(flags: u8, version: ProtocolVersion) -> Result<(), Malformed> {
    if flags & RESERVED != 0 {
        return Err(Malformed::ConnectFlagsReserved);
    }
    if flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0 {
        return Err(Malformed::WillFlagsWithoutWill);
    }
    if flags & WILL_QOS == WILL_QOS {
        return Err(Malformed::WillQosInvalid);
    }
    if flags & (USER_NAME | PASSWORD) == PASSWORD && !version.allows_password_alone() {
        return Err(Malformed::PasswordWithoutUserName);
    }
    Ok(())
}

/// Spec: v5 §3.1.3.1, v3.1.1 §3.1.3.1.
#[inline(always)]
fn check_client_id(
    client_id: &str,
    clean_start: bool,
    version: ProtocolVersion,
    lenience: Lenience,
) -> Result<(), Malformed> {
    if client_id.is_empty() && !version.allows_empty_client_id(clean_start) {
        return Err(Malformed::ClientIdEmpty);
    }
    match version.client_id_len_max() {
        Some(max) if client_id.chars().count() > max && !lenience.long_client_id => {
            Err(Malformed::ClientIdTooLong)
        }
        _ => Ok(()),
    }
}

/// What the payload says about the Will.
///
/// Spec: v5 §3.1.3.2 to §3.1.3.4, v3.1.1 §3.1.3.2, v3.1.1 §3.1.3.3.
struct ReceivedWill<'a> {
    properties: Received<'a>,
    topic_name: TopicName<'a>,
    payload: &'a [u8],
}

impl<'a> ReceivedWill<'a> {
    /// Adds what the Connect Flags say, which have been checked.
    #[inline(always)]
    fn with_flags(self, flags: u8) -> Will<'a> {
        Will {
            topic_name: self.topic_name,
            payload: self.payload,
            qos: QoS::from_u8((flags & WILL_QOS) >> WILL_QOS_SHIFT).unwrap_or_default(),
            retain: flags & WILL_RETAIN != 0,
            properties: self.properties.properties(),
        }
    }
}
