//! `mqtt broker plan`: what another configuration would change.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
};

use mqtt_admin::{ChangeEntry, ForecastEntry, LoserEntry, ReloadEntry};

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
    let lost = "which have no right any more";
    for (count, what, why) in [
        (
            report.listener_closed,
            "clients disconnected",
            "whose listener is gone",
        ),
        (report.clients_disconnected, "clients disconnected", lost),
        (report.subscriptions_removed, "subscriptions removed", lost),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{what}, {why}: {count}");
        }
    }
    if let Some(forecast) = &report.forecast {
        forecast_text(&mut text, forecast);
    }
    text
}

/// Who would lose what, a line for each loss.
fn forecast_text(text: &mut String, forecast: &ForecastEntry) {
    let (ended, kept): (Vec<_>, Vec<_>) = forecast
        .clients
        .iter()
        .partition(|client| client.disconnected);
    for (head, clients) in [
        ("clients that would be disconnected:", ended),
        ("clients that would stay and lose something:", kept),
    ] {
        if !clients.is_empty() {
            let _ = writeln!(text, "{head}");
        }
        for client in clients {
            loser_text(text, client);
        }
    }
    if forecast.more > 0 {
        let _ = writeln!(text, "and more clients, not shown: {}", forecast.more);
    }
    for (count, what) in [
        (
            forecast.away,
            "clients that are away and would lose something",
        ),
        (
            forecast.unknown,
            "sessions whose client has not come back since the start, which nobody can be asked about",
        ),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{what}: {count}");
        }
    }
    if forecast.cut_short {
        let sessions = forecast.sessions;
        let _ = writeln!(
            text,
            "services took too long, no more than {sessions} sessions were asked about"
        );
    } else if forecast.clients.is_empty() && forecast.away == 0 {
        text.push_str("no client would lose anything\n");
    }
}

fn loser_text(text: &mut String, client: &LoserEntry) {
    let user = match &client.username {
        Some(username) => format!("user {}", harmless(username)),
        None => "no user name".to_owned(),
    };
    let (client_id, peer) = (harmless(&client.client_id), &client.peer);
    let _ = writeln!(text, "  {client_id} ({user}, {peer}):");
    for loss in &client.losses {
        let topic = loss.topic.as_ref();
        let topic = topic.map_or_else(String::new, |topic| format!(" {}", harmless(topic)));
        let _ = writeln!(text, "    {}{topic}: {}", loss.what, loss.why);
    }
    if client.more > 0 {
        let _ = writeln!(text, "    and more: {}", client.more);
    }
}

/// What would move the cursor or worse is shown as it is written in a string.
fn harmless(name: &str) -> Cow<'_, str> {
    match name.contains(char::is_control) {
        true => name.escape_debug().to_string().into(),
        false => name.into(),
    }
}

fn shown(value: Option<&str>) -> &str {
    match value {
        None => "none",
        Some("") => "unset",
        Some(value) => value,
    }
}
