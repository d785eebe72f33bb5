//! Going through a packet field by field, as far as its bytes allow.
//!
//! Nothing is checked here: whether a packet is right is for `mqtt-codec` to say. A walk only
//! ends early where a field does not fit into what is left.

use std::ops::Range;

use mqtt_codec::ProtocolVersion;

use crate::citation::Sections;
use crate::{Field, Value};

/// A place in a packet.
pub(crate) struct Walk<'a> {
    packet: &'a [u8],
    at: usize,
    /// Where the packet, or the block that is being read, ends.
    end: usize,
    version: ProtocolVersion,
}

/// One part of a byte of flags.
pub(crate) struct Bits {
    pub(crate) name: &'static str,
    pub(crate) mask: u8,
    pub(crate) sections: Sections,
    /// What its value means; an empty text where the name says it all.
    pub(crate) meaning: fn(u8) -> &'static str,
}

impl<'a> Walk<'a> {
    /// A walk that starts at `at`.
    pub(crate) fn new(packet: &'a [u8], at: usize, version: ProtocolVersion) -> Self {
        let end = packet.len();
        Self {
            packet,
            at: at.min(end),
            end,
            version,
        }
    }

    pub(crate) const fn version(&self) -> ProtocolVersion {
        self.version
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.at >= self.end
    }

    /// The next bytes; `None`, and nothing is taken, when there are fewer.
    fn take(&mut self, len: usize) -> Option<(Range<usize>, &'a [u8])> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.end)?;
        let span = self.at..end;
        let bytes = self.packet.get(span.clone())?;
        self.at = end;
        Some((span, bytes))
    }

    fn uint(&mut self, len: usize) -> Option<(Range<usize>, u32)> {
        let (span, bytes) = self.take(len)?;
        let number = bytes
            .iter()
            .fold(0, |number: u32, byte| (number << 8) | u32::from(*byte));
        Some((span, number))
    }

    /// A number of `len` bytes, 4 at most.
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        len: usize,
        sections: Sections,
    ) -> Option<Field> {
        let (span, number) = self.uint(len)?;
        Some(Field::new(name, &span, Value::Number(number)).cited(sections.cite(self.version)))
    }

    /// A Variable Byte Integer, in its shortest form or not. Spec: v5 §1.5.5.
    pub(crate) fn var_int(&mut self, name: &'static str, sections: Sections) -> Option<Field> {
        let left = self.packet.get(self.at..self.end)?;
        let mut number = 0;
        for (shift, byte) in [0, 7, 14, 21].into_iter().zip(left) {
            number |= u32::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                let (span, _) = self.take(shift / 7 + 1)?;
                let field = Field::new(name, &span, Value::Number(number));
                return Some(field.cited(sections.cite(self.version)));
            }
        }
        None
    }

    /// Bytes with two bytes of length in front, as text.
    pub(crate) fn text(&mut self, name: &'static str, sections: Sections) -> Option<Field> {
        self.counted(name, sections, Value::Text)
    }

    /// Bytes with two bytes of length in front.
    pub(crate) fn binary(&mut self, name: &'static str, sections: Sections) -> Option<Field> {
        self.counted(name, sections, Value::Bytes)
    }

    fn counted(
        &mut self,
        name: &'static str,
        sections: Sections,
        value: fn(Range<usize>) -> Value,
    ) -> Option<Field> {
        let start = self.at;
        let (_, len) = self.uint(2)?;
        let Some((span, _)) = self.take(usize::try_from(len).ok()?) else {
            self.at = start;
            return None;
        };
        let field = Field::new(name, &(start..span.end), value(span));
        Some(field.cited(sections.cite(self.version)))
    }

    /// All that is left.
    pub(crate) fn rest(&mut self, name: &'static str, sections: Sections) -> Field {
        let span = self.at..self.end;
        self.at = self.end;
        Field::new(name, &span, Value::Bytes(span.clone())).cited(sections.cite(self.version))
    }

    /// One byte and its parts.
    pub(crate) fn flags(
        &mut self,
        name: &'static str,
        sections: Sections,
        parts: &[Bits],
    ) -> Option<Field> {
        let (span, byte) = self.uint(1)?;
        let byte = u8::try_from(byte).ok()?;
        let parts = parts.iter().map(|part| self.part(&span, byte, part));
        let field = Field::new(name, &span, Value::Number(u32::from(byte)));
        Some(
            field
                .cited(sections.cite(self.version))
                .with(parts.collect()),
        )
    }

    fn part(&self, span: &Range<usize>, byte: u8, part: &Bits) -> Field {
        let number = (byte & part.mask) >> part.mask.trailing_zeros();
        let value = match part.mask.count_ones() {
            1 => Value::Flag(number != 0),
            _ => Value::Number(u32::from(number)),
        };
        let mut field = Field::new(part.name, span, value).cited(part.sections.cite(self.version));
        field.mask = Some(part.mask);
        match (part.meaning)(number) {
            "" => field,
            meaning => field.means(meaning),
        }
    }

    /// What `walk` reads; if that is `None`, nothing is taken.
    pub(crate) fn all_or_nothing(
        &mut self,
        walk: impl FnOnce(&mut Self) -> Option<Field>,
    ) -> Option<Field> {
        let start = self.at;
        let field = walk(self);
        if field.is_none() {
            self.at = start;
        }
        field
    }

    /// Walks through the next `len` bytes, or as many as there are, and goes on behind them.
    pub(crate) fn block(&mut self, len: usize, walk: impl FnOnce(&mut Self)) {
        let outer = self.end;
        let end = self.at.saturating_add(len).min(outer);
        self.end = end;
        walk(self);
        self.at = end;
        self.end = outer;
    }
}

/// For parts whose name says it all.
pub(crate) const fn says_itself(_: u8) -> &'static str {
    ""
}

/// For bits that have no meaning in this version.
pub(crate) const fn reserved(value: u8) -> &'static str {
    if value == 0 {
        ""
    } else {
        "reserved, has to be 0"
    }
}

/// The three levels of delivery.
pub(crate) const fn qos(value: u8) -> &'static str {
    match value {
        0 => "at most once",
        1 => "at least once",
        2 => "exactly once",
        _ => "not a quality of service",
    }
}
