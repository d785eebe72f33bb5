//! `mosquitto`: runs a `mosquitto.conf`.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use mqtt_broker::{Config, DataDir};
use mqtt_import::{DbLimits, MosquittoConf, MosquittoOptions, Remark, Replace};

use crate::{
    args::MosquittoArgs,
    broker::{self, ConfigSource},
    exit::Failure,
    surroundings::ThisMachine,
};

/// Runs the command.
pub(crate) fn run(args: &MosquittoArgs) -> Result<ExitCode, Failure> {
    let source = MosquittoSource {
        file: args.config_file.clone(),
        options: MosquittoOptions {
            port: args.port,
            verbose: args.verbose,
            data_dir: None,
        },
    };
    let conf = source.conf()?;
    tell(&conf.imported.remarks);
    let config = source.checked(&conf)?;
    if args.test_config {
        let _ = writeln!(io::stdout(), "the configuration is valid");
        return Ok(ExitCode::SUCCESS);
    }
    if args.daemon {
        return start_in_background(args);
    }
    take_state_over(&config, conf.db.as_deref().map(Path::new))?;
    let _pid_file = conf.pid_file.map(PidFile::write).transpose()?;
    broker::run_with(Box::new(source), config, None, broker::cores())
}

/// Directives that are no part of a configuration, and that this command honours.
const HONOURED: [&str; 2] = ["pid_file", "persistence_file"];

/// A `mosquitto.conf`, and what was said besides it.
struct MosquittoSource {
    file: Option<PathBuf>,
    options: MosquittoOptions,
}

impl MosquittoSource {
    fn conf(&self) -> Result<MosquittoConf, Failure> {
        let (name, text) = match &self.file {
            None => ("mosquitto".to_owned(), String::new()),
            Some(file) => {
                let name = file.display().to_string();
                let text = fs::read_to_string(file);
                let text = text.map_err(|error| Failure::usage(format_args!("{name}: {error}")))?;
                (name, text)
            }
        };
        let (options, machine) = (&self.options, &ThisMachine);
        let mut conf = mqtt_import::mosquitto_conf(&name, &text, options, machine);
        // These have no key, but are honoured here.
        let is_honoured = |remark: &Remark| HONOURED.contains(&remark.directive.as_str());
        conf.imported.remarks.retain(|remark| !is_honoured(remark));
        Ok(conf)
    }

    /// What is to be run of it, if it is to be run.
    fn checked(&self, conf: &MosquittoConf) -> Result<Config, Failure> {
        let refused = conf.imported.refused().count();
        if refused > 0 {
            return Err(Failure::usage(format_args!(
                "{refused} of the lines of mosquitto.conf must not be ignored, so it is not run"
            )));
        }
        self.read(
            &conf.imported.toml,
            "the configuration made of mosquitto.conf",
        )
    }
}

impl ConfigSource for MosquittoSource {
    fn load(&self) -> Result<Config, Failure> {
        let conf = self.conf()?;
        for remark in &conf.imported.remarks {
            tracing::warn!("{remark}");
        }
        self.checked(&conf)
    }

    fn read(&self, text: &str, origin: &str) -> Result<Config, Failure> {
        let mut config = Config::from_toml(text, origin).map_err(Failure::usage)?;
        config.node.data_dir = Some(broker::data_path(&config)?);
        config.check().map_err(Failure::usage)?;
        Ok(config)
    }
}

/// Each remark on a line of its own.
pub(crate) fn tell(remarks: &[Remark]) {
    let mut out = io::stderr().lock();
    for remark in remarks {
        // With stderr closed nobody is left to tell.
        let _ = writeln!(out, "mqtt: {remark}");
    }
}

/// The first start after a Mosquitto begins with what that has kept.
fn take_state_over(config: &Config, db: Option<&Path>) -> Result<(), Failure> {
    let Some(db) = db.filter(|db| config.keeps_state() && db.exists()) else {
        return Ok(());
    };
    let data_dir = broker::data_path(config)?;
    if data_dir.join("store").exists() {
        return Ok(());
    }
    let said = import_state(db, &data_dir, Replace::Never)?;
    let _ = writeln!(io::stdout(), "{said}");
    Ok(())
}

/// Reads a `mosquitto.db` into a data directory; what there was, in words.
pub(crate) fn import_state(
    db: &Path,
    data_dir: &Path,
    replace: Replace,
) -> Result<String, Failure> {
    let name = db.display();
    let file = File::open(db);
    let file = file.map_err(|error| Failure::run_time(format_args!("{name}: {error}")))?;
    let data_dir = DataDir::open(data_dir).map_err(Failure::run_time)?;
    let limits = DbLimits::default();
    let report = mqtt_import::import_db(file, data_dir.path(), replace, &limits);
    let report = report.map_err(|error| {
        let hint = match &error {
            mqtt_import::ImportError::NotEmpty { .. } => ": --force replaces it",
            _ => "",
        };
        Failure::run_time(format_args!("{name}: {error}{hint}; nothing was imported"))
    })?;
    Ok(format!("{name}: {report}"))
}

/// The same without `-d`, in a process of its own; ends when that is ready, or has failed.
fn start_in_background(args: &MosquittoArgs) -> Result<ExitCode, Failure> {
    let failed = |error| Failure::run_time(format_args!("cannot start in the background: {error}"));
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg("mosquitto");
    if let Some(file) = &args.config_file {
        command.arg("-c").arg(file);
    }
    if let Some(port) = args.port {
        command.args(["-p", &port.to_string()]);
    }
    if args.verbose {
        command.arg("-v");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    // Signals for the terminal's foreground are not for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(failed)?;
    let out = child.stdout.take().map(BufReader::new);
    for line in out
        .into_iter()
        .flat_map(BufRead::lines)
        .map_while(Result::ok)
    {
        if line == "ready" {
            return Ok(ExitCode::SUCCESS);
        }
    }
    // It has said why on stderr, which is ours.
    let code = child.wait().map_err(failed)?.code();
    let code = code.and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(crate::exit::RUN_TIME)))
}

/// A file with the number of this process, removed with it.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: String) -> Result<Self, Failure> {
        let written = fs::write(&path, format!("{}\n", std::process::id()));
        written.map_err(|error| Failure::run_time(format_args!("{path}: {error}")))?;
        Ok(Self(path.into()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
