//! `mqtt certs`.

use std::path::PathBuf;

/// Certificates to develop with.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mqtt certs make                                   an authority and a certificate for localhost, in certs/
  mqtt certs make --host broker.lan --client meter-7
  mqtt certs make --client meter-8                  later: one more client of the same authority
  mqtt certs show certs/server.pem                  whose it is, what for and until when")]
pub(crate) struct CertsArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: CertsCommand,
}

/// What is to be done with certificates.
#[derive(clap::Subcommand)]
pub(crate) enum CertsCommand {
    /// Make an authority if there is none yet, the broker's certificate, and clients'
    Make(MakeArgs),
    /// Print what the first certificate of a file says
    Show {
        /// A certificate in PEM
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// What is to be made.
#[derive(clap::Args)]
pub(crate) struct MakeArgs {
    /// Where the files are; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub(crate) dir: PathBuf,
    /// A name or address clients reach the broker by, besides localhost, 127.0.0.1 and ::1; may be repeated
    #[arg(long = "host", value_name = "NAME|IP")]
    pub(crate) hosts: Vec<String>,
    /// A client to make a certificate for; may be repeated
    #[arg(long = "client", value_name = "NAME")]
    pub(crate) clients: Vec<String>,
    /// How long certificates are good; the authority is for ten years
    #[arg(long, value_name = "N", default_value_t = 825, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) days: u32,
    /// Replace certificates that are there; the authority stays
    #[arg(long)]
    pub(crate) force: bool,
}
