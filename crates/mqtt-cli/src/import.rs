//! `mqtt import`: another broker's configuration and state, for this one.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use mqtt_broker::Config;
use mqtt_import::{Imported, MosquittoOptions, Replace};

use crate::{
    args::{ImportArgs, ImportKind},
    broker,
    exit::Failure,
    mosquitto::{import_state, tell},
    surroundings::ThisMachine,
};

/// Runs the command.
pub(crate) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    if kind_by_name(args) == Some(ImportKind::MosquittoDb) {
        return state_alone(args);
    }
    let name = args.file.display().to_string();
    let text = fs::read_to_string(&args.file);
    let text = text.map_err(|error| Failure::run_time(format_args!("{name}: {error}")))?;
    let data_dir = args.data_dir.as_ref().map(|dir| dir.display().to_string());
    let (imported, db) = match kind_by_name(args).unwrap_or_else(|| kind_by_text(&text)) {
        ImportKind::Emqx => (
            mqtt_import::emqx_conf(&name, &text, data_dir.as_deref()),
            None,
        ),
        _ => {
            let options = MosquittoOptions {
                data_dir,
                ..MosquittoOptions::default()
            };
            let conf = mqtt_import::mosquitto_conf(&name, &text, &options, &ThisMachine);
            (conf.imported, conf.db.map(PathBuf::from))
        }
    };
    tell(&imported.remarks);
    let refused = imported.refused().count();
    if refused > 0 && !args.partial {
        return Err(Failure::usage(format_args!(
            "{refused} of these lines must not be ignored: nothing was written; --partial writes it without them"
        )));
    }
    let said = match refused {
        // What is left of it is to be completed first.
        1.. => write(args, &imported)?,
        0 => {
            let config = Config::from_toml(&imported.toml, "the configuration made of it");
            let config = config.map_err(Failure::usage)?;
            let db = args.db.clone().or(db).filter(|_| !args.no_state);
            let is_wanted = args.output.is_some() || args.data_dir.is_some() || args.db.is_some();
            must_be_new(args)?;
            let state = match db.filter(|_| is_wanted) {
                Some(db) if db.exists() || args.db.is_some() => {
                    let data_dir = broker::data_path(&config)?;
                    Some(import_state(&db, &data_dir, replace(args))?)
                }
                Some(db) => Some(format!(
                    "{}: not there, so there is no state to read",
                    db.display()
                )),
                None => None,
            };
            let written = write(args, &imported)?;
            if let Err(error) = config.check() {
                // It is right, but not for this machine as it is now.
                let _ = writeln!(io::stderr(), "mqtt: it cannot be started yet: {error}");
            }
            [state, written]
                .into_iter()
                .flatten()
                .reduce(|state, written| format!("{state}\n{written}"))
        }
    };
    if let Some(said) = said {
        let _ = writeln!(io::stderr(), "{said}");
    }
    Ok(ExitCode::SUCCESS)
}

/// `mqtt import mosquitto.db --data-dir DIR`.
fn state_alone(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let Some(data_dir) = &args.data_dir else {
        return Err(Failure::usage(
            "name the data directory with --data-dir DIR",
        ));
    };
    if args.output.is_some() {
        return Err(Failure::usage("a mosquitto.db has no configuration for -o"));
    }
    let said = import_state(&args.file, data_dir, replace(args))?;
    let _ = writeln!(io::stderr(), "{said}");
    Ok(ExitCode::SUCCESS)
}

const fn replace(args: &ImportArgs) -> Replace {
    match args.force {
        true => Replace::Always,
        false => Replace::Never,
    }
}

fn kind_by_name(args: &ImportArgs) -> Option<ImportKind> {
    let name = args.file.file_name()?.to_string_lossy().to_lowercase();
    args.from.or(match &*name {
        name if has_kind(name, "db") => Some(ImportKind::MosquittoDb),
        name if name.contains("emqx") || has_kind(name, "hocon") => Some(ImportKind::Emqx),
        name if name.contains("mosquitto") => Some(ImportKind::Mosquitto),
        _ => None,
    })
}

fn has_kind(name: &str, kind: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|found| found == kind)
}

/// A directive of Mosquitto has a blank behind its name; a key of EMQX has `=`, `:` or `{`.
fn kind_by_text(text: &str) -> ImportKind {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(['#', '/']));
    match first.is_some_and(|line| line.contains(['=', '{'])) {
        true => ImportKind::Emqx,
        false => ImportKind::Mosquitto,
    }
}

fn must_be_new(args: &ImportArgs) -> Result<(), Failure> {
    match &args.output {
        Some(file) if !args.force && file.exists() => Err(Failure::run_time(format_args!(
            "{} is there already: --force replaces it; nothing was written",
            file.display()
        ))),
        _ => Ok(()),
    }
}

/// The configuration, to the file or to standard output; what was done, in words.
fn write(args: &ImportArgs, imported: &Imported) -> Result<Option<String>, Failure> {
    must_be_new(args)?;
    let Some(file) = &args.output else {
        // A reader that went away is no failure of ours.
        let _ = io::stdout().write_all(imported.toml.as_bytes());
        return Ok(None);
    };
    let name = file.display();
    let written = fs::write(file, &imported.toml);
    written.map_err(|error| Failure::run_time(format_args!("{name}: {error}")))?;
    Ok(Some(format!(
        "{name}: written; start with: mqtt broker --config {name}"
    )))
}
