//! The checkpoint: rows in a redb file, with the position of the log up to which they are right.

use crate::error::OpenError;
use crate::record::{MessageId, SessionId};
use crate::recovered::Recovered;
use crate::replay::{FoundFlow, Replay};
use crate::rows::{Rows, span};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

const FORMAT: &str = "format";
const APPLIED: &str = "applied";
const NEXT_MESSAGE: &str = "next_message";
const LAST_SESSION: &str = "last_session";

/// The format of the checkpoint.
const FORMAT_NOW: u64 = 1;

/// The file with the checkpoint.
#[derive(Debug)]
pub(crate) struct Checkpoint(Database);

/// What a checkpoint says besides its rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    /// Records up to this position are in it.
    pub(crate) applied: u64,
    pub(crate) next_message: MessageId,
    pub(crate) last_session: SessionId,
}

impl Checkpoint {
    pub(crate) const fn new(database: Database) -> Self {
        Self(database)
    }

    /// Begins a replay with what the checkpoint says; an empty one says nothing.
    pub(crate) fn begin(&self) -> Result<(Numbers, Replay), OpenError> {
        let transaction = self.0.begin_read().map_err(redb::Error::from)?;
        let mut replay = Replay::default();
        let mut numbers = Numbers::default();
        let table = match transaction.open_table(NUMBERS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok((numbers, replay)),
            Err(error) => return Err(redb::Error::from(error).into()),
        };
        let find = |name| -> Result<u64, OpenError> {
            let found = table.get(name).map_err(redb::Error::from)?;
            Ok(found.map_or(0, |found| found.value()))
        };
        let found = find(FORMAT)?;
        if found != FORMAT_NOW {
            return Err(OpenError::Format {
                found,
                known: FORMAT_NOW,
            });
        }
        numbers.applied = find(APPLIED)?;
        numbers.next_message = MessageId(find(NEXT_MESSAGE)?);
        numbers.last_session = SessionId(find(LAST_SESSION)?);
        replay.applied = numbers.applied;
        replay.next_id = numbers.next_message;
        replay.last_session = numbers.last_session;
        let rows = transaction.open_table(ROWS).map_err(redb::Error::from)?;
        for row in rows.iter().map_err(redb::Error::from)? {
            let (key, row) = row.map_err(redb::Error::from)?;
            replay.begin_row(key.value(), row.value())?;
        }
        Ok((numbers, replay))
    }

    /// Gives every row to `visit`.
    pub(crate) fn rows(&self, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), OpenError> {
        let transaction = self.0.begin_read().map_err(redb::Error::from)?;
        let rows = match transaction.open_table(ROWS) {
            Ok(rows) => rows,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(redb::Error::from(error).into()),
        };
        for row in rows.iter().map_err(redb::Error::from)? {
            let (key, row) = row.map_err(redb::Error::from)?;
            visit(key.value(), row.value());
        }
        Ok(())
    }

    /// Ends a replay with the rows of the checkpoint.
    pub(crate) fn end(
        &self,
        replay: &mut Replay,
    ) -> Result<(Recovered, Vec<FoundFlow>), OpenError> {
        let transaction = self.0.begin_read().map_err(redb::Error::from)?;
        let rows = match transaction.open_table(ROWS) {
            Ok(rows) => rows,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(replay.end()?),
            Err(error) => return Err(redb::Error::from(error).into()),
        };
        for row in rows.iter().map_err(redb::Error::from)? {
            let (key, row) = row.map_err(redb::Error::from)?;
            replay.end_row(key.value(), row.value())?;
        }
        Ok(replay.end()?)
    }

    /// Writes what has changed, and returns when it is on the disk.
    pub(crate) fn write(&self, numbers: Numbers, rows: &Rows) -> Result<(), redb::Error> {
        let mut transaction = self.0.begin_write()?;
        // Without it the whole file would be read after a crash.
        transaction.set_quick_repair(true);
        {
            let mut table = transaction.open_table(ROWS)?;
            for session in &rows.ended {
                let span = span(*session);
                table
                    .retain_in::<&[u8], _>(span.start.as_slice()..span.end.as_slice(), |_, _| {
                        false
                    })?;
            }
            for (key, row) in &rows.changed {
                match row {
                    Some(row) => drop(table.insert(key.as_slice(), row.as_slice())?),
                    None => drop(table.remove(key.as_slice())?),
                }
            }
            let mut table = transaction.open_table(NUMBERS)?;
            for (name, number) in [
                (FORMAT, FORMAT_NOW),
                (APPLIED, numbers.applied),
                (NEXT_MESSAGE, numbers.next_message.0),
                (LAST_SESSION, numbers.last_session.0),
            ] {
                table.insert(name, number)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
