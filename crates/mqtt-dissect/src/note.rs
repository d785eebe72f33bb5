//! What can be said of a packet only by those who heard the others.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::conversation::micros;
use crate::text::quoted;

/// How a packet belongs to others of its conversation, or what is wrong with its place there.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// It answers packet `number`, the round trip taking `after`.
    Answers {
        /// The packet it answers.
        number: u64,
        /// The name of that packet.
        packet: &'static str,
        /// The time between the two, if times are known.
        after: Option<Duration>,
    },
    /// It ends the delivery that the PUBLISH `number` began.
    Completes {
        /// The PUBLISH.
        number: u64,
        /// The time since then, if times are known.
        after: Option<Duration>,
    },
    /// It is packet `number` sent again.
    Repeats {
        /// The first of them.
        number: u64,
    },
    /// Its Topic Alias stands for this topic.
    Topic {
        /// The Topic Name.
        topic_name: String,
    },
    /// Nothing it could answer was said. Spec: v5 §4.3, v3.1.1 §4.3.
    AnswersNothing,
    /// What it answers was not heard; it may have been said before.
    RequestNotHeard,
    /// Its Packet Identifier is still that of packet `number`.
    /// Spec: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-2].
    PacketIdInUse {
        /// The packet that has it.
        number: u64,
    },
    /// Only the other side sends such packets.
    WrongSide,
    /// It comes before CONNECT. Spec: v5 [MQTT-3.1.0-1], v3.1.1 [MQTT-3.1.0-1].
    BeforeConnect,
    /// There was a CONNECT already. Spec: v5 [MQTT-3.1.0-2], v3.1.1 [MQTT-3.1.0-2].
    SecondConnect,
    /// Its sender has said DISCONNECT. Spec: v5 [MQTT-3.14.4-1], v3.1.1 [MQTT-3.14.4-1].
    AfterDisconnect,
    /// Its Topic Alias was never set. Spec: v5 §3.3.2.3.4.
    AliasUnknown,
    /// Its Topic Alias is over what the receiver takes. Spec: v5 §3.3.2.3.4.
    AliasTooHigh {
        /// The receiver's Topic Alias Maximum.
        maximum: u16,
    },
    /// More publications are under way than the receiver takes.
    /// Spec: v5 [MQTT-3.3.4-7], v5 [MQTT-3.3.4-9].
    ReceiveMaximumExceeded {
        /// The receiver's Receive Maximum.
        maximum: u16,
    },
    /// It is longer than the receiver takes. Spec: v5 [MQTT-3.1.2-24], v5 [MQTT-3.2.2-15].
    PacketTooLarge {
        /// The receiver's Maximum Packet Size. Unit: bytes.
        maximum: u32,
    },
}

impl Note {
    /// Whether the sender does something it may not do.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::Answers { .. }
                | Self::Completes { .. }
                | Self::Repeats { .. }
                | Self::Topic { .. }
                | Self::RequestNotHeard
        )
    }

    /// Its name in JSON.
    const fn name(&self) -> &'static str {
        match self {
            Self::Answers { .. } => "answers",
            Self::Completes { .. } => "completes",
            Self::Repeats { .. } => "repeats",
            Self::Topic { .. } => "topic",
            Self::AnswersNothing => "answers nothing",
            Self::RequestNotHeard => "request not heard",
            Self::PacketIdInUse { .. } => "packet identifier in use",
            Self::WrongSide => "wrong side",
            Self::BeforeConnect => "before connect",
            Self::SecondConnect => "second connect",
            Self::AfterDisconnect => "after disconnect",
            Self::AliasUnknown => "topic alias unknown",
            Self::AliasTooHigh { .. } => "topic alias too high",
            Self::ReceiveMaximumExceeded { .. } => "receive maximum exceeded",
            Self::PacketTooLarge { .. } => "packet too large",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers {
                number,
                packet,
                after,
            } => {
                write!(f, "answers {packet} #{number}")?;
                write_after(f, *after)
            }
            Self::Completes { number, after } => {
                write!(f, "completes PUBLISH #{number}")?;
                write_after(f, *after)
            }
            Self::Repeats { number } => write!(f, "#{number} again"),
            Self::Topic { topic_name } => write!(f, "topic {}", quoted(topic_name)),
            Self::AnswersNothing => f.write_str("answers nothing that was said"),
            Self::RequestNotHeard => f.write_str("what it answers was not heard"),
            Self::PacketIdInUse { number } => {
                write!(f, "packet identifier still in use by #{number}")
            }
            Self::WrongSide => f.write_str("sent by the wrong side"),
            Self::BeforeConnect => f.write_str("before CONNECT"),
            Self::SecondConnect => f.write_str("a second CONNECT"),
            Self::AfterDisconnect => f.write_str("after DISCONNECT"),
            Self::AliasUnknown => f.write_str("topic alias never set"),
            Self::AliasTooHigh { maximum } => {
                write!(f, "topic alias over the maximum of {maximum}")
            }
            Self::ReceiveMaximumExceeded { maximum } => {
                write!(f, "more under way than the receive maximum of {maximum}")
            }
            Self::PacketTooLarge { maximum } => {
                write!(f, "longer than the maximum packet size of {maximum} bytes")
            }
        }
    }
}

fn write_after(f: &mut fmt::Formatter<'_>, after: Option<Duration>) -> fmt::Result {
    match after {
        Some(after) => write!(f, " after {:.3} ms", after.as_secs_f64() * 1e3),
        None => Ok(()),
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("note", self.name())?;
        map.serialize_entry("fault", &self.is_fault())?;
        match self {
            Self::Answers { number, after, .. } | Self::Completes { number, after } => {
                map.serialize_entry("number", number)?;
                if let Some(after) = after {
                    map.serialize_entry("after_us", &micros(*after))?;
                }
            }
            Self::Repeats { number } | Self::PacketIdInUse { number } => {
                map.serialize_entry("number", number)?;
            }
            Self::Topic { topic_name } => map.serialize_entry("topic", topic_name)?,
            Self::AliasTooHigh { maximum } | Self::ReceiveMaximumExceeded { maximum } => {
                map.serialize_entry("maximum", maximum)?;
            }
            Self::PacketTooLarge { maximum } => map.serialize_entry("maximum", maximum)?,
            Self::AnswersNothing
            | Self::RequestNotHeard
            | Self::WrongSide
            | Self::BeforeConnect
            | Self::SecondConnect
            | Self::AfterDisconnect
            | Self::AliasUnknown => {}
        }
        map.end()
    }
}
