//! Looking at a store that nobody uses: what is damaged, what is in it, what can be saved.

use crate::checkpoint::{Checkpoint, NotWritten, Numbers};
use crate::error::OpenError;
use crate::files;
use crate::json;
use crate::record::Record;
use crate::rows::Row;
use crate::settings::Settings;
use crate::store::Store;
use mqtt_log::{DumpItem, Position, RealDisk};
use std::io::{self, Write};
use std::path::Path;

/// What was found in a store.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// What was found in the log.
    pub log: mqtt_log::CheckReport,
    /// Records that are whole and make no sense.
    pub bad_records: u64,
    /// Rows of the checkpoint.
    pub rows: u64,
    /// Rows that make no sense.
    pub bad_rows: u64,
    /// Why the checkpoint cannot be read, if it cannot.
    pub checkpoint: Option<String>,
}

impl CheckReport {
    /// Whether everything acknowledged is there.
    pub fn is_sound(&self) -> bool {
        let is_readable = self.bad_records == 0 && self.bad_rows == 0;
        is_readable && self.checkpoint.is_none() && self.log.is_sound()
    }
}

/// What was saved of a store.
#[derive(Debug)]
#[non_exhaustive]
pub struct SalvageReport {
    /// What was saved of the log.
    pub log: mqtt_log::SalvageReport,
    /// Why the checkpoint could not be saved as it was, if it could not: only rows that are whole were.
    pub checkpoint: Option<String>,
    /// Sessions in the new store.
    pub sessions: usize,
    /// Messages queued for them.
    pub queued: usize,
    /// Retained messages.
    pub retained: usize,
}

/// Reads everything in `dir` and says what is damaged; changes nothing.
///
/// # Errors
/// [`OpenError`]: there is no store, it is in use, or of another version.
pub fn check(dir: impl AsRef<Path>) -> Result<CheckReport, OpenError> {
    let dir = dir.as_ref();
    files::look(dir)?;
    let mut report = CheckReport::default();
    let numbers = match open_checkpoint(dir) {
        Err(error) => {
            report.checkpoint = Some(error.to_string());
            Numbers::default()
        }
        Ok((checkpoint, numbers)) => {
            let read = checkpoint.rows(|key, row| {
                report.rows += 1;
                report.bad_rows += u64::from(Row::decode(key, row).is_err());
            });
            report.checkpoint = read.err().map(|error| error.to_string());
            numbers
        }
    };
    let bad_records = &mut report.bad_records;
    report.log = mqtt_log::dump(log_of(dir)?, Position::new(numbers.applied), |item| {
        if let DumpItem::Record { record, .. } = item
            && record.kind != 0
        {
            let decoded = Record::decode(record.kind, record.version, record.payload);
            *bad_records += u64::from(decoded.is_err());
        }
    })?;
    Ok(report)
}

/// Writes everything in `dir` to `out`, a JSON object on each line: rows of the checkpoint, then records of the log.
///
/// # Errors
/// [`OpenError`], as for [`check`]; and what `out` answers.
pub fn dump_json(dir: impl AsRef<Path>, out: &mut dyn Write) -> Result<(), OpenError> {
    let dir = dir.as_ref();
    files::look(dir)?;
    let mut written: io::Result<()> = Ok(());
    let mut write = |line: serde_json::Value| {
        if written.is_ok() {
            written = writeln!(out, "{line}");
        }
    };
    let (checkpoint, numbers) = open_checkpoint(dir)?;
    write(json::numbers(&numbers));
    checkpoint.rows(|key, row| write(json::row(key, row)))?;
    mqtt_log::dump(log_of(dir)?, Position::new(numbers.applied), |item| {
        if let DumpItem::Record { record, .. } = item
            && record.kind != 0
        {
            write(json::record(&record));
        }
    })?;
    written.map_err(|source| OpenError::Io {
        path: dir.to_owned(),
        source,
    })
}

/// Copies what is whole of the store in `from` to `to`, which must not be there or be empty; `from` is not changed.
///
/// # Errors
/// [`OpenError`]: there is no store, it is in use, `to` is not empty, or the system answers with an error.
pub fn salvage(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<SalvageReport, OpenError> {
    let (from, to) = (from.as_ref(), to.as_ref());
    files::look(from)?;
    files::must_be_empty(to)?;
    files::prepare(to)?;
    let (checkpoint, applied) = match open_checkpoint(from) {
        Ok((_, numbers)) => (files::copy_checkpoint(from, to).err(), numbers.applied),
        Err(error) => (Some(error), salvage_checkpoint(from, to)?),
    };
    let path = files::log_dir(to);
    let new = RealDisk::new(&path).map_err(|source| OpenError::Io { path, source })?;
    let old = log_of(from)?;
    let log = mqtt_log::salvage(old, new, Position::new(applied))?;
    let (store, recovered, _) = Store::open(to, Settings::default())?;
    let report = SalvageReport {
        log,
        checkpoint: checkpoint.map(|error| error.to_string()),
        sessions: recovered.sessions.len(),
        queued: recovered.sessions.iter().map(|one| one.queued.len()).sum(),
        retained: recovered.retained.len(),
    };
    drop(store);
    Ok(report)
}

/// Writes the rows that are whole to a new checkpoint; how far it goes.
fn salvage_checkpoint(from: &Path, to: &Path) -> Result<u64, OpenError> {
    let new = Checkpoint::open(files::disk(to)?)?;
    let Ok(old) = Checkpoint::open_existing(files::disk(from)?) else {
        return Ok(0);
    };
    let (numbers, rows) = old.salvage();
    new.write(numbers, &rows, None)
        .map_err(|error| match error {
            NotWritten::Failed(error) => error,
            NotWritten::NoRoom => OpenError::Io {
                path: files::checkpoint(to),
                source: io::ErrorKind::StorageFull.into(),
            },
        })?;
    Ok(numbers.applied)
}

fn open_checkpoint(dir: &Path) -> Result<(Checkpoint, Numbers), OpenError> {
    let checkpoint = Checkpoint::open_existing(files::disk(dir)?)?;
    let (numbers, _) = checkpoint.begin()?;
    Ok((checkpoint, numbers))
}

fn log_of(dir: &Path) -> Result<RealDisk, OpenError> {
    let path = files::log_dir(dir);
    RealDisk::existing(&path).map_err(|source| OpenError::Io { path, source })
}
