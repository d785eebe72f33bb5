//! The checkpoint: rows in a redb file, with the position of the log up to which they are right.

use crate::backend::Backend;
use crate::error::OpenError;
use crate::files;
use crate::message::StoredMessage;
use crate::record::{MessageId, SessionId};
use crate::recovered::Recovered;
use crate::replay::{FoundFlow, Replay};
use crate::rows::{Rows, retained_span, span};
use crate::wire::Fields;
use mqtt_log::{Disk, DiskLock};
use parking_lot::Mutex;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// Copies of the database's head.
const COPIES: &str = "checkpoint.head";
/// A database that is being made.
const NEW: &str = "checkpoint.new";
/// Locked while the checkpoint is open.
const LOCK: &str = "checkpoint.lock";

const FORMAT: &str = "format";
const APPLIED: &str = "applied";
const NEXT_MESSAGE: &str = "next_message";
const LAST_SESSION: &str = "last_session";

/// How many rows there are, all their checksums added up, and the checksum of all numbers: a row that is gone, or
/// one of another time, is noticed as well as one that is damaged.
const ROW_COUNT: &str = "row_count";
const ROW_SUM: &str = "row_sum";
const CHECK: &str = "check";

/// The format of the checkpoint.
const FORMAT_NOW: u64 = 1;

/// Bytes of the database's pages kept in memory. The library's own default is 1 GiB; rows are read once, at the start,
/// and written in passing, so hardly any page is asked for twice.
const CACHE_LEN: usize = 2 * 1024 * 1024;

/// The files of the checkpoint.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    disk: Arc<dyn Disk>,
    /// None after a write that found no room: the database is of no use then, and is opened anew.
    database: Mutex<Option<Database>>,
    /// Held until the database is closed.
    _lock: Box<dyn DiskLock>,
}

/// Why a checkpoint was not written.
#[derive(Debug)]
pub(crate) enum NotWritten {
    /// There is no room for it; the one before is there.
    NoRoom,
    /// It failed for good.
    Failed(OpenError),
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        close(self.database.get_mut().take());
    }
}

/// The database panics over its own damaged pages when it is closed, too; nothing is lost with it.
fn close(database: Option<Database>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
}

/// What a checkpoint says besides its rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    /// Records up to this position are in it.
    pub(crate) applied: u64,
    pub(crate) next_message: MessageId,
    pub(crate) last_session: SessionId,
}

/// What all rows together must be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Digest {
    count: u64,
    sum: u64,
}

impl Checkpoint {
    /// Opens the checkpoint on a disk, or makes one.
    pub(crate) fn open(disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        if !has(&*disk, files::CHECKPOINT)? {
            make(&*disk)?;
        }
        Self::open_existing(disk)
    }

    /// Opens the checkpoint on a disk, which must be there.
    pub(crate) fn open_existing(disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let lock = disk.lock(LOCK).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => OpenError::Log(mqtt_log::OpenError::InUse {
                file: disk.path(LOCK),
            }),
            _ => unusable(&*disk, LOCK, source),
        })?;
        let database = whole(|| open_database(&*disk, files::CHECKPOINT))?;
        Ok(Self {
            disk,
            database: Mutex::new(Some(database)),
            _lock: lock,
        })
    }

    /// The numbers and all rows that are as they were written, as far as the database can be read.
    pub(crate) fn salvage(&self) -> (Numbers, Rows) {
        let numbers = whole(|| self.numbers()).ok().flatten();
        let mut rows = Rows::default();
        let read = whole(|| {
            let transaction = self.begin_read()?;
            let table = transaction.open_table(ROWS).map_err(redb::Error::from)?;
            for row in table.iter().map_err(redb::Error::from)? {
                let (key, stored) = row.map_err(redb::Error::from)?;
                if let Some((row, _)) = checked(key.value(), stored.value()) {
                    let row = Some(row.to_vec());
                    rows.changed.insert(key.value().to_vec(), row);
                }
            }
            Ok(())
        });
        if let Err(error) = read {
            tracing::warn!(%error, "the rest of the checkpoint cannot be read");
        }
        (numbers.unwrap_or_default().0, rows)
    }

    /// Begins a replay with what the checkpoint says; an empty one says nothing.
    pub(crate) fn begin(&self) -> Result<(Numbers, Replay), OpenError> {
        whole(|| self.begin_whole())
    }

    fn begin_whole(&self) -> Result<(Numbers, Replay), OpenError> {
        let mut replay = Replay::default();
        let Some((numbers, digest)) = self.numbers()? else {
            return Ok((Numbers::default(), replay));
        };
        replay.applied = numbers.applied;
        replay.next_id = numbers.next_message;
        replay.last_session = numbers.last_session;
        let found = self.each_row(|key, row| Ok(replay.begin_row(key, row)?))?;
        match found == digest {
            true => Ok((numbers, replay)),
            false => Err(OpenError::CheckpointDamaged),
        }
    }

    /// Gives every row to `visit`.
    pub(crate) fn rows(&self, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), OpenError> {
        if whole(|| self.numbers())?.is_some() {
            whole(|| {
                self.each_row(|key, row| {
                    visit(key, row);
                    Ok(())
                })
            })?;
        }
        Ok(())
    }

    /// Ends a replay with the rows of the checkpoint.
    pub(crate) fn end(
        &self,
        replay: &mut Replay,
    ) -> Result<(Recovered, Vec<FoundFlow>), OpenError> {
        if whole(|| self.numbers())?.is_some() {
            whole(|| self.each_row(|key, row| Ok(replay.end_row(key, row)?)))?;
        }
        Ok(replay.end()?)
    }

    /// Writes what has changed, and returns when it is on the disk; with `expired_ms`, in milliseconds of Unix time,
    /// retained messages that had expired then are taken out.
    ///
    /// # Errors
    /// [`NotWritten`]; what was written before is as it was.
    pub(crate) fn write(
        &self,
        numbers: Numbers,
        rows: &Rows,
        expired_ms: Option<u64>,
    ) -> Result<(), NotWritten> {
        let mut database = self.database.lock();
        let written = whole(|| {
            let open = match database.take() {
                Some(open) => open,
                None => open_database(&*self.disk, files::CHECKPOINT)?,
            };
            Ok(Self::write_whole(
                database.insert(open),
                numbers,
                rows,
                expired_ms,
            )?)
        });
        written.map_err(|error| match error {
            OpenError::Checkpoint(redb::Error::Io(source)) | OpenError::Io { source, .. }
                if is_full(&source) =>
            {
                close(database.take());
                NotWritten::NoRoom
            }
            error => NotWritten::Failed(error),
        })
    }

    fn write_whole(
        database: &Database,
        numbers: Numbers,
        rows: &Rows,
        expired_ms: Option<u64>,
    ) -> Result<(), redb::Error> {
        let mut transaction = database.begin_write()?;
        // Without it the whole file would be read after a crash.
        transaction.set_quick_repair(true);
        {
            let mut table = transaction.open_table(NUMBERS)?;
            let number = |name| -> Result<u64, redb::Error> {
                Ok(table.get(name)?.map_or(0, |number| number.value()))
            };
            let mut digest = Digest {
                count: number(ROW_COUNT)?,
                sum: number(ROW_SUM)?,
            };
            let mut stored = transaction.open_table(ROWS)?;
            if let Some(expired_ms) = expired_ms {
                purge(&mut stored, expired_ms, &mut digest)?;
            }
            write_rows(&mut stored, rows, &mut digest)?;
            drop(stored);
            for (name, number) in named(numbers, digest) {
                table.insert(name, number)?;
            }
            table.insert(CHECK, check_of(numbers, digest))?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn begin_read(&self) -> Result<ReadTransaction, OpenError> {
        let database = self.database.lock();
        let database = database.as_ref().ok_or(OpenError::CheckpointDamaged)?;
        Ok(database.begin_read().map_err(redb::Error::from)?)
    }

    /// What is said besides the rows; none in an empty checkpoint.
    fn numbers(&self) -> Result<Option<(Numbers, Digest)>, OpenError> {
        let transaction = self.begin_read()?;
        let table = match transaction.open_table(NUMBERS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(redb::Error::from(error).into()),
        };
        let find = |name| -> Result<u64, OpenError> {
            let found = table.get(name).map_err(redb::Error::from)?;
            found
                .map(|found| found.value())
                .ok_or(OpenError::CheckpointDamaged)
        };
        let found = find(FORMAT)?;
        if found > FORMAT_NOW {
            return Err(OpenError::Format {
                found,
                known: FORMAT_NOW,
            });
        }
        let numbers = Numbers {
            applied: find(APPLIED)?,
            next_message: MessageId(find(NEXT_MESSAGE)?),
            last_session: SessionId(find(LAST_SESSION)?),
        };
        let digest = Digest {
            count: find(ROW_COUNT)?,
            sum: find(ROW_SUM)?,
        };
        match found == FORMAT_NOW && find(CHECK)? == check_of(numbers, digest) {
            true => Ok(Some((numbers, digest))),
            false => Err(OpenError::CheckpointDamaged),
        }
    }

    /// Gives every row to `visit`, and says what they are together.
    fn each_row(
        &self,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), OpenError>,
    ) -> Result<Digest, OpenError> {
        let transaction = self.begin_read()?;
        let rows = transaction.open_table(ROWS).map_err(redb::Error::from)?;
        let mut digest = Digest::default();
        for row in rows.iter().map_err(redb::Error::from)? {
            let (key, row) = row.map_err(redb::Error::from)?;
            let (row, crc) =
                checked(key.value(), row.value()).ok_or(OpenError::CheckpointDamaged)?;
            digest.add(crc);
            visit(key.value(), row)?;
        }
        Ok(digest)
    }
}

/// Makes an empty one under another name first: one that is there under its own is whole.
fn make(disk: &dyn Disk) -> Result<(), OpenError> {
    if has(disk, NEW)? {
        disk.remove(NEW)
            .map_err(|source| unusable(disk, NEW, source))?;
    }
    // What is left of the head of another one must not be taken for its own.
    if has(disk, COPIES)? {
        disk.remove(COPIES)
            .map_err(|source| unusable(disk, COPIES, source))?;
    }
    let made = disk.create(NEW);
    drop(made.map_err(|source| unusable(disk, NEW, source))?);
    close(Some(whole(|| open_database(disk, NEW))?));
    let named = disk
        .rename(NEW, files::CHECKPOINT)
        .and_then(|()| disk.sync());
    named.map_err(|source| unusable(disk, NEW, source))
}

fn open_database(disk: &dyn Disk, name: &str) -> Result<Database, OpenError> {
    if !has(disk, COPIES)? {
        let made = disk.create(COPIES).and_then(|_| disk.sync());
        made.map_err(|source| unusable(disk, COPIES, source))?;
    }
    let open = |name| {
        disk.open(name)
            .map_err(|source| unusable(disk, name, source))
    };
    let backend = Backend::new(open(name)?, open(COPIES)?);
    let backend = backend.map_err(|source| unusable(disk, name, source))?;
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_LEN);
    let database = builder.create_with_backend(backend);
    Ok(database.map_err(redb::Error::from)?)
}

fn has(disk: &dyn Disk, name: &str) -> Result<bool, OpenError> {
    let names = disk.list().map_err(|source| unusable(disk, name, source))?;
    Ok(names.iter().any(|found| found == name))
}

fn unusable(disk: &dyn Disk, name: &str, source: io::Error) -> OpenError {
    OpenError::Io {
        path: PathBuf::from(disk.path(name)),
        source,
    }
}

/// Whether an error means that there is no room, which may come back.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

impl Digest {
    fn add(&mut self, crc: u32) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(u64::from(crc));
    }

    fn remove(&mut self, stored: &[u8]) {
        let crc = stored
            .last_chunk()
            .map_or(0, |crc| u32::from_le_bytes(*crc));
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(u64::from(crc));
    }
}

/// Does something with the database, which panics where its own structures are damaged.
fn whole<T>(work: impl FnOnce() -> Result<T, OpenError>) -> Result<T, OpenError> {
    // What a panic leaves behind is not used again: the store is not opened, or has failed.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(OpenError::CheckpointDamaged))
}

/// Takes out retained messages that had expired at `now_ms`.
///
/// Nobody would get them, and the broker forgets them without a record.
fn purge(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    now_ms: u64,
    digest: &mut Digest,
) -> Result<(), redb::Error> {
    let all = retained_span();
    table.retain_in::<&[u8], _>(all.start.as_slice()..all.end.as_slice(), |key, stored| {
        let row =
            checked(key, stored).and_then(|(row, _)| StoredMessage::decode(Fields::new(row)).ok());
        let expires_at_ms = row.and_then(|message| message.expires_at_ms);
        let is_kept = expires_at_ms.is_none_or(|at_ms| at_ms > now_ms);
        if !is_kept {
            digest.remove(stored);
        }
        is_kept
    })?;
    Ok(())
}

fn write_rows(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    rows: &Rows,
    digest: &mut Digest,
) -> Result<(), redb::Error> {
    for session in &rows.ended {
        let span = span(*session);
        table.retain_in::<&[u8], _>(span.start.as_slice()..span.end.as_slice(), |_, stored| {
            digest.remove(stored);
            false
        })?;
    }
    for (key, row) in &rows.changed {
        let before = match row {
            Some(row) => {
                let crc = crc_of(key, row);
                digest.add(crc);
                let stored = [row.as_slice(), &crc.to_le_bytes()].concat();
                table.insert(key.as_slice(), stored.as_slice())?
            }
            None => table.remove(key.as_slice())?,
        };
        if let Some(before) = before {
            digest.remove(before.value());
        }
    }
    Ok(())
}

/// A row as it was given, and its checksum; none if it is damaged.
fn checked<'a>(key: &[u8], stored: &'a [u8]) -> Option<(&'a [u8], u32)> {
    let (row, crc) = stored.split_last_chunk()?;
    let crc = u32::from_le_bytes(*crc);
    (crc == crc_of(key, row)).then_some((row, crc))
}

fn crc_of(key: &[u8], row: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), row)
}

const fn named(numbers: Numbers, digest: Digest) -> [(&'static str, u64); 6] {
    [
        (FORMAT, FORMAT_NOW),
        (APPLIED, numbers.applied),
        (NEXT_MESSAGE, numbers.next_message.0),
        (LAST_SESSION, numbers.last_session.0),
        (ROW_COUNT, digest.count),
        (ROW_SUM, digest.sum),
    ]
}

fn check_of(numbers: Numbers, digest: Digest) -> u64 {
    let crc = named(numbers, digest).iter().fold(0, |crc, (_, number)| {
        crc32c::crc32c_append(crc, &number.to_le_bytes())
    });
    u64::from(crc)
}
