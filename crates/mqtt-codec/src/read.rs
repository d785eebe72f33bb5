//! Reading the data types of the standard from a packet body. The only file that names `nom`.
//!
//! Every parser is a `complete` one: inside a packet there is no more data to wait for, so each
//! shortfall is an error, with the offset at which it was found.

use nom::error::{ErrorKind, ParseError};
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{Err, IResult};

use crate::frame::Frame;
use crate::{DecodeError, Malformed, PacketId, TopicError, TopicFilter, TopicName};

/// The most that is looked at as one text. Unit: bytes.
const TEXT_LEN_MAX: usize = 4096;

/// Reads fields in wire order and knows where in the packet it is.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// The offset in the packet of the byte behind `rest`.
    end: usize,
}

impl<'a> Reader<'a> {
    /// Reads the body of a packet.
    #[inline]
    pub(crate) fn new(frame: Frame<'a>) -> Self {
        Self {
            rest: frame.body,
            end: frame.len,
        }
    }

    /// Reads a block that is not in a packet; offsets count from its start.
    #[inline]
    pub(crate) fn of_block(block: &'a [u8]) -> Self {
        Self {
            rest: block,
            end: block.len(),
        }
    }

    /// Reads the end of a packet, behind which the offset is `end`.
    #[inline]
    pub(crate) fn within(rest: &'a [u8], end: usize) -> Self {
        Self { rest, end }
    }

    /// The offset in the packet of the byte behind all that is left.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// What is not read yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Goes on with `rest`, which is the end of what is not read yet.
    #[inline(always)]
    pub(crate) fn go_on(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// The offset in the packet of the next byte.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Goes past `expected` if that comes next.
    #[inline]
    pub(crate) fn skip(&mut self, expected: &[u8]) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// An error at the next byte.
    pub(crate) fn error(&self, kind: Malformed) -> DecodeError {
        DecodeError::new(kind, self.at())
    }

    /// An error where `rest` was not read yet.
    #[cold]
    pub(crate) fn error_before(&self, rest: &[u8], kind: Malformed) -> DecodeError {
        DecodeError::new(kind, self.end.saturating_sub(rest.len()))
    }

    /// Nothing may be left.
    #[inline]
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error(Malformed::TrailingBytes))
        }
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.take(be_u8(self.rest))
    }

    #[inline(always)]
    pub(crate) fn two_byte(&mut self) -> Result<u16, DecodeError> {
        self.take(be_u16(self.rest))
    }

    #[inline]
    pub(crate) fn four_byte(&mut self) -> Result<u32, DecodeError> {
        self.take(be_u32(self.rest))
    }

    /// Spec: v5 §1.5.5.
    #[inline]
    pub(crate) fn var_int(&mut self) -> Result<u32, DecodeError> {
        self.take(var_int(self.rest))
    }

    /// Spec: v5 §1.5.6.
    #[inline(always)]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        self.take(binary(self.rest))
    }

    /// Spec: v5 §1.5.4, v3.1.1 §1.5.3.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<&'a str, DecodeError> {
        self.take(string(self.rest))
    }

    /// What is left as text, if all of it is that and it is not too long to try; else nothing.
    ///
    /// Where several strings follow each other it is quicker to look at all of them at once.
    #[inline(always)]
    pub(crate) fn rest_as_text(&self) -> &'a str {
        if self.rest.len() > TEXT_LEN_MAX {
            return "";
        }
        core::str::from_utf8(self.rest).unwrap_or_default()
    }

    /// As [`Reader::string`]; `text` is what [`Reader::rest_as_text`] returned here or before.
    #[inline(always)]
    pub(crate) fn string_in(&mut self, text: &'a str) -> Result<&'a str, DecodeError> {
        match self.cut(text) {
            Some((rest, string)) if !has_nul(string.as_bytes()) => {
                self.rest = rest;
                Ok(string)
            }
            _ => self.string(),
        }
    }

    /// As [`Reader::topic_name`]; `text` as for [`Reader::string_in`].
    #[inline(always)]
    pub(crate) fn topic_name_in(&mut self, text: &'a str) -> Result<TopicName<'a>, DecodeError> {
        let (rest, topic_name) = match self.cut(text) {
            Some((rest, string)) if let Some(topic_name) = TopicName::new(string) => {
                (rest, topic_name)
            }
            _ => slow_topic_name(self.rest, self.end)?,
        };
        self.rest = rest;
        Ok(topic_name)
    }

    /// As [`Reader::topic_filter`]; `text` as for [`Reader::string_in`].
    #[inline(always)]
    pub(crate) fn topic_filter_in(
        &mut self,
        text: &'a str,
    ) -> Result<TopicFilter<'a>, DecodeError> {
        let (rest, topic_filter) = match self.cut(text) {
            Some((rest, string)) if let Ok(topic_filter) = TopicFilter::try_new(string) => {
                (rest, topic_filter)
            }
            _ => slow_topic_filter(self.rest, self.end)?,
        };
        self.rest = rest;
        Ok(topic_filter)
    }

    /// The next string, if it can be cut out of `text`, and what is left behind it.
    #[inline(always)]
    fn cut(&self, text: &'a str) -> Option<(&'a [u8], &'a str)> {
        let (rest, string) = binary(self.rest).ok()?;
        // Both end where the packet ends.
        let end = text.len().checked_sub(rest.len())?;
        let start = end.checked_sub(string.len())?;
        let (text, _) = text.split_at_checked(end)?;
        let (_, string) = text.split_at_checked(start)?;
        Some((rest, string))
    }

    /// Spec: v5 §2.2.1, v3.1.1 §2.3.1.
    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        let at = self.at();
        PacketId::new(self.two_byte()?).ok_or(DecodeError::new(Malformed::PacketIdZero, at))
    }

    #[inline]
    pub(crate) fn topic_name(&mut self) -> Result<TopicName<'a>, DecodeError> {
        let at = self.at();
        self.topic(TopicName::try_new)?
            .map_err(|error| DecodeError::new(error.in_topic_name(), at))
    }

    #[inline]
    pub(crate) fn topic_filter(&mut self) -> Result<TopicFilter<'a>, DecodeError> {
        let at = self.at();
        self.topic(TopicFilter::try_new)?
            .map_err(|error| DecodeError::new(error.in_topic_filter(), at))
    }

    /// A string and what `check` makes of it, which looks for U+0000 along with all else.
    #[inline(always)]
    pub(crate) fn topic<T>(
        &mut self,
        check: impl FnOnce(&'a str) -> Result<T, TopicError>,
    ) -> Result<Result<T, TopicError>, DecodeError> {
        let before = self.rest;
        match check(self.take(text(self.rest))?) {
            Err(TopicError::NullCharacter) => {
                self.rest = before;
                self.string().map(|_| Err(TopicError::NullCharacter))
            }
            checked => Ok(checked),
        }
    }

    /// A block of as many bytes as a Variable Byte Integer in front says, with a reader of its own.
    #[inline(always)]
    pub(crate) fn block(&mut self) -> Result<Self, DecodeError> {
        let rest = self.take(block(self.rest))?;
        Ok(Self {
            rest,
            end: self.at(),
        })
    }

    /// Goes on behind what was parsed of what is left.
    #[inline(always)]
    fn take<T>(&mut self, parsed: IResult<&'a [u8], T, Shortfall>) -> Result<T, DecodeError> {
        match parsed {
            Ok((rest, value)) => {
                self.rest = rest;
                Ok(value)
            }
            Err(Err::Error(error) | Err::Failure(error)) => Err(DecodeError::new(
                error.kind,
                self.end.saturating_sub(error.left),
            )),
            Err(Err::Incomplete(_)) => Err(self.error(Malformed::Truncated)),
        }
    }
}

/// Apart from the usual way, so that a reader need not be in memory for that.
#[inline(never)]
fn slow_topic_name(rest: &[u8], end: usize) -> Result<(&[u8], TopicName<'_>), DecodeError> {
    let mut reader = Reader::within(rest, end);
    let topic_name = reader.topic_name()?;
    Ok((reader.rest, topic_name))
}

/// As [`slow_topic_name`].
#[inline(never)]
fn slow_topic_filter(rest: &[u8], end: usize) -> Result<(&[u8], TopicFilter<'_>), DecodeError> {
    let mut reader = Reader::within(rest, end);
    let topic_filter = reader.topic_filter()?;
    Ok((reader.rest, topic_filter))
}

/// The error of this file's parsers.
struct Shortfall {
    kind: Malformed,
    /// How many bytes of the input were left.
    left: usize,
}

impl Shortfall {
    fn new(kind: Malformed, left: usize) -> Err<Self> {
        Err::Error(Self { kind, left })
    }
}

impl ParseError<&[u8]> for Shortfall {
    fn from_error_kind(input: &[u8], _: ErrorKind) -> Self {
        Self {
            kind: Malformed::Truncated,
            left: input.len(),
        }
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

#[inline]
fn var_int(input: &[u8]) -> IResult<&[u8], u32, Shortfall> {
    let mut rest = input;
    let mut value: u32 = 0;
    for shift in [0, 7, 14, 21] {
        let (after, byte) = be_u8(rest)?;
        rest = after;
        value |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            if shift > 0 && byte == 0 {
                return Err(Shortfall::new(Malformed::VarIntNotMinimal, input.len()));
            }
            return Ok((rest, value));
        }
    }
    Err(Shortfall::new(Malformed::VarIntTooLong, input.len()))
}

#[inline(never)]
fn block(input: &[u8]) -> IResult<&[u8], &[u8], Shortfall> {
    let (rest, len) = var_int(input)?;
    bytes(rest, usize::try_from(len).unwrap_or(usize::MAX))
}

#[inline(always)]
fn binary(input: &[u8]) -> IResult<&[u8], &[u8], Shortfall> {
    let (rest, len) = be_u16(input)?;
    bytes(rest, usize::from(len))
}

/// As nom's `take`, which counts what is missing even where nobody asks.
#[inline(always)]
fn bytes(input: &[u8], len: usize) -> IResult<&[u8], &[u8], Shortfall> {
    match input.split_at_checked(len) {
        Some((bytes, rest)) => Ok((rest, bytes)),
        None => Err(Shortfall::new(Malformed::Truncated, input.len())),
    }
}

#[inline(never)]
fn string(input: &[u8]) -> IResult<&[u8], &str, Shortfall> {
    let (rest, text) = text(input)?;
    if has_nul(text.as_bytes()) {
        let valid = text.bytes().take_while(|byte| *byte != 0).count();
        let left = rest.len() + text.len() - valid;
        return Err(Shortfall::new(Malformed::NullCharacter, left));
    }
    Ok((rest, text))
}

/// A string that may contain U+0000.
#[inline(always)]
fn text(input: &[u8]) -> IResult<&[u8], &str, Shortfall> {
    let (rest, bytes) = binary(input)?;
    match core::str::from_utf8(bytes) {
        Ok(text) => Ok((rest, text)),
        Err(error) => {
            let left = rest.len() + bytes.len() - error.valid_up_to();
            Err(Shortfall::new(Malformed::Utf8Invalid, left))
        }
    }
}

/// Whether U+0000 is anywhere in `bytes`.
#[inline(always)]
pub(crate) fn has_nul(bytes: &[u8]) -> bool {
    any(bytes, |byte| byte == 0, has_zero)
}

/// Whether U+0000, `+` or `#` is anywhere in `bytes`.
#[inline(never)]
pub(crate) fn has_nul_or_wildcard(bytes: &[u8]) -> bool {
    // `#` with this bit set is `+`.
    const BIT: u8 = 0x08;
    let bits = u64::from_ne_bytes([BIT; 8]);
    let plus = u64::from_ne_bytes([b'+'; 8]);
    any(
        bytes,
        |byte| byte.min((byte | BIT) ^ b'+') == 0,
        |word| has_zero(word) | has_zero((word | bits) ^ plus),
    )
}

/// Not 0 when a byte of `word` is 0: only such a byte borrows from its own top bit.
#[inline]
fn has_zero(word: u64) -> u64 {
    let low_bits = u64::from_ne_bytes([0x01; 8]);
    let top_bits = u64::from_ne_bytes([0x80; 8]);
    word.wrapping_sub(low_bits) & !word & top_bits
}

/// Whether `in_byte` holds for any of `bytes`; `in_word` says the same of eight at a time by
/// anything but 0. Bytes are taken so that none is left out; some may be taken twice.
#[inline(always)]
fn any(
    bytes: &[u8],
    in_byte: impl Fn(u8) -> bool + Copy,
    in_word: impl Fn(u64) -> u64 + Copy,
) -> bool {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
        // The compiler makes a few instructions for all sixteen bytes of this.
        let in_chunk = |chunk: &[u8; 16]| chunk.map(in_byte) != [false; 16];
        if bytes.len() <= 32 {
            return in_chunk(first) || in_chunk(last);
        }
        return bytes.as_chunks::<16>().0.iter().any(in_chunk) || in_chunk(last);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let [first, last] = [first, last].map(|half| in_word(u64::from_ne_bytes(*half)));
        return first | last != 0;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_ne_bytes(*half)));
        return in_word(first << 32 | last) != 0;
    }
    bytes.iter().any(|byte| in_byte(*byte))
}
