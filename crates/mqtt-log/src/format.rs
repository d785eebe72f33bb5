//! The bytes on disk: heads of segments, groups and records, as `docs/design/storage.md` draws them.
//!
//! Everything starts at a multiple of [`SECTOR`], so that no sector with acknowledged bytes is ever written again.
//! Numbers are little-endian.

use crate::Position;

/// The version of the format this code writes, and the newest it reads.
pub(crate) const FORMAT: u32 = 1;
/// What disks write whole or not at all; unit: bytes.
pub(crate) const SECTOR: usize = 512;
/// The head of a segment.
pub(crate) const SEGMENT_HEAD_LEN: usize = SECTOR;
/// The head of a group.
pub(crate) const GROUP_HEAD_LEN: usize = 32;
/// What ends a group and makes it count.
pub(crate) const COMMIT_MARK_LEN: usize = 16;
/// The head of a record.
pub(crate) const RECORD_HEAD_LEN: usize = 12;
/// The kind of records that belong to the log itself; their version says which.
pub(crate) const CONTROL: u8 = 0;
/// Control record: all segments there are, as pairs of base and end.
pub(crate) const CONTROL_SEGMENTS: u8 = 1;
/// Control record: the segment with this base is gone.
pub(crate) const CONTROL_DROPPED: u8 = 2;
/// Control record: what stood here could not be saved.
pub(crate) const CONTROL_HOLE: u8 = 3;

const SEGMENT_MAGIC: &[u8; 8] = b"mqtt-log";
const GROUP_MAGIC: u32 = 0x7047_716d;
const COMMIT_MAGIC: u32 = 0x6d43_716d;

/// The head of a segment file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SegmentHead {
    /// The position of the file's first byte.
    pub(crate) base: Position,
    /// The base of the segment before it; its own when there was none.
    pub(crate) previous: Position,
    /// The last position known to be synced when it was made.
    pub(crate) synced: Position,
}

/// Why bytes are no head of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SegmentHeadError {
    /// They are damaged.
    Damaged,
    /// They are whole, in another version of the format.
    Format(u32),
}

impl SegmentHead {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEAD_LEN] {
        let mut bytes = [0; SEGMENT_HEAD_LEN];
        put(&mut bytes, 0, SEGMENT_MAGIC);
        put(&mut bytes, 8, &FORMAT.to_le_bytes());
        put(&mut bytes, 16, &self.base.number().to_le_bytes());
        put(&mut bytes, 24, &self.previous.number().to_le_bytes());
        put(&mut bytes, 32, &self.synced.number().to_le_bytes());
        let (covered, _) = bytes.split_at(SEGMENT_HEAD_LEN - 4);
        let crc = crc32c::crc32c(covered);
        put(&mut bytes, SEGMENT_HEAD_LEN - 4, &crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SegmentHeadError> {
        let whole = bytes
            .get(..SEGMENT_HEAD_LEN)
            .filter(|head| head.starts_with(SEGMENT_MAGIC));
        let head = whole.ok_or(SegmentHeadError::Damaged)?;
        let (covered, _) = head.split_at(SEGMENT_HEAD_LEN - 4);
        if u32_at(head, SEGMENT_HEAD_LEN - 4) != Some(crc32c::crc32c(covered)) {
            return Err(SegmentHeadError::Damaged);
        }
        let format = u32_at(head, 8).ok_or(SegmentHeadError::Damaged)?;
        if format != FORMAT {
            return Err(SegmentHeadError::Format(format));
        }
        let position = |at| position_at(head, at).ok_or(SegmentHeadError::Damaged);
        Ok(Self {
            base: position(16)?,
            previous: position(24)?,
            synced: position(32)?,
        })
    }
}

/// The head of a group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct GroupHead {
    /// Where the group starts.
    pub(crate) position: Position,
    /// The last position known to be synced before the group was written.
    pub(crate) synced: Position,
    /// The whole group with head, padding and commit mark; unit: bytes, a multiple of [`SECTOR`].
    pub(crate) len: u32,
    /// Records in it.
    pub(crate) records: u32,
}

impl GroupHead {
    fn encode(&self) -> [u8; GROUP_HEAD_LEN] {
        let mut bytes = [0; GROUP_HEAD_LEN];
        put(&mut bytes, 0, &GROUP_MAGIC.to_le_bytes());
        put(&mut bytes, 8, &self.position.number().to_le_bytes());
        put(&mut bytes, 16, &self.synced.number().to_le_bytes());
        put(&mut bytes, 24, &self.len.to_le_bytes());
        put(&mut bytes, 28, &self.records.to_le_bytes());
        let crc = crc32c::crc32c(bytes.get(8..).unwrap_or_default());
        put(&mut bytes, 4, &crc.to_le_bytes());
        bytes
    }

    /// The head at `position`; `None` if what stands there was not written as one for this place.
    pub(crate) fn decode(bytes: &[u8], position: Position) -> Option<Self> {
        let head = bytes.get(..GROUP_HEAD_LEN)?;
        let own_magic = u32_at(head, 0) == Some(GROUP_MAGIC);
        if !own_magic || u32_at(head, 4) != Some(crc32c::crc32c(head.get(8..)?)) {
            return None;
        }
        let found = Self {
            position: position_at(head, 8)?,
            synced: position_at(head, 16)?,
            len: u32_at(head, 24)?,
            records: u32_at(head, 28)?,
        };
        let len = usize::try_from(found.len).ok()?;
        let len_fits = len >= SECTOR && len.is_multiple_of(SECTOR);
        (found.position == position && len_fits).then_some(found)
    }

    /// The whole length as an index; unit: bytes.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }
}

/// Bytes a group takes on disk whose records take `records_len`.
pub(crate) fn group_len(records_len: usize) -> usize {
    records_len
        .saturating_add(GROUP_HEAD_LEN + COMMIT_MARK_LEN)
        .next_multiple_of(SECTOR)
}

/// Makes a group of `bytes`, which are room for the head and then the records: adds padding, head and commit mark.
pub(crate) fn finish_group(
    bytes: &mut Vec<u8>,
    position: Position,
    synced: Position,
    records: u32,
) {
    let records_len = bytes.len().saturating_sub(GROUP_HEAD_LEN);
    let len = group_len(records_len);
    bytes.resize(len - COMMIT_MARK_LEN, 0);
    let head = GroupHead {
        position,
        synced,
        len: u32::try_from(len).unwrap_or(u32::MAX),
        records,
    };
    put(bytes, 0, &head.encode());
    bytes.extend_from_slice(&position.number().to_le_bytes());
    bytes.extend_from_slice(&COMMIT_MAGIC.to_le_bytes());
    let crc = crc32c::crc32c(bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
}

/// Whether `group`, as long as its head says, has the commit mark that says that all of it is there.
pub(crate) fn is_committed(group: &[u8], position: Position) -> bool {
    let Some((covered, crc)) = group.split_last_chunk::<4>() else {
        return false;
    };
    let Some((_, mark)) = covered.split_last_chunk::<12>() else {
        return false;
    };
    position_at(mark, 0) == Some(position)
        && u32_at(mark, 8) == Some(COMMIT_MAGIC)
        && u32::from_le_bytes(*crc) == crc32c::crc32c(covered)
}

/// The head of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct StoredHead {
    pub(crate) kind: u8,
    pub(crate) version: u8,
    /// Bytes of payload.
    pub(crate) len: usize,
    /// Always 0.
    unused: [u8; 2],
    crc: u32,
}

impl StoredHead {
    /// The head in front of `bytes`; its checksum is not looked at.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..RECORD_HEAD_LEN)?;
        Some(Self {
            len: usize::try_from(u32_at(head, 0)?).ok()?,
            kind: *head.get(4)?,
            version: *head.get(5)?,
            unused: *head.get(6..)?.first_chunk()?,
            crc: u32_at(head, 8)?,
        })
    }

    /// Whether it may have been written as one.
    pub(crate) fn is_possible(&self) -> bool {
        self.unused == [0; 2]
    }

    /// Whether `payload` is what was written with this head at `position`.
    pub(crate) fn matches(&self, position: Position, payload: &[u8]) -> bool {
        let Ok(len) = u32::try_from(payload.len()) else {
            return false;
        };
        let whole = seal(
            crc32c::crc32c(payload),
            position,
            len,
            self.kind,
            self.version,
        );
        self.is_possible() && payload.len() == self.len && whole == self.crc
    }
}

/// Appends a record to `bytes`; `payload_crc` is the checksum of all `parts` one after the other.
pub(crate) fn put_record(
    bytes: &mut Vec<u8>,
    position: Position,
    (kind, version): (u8, u8),
    parts: &[&[u8]],
    len: u32,
    payload_crc: u32,
) {
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&[kind, version, 0, 0]);
    let crc = seal(payload_crc, position, len, kind, version);
    bytes.extend_from_slice(&crc.to_le_bytes());
    for part in parts {
        bytes.extend_from_slice(part);
    }
}

/// The checksum of `parts` one after the other.
pub(crate) fn crc_of(parts: &[&[u8]]) -> u32 {
    parts
        .iter()
        .fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

/// Ties the checksum of a payload to its head and place.
fn seal(payload_crc: u32, position: Position, len: u32, kind: u8, version: u8) -> u32 {
    let mut head = [0; 14];
    put(&mut head, 0, &position.number().to_le_bytes());
    put(&mut head, 8, &len.to_le_bytes());
    put(&mut head, 12, &[kind, version]);
    crc32c::crc32c_append(payload_crc, &head)
}

pub(crate) fn position_at(bytes: &[u8], at: usize) -> Option<Position> {
    let field = bytes.get(at..)?.first_chunk::<8>()?;
    Some(Position::new(u64::from_le_bytes(*field)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*field))
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes
        .get_mut(at..)
        .and_then(|rest| rest.get_mut(..field.len()))
    {
        place.copy_from_slice(field);
    }
}
