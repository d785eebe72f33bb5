//! A file read part by part, with every place known and every length compared before it is used.

use super::error::{DbError, DbFault};
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// The largest payload MQTT has; unit: bytes.
pub(crate) const PAYLOAD_LEN_MAX: u64 = 268_435_455;

/// A file with a position and a known end.
#[derive(Debug)]
pub(crate) struct Input<R> {
    file: BufReader<R>,
    /// Where the next byte is; unit: bytes.
    position: u64,
    /// The length of the file; unit: bytes.
    len: u64,
}

impl<R: Read + Seek> Input<R> {
    pub(crate) fn new(mut file: R) -> Result<Self, DbError> {
        let fault = |error| DbFault::Io(error).at(0);
        let len = file.seek(SeekFrom::End(0)).map_err(fault)?;
        file.seek(SeekFrom::Start(0)).map_err(fault)?;
        Ok(Self {
            file: BufReader::with_capacity(8 << 10, file),
            position: 0,
            len,
        })
    }

    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Bytes from here to the end.
    pub(crate) const fn left(&self) -> u64 {
        self.len.saturating_sub(self.position)
    }

    /// Goes to a place that was read before; what is in memory already is not read again.
    pub(crate) fn go_to(&mut self, position: u64) -> Result<(), DbError> {
        let here = i64::try_from(self.position).unwrap_or(i64::MAX);
        let there = i64::try_from(position).unwrap_or(i64::MAX);
        let to = self.file.seek_relative(there.saturating_sub(here));
        to.map_err(|error| DbFault::Io(error).at(position))?;
        self.position = position;
        Ok(())
    }

    /// Passes over `len` bytes that are there.
    pub(crate) fn skip(&mut self, len: u64) -> Result<(), DbError> {
        if len > self.left() {
            return Err(DbFault::Truncated.at(self.position));
        }
        let by = i64::try_from(len).map_err(|_| DbFault::Truncated.at(self.position))?;
        let skipped = self.file.seek_relative(by);
        skipped.map_err(|error| DbFault::Io(error).at(self.position))?;
        self.position += len;
        Ok(())
    }

    /// Reads `len` bytes into `out`, in place of what it holds; memory is taken for bytes that are there.
    pub(crate) fn read_into(
        &mut self,
        out: &mut Vec<u8>,
        len: u64,
        max: u64,
    ) -> Result<(), DbError> {
        out.clear();
        self.append_to(out, len, max)
    }

    /// The same, behind what `out` holds.
    pub(crate) fn append_to(
        &mut self,
        out: &mut Vec<u8>,
        len: u64,
        max: u64,
    ) -> Result<(), DbError> {
        if len > max {
            return Err(DbFault::TooLong { len, max }.at(self.position));
        }
        if len > self.left() {
            return Err(DbFault::Truncated.at(self.position));
        }
        let read = self.file.by_ref().take(len).read_to_end(out);
        match read.map(|read| u64::try_from(read) == Ok(len)) {
            Ok(true) => {}
            // It has become shorter meanwhile.
            Ok(false) => return Err(DbFault::Truncated.at(self.position)),
            Err(error) => return Err(DbFault::Io(error).at(self.position)),
        }
        self.position += len;
        Ok(())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DbError> {
        let mut bytes = [0; N];
        let read = self.file.read_exact(&mut bytes);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => DbFault::Truncated.at(self.position),
            _ => DbFault::Io(error).at(self.position),
        })?;
        self.position += u64::try_from(N).unwrap_or(u64::MAX);
        Ok(bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DbError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DbError> {
        self.array().map(u32::from_be_bytes)
    }
}

/// The fields of a chunk that was read as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    /// Where the chunk begins, for errors; unit: bytes.
    offset: u64,
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(bytes: &'a [u8], offset: u64) -> Self {
        Self { bytes, offset }
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) const fn error(&self, fault: DbFault) -> DbError {
        fault.at(self.offset)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DbError> {
        let (taken, rest) = match self.bytes.split_at_checked(len) {
            Some(split) => split,
            None => return Err(self.error(DbFault::Length)),
        };
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DbError> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| self.error(DbFault::Length))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DbError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DbError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DbError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A number as the machine has it that wrote the file: all but the rarest have the lowest byte first.
    pub(crate) fn native_u64(&mut self) -> Result<u64, DbError> {
        self.array().map(u64::from_le_bytes)
    }

    /// The same, with a sign.
    pub(crate) fn native_i64(&mut self) -> Result<i64, DbError> {
        self.array().map(i64::from_le_bytes)
    }

    /// Text of a known length.
    pub(crate) fn text(&mut self, len: u16) -> Result<String, DbError> {
        let bytes = self.take(usize::from(len))?;
        text(bytes, self.offset)
    }

    /// Text behind its length.
    pub(crate) fn counted_text(&mut self) -> Result<String, DbError> {
        let len = self.u16()?;
        self.text(len)
    }

    /// The bytes that are left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    /// Nothing may be left.
    pub(crate) const fn end(&self) -> Result<(), DbError> {
        match self.bytes.is_empty() {
            true => Ok(()),
            false => Err(self.error(DbFault::Length)),
        }
    }
}

/// Bytes as text without the null character.
pub(crate) fn text(bytes: &[u8], offset: u64) -> Result<String, DbError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(DbFault::Text.at(offset)),
    }
}
