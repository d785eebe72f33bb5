//! `mqtt ctl`.

use std::path::PathBuf;

/// Which broker, and what is to be done.
#[derive(clap::Args)]
pub(crate) struct CtlArgs {
    /// The data directory of the broker [default: `mqtt` in the user's state directory]
    #[arg(long, value_name = "DIR", global = true, conflicts_with = "socket")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The broker's socket, if it is not in the data directory
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) socket: Option<PathBuf>,
    /// Print JSON, an object on each line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: CtlCommand,
}

/// What can be asked of a running broker.
#[derive(clap::Subcommand)]
pub(crate) enum CtlCommand {
    /// What runs
    Status,
    /// Sessions and their clients
    Clients {
        /// What to do.
        #[command(subcommand)]
        command: ClientsCommand,
    },
    /// Subscriptions of one client, or of all
    Subscriptions {
        /// The client
        #[arg(value_name = "CLIENTID")]
        client_id: Option<String>,
    },
    /// Read the configuration again and take over what needs no restart, as SIGHUP does
    Reload,
    /// Say what another configuration would change; change nothing
    Plan {
        /// The other configuration, a TOML file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// What the broker has counted, and what it holds
    Counters,
    /// The same in the text form of Prometheus
    Metrics,
    /// How much is logged, or log so much from now on
    LogLevel {
        /// error, warn, info, debug, trace, or a filter such as mqtt_broker=debug
        #[arg(value_name = "LEVEL")]
        level: Option<String>,
    },
}

/// What `mqtt ctl clients` does.
#[derive(clap::Subcommand)]
pub(crate) enum ClientsCommand {
    /// List sessions, the oldest first
    List {
        /// Only those whose Client Identifier has this in it
        #[arg(long, value_name = "PART")]
        like: Option<String>,
        /// Only those of this user
        #[arg(long, value_name = "NAME")]
        username: Option<String>,
        /// Only those that are connected
        #[arg(long, conflicts_with = "disconnected")]
        connected: bool,
        /// Only those that are not
        #[arg(long)]
        disconnected: bool,
        /// So many at most [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Show one
    Show {
        /// Its Client Identifier
        #[arg(value_name = "CLIENTID")]
        client_id: String,
    },
    /// End the connection of one; it may connect again
    Kick {
        /// Its Client Identifier
        #[arg(value_name = "CLIENTID")]
        client_id: String,
    },
}
