//! What a store writes: one small record for each change, and a summary of all of them now and then.
//!
//! Numbers are little-endian and of fixed length, but for serials in lists, which are told as distances, seven bits to
//! a byte. A message is kept as the PUBLISH of version 5 it would be sent with.

use mqtt_codec::{PacketId, QoS};
use mqtt_session::{Change, Record};
use std::num::NonZeroU8;

/// The version of all records.
pub(super) const VERSION: u8 = 1;

/// Kind of [`StoreRecord::Message`], whose head is made by [`message_head`].
pub(super) const MESSAGE: NonZeroU8 = NonZeroU8::MIN;
const BEGUN: NonZeroU8 = MESSAGE.saturating_add(1);
const CHANGE: NonZeroU8 = MESSAGE.saturating_add(2);
const DROPPED: NonZeroU8 = MESSAGE.saturating_add(3);
const ESTABLISHED: NonZeroU8 = MESSAGE.saturating_add(4);
const SUMMARY: NonZeroU8 = MESSAGE.saturating_add(5);

/// Bytes before the PUBLISH in the record of a message.
pub(super) const MESSAGE_HEAD_LEN: usize = 16;

/// One record of a store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum StoreRecord<'a> {
    /// A message was accepted from the application.
    Message {
        /// Its number; one more for each.
        serial: u64,
        /// When it is of no more use, in milliseconds of Unix time.
        expires_at_ms: Option<u64>,
        publish: &'a [u8],
    },
    /// A message is about to leave for the first time.
    Begun {
        packet_id: PacketId,
        qos: QoS,
        serial: u64,
    },
    /// The session told something else.
    Change(Change),
    /// A message ended without a flow.
    Dropped { serial: u64 },
    /// A server accepted the session, and was to keep it or not.
    Established { outlives_connection: bool },
    /// Everything before, but for the messages themselves.
    Summary(Summary),
}

/// What all records before it add up to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Summary {
    pub(super) client_id: String,
    /// The number of the next message.
    pub(super) next_serial: u64,
    /// Whether a server has accepted the session, and if so whether it was to keep it.
    pub(super) established: Option<bool>,
    /// The session, with serials for messages.
    pub(super) session: Vec<Record<u64>>,
    /// Messages that have not ended, ascending.
    pub(super) live: Vec<u64>,
    /// Those of them whose flow ended with its session, ascending.
    pub(super) lost: Vec<u64>,
}

/// Bytes that are no record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct BadRecord;

/// What stands before the PUBLISH in the record of a message.
pub(super) fn message_head(serial: u64, expires_at_ms: Option<u64>) -> [u8; MESSAGE_HEAD_LEN] {
    let mut head = [0; MESSAGE_HEAD_LEN];
    let (first, second) = head.split_at_mut(8);
    first.copy_from_slice(&serial.to_le_bytes());
    second.copy_from_slice(&expires_at_ms.unwrap_or(0).to_le_bytes());
    head
}

impl<'a> StoreRecord<'a> {
    /// Its kind, and its payload at the end of `out`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> NonZeroU8 {
        match self {
            Self::Message {
                serial,
                expires_at_ms,
                publish,
            } => {
                out.extend(message_head(*serial, *expires_at_ms));
                out.extend_from_slice(publish);
                MESSAGE
            }
            Self::Begun {
                packet_id,
                qos,
                serial,
            } => {
                put_begun(out, *packet_id, *qos, *serial);
                BEGUN
            }
            Self::Change(change) => {
                put_change(out, *change);
                CHANGE
            }
            Self::Dropped { serial } => {
                out.extend(serial.to_le_bytes());
                DROPPED
            }
            Self::Established {
                outlives_connection,
            } => {
                out.push(u8::from(*outlives_connection));
                ESTABLISHED
            }
            Self::Summary(summary) => {
                summary.encode(out);
                SUMMARY
            }
        }
    }

    /// # Errors
    /// It is none, or none of this version.
    pub(super) fn decode(kind: u8, payload: &'a [u8]) -> Result<Self, BadRecord> {
        let kind = NonZeroU8::new(kind).ok_or(BadRecord)?;
        let mut fields = Fields(payload);
        let record = match kind {
            MESSAGE => {
                let serial = fields.number()?;
                let expires_at_ms = Some(fields.number()?).filter(|at_ms| *at_ms != 0);
                let publish = std::mem::take(&mut fields.0);
                Self::Message {
                    serial,
                    expires_at_ms,
                    publish,
                }
            }
            BEGUN => match fields.session_record(0)? {
                Record::Begun {
                    packet_id,
                    qos,
                    message,
                } => Self::Begun {
                    packet_id,
                    qos,
                    serial: message,
                },
                Record::Change(_) => return Err(BadRecord),
            },
            CHANGE => {
                let tag = fields.byte()?;
                match fields.session_record(tag)? {
                    Record::Change(change) => Self::Change(change),
                    Record::Begun { .. } => return Err(BadRecord),
                }
            }
            DROPPED => Self::Dropped {
                serial: fields.number()?,
            },
            ESTABLISHED => Self::Established {
                outlives_connection: fields.byte()? != 0,
            },
            SUMMARY => Self::Summary(Summary::decode(&mut fields)?),
            _ => return Err(BadRecord),
        };
        match fields.0.is_empty() {
            true => Ok(record),
            false => Err(BadRecord),
        }
    }
}

impl Summary {
    fn encode(&self, out: &mut Vec<u8>) {
        put_len(out, self.client_id.len());
        out.extend_from_slice(self.client_id.as_bytes());
        out.extend(self.next_serial.to_le_bytes());
        out.push(match self.established {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        });
        put_len(out, self.session.len());
        for record in &self.session {
            match record {
                Record::Begun {
                    packet_id,
                    qos,
                    message,
                } => {
                    out.push(0);
                    put_begun(out, *packet_id, *qos, *message);
                }
                Record::Change(change) => put_change(out, *change),
            }
        }
        put_serials(out, &self.live);
        put_serials(out, &self.lost);
    }

    fn decode(fields: &mut Fields<'_>) -> Result<Self, BadRecord> {
        let len = fields.len()?;
        let client_id = std::str::from_utf8(fields.take(len)?).map_err(|_| BadRecord)?;
        let next_serial = fields.number()?;
        let established = match fields.byte()? {
            0 => None,
            1 => Some(false),
            2 => Some(true),
            _ => return Err(BadRecord),
        };
        let mut session = Vec::new();
        for _ in 0..fields.len()? {
            let tag = fields.byte()?;
            session.push(fields.session_record(tag)?);
        }
        Ok(Self {
            client_id: client_id.to_owned(),
            next_serial,
            established,
            session,
            live: fields.serials()?,
            lost: fields.serials()?,
        })
    }
}

fn put_begun(out: &mut Vec<u8>, packet_id: PacketId, qos: QoS, serial: u64) {
    out.extend(packet_id.get().to_le_bytes());
    out.push(qos.get());
    out.extend(serial.to_le_bytes());
}

fn put_change(out: &mut Vec<u8>, change: Change) {
    let (tag, packet_id) = match change {
        Change::Released(packet_id) => (1, packet_id.get()),
        Change::Ended(packet_id) => (2, packet_id.get()),
        Change::Received(packet_id) => (3, packet_id.get()),
        Change::Forgotten(packet_id) => (4, packet_id.get()),
        Change::Cleared => (5, 0),
        Change::LastPacketId(packet_id) => (6, packet_id.get()),
    };
    out.push(tag);
    out.extend(packet_id.to_le_bytes());
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend(u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_serials(out: &mut Vec<u8>, serials: &[u64]) {
    put_len(out, serials.len());
    let mut last = 0;
    for serial in serials {
        let mut distance = serial.wrapping_sub(last);
        last = *serial;
        while distance >= 0x80 {
            let [low, ..] = distance.to_le_bytes();
            out.push(low | 0x80);
            distance >>= 7;
        }
        let [low, ..] = distance.to_le_bytes();
        out.push(low);
    }
}

/// Reads fields in the order they were put.
#[derive(Debug)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], BadRecord> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(BadRecord)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], BadRecord> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(BadRecord)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, BadRecord> {
        self.array().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, BadRecord> {
        self.array().map(u64::from_le_bytes)
    }

    /// How many of something follow, each of at least one byte.
    fn len(&mut self) -> Result<usize, BadRecord> {
        let len = self.array().map(u32::from_le_bytes)?;
        let len = usize::try_from(len).map_err(|_| BadRecord)?;
        match len <= self.0.len() {
            true => Ok(len),
            false => Err(BadRecord),
        }
    }

    /// What follows `tag`: 0 for the beginning of a flow.
    fn session_record(&mut self, tag: u8) -> Result<Record<u64>, BadRecord> {
        let packet_id = PacketId::new(self.array().map(u16::from_le_bytes)?);
        if tag == 5 {
            return Ok(Record::Change(Change::Cleared));
        }
        let packet_id = packet_id.ok_or(BadRecord)?;
        Ok(Record::Change(match tag {
            0 => {
                let qos = QoS::from_u8(self.byte()?).ok_or(BadRecord)?;
                let message = self.number()?;
                return Ok(Record::Begun {
                    packet_id,
                    qos,
                    message,
                });
            }
            1 => Change::Released(packet_id),
            2 => Change::Ended(packet_id),
            3 => Change::Received(packet_id),
            4 => Change::Forgotten(packet_id),
            6 => Change::LastPacketId(packet_id),
            _ => return Err(BadRecord),
        }))
    }

    fn serials(&mut self) -> Result<Vec<u64>, BadRecord> {
        let mut serials = Vec::new();
        let mut last = 0u64;
        for _ in 0..self.len()? {
            let mut distance = 0u64;
            for shift in (0..64).step_by(7) {
                let byte = self.byte()?;
                distance |= u64::from(byte & 0x7F) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            last = last.wrapping_add(distance);
            serials.push(last);
        }
        Ok(serials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u16) -> PacketId {
        PacketId::new(number).unwrap()
    }

    #[test]
    fn every_record_comes_back_and_no_part_of_one_is_one() {
        let summary = Summary {
            client_id: "pump-7".into(),
            next_serial: 70_000,
            established: Some(true),
            session: vec![
                Record::Begun {
                    packet_id: id(9),
                    qos: QoS::ExactlyOnce,
                    message: 300,
                },
                Record::Change(Change::Released(id(9))),
                Record::Change(Change::Received(id(65_535))),
                Record::Change(Change::LastPacketId(id(10))),
            ],
            live: vec![0, 1, 300, 69_999, u64::MAX],
            lost: vec![1],
        };
        let records = [
            StoreRecord::Begun {
                packet_id: id(1),
                qos: QoS::AtLeastOnce,
                serial: 7,
            },
            StoreRecord::Change(Change::Ended(id(2))),
            StoreRecord::Change(Change::Forgotten(id(3))),
            StoreRecord::Change(Change::Cleared),
            StoreRecord::Dropped { serial: u64::MAX },
            StoreRecord::Established {
                outlives_connection: true,
            },
            StoreRecord::Summary(summary),
        ];
        for record in records {
            let mut bytes = Vec::new();
            let kind = record.encode(&mut bytes).get();
            assert_eq!(StoreRecord::decode(kind, &bytes), Ok(record.clone()));
            for len in 0..bytes.len() {
                assert_eq!(StoreRecord::decode(kind, &bytes[..len]), Err(BadRecord));
            }
            bytes.push(0);
            assert_eq!(StoreRecord::decode(kind, &bytes), Err(BadRecord));
        }
    }

    #[test]
    fn a_message_comes_back_with_and_without_its_expiry() {
        for expires_at_ms in [None, Some(1_700_000_000_000)] {
            let publish: &[u8] = b"publish";
            let record = StoreRecord::Message {
                serial: 3,
                expires_at_ms,
                publish,
            };
            let mut bytes = Vec::new();
            let kind = record.encode(&mut bytes).get();
            assert_eq!(StoreRecord::decode(kind, &bytes), Ok(record));
        }
        assert_eq!(StoreRecord::decode(200, &[]), Err(BadRecord));
        assert_eq!(StoreRecord::decode(0, &[]), Err(BadRecord));
    }
}
