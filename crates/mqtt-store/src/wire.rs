//! Numbers and texts as records hold them: variable-length numbers, lengths in front of bytes.

/// Appends `value` seven bits at a time, lowest first; 1 to 10 bytes.
pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = value.to_le_bytes().first().copied().unwrap_or(0) & 0x7F;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends `bytes` behind their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(bytes);
}

/// A number that may be missing: 0 for none, else one more.
pub(crate) fn put_optional(out: &mut Vec<u8>, value: Option<u64>) {
    put_number(out, value.map_or(0, |value| value.saturating_add(1)));
}

/// Bytes that are no record: they were written by something else, or the checksum lied.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a record of this format")]
pub struct BadRecord;

/// Reads fields in the order they were put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, BadRecord> {
        let (first, rest) = self.0.split_first().ok_or(BadRecord)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn number(&mut self) -> Result<u64, BadRecord> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7F);
            if shift == 63 && low > 1 {
                return Err(BadRecord);
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BadRecord)
    }

    pub(crate) fn number_u32(&mut self) -> Result<u32, BadRecord> {
        u32::try_from(self.number()?).map_err(|_| BadRecord)
    }

    pub(crate) fn optional(&mut self) -> Result<Option<u64>, BadRecord> {
        Ok(self.number()?.checked_sub(1))
    }

    pub(crate) fn optional_u32(&mut self) -> Result<Option<u32>, BadRecord> {
        let value = self.optional()?.map(u32::try_from);
        value.transpose().map_err(|_| BadRecord)
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: u64) -> Result<&'a [u8], BadRecord> {
        let len = usize::try_from(len).map_err(|_| BadRecord)?;
        let (taken, rest) = self.0.split_at_checked(len).ok_or(BadRecord)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], BadRecord> {
        let len = self.number()?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, BadRecord> {
        std::str::from_utf8(self.bytes()?).map_err(|_| BadRecord)
    }

    /// How many of something follow, each of at least one byte.
    pub(crate) fn count(&mut self) -> Result<usize, BadRecord> {
        let count = usize::try_from(self.number()?).map_err(|_| BadRecord)?;
        match count <= self.0.len() {
            true => Ok(count),
            false => Err(BadRecord),
        }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) const fn end(&self) -> Result<(), BadRecord> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(BadRecord),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for value in [
            0,
            1,
            127,
            128,
            16_383,
            16_384,
            u64::from(u32::MAX),
            u64::MAX,
        ] {
            let mut out = Vec::new();
            put_number(&mut out, value);
            let mut fields = Fields::new(&out);
            assert_eq!(fields.number(), Ok(value));
            assert_eq!(fields.end(), Ok(()));
            let cut = &out[..out.len() - 1];
            assert_eq!(Fields::new(cut).number(), Err(BadRecord), "{value}");
        }
        assert_eq!(Fields::new(&[0xFF; 10]).number(), Err(BadRecord));
    }
}
