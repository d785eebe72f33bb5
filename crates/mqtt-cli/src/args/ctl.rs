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
    /// Who may not connect
    Bans {
        /// What to do.
        #[command(subcommand)]
        command: BansCommand,
    },
    /// Users of the built-in database
    Users {
        /// What to do.
        #[command(subcommand)]
        command: UsersCommand,
    },
    /// What clients were refused for want of a right, and what decided
    Refusals {
        /// The reference a client was told: `not authorized (ref 8f3a21)` [default: lists the last ones]
        #[arg(value_name = "REF")]
        reference: Option<String>,
        /// Only those of this client
        #[arg(long, value_name = "CLIENTID", conflicts_with = "reference")]
        client_id: Option<String>,
        /// The last N
        #[arg(
            long,
            value_name = "N",
            default_value_t = 20,
            conflicts_with = "reference"
        )]
        limit: usize,
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

/// Whom a ban is about.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct BannedArgs {
    /// The client with this Client Identifier
    #[arg(long, value_name = "CLIENTID")]
    pub(crate) client_id: Option<String>,
    /// Every client of this user
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Everybody at this address, or at an address of this network, as in 10.0.0.0/8
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
}

/// What `mqtt ctl bans` does.
#[derive(clap::Subcommand)]
pub(crate) enum BansCommand {
    /// List the bans in force
    List,
    /// Let somebody in no more, and end the connections it has
    Add {
        /// Whom.
        #[command(flatten)]
        who: BannedArgs,
        /// For so long, as in 30s, 5m, 2h or 1d [default: for ever]
        #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
        seconds: Option<u64>,
        /// Why, for those who list the bans
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Take a ban away
    Remove {
        /// Whose.
        #[command(flatten)]
        who: BannedArgs,
    },
}

/// What `mqtt ctl users` does; passwords are asked for, or read from the first line of standard input.
#[derive(clap::Subcommand)]
pub(crate) enum UsersCommand {
    /// List the users
    List,
    /// Add one
    Add {
        /// Its name
        #[arg(value_name = "NAME")]
        username: String,
        /// Let it do everything
        #[arg(long)]
        superuser: bool,
    },
    /// Give one another password; its clients are disconnected
    Passwd {
        /// Its name
        #[arg(value_name = "NAME")]
        username: String,
    },
    /// Take one out; its clients are disconnected
    Delete {
        /// Its name
        #[arg(value_name = "NAME")]
        username: String,
    },
}

fn seconds(text: &str) -> Result<u64, String> {
    let time = mqtt_broker::config::Duration::parse(text);
    let time = time.ok_or_else(|| "say 30s, 5m, 2h or 1d".to_owned())?;
    Ok(time.get().as_secs())
}
