//! `mqtt sim`.

use std::path::PathBuf;

use mqtt_broker::config::Duration;

use super::connection::ConnectionArgs;

/// Flags of `mqtt sim`.
#[derive(clap::Args)]
pub(crate) struct SimArgs {
    /// The scenario, a TOML file
    #[arg(value_name = "FILE", required_unless_present_any = ["example", "list"])]
    pub(crate) file: Option<PathBuf>,
    /// A scenario that comes with this program
    #[arg(long, value_name = "NAME", conflicts_with = "file", value_parser = example)]
    pub(crate) example: Option<mqtt_sim::Shipped>,
    /// Print the names of the scenarios that come with this program
    #[arg(long)]
    pub(crate) list: bool,
    /// Print the text of the scenario, to begin one's own with
    #[arg(long)]
    pub(crate) show: bool,
    /// Print what would be published as lines of JSON, and connect to nobody
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// End after this time of the devices [default: never; with --dry-run 10s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) duration: Option<Duration>,
    /// Let the time of the devices go so many times as fast
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, value_parser = speed)]
    pub(crate) speed: f64,
    /// Let everything that is by chance be the same as with this number before
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Where to connect.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

fn example(name: &str) -> Result<mqtt_sim::Shipped, String> {
    let shipped = mqtt_sim::shipped();
    let found = shipped.iter().find(|shipped| shipped.name == name);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = shipped.iter().map(|shipped| shipped.name).collect();
        format!("there are {}", names.join(", "))
    })
}

fn time(text: &str) -> Result<Duration, String> {
    Duration::parse(text).ok_or_else(|| "a time such as 500ms, 60s or 10m".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok();
    let speed = speed.filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
    speed.ok_or_else(|| "a number above 0".to_owned())
}
