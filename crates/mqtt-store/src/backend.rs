//! The checkpoint's database in a file of any disk, its head kept safe beside it.
//!
//! The database writes its pages to places nobody needs and then changes its head, always in the same place: what a
//! power cut leaves of that sector is all there is. So the head goes to two other places first, one after the other.

use mqtt_log::DiskFile;
use parking_lot::Mutex;
use redb::StorageBackend;
use std::io;
use std::sync::Arc;

/// Bytes of the database that are changed in place; unit: bytes.
const HEAD_LEN: usize = 4096;
/// A copy of the head: number, checksum, and where the next sector begins the head itself.
const COPY_HEAD_LEN: usize = 512;
const COPY_LEN: usize = COPY_HEAD_LEN + HEAD_LEN;
const COPIES: [u64; 2] = [0, COPY_LEN as u64];

/// A file of a disk, as the database wants it.
#[derive(Debug)]
pub(crate) struct Backend {
    file: Arc<dyn DiskFile>,
    copies: Arc<dyn DiskFile>,
    head: Mutex<Head>,
}

/// The head as it was written last.
#[derive(Debug)]
struct Head {
    bytes: Vec<u8>,
    /// How often it was written.
    number: u64,
}

impl Backend {
    /// A database in `file`, its head also in `copies`; a head that was not written to its end is made whole.
    pub(crate) fn new(file: Arc<dyn DiskFile>, copies: Arc<dyn DiskFile>) -> io::Result<Self> {
        let mut bytes = vec![0; HEAD_LEN];
        let len = read_full(&*file, &mut bytes, 0)?;
        let mut head = Head { bytes, number: 0 };
        for at in COPIES {
            let mut copy = vec![0; COPY_LEN];
            read_full(&*copies, &mut copy, at)?;
            if let Some(found) = Head::decode(&copy)
                && found.number > head.number
            {
                head.number = found.number;
                if len == HEAD_LEN && found.bytes != head.bytes {
                    head.bytes = found.bytes;
                }
            }
        }
        if len == HEAD_LEN {
            write_full(&*file, &head.bytes, 0)?;
            file.sync()?;
        }
        let head = Mutex::new(head);
        Ok(Self { file, copies, head })
    }

    /// Keeps what is about to be written of the head.
    fn copy_head(&self, start: usize, data: &[u8]) -> io::Result<()> {
        let mut head = self.head.lock();
        let changed = head.bytes.iter_mut().skip(start);
        changed.zip(data).for_each(|(old, new)| *old = *new);
        head.number += 1;
        let copy = head.encode();
        for at in COPIES {
            write_full(&*self.copies, &copy, at)?;
            self.copies.sync()?;
        }
        Ok(())
    }
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let number = self.number.to_le_bytes();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&number), &self.bytes);
        let mut copy = [&number[..], &crc.to_le_bytes()].concat();
        copy.resize(COPY_HEAD_LEN, 0);
        copy.extend_from_slice(&self.bytes);
        copy
    }

    /// None if it is not whole.
    fn decode(copy: &[u8]) -> Option<Self> {
        let (number, rest) = copy.split_first_chunk()?;
        let crc = u32::from_le_bytes(*rest.first_chunk()?);
        let bytes = copy.get(COPY_HEAD_LEN..)?;
        let is_whole = crc == crc32c::crc32c_append(crc32c::crc32c(number), bytes);
        is_whole.then(|| Self {
            bytes: bytes.to_vec(),
            number: u64::from_le_bytes(*number),
        })
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match read_full(&*self.file, out, offset)? == out.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if let Some(start) = usize::try_from(offset)
            .ok()
            .filter(|start| *start < HEAD_LEN)
        {
            self.copy_head(start, data)?;
        }
        write_full(&*self.file, data, offset)
    }
}

/// Fills `bytes` as far as the file goes, and says how many there are.
fn read_full(file: &dyn DiskFile, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, behind(offset, filled)) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn write_full(file: &dyn DiskFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write_at(rest, behind(offset, written)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => written += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn behind(offset: u64, len: usize) -> u64 {
    offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX))
}
