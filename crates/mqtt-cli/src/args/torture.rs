//! `mqtt torture`.

use std::{net::SocketAddr, path::PathBuf};

use mqtt_broker::config::Duration;

/// Flags of `mqtt torture`.
#[derive(clap::Args)]
pub(crate) struct TortureArgs {
    /// Kill the broker with SIGKILL, at random moments
    #[arg(long, required = true)]
    pub(crate) kill9: bool,
    /// Go on for so long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub(crate) duration: Duration,
    /// Kill so often at most
    #[arg(long, value_name = "COUNT", default_value_t = u32::MAX, hide_default_value = true)]
    pub(crate) kills: u32,
    /// Let the broker live for so long after it is ready, at most
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = time)]
    pub(crate) life: Duration,
    /// Where the broker listens [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where the broker keeps its data; must be empty [default: a directory of its own, removed when all is well]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Run the broker with this configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Repeat what is random
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
}

fn time(text: &str) -> Result<Duration, String> {
    Duration::parse(text).ok_or_else(|| "a time such as 500ms, 60s or 10m".to_owned())
}
