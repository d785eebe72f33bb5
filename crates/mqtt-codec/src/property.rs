//! One property: identifier and value.

use core::num::{NonZeroU16, NonZeroU32};

use crate::encode_error::{EncodeError, Field};
use crate::frame::VAR_INT_MAX;
use crate::property_id::Shape;
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{DecodeError, Malformed, PropertyId, QoS, TopicName};

/// A property and its value.
///
/// Spec: v5 §2.2.2.2.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Property<'a> {
    /// Whether the payload is text. Spec: v5 §3.3.2.3.2.
    PayloadFormatIndicator(PayloadFormat),
    /// How long the message is of use. Unit: seconds. Spec: v5 §3.3.2.3.3.
    MessageExpiryInterval(u32),
    /// What the payload is. Spec: v5 §3.3.2.3.9.
    ContentType(&'a str),
    /// Where the answer is to be published. Spec: v5 §3.3.2.3.5.
    ResponseTopic(TopicName<'a>),
    /// Ties an answer to its request. Spec: v5 §3.3.2.3.6.
    CorrelationData(&'a [u8]),
    /// Names the subscription a message came by. Spec: v5 §3.3.2.3.8, v5 §3.8.2.1.2.
    SubscriptionIdentifier(SubscriptionIdentifier),
    /// How long the session outlives its connection. Unit: seconds; `u32::MAX` is for ever.
    /// Spec: v5 §3.1.2.11.2.
    SessionExpiryInterval(u32),
    /// The Client Identifier the server chose. Spec: v5 §3.2.2.3.7.
    AssignedClientIdentifier(&'a str),
    /// The Keep Alive the server wants. Unit: seconds. Spec: v5 §3.2.2.3.14.
    ServerKeepAlive(u16),
    /// How the peers authenticate. Spec: v5 §3.1.2.11.9.
    AuthenticationMethod(&'a str),
    /// One step of the authentication. Spec: v5 §3.1.2.11.10.
    AuthenticationData(&'a [u8]),
    /// Whether the client wants reasons in words. Spec: v5 §3.1.2.11.7.
    RequestProblemInformation(bool),
    /// How long the Will waits. Unit: seconds. Spec: v5 §3.1.3.2.2.
    WillDelayInterval(u32),
    /// Whether the client wants Response Information. Spec: v5 §3.1.2.11.6.
    RequestResponseInformation(bool),
    /// What to make a Response Topic from. Spec: v5 §3.2.2.3.15.
    ResponseInformation(&'a str),
    /// Another server to use. Spec: v5 §3.2.2.3.16.
    ServerReference(&'a str),
    /// The reason in words, for people. Spec: v5 §3.2.2.3.9.
    ReasonString(&'a str),
    /// How many publications may be in flight. Spec: v5 §3.1.2.11.3.
    ReceiveMaximum(NonZeroU16),
    /// The highest Topic Alias the sender accepts. Spec: v5 §3.1.2.11.5.
    TopicAliasMaximum(u16),
    /// A number that stands for a Topic Name. Spec: v5 §3.3.2.3.4.
    TopicAlias(NonZeroU16),
    /// The highest QoS the server accepts: 0 or 1. Spec: v5 §3.2.2.3.4.
    MaximumQoS(QoS),
    /// Whether the server keeps retained messages. Spec: v5 §3.2.2.3.5.
    RetainAvailable(bool),
    /// A name and a value of the application. Spec: v5 §3.3.2.3.7.
    UserProperty(&'a str, &'a str),
    /// The longest packet the sender accepts. Unit: bytes. Spec: v5 §3.1.2.11.4.
    MaximumPacketSize(NonZeroU32),
    /// Whether the server has wildcard subscriptions. Spec: v5 §3.2.2.3.11.
    WildcardSubscriptionAvailable(bool),
    /// Whether the server has Subscription Identifiers. Spec: v5 §3.2.2.3.12.
    SubscriptionIdentifiersAvailable(bool),
    /// Whether the server has Shared Subscriptions. Spec: v5 §3.2.2.3.13.
    SharedSubscriptionAvailable(bool),
}

/// Whether a payload is text.
///
/// Spec: v5 §3.3.2.3.2.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum PayloadFormat {
    /// Unspecified bytes.
    #[default]
    Bytes,
    /// UTF-8 text.
    Utf8,
}

/// Names a subscription of one session: 1 to 268 435 455.
///
/// Spec: v5 §3.8.2.1.2.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct SubscriptionIdentifier(NonZeroU32);

impl SubscriptionIdentifier {
    /// The identifier with this value; `None` for 0 and for values over 268 435 455.
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        match NonZeroU32::new(value) {
            Some(value) if value.get() <= VAR_INT_MAX => Some(Self(value)),
            _ => None,
        }
    }

    /// Its value.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl<'a> Property<'a> {
    /// Which property it is.
    #[must_use]
    pub const fn id(&self) -> PropertyId {
        match self {
            Self::PayloadFormatIndicator(_) => PropertyId::PayloadFormatIndicator,
            Self::MessageExpiryInterval(_) => PropertyId::MessageExpiryInterval,
            Self::ContentType(_) => PropertyId::ContentType,
            Self::ResponseTopic(_) => PropertyId::ResponseTopic,
            Self::CorrelationData(_) => PropertyId::CorrelationData,
            Self::SubscriptionIdentifier(_) => PropertyId::SubscriptionIdentifier,
            Self::SessionExpiryInterval(_) => PropertyId::SessionExpiryInterval,
            Self::AssignedClientIdentifier(_) => PropertyId::AssignedClientIdentifier,
            Self::ServerKeepAlive(_) => PropertyId::ServerKeepAlive,
            Self::AuthenticationMethod(_) => PropertyId::AuthenticationMethod,
            Self::AuthenticationData(_) => PropertyId::AuthenticationData,
            Self::RequestProblemInformation(_) => PropertyId::RequestProblemInformation,
            Self::WillDelayInterval(_) => PropertyId::WillDelayInterval,
            Self::RequestResponseInformation(_) => PropertyId::RequestResponseInformation,
            Self::ResponseInformation(_) => PropertyId::ResponseInformation,
            Self::ServerReference(_) => PropertyId::ServerReference,
            Self::ReasonString(_) => PropertyId::ReasonString,
            Self::ReceiveMaximum(_) => PropertyId::ReceiveMaximum,
            Self::TopicAliasMaximum(_) => PropertyId::TopicAliasMaximum,
            Self::TopicAlias(_) => PropertyId::TopicAlias,
            Self::MaximumQoS(_) => PropertyId::MaximumQoS,
            Self::RetainAvailable(_) => PropertyId::RetainAvailable,
            Self::UserProperty(..) => PropertyId::UserProperty,
            Self::MaximumPacketSize(_) => PropertyId::MaximumPacketSize,
            Self::WildcardSubscriptionAvailable(_) => PropertyId::WildcardSubscriptionAvailable,
            Self::SubscriptionIdentifiersAvailable(_) => {
                PropertyId::SubscriptionIdentifiersAvailable
            }
            Self::SharedSubscriptionAvailable(_) => PropertyId::SharedSubscriptionAvailable,
        }
    }

    /// Reads the value of `id` and checks it.
    pub(crate) fn decode_value(
        id: PropertyId,
        reader: &mut Reader<'a>,
    ) -> Result<Self, DecodeError> {
        Self::decode_value_inline(id, reader)
    }

    /// As [`Property::decode_value`], for a caller who needs the check and not the value.
    #[inline(always)]
    pub(crate) fn decode_value_inline(
        id: PropertyId,
        reader: &mut Reader<'a>,
    ) -> Result<Self, DecodeError> {
        let at = reader.at();
        let invalid = DecodeError::new(Malformed::PropertyValueInvalid { property: id }, at);
        Ok(match id {
            PropertyId::PayloadFormatIndicator => {
                Self::PayloadFormatIndicator(match flag(reader, invalid)? {
                    false => PayloadFormat::Bytes,
                    true => PayloadFormat::Utf8,
                })
            }
            PropertyId::MessageExpiryInterval => Self::MessageExpiryInterval(reader.four_byte()?),
            PropertyId::ContentType => Self::ContentType(reader.string()?),
            PropertyId::ResponseTopic => {
                Self::ResponseTopic(reader.topic(TopicName::try_new)?.map_err(|_| invalid)?)
            }
            PropertyId::CorrelationData => Self::CorrelationData(reader.binary()?),
            PropertyId::SubscriptionIdentifier => Self::SubscriptionIdentifier(
                SubscriptionIdentifier::new(reader.var_int()?).ok_or(invalid)?,
            ),
            PropertyId::SessionExpiryInterval => Self::SessionExpiryInterval(reader.four_byte()?),
            PropertyId::AssignedClientIdentifier => {
                Self::AssignedClientIdentifier(reader.string()?)
            }
            PropertyId::ServerKeepAlive => Self::ServerKeepAlive(reader.two_byte()?),
            PropertyId::AuthenticationMethod => Self::AuthenticationMethod(reader.string()?),
            PropertyId::AuthenticationData => Self::AuthenticationData(reader.binary()?),
            PropertyId::RequestProblemInformation => {
                Self::RequestProblemInformation(flag(reader, invalid)?)
            }
            PropertyId::WillDelayInterval => Self::WillDelayInterval(reader.four_byte()?),
            PropertyId::RequestResponseInformation => {
                Self::RequestResponseInformation(flag(reader, invalid)?)
            }
            PropertyId::ResponseInformation => Self::ResponseInformation(reader.string()?),
            PropertyId::ServerReference => Self::ServerReference(reader.string()?),
            PropertyId::ReasonString => Self::ReasonString(reader.string()?),
            PropertyId::ReceiveMaximum => {
                Self::ReceiveMaximum(NonZeroU16::new(reader.two_byte()?).ok_or(invalid)?)
            }
            PropertyId::TopicAliasMaximum => Self::TopicAliasMaximum(reader.two_byte()?),
            PropertyId::TopicAlias => {
                Self::TopicAlias(NonZeroU16::new(reader.two_byte()?).ok_or(invalid)?)
            }
            PropertyId::MaximumQoS => Self::MaximumQoS(match flag(reader, invalid)? {
                false => QoS::AtMostOnce,
                true => QoS::AtLeastOnce,
            }),
            PropertyId::RetainAvailable => Self::RetainAvailable(flag(reader, invalid)?),
            PropertyId::UserProperty => Self::UserProperty(reader.string()?, reader.string()?),
            PropertyId::MaximumPacketSize => {
                Self::MaximumPacketSize(NonZeroU32::new(reader.four_byte()?).ok_or(invalid)?)
            }
            PropertyId::WildcardSubscriptionAvailable => {
                Self::WildcardSubscriptionAvailable(flag(reader, invalid)?)
            }
            PropertyId::SubscriptionIdentifiersAvailable => {
                Self::SubscriptionIdentifiersAvailable(flag(reader, invalid)?)
            }
            PropertyId::SharedSubscriptionAvailable => {
                Self::SharedSubscriptionAvailable(flag(reader, invalid)?)
            }
        })
    }

    /// The bytes it takes with its identifier, after checking its value.
    pub(crate) fn encoded_len(&self) -> Result<usize, EncodeError> {
        self.valid_len().ok_or_else(|| self.what_is_wrong())
    }

    /// As [`Property::encoded_len`]; `None` when the value is not one that can be sent.
    #[inline(always)]
    pub(crate) fn valid_len(&self) -> Option<usize> {
        match self.value() {
            Value::Byte(value) => (value < 2).then_some(2),
            Value::TwoByte(_) => Some(3),
            Value::FourByte(_) => Some(5),
            Value::VarInt(value) => {
                Some(1 + write::var_int_len(usize::try_from(value).unwrap_or(usize::MAX)))
            }
            Value::Text(text) => write::valid_string_len(text).map(|len| 1 + len),
            Value::Binary(bytes) => write::valid_binary_len(bytes).map(|len| 1 + len),
            Value::Pair(name, value) => {
                Some(1 + write::valid_string_len(name)? + write::valid_string_len(value)?)
            }
        }
    }

    #[cold]
    fn what_is_wrong(&self) -> EncodeError {
        let property = self.id();
        let field = Field::Property(property);
        let wrong = match self.value() {
            Value::Text(text) => write::string_len(field, text).err(),
            Value::Binary(bytes) => write::binary_len(field, bytes).err(),
            Value::Pair(name, value) => write::string_len(field, name)
                .and_then(|_| write::string_len(field, value))
                .err(),
            _ => None,
        };
        wrong.unwrap_or(EncodeError::PropertyValueInvalid { property })
    }

    /// Writes it.
    #[inline(always)]
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        let id = self.id().get();
        match self.value() {
            Value::Byte(value) => writer.array([id, value]),
            Value::TwoByte(value) => {
                let [high, low] = value.to_be_bytes();
                writer.array([id, high, low]);
            }
            Value::FourByte(value) => {
                let [first, second, third, fourth] = value.to_be_bytes();
                writer.array([id, first, second, third, fourth]);
            }
            Value::VarInt(value) => {
                writer.byte(id);
                writer.var_int(value);
            }
            Value::Text(text) => writer.byte_and_field(id, text.as_bytes()),
            Value::Binary(bytes) => writer.byte_and_field(id, bytes),
            Value::Pair(name, value) => {
                writer.byte_and_field(id, name.as_bytes());
                writer.field(value.as_bytes());
            }
        }
    }

    /// The value in terms of the wire's data types.
    #[inline(always)]
    fn value(&self) -> Value<'a> {
        match *self {
            Self::PayloadFormatIndicator(format) => {
                Value::Byte(u8::from(format == PayloadFormat::Utf8))
            }
            Self::RequestProblemInformation(flag)
            | Self::RequestResponseInformation(flag)
            | Self::RetainAvailable(flag)
            | Self::WildcardSubscriptionAvailable(flag)
            | Self::SubscriptionIdentifiersAvailable(flag)
            | Self::SharedSubscriptionAvailable(flag) => Value::Byte(u8::from(flag)),
            Self::MaximumQoS(qos) => Value::Byte(qos.get()),
            Self::ServerKeepAlive(value) | Self::TopicAliasMaximum(value) => Value::TwoByte(value),
            Self::ReceiveMaximum(value) | Self::TopicAlias(value) => Value::TwoByte(value.get()),
            Self::MessageExpiryInterval(value)
            | Self::SessionExpiryInterval(value)
            | Self::WillDelayInterval(value) => Value::FourByte(value),
            Self::MaximumPacketSize(value) => Value::FourByte(value.get()),
            Self::SubscriptionIdentifier(value) => Value::VarInt(value.get()),
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => Value::Text(text),
            // A Topic Name has been checked for what a text is checked for.
            Self::ResponseTopic(topic_name) => Value::Binary(topic_name.as_str().as_bytes()),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => Value::Binary(bytes),
            Self::UserProperty(name, value) => Value::Pair(name, value),
        }
    }
}

/// A value by data type. Spec: v5 §1.5.
enum Value<'a> {
    Byte(u8),
    TwoByte(u16),
    FourByte(u32),
    VarInt(u32),
    Text(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

/// A byte that may be 0 or 1 only.
#[inline]
fn flag(reader: &mut Reader<'_>, invalid: DecodeError) -> Result<bool, DecodeError> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(invalid),
    }
}

/// Reads an identifier. All are below 128, so a longer form names none or is not minimal.
#[inline]
pub(crate) fn decode_id(reader: &mut Reader<'_>) -> Result<PropertyId, DecodeError> {
    let at = reader.at();
    let identifier = reader.rest().first().copied().unwrap_or(0);
    u8::try_from(reader.var_int()?)
        .ok()
        .and_then(PropertyId::from_u8)
        .ok_or_else(|| DecodeError::new(Malformed::PropertyUnknown { identifier }, at))
}

/// Cuts one entry off a checked block: identifier and value bytes. `None` at its end.
pub(crate) fn split_entry(block: &[u8]) -> Option<(PropertyId, &[u8], &[u8])> {
    let (&id, rest) = block.split_first()?;
    let id = PropertyId::from_u8(id)?;
    let field_len = |bytes: &[u8]| -> Option<usize> {
        bytes
            .first_chunk::<2>()
            .map(|len| 2 + usize::from(u16::from_be_bytes(*len)))
    };
    let len = match id.shape() {
        Shape::Byte => 1,
        Shape::TwoByte => 2,
        Shape::FourByte => 4,
        Shape::VarInt => 1 + rest.iter().position(|byte| byte & 0x80 == 0)?,
        Shape::Field => field_len(rest)?,
        Shape::Pair => {
            let name_len = field_len(rest)?;
            name_len + field_len(rest.get(name_len..)?)?
        }
    };
    let (value, rest) = rest.split_at_checked(len)?;
    Some((id, value, rest))
}
