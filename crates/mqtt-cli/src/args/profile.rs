//! Flags that stand in a file instead of on the command line.

use std::path::PathBuf;

/// Where flags are taken from that are not said.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Profiles")]
pub(crate) struct ProfileArgs {
    /// Take flags that are not said from this file: TOML, or lines such as `-h broker.example` as mosquitto has them
    #[arg(short = 'o', long, value_name = "FILE", conflicts_with = "profile")]
    pub(crate) options: Option<PathBuf>,
    /// Take them from the profile of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Keep what is said of the connection as the profile of this name, without passwords
    #[arg(long, value_name = "NAME")]
    pub(crate) save_profile: Option<String>,
    /// Keep passwords in it, too
    #[arg(long, requires = "save_profile")]
    pub(crate) save_password: bool,
}
