//! `mqtt store`.

use std::path::PathBuf;

/// What is to be done with a store.
#[derive(clap::Args)]
pub(crate) struct StoreArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

/// DIR is the broker's data directory.
#[derive(clap::Subcommand)]
pub(crate) enum StoreCommand {
    /// Read everything and say what is damaged; change nothing
    Check {
        /// The data directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Copy what is whole to another directory, and say what is not
    Salvage {
        /// The data directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The new data directory [default: DIR with `.salvaged` behind its name]
        #[arg(value_name = "OUT")]
        out: Option<PathBuf>,
    },
    /// Print everything, a JSON object on each line
    Dump {
        /// The data directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// As JSON; required
        #[arg(long, required = true)]
        json: bool,
    },
}
