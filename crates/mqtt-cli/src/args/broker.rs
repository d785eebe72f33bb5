//! `mqtt broker`.

use std::path::PathBuf;

use mqtt_broker::config::Bind;

use crate::log::LogFilter;

/// Flags of `mqtt broker`; each overrides the file and the environment.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BrokerArgs {
    /// What to do instead of running a broker.
    #[command(subcommand)]
    pub(crate) command: Option<BrokerCommand>,
    /// Read the configuration from this TOML file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen here instead of on the default or the file's listeners; may be repeated
    ///
    /// HOST is an IP address (IPv6 in brackets) or `localhost`; port 0 picks a free port; a bare
    /// port listens on all addresses.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Vec<Bind>,
    /// Keep the broker's data in this directory [default: `mqtt` in the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Serve connections with up to this many threads, which share the work when one is full
    /// [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) lanes: Option<u16>,
    /// Log error, warn, info, debug or trace, or by a filter such as `mqtt_broker=debug`
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log: Option<LogFilter>,
    /// Let in who has a user name and password in this file, see `mqtt passwd`; nobody else
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Let anyone connect who can reach the broker, without a user name
    #[arg(long)]
    pub(crate) allow_anonymous: bool,
}

/// What `mqtt broker` does besides running one.
#[derive(clap::Subcommand)]
pub(crate) enum BrokerCommand {
    /// Say whether a configuration would be taken, with the environment over it; start nothing
    Check {
        /// The TOML file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Say what another configuration would change, of the broker that runs or of another file; change nothing
    Plan(PlanArgs),
}

/// Flags of `mqtt broker plan`.
#[derive(clap::Args)]
pub(crate) struct PlanArgs {
    /// The other configuration, a TOML file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Compare with this file instead of with the broker that runs
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data directory of the broker that runs [default: that of the other configuration]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
