//! `mqtt torture`: starts the library with a broker of this program as its victim, and prints what it found.

use std::{
    ffi::OsString,
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
};

use mqtt_torture::{Report, Torture};

use crate::{args::TortureArgs, exit::Failure};

/// Runs the command.
pub(crate) fn run(args: &TortureArgs) -> Result<ExitCode, Failure> {
    let seed = args.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    let addr = match args.listen {
        Some(addr) => addr,
        None => free_port().map_err(Failure::run_time)?,
    };
    let data_dir = match &args.data_dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("mqtt-torture-{}-{seed:x}", std::process::id())),
    };
    is_empty(&data_dir)?;
    let torture = Torture {
        program: std::env::current_exe().map_err(Failure::run_time)?,
        args: broker_args(args, addr, &data_dir),
        addr,
        duration: args.duration.get(),
        kills_max: args.kills,
        life_max: args.life.get(),
        seed,
    };
    let report = torture.run().map_err(Failure::run_time)?;
    // A reader that went away is no failure of ours.
    let _ = print(&report, seed);
    if report.violations > 0 {
        return Err(Failure::run_time(format_args!(
            "the broker broke {} promises; its data is in {}",
            report.violations,
            data_dir.display()
        )));
    }
    if args.data_dir.is_none() {
        let _ = std::fs::remove_dir_all(&data_dir);
    }
    Ok(ExitCode::SUCCESS)
}

/// What an earlier run has left would be found again, and taken for a mistake.
fn is_empty(dir: &Path) -> Result<(), Failure> {
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(false) => Err(Failure::usage(format_args!(
            "{} is not empty",
            dir.display()
        ))),
        Ok(true) | Err(_) => Ok(()),
    }
}

fn broker_args(args: &TortureArgs, addr: SocketAddr, data_dir: &Path) -> Vec<OsString> {
    let mut all: Vec<OsString> = ["broker", "--log", "error", "--listen"]
        .map(Into::into)
        .into();
    all.push(addr.to_string().into());
    all.extend([
        "--data-dir".into(),
        PathBuf::from(data_dir).into_os_string(),
    ]);
    if let Some(config) = &args.config {
        all.extend(["--config".into(), config.clone().into_os_string()]);
    }
    all
}

/// A port nobody uses at this moment.
fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn print(report: &Report, seed: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let [qos_1, qos_2] = report.acknowledged;
    writeln!(out, "kills: {}", report.kills)?;
    writeln!(out, "acknowledged at QoS 1: {qos_1}, at QoS 2: {qos_2}")?;
    writeln!(
        out,
        "received: {}, QoS 1 repeats: {} (allowed)",
        report.received, report.repeats
    )?;
    writeln!(
        out,
        "retained messages acknowledged: {}, sessions found again: {}",
        report.retained, report.resumed
    )?;
    for violation in &report.first {
        writeln!(out, "broken: {violation}")?;
    }
    writeln!(out, "broken promises: {} (seed {seed})", report.violations)?;
    out.flush()
}
