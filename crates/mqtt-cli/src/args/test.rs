//! `mqtt test`.

use mqtt_broker::config::Duration;

use super::connection::ConnectionArgs;

/// Flags of `mqtt test`.
#[derive(clap::Args)]
pub(crate) struct TestArgs {
    /// Print an object of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The longest payload that is tried, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = clap::value_parser!(u32).range(1..=268_000_000))]
    pub(crate) payload_max: u32,
    /// How long each answer may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub(crate) patience: Duration,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

fn time(text: &str) -> Result<Duration, String> {
    Duration::parse(text).ok_or_else(|| "a time such as 500ms or 5s".to_owned())
}
