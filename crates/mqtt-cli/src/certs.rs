//! `mqtt certs`: makes certificates to develop with, and looks at some.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::SystemTime,
};

use mqtt_certs::{CertificateFile, CertificateMaker, CertsError, Issued, Made};

use crate::{
    args::{CertsCommand, MakeArgs},
    exit::Failure,
};

/// Seconds in a day.
const DAY_S: u64 = 24 * 60 * 60;

/// Runs the command.
pub(crate) fn run(command: &CertsCommand) -> Result<ExitCode, Failure> {
    // A reader that went away is no failure of ours.
    let _ = match command {
        CertsCommand::Make(args) => print_made(&make(args).map_err(failure)?),
        CertsCommand::Show { file } => print(&CertificateFile::read(file).map_err(failure)?),
    };
    Ok(ExitCode::SUCCESS)
}

fn make(args: &MakeArgs) -> Result<Made, CertsError> {
    let mut maker = CertificateMaker::new(&args.dir).days(args.days);
    for host in &args.hosts {
        maker = maker.host(host)?;
    }
    for client in &args.clients {
        maker = maker.client(client)?;
    }
    if args.force {
        maker = maker.replacing();
    }
    maker.make()
}

/// What was written, and what to write next.
fn print_made(made: &Made) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let authority = made.authority.certificate.display();
    let kept = if made.is_authority_new {
        ""
    } else {
        " (as before)"
    };
    writeln!(
        out,
        "{authority}: the authority{kept}; both ends check each other by it"
    )?;
    if made.is_authority_new {
        let key = made.authority.key.display();
        writeln!(out, "{key}: its key; whoever has it can make certificates")?;
    }
    let server = made.server.as_ref().map(|server| (server, "the broker"));
    let clients = made.clients.iter().map(|client| (client, "client"));
    for (Issued { name, files }, what) in server.into_iter().chain(clients) {
        writeln!(out, "{}: {what} {name}", files.certificate.display())?;
        writeln!(out, "{}: its key", files.key.display())?;
    }
    if let Some(server) = &made.server {
        let certificate = quoted(&server.files.certificate);
        let key = quoted(&server.files.key);
        writeln!(out, "\nIn the broker's configuration file:\n")?;
        writeln!(out, "[listeners.ssl.default]\nbind = 8883\n")?;
        writeln!(out, "[listeners.ssl.default.ssl_options]")?;
        writeln!(out, "certfile = {certificate}\nkeyfile = {key}")?;
        if !made.clients.is_empty() {
            let authority = quoted(&made.authority.certificate);
            writeln!(out, "cacertfile = {authority}")?;
            writeln!(out, "verify = \"verify_peer\"\nfail_if_no_peer_cert = true")?;
        }
    }
    let host = made
        .server
        .as_ref()
        .map_or("localhost", |server| &server.name);
    let shown = made.clients.first().map(|client| {
        let files = &client.files;
        let (certificate, key) = (files.certificate.display(), files.key.display());
        format!(" --cert {certificate} --key {key}")
    });
    let shown = shown.unwrap_or_default();
    writeln!(out, "\nA client:\n")?;
    for program in ["mqtt pub", "mosquitto_pub"] {
        writeln!(
            out,
            "{program} -h {host} -p 8883 --cafile {authority}{shown} -t greeting -m hello"
        )?;
    }
    Ok(())
}

fn print(certificate: &CertificateFile) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "subject:     {}", certificate.subject())?;
    writeln!(out, "issuer:      {}", certificate.issuer())?;
    if !certificate.names().is_empty() {
        writeln!(out, "names:       {}", certificate.names().join(", "))?;
    }
    let uses = match (certificate.is_authority(), certificate.uses()) {
        (true, _) => "authority".to_owned(),
        (false, []) => "anything".to_owned(),
        (false, uses) => uses.join(", "),
    };
    writeln!(out, "for:         {uses}")?;
    let now = SystemTime::now();
    let left = match certificate.not_after().duration_since(now) {
        Ok(left) => format!("{} days left", left.as_secs() / DAY_S),
        Err(over) => format!("expired {} days ago", over.duration().as_secs() / DAY_S),
    };
    writeln!(out, "good:        {} ({left})", certificate.validity())?;
    writeln!(out, "fingerprint: sha256 {}", certificate.fingerprint())
}

/// A path as TOML has it, without escapes where it can be.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    match path.contains(['\\', '"']) {
        true if !path.contains('\'') => format!("'{path}'"),
        true => format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"")),
        false => format!("\"{path}\""),
    }
}

fn failure(error: CertsError) -> Failure {
    match error {
        CertsError::Host { .. } | CertsError::Client { .. } | CertsError::ClientTwice { .. } => {
            Failure::usage(error)
        }
        CertsError::AlreadyThere { .. } => Failure::run_time(format_args!(
            "{error}; --force replaces it, --client NAME makes another client"
        )),
        error => Failure::run_time(error),
    }
}
