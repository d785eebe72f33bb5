//! `mqtt store`: looks at the store of a broker that does not run.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use mqtt_broker::DataDir;
use mqtt_store::{CheckReport, SalvageReport};

use crate::{args::StoreCommand, exit::Failure};

/// Runs the command.
pub(crate) fn run(command: StoreCommand) -> Result<ExitCode, Failure> {
    match command {
        StoreCommand::Check { dir } => check(&dir),
        StoreCommand::Salvage { dir, out } => salvage(&dir, out),
        StoreCommand::Dump { dir, json: _ } => dump(&dir),
    }
}

fn check(dir: &Path) -> Result<ExitCode, Failure> {
    let _locked = lock(dir)?;
    let report = mqtt_store::check(dir.join("store")).map_err(Failure::run_time)?;
    // A reader that went away is no failure of ours.
    let _ = print_check(&report);
    match report.is_sound() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::run_time(format_args!(
            "{} is damaged; `mqtt store salvage` copies what is whole",
            dir.display()
        ))),
    }
}

fn print_check(report: &CheckReport) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let log = &report.log;
    writeln!(
        out,
        "log: {} records in {} groups in {} segments, synced up to {}",
        log.records, log.groups, log.segments, log.synced
    )?;
    for damage in &log.damage {
        writeln!(
            out,
            "damaged: {} at byte {}, {} bytes: {:?}",
            damage.file, damage.offset, damage.len, damage.kind
        )?;
    }
    if report.bad_records + report.bad_rows > 0 {
        writeln!(
            out,
            "unreadable: {} records, {} rows",
            report.bad_records, report.bad_rows
        )?;
    }
    match &report.checkpoint {
        None => writeln!(out, "checkpoint: {} rows", report.rows),
        Some(error) => writeln!(out, "checkpoint: {error}"),
    }
}

fn salvage(dir: &Path, out: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let out = out.unwrap_or_else(|| {
        let mut name = dir.file_name().unwrap_or_default().to_owned();
        name.push(".salvaged");
        dir.with_file_name(name)
    });
    let _locked = lock(dir)?;
    let salvaged = mqtt_store::salvage(dir.join("store"), out.join("store"));
    let report = salvaged.map_err(Failure::run_time)?;
    let _ = print_salvage(&report, &out);
    Ok(ExitCode::SUCCESS)
}

fn print_salvage(report: &SalvageReport, to: &Path) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for damage in &report.log.damage {
        writeln!(
            out,
            "lost: {} at byte {}, {} bytes: {:?}",
            damage.file, damage.offset, damage.len, damage.kind
        )?;
    }
    if let Some(error) = &report.checkpoint {
        writeln!(out, "lost: the checkpoint: {error}")?;
    }
    writeln!(
        out,
        "{}: {} sessions, {} waiting and {} retained messages, of {} records",
        to.display(),
        report.sessions,
        report.queued,
        report.retained,
        report.log.records
    )
}

fn dump(dir: &Path) -> Result<ExitCode, Failure> {
    let _locked = lock(dir)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    mqtt_store::dump_json(dir.join("store"), &mut out).map_err(Failure::run_time)?;
    let _ = out.flush();
    Ok(ExitCode::SUCCESS)
}

/// Keeps brokers out of the directory, which must be there.
fn lock(dir: &Path) -> Result<DataDir, Failure> {
    if !dir.join("store").is_dir() {
        return Err(Failure::usage(format_args!(
            "{} is no data directory of a broker",
            dir.display()
        )));
    }
    DataDir::open(dir).map_err(Failure::run_time)
}
