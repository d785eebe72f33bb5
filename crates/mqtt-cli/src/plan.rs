//! `mqtt broker plan`: what another configuration would change.

use std::{
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
};

use mqtt_admin::{ChangeEntry, ReloadEntry};

use crate::{args::PlanArgs, broker::from_file, exit::Failure};

/// Runs the command.
pub(crate) fn run(args: &PlanArgs) -> Result<ExitCode, Failure> {
    match &args.config {
        Some(file) => {
            let (old, new) = (from_file(Some(file))?, from_file(Some(&args.file))?);
            new.check().map_err(Failure::usage)?;
            let report = ReloadEntry::of_changes(&old.changes(&new));
            let text = match args.json {
                true => serde_json::to_string(&report).map_err(Failure::run_time)? + "\n",
                false => report_text(&report),
            };
            // A reader that went away is no failure of ours.
            let _ = io::stdout().write_all(text.as_bytes());
        }
        None => of_running(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the broker that runs.
#[cfg(unix)]
fn of_running(args: &PlanArgs) -> Result<(), Failure> {
    use crate::{broker::data_path, ctl::Ctl};
    // What is wrong with the file is told whether a broker runs or not.
    let mut new = from_file(Some(&args.file))?;
    if args.data_dir.is_some() {
        new.node.data_dir.clone_from(&args.data_dir);
    }
    let socket = data_path(&new)?.join(mqtt_admin::SOCKET_FILE);
    let ctl = Ctl::connect(&socket, args.json);
    let mut ctl = ctl.map_err(|failure| {
        failure.with_hint("name another configuration to compare with by --config FILE")
    })?;
    ctl.plan(&args.file)
}

/// There is no way to ask it here.
#[cfg(not(unix))]
fn of_running(_args: &PlanArgs) -> Result<(), Failure> {
    Err(Failure::usage(
        "name the configuration to compare with by --config FILE",
    ))
}

/// The changes for people, by what they take.
pub(crate) fn report_text(report: &ReloadEntry) -> String {
    let mut text = String::new();
    if report.live.is_empty() && report.needs_restart.is_empty() {
        text.push_str("nothing changes\n");
    }
    let all = || report.live.iter().chain(&report.needs_restart);
    for (effect, head) in [
        ("at once", "at once:"),
        ("new connections", "for new connections:"),
        ("restart", "after a restart:"),
    ] {
        let mut changes = all().filter(|change| change.effect == effect).peekable();
        if changes.peek().is_some() {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{head}");
        }
        for change in changes {
            let ChangeEntry { key, old, new, .. } = change;
            let (old, new) = (shown(old.as_deref()), shown(new.as_deref()));
            let _ = writeln!(text, "  {key}: {old} -> {new}");
        }
    }
    for failed in &report.failed {
        let _ = writeln!(text, "not taken over: {failed}");
    }
    for (count, what) in [
        (report.clients_disconnected, "clients disconnected"),
        (report.subscriptions_removed, "subscriptions removed"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{what}, which have no right any more: {count}");
        }
    }
    text
}

fn shown(value: Option<&str>) -> &str {
    match value {
        None => "none",
        Some("") => "unset",
        Some(value) => value,
    }
}
