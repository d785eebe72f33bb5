//! Second readers of what the codec reads by hand, made of `nom` combinators and of nothing else.
//!
//! Where a version matters it is named by its Protocol Version byte, 3 to 5.

use nom::branch::alt;
use nom::bytes::{complete, streaming};
use nom::combinator::{all_consuming, cond, eof, fail, map, map_opt, map_res, recognize, verify};
use nom::multi::{fold_many0, length_data};
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::number::streaming::be_u8 as streaming_byte;
use nom::sequence::pair;
use nom::{Err, IResult, Needed, Parser};

use super::is_topic_name;

/// What stands at the start of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing<'a> {
    /// Not a whole packet yet.
    Incomplete {
        /// How many bytes are needed at least. Unit: bytes.
        missing: usize,
    },
    /// No packet, whatever follows.
    Broken {
        /// The offset of what is wrong. Unit: bytes.
        at: u32,
    },
    /// A packet over the limit.
    TooLarge,
    /// A whole packet.
    Whole {
        /// Its first byte.
        first: u8,
        /// What stands behind its fixed header.
        body: &'a [u8],
        /// What stands behind the packet.
        rest: &'a [u8],
    },
}

/// An acknowledgement in plain fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ack<'a> {
    /// Packet Identifier.
    pub packet_id: u16,
    /// Reason Code.
    pub reason: u8,
    /// The property block without its length.
    pub properties: &'a [u8],
}

/// A PUBLISH in plain fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Publish<'a> {
    /// DUP.
    pub dup: bool,
    /// RETAIN.
    pub retain: bool,
    /// QoS, 0 to 2.
    pub qos: u8,
    /// Packet Identifier; 0 at QoS 0.
    pub packet_id: u16,
    /// Topic Name; empty when there is a Topic Alias instead.
    pub topic_name: &'a str,
    /// The property block without its length.
    pub properties: &'a [u8],
    /// Application Message.
    pub payload: &'a [u8],
}

/// Takes a packet of at most `len_max` bytes from the start of a stream.
#[must_use]
pub fn frame(bytes: &[u8], len_max: u32) -> Framing<'_> {
    let broken_or_short = |error: Err<nom::error::Error<&[u8]>>, at| match error {
        Err::Incomplete(Needed::Size(missing)) => Framing::Incomplete {
            missing: missing.get().max(2_usize.saturating_sub(bytes.len())),
        },
        _ => Framing::Broken { at },
    };
    let (after_first, first) = match first_byte(bytes) {
        Ok(found) => found,
        Err(error) => return broken_or_short(error, 0),
    };
    let (after_header, len) = match remaining_len(after_first) {
        Ok(found) => found,
        Err(error) => return broken_or_short(error, 1),
    };
    let header_len = u32::try_from(bytes.len() - after_header.len());
    if header_len.is_ok_and(|header_len| header_len + len > len_max) {
        return Framing::TooLarge;
    }
    let body: IResult<&[u8], &[u8]> = streaming::take(len)(after_header);
    match body {
        Ok((rest, body)) => Framing::Whole { first, body, rest },
        Err(error) => broken_or_short(error, 1),
    }
}

/// Reads PUBACK, PUBREC, PUBREL or PUBCOMP from its first byte and its body; `None` if it breaks
/// any rule.
#[must_use]
pub fn ack(level: u8, first: u8, body: &[u8]) -> Option<Ack<'_>> {
    let reasons: &[u8] = match first {
        0x40 | 0x50 => &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        0x62 | 0x70 => &[0x00, 0x92],
        // MQTT 3.1 repeats a PUBREL with DUP.
        0x6A if level == 3 => &[0x00, 0x92],
        _ => return None,
    };
    let packet_id = verify(be_u16, |packet_id| *packet_id != 0);
    let reason = || verify(be_u8, |reason| level == 5 && reasons.contains(reason));
    let block = map_opt(length_data(var_int), |block| {
        properties(block, ack_property).map(|_| block)
    });
    let nothing = map(eof, |_| (0, &[][..]));
    let reason_alone = map(pair(reason(), eof), |(reason, _)| (reason, &[][..]));
    let rest = alt((nothing, reason_alone, pair(reason(), block)));
    let (_, (packet_id, (reason, properties))) =
        all_consuming(pair(packet_id, rest)).parse(body).ok()?;
    Some(Ack {
        packet_id,
        reason,
        properties,
    })
}

/// Reads a PUBLISH from its first byte and its body; `None` if it breaks any rule.
#[must_use]
pub fn publish(level: u8, first: u8, body: &[u8]) -> Option<Publish<'_>> {
    let dup = first & 8 != 0;
    let qos = (first >> 1) & 3;
    if first >> 4 != 3 || qos == 3 || (dup && qos == 0) {
        return None;
    }
    let topic_name = verify(text, |topic_name: &str| {
        topic_name.is_empty() || is_topic_name(topic_name)
    });
    let packet_id = verify(be_u16, |packet_id| *packet_id != 0);
    let mut head = (
        topic_name,
        cond(qos > 0, packet_id),
        cond(level == 5, length_data(var_int)),
    );
    let (payload, (topic_name, packet_id, block)) = head.parse(body).ok()?;
    let block = block.unwrap_or_default();
    let has_alias = properties(block, publish_property)?.contains(&0x23);
    if topic_name.is_empty() && !has_alias {
        return None;
    }
    Some(Publish {
        dup,
        retain: first & 1 != 0,
        qos,
        packet_id: packet_id.unwrap_or_default(),
        topic_name,
        properties: block,
        payload,
    })
}

/// Type and flags; SUBSCRIBE, UNSUBSCRIBE and PUBREL may have DUP, which MQTT 3.1 repeats them with.
fn first_byte(input: &[u8]) -> IResult<&[u8], u8> {
    verify(streaming_byte, |first| {
        let flags = first & 15;
        match first >> 4 {
            0 => false,
            3 => flags & 6 != 6,
            6 | 8 | 10 => flags & 7 == 2,
            _ => flags == 0,
        }
    })
    .parse(input)
}

/// A Variable Byte Integer of which the end may not be there yet.
fn remaining_len(input: &[u8]) -> IResult<&[u8], u32> {
    let more = streaming::take_while_m_n(0, 3, |byte| byte > 127);
    let last = verify(streaming_byte, |byte| *byte < 128);
    map_opt(recognize(pair(more, last)), from_digits).parse(input)
}

/// A Variable Byte Integer.
fn var_int(input: &[u8]) -> IResult<&[u8], u32> {
    let more = complete::take_while_m_n(0, 3, |byte| byte > 127);
    let last = verify(be_u8, |byte| *byte < 128);
    map_opt(recognize(pair(more, last)), from_digits).parse(input)
}

/// The value of these digits of seven bits, lowest first; `None` when the highest is a needless 0.
fn from_digits(digits: &[u8]) -> Option<u32> {
    if let [_, .., 0] = digits {
        return None;
    }
    let add = |value, digit: &u8| value * 128 + u32::from(digit & 127);
    Some(digits.iter().rev().fold(0, add))
}

/// A string without U+0000.
fn text(input: &[u8]) -> IResult<&[u8], &str> {
    let text = map_res(length_data(be_u16), core::str::from_utf8);
    verify(text, |text: &str| !text.contains('\0')).parse(input)
}

/// The identifiers in a block of which `property` reads one entry, each but the repeatable ones at
/// most once; `None` if it breaks any rule.
fn properties(block: &[u8], property: fn(&[u8]) -> IResult<&[u8], u8>) -> Option<Vec<u8>> {
    let collected = fold_many0(property, Vec::new, |mut ids, id| {
        ids.push(id);
        ids
    });
    let (_, ids) = all_consuming(collected).parse(block).ok()?;
    let once = |id: &&u8| ![0x0B, 0x26].contains(*id);
    let is_single = |id: &u8| ids.iter().filter(|other| *other == id).count() == 1;
    ids.iter().filter(once).all(is_single).then_some(ids)
}

/// One property of an acknowledgement: Reason String or User Property.
fn ack_property(input: &[u8]) -> IResult<&[u8], u8> {
    let (rest, id) = be_u8(input)?;
    let rest = match id {
        0x1F => text(rest)?.0,
        0x26 => pair(text, text).parse(rest)?.0,
        _ => return fail().parse(rest),
    };
    Ok((rest, id))
}

/// One property of a PUBLISH.
fn publish_property(input: &[u8]) -> IResult<&[u8], u8> {
    let (rest, id) = be_u8(input)?;
    let rest = match id {
        0x01 => verify(be_u8, |value| *value < 2).parse(rest)?.0,
        0x02 => be_u32(rest)?.0,
        0x03 => text(rest)?.0,
        0x08 => verify(text, is_topic_name).parse(rest)?.0,
        0x09 => length_data(be_u16).parse(rest)?.0,
        0x0B => verify(var_int, |value| *value != 0).parse(rest)?.0,
        0x23 => verify(be_u16, |value| *value != 0).parse(rest)?.0,
        0x26 => pair(text, text).parse(rest)?.0,
        _ => return fail().parse(rest),
    };
    Ok((rest, id))
}
