//! What stands behind a `%`, and how a value fills its field.

/// What is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Conversion {
    TopicAlias,
    ContentType,
    CorrelationData,
    Double,
    MessageExpiry,
    PayloadFormat,
    Float,
    IsoTime,
    Json,
    JsonPayload,
    Len,
    PacketId,
    UserProperties,
    Payload,
    Qos,
    ResponseTopic,
    Retain,
    SubscriptionIdentifier,
    Topic,
    UnixTime,
    Hex,
    HexUpper,
}

impl Conversion {
    pub(crate) const fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'A' => Self::TopicAlias,
            'C' => Self::ContentType,
            'D' => Self::CorrelationData,
            'd' => Self::Double,
            'E' => Self::MessageExpiry,
            'F' => Self::PayloadFormat,
            'f' => Self::Float,
            'I' => Self::IsoTime,
            'j' => Self::Json,
            'J' => Self::JsonPayload,
            'l' => Self::Len,
            'm' => Self::PacketId,
            'P' => Self::UserProperties,
            'p' => Self::Payload,
            'q' => Self::Qos,
            'R' => Self::ResponseTopic,
            'r' => Self::Retain,
            'S' => Self::SubscriptionIdentifier,
            't' => Self::Topic,
            'U' => Self::UnixTime,
            'x' => Self::Hex,
            'X' => Self::HexUpper,
            _ => return None,
        })
    }
}

/// One field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Field {
    pub(crate) conversion: Conversion,
    /// Whether the value stands at the left.
    pub(crate) left: bool,
    /// Whether zeros fill what is free at the left.
    pub(crate) zeros: bool,
    /// At least so many bytes; 0 for as many as there are.
    pub(crate) width: usize,
    pub(crate) precision: Option<usize>,
}

impl Field {
    /// A text, cut to the precision and filled with spaces.
    pub(crate) fn text(self, value: &[u8], out: &mut Vec<u8>) {
        let len = self.precision.unwrap_or(usize::MAX).min(value.len());
        let value = value.get(..len).unwrap_or(value);
        self.fill(value, b' ', out);
    }

    /// A number, filled with zeros where that is wanted.
    pub(crate) fn number(self, value: &str, out: &mut Vec<u8>) {
        if self.zeros && !self.left {
            // A sign stands in front of the zeros.
            let (sign, digits) = match value.strip_prefix('-') {
                Some(digits) => ("-", digits),
                None => ("", value),
            };
            out.extend(sign.as_bytes());
            let width = self.width.saturating_sub(sign.len());
            return Self { width, ..self }.fill(digits.as_bytes(), b'0', out);
        }
        self.fill(value.as_bytes(), b' ', out);
    }

    /// Bytes, cut to the width and filled with zeros where that is wanted.
    pub(crate) fn bytes(self, value: &[u8], out: &mut Vec<u8>) {
        let value = match self.width {
            0 => value,
            width => value.get(..width).unwrap_or(value),
        };
        self.fill(value, self.filler(), out);
    }

    /// Nothing, in as many bytes as the width.
    pub(crate) fn blank(self, out: &mut Vec<u8>) {
        out.resize(out.len() + self.width, self.filler());
    }

    const fn filler(self) -> u8 {
        if self.zeros { b'0' } else { b' ' }
    }

    fn fill(self, value: &[u8], filler: u8, out: &mut Vec<u8>) {
        let free = self.width.saturating_sub(value.len());
        if !self.left {
            out.resize(out.len() + free, filler);
        }
        out.extend(value);
        if self.left {
            out.resize(out.len() + free, b' ');
        }
    }
}
