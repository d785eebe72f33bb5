//! `mqtt import`, and what `mosquitto` understands.

use std::path::PathBuf;

/// Configuration and state of another broker.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mqtt import mosquitto.conf                  what it would be here, on standard output
  mqtt import mosquitto.conf -o broker.toml   the same into a file, and mosquitto.db into the data directory
  mqtt import emqx.conf -o broker.toml        EMQX's configuration
  mqtt import mosquitto.db --data-dir data    sessions and messages alone
Stop the other broker first: what it has in memory it writes when it stops.")]
pub(crate) struct ImportArgs {
    /// A mosquitto.conf, an emqx.conf, or a mosquitto.db
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Write the configuration here, and read the state [default: standard output, and no state]
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The data directory the state goes to [default: `mqtt` in `persistence_location`]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The mosquitto.db to read [default: the one the configuration names]
    #[arg(long, value_name = "FILE", conflicts_with = "no_state")]
    pub(crate) db: Option<PathBuf>,
    /// Do not read the state
    #[arg(long)]
    pub(crate) no_state: bool,
    /// What FILE is [default: by its name, else by its first lines]
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) from: Option<ImportKind>,
    /// Replace FILE of -o, and move state that is in the data directory to `store.replaced`
    #[arg(long)]
    pub(crate) force: bool,
    /// Write the configuration without lines that must not be ignored: complete it before it is used
    #[arg(long)]
    pub(crate) partial: bool,
}

/// What a file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum ImportKind {
    /// A mosquitto.conf
    Mosquitto,
    /// A mosquitto.db
    MosquittoDb,
    /// An emqx.conf
    Emqx,
}

/// What `mosquitto` understands.
#[derive(clap::Args)]
pub(crate) struct MosquittoArgs {
    /// Run this mosquitto.conf [default: this machine only, port 1883, nothing kept]
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// Listen on this port, where the configuration opens no listener
    #[arg(short = 'p', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Log everything
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
    /// Run in the background
    #[arg(short = 'd', long)]
    pub(crate) daemon: bool,
    /// Name the lines that are not honoured, and run nothing
    #[arg(long)]
    pub(crate) test_config: bool,
}

/// `mosquitto`, as the program is called by that name.
#[derive(clap::Parser)]
#[command(
    name = "mosquitto",
    about = "A broker that runs a mosquitto.conf; it is `mqtt` under another name",
    version,
    disable_help_flag = true
)]
pub(crate) struct MosquittoCli {
    /// All of it.
    #[command(flatten)]
    pub(crate) args: MosquittoArgs,
    /// Print help
    #[arg(short = 'h', long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}
