//! `mqtt access`.

use std::{net::IpAddr, path::PathBuf};

/// Who may do what.
#[derive(clap::Args)]
pub(crate) struct AccessArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: AccessCommand,
}

/// What can be asked.
#[derive(clap::Subcommand)]
pub(crate) enum AccessCommand {
    /// Say whether a client comes in and may publish or subscribe, and which authenticator or rule decides
    #[command(after_help = "\
Examples:
  mqtt access explain --config broker.toml --client c1 --user alice --publish home/door --qos 1
  mqtt access explain --config broker.toml --client c1 --user alice --password-stdin --publish x < secret
  mqtt access explain --config broker.toml --client c1 --subscribe '#' --address 10.0.0.7
  mqtt access explain --config broker.toml --client c1 --cert client.pem --receive home/door

Exit codes: 0 it is allowed, 3 it is denied, 2 the arguments or the configuration are wrong, 1 anything else")]
    Explain(ExplainArgs),
}

/// Who asks, and for what.
#[derive(clap::Args)]
pub(crate) struct ExplainArgs {
    /// The configuration [default: the defaults]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The client identifier
    #[arg(long, value_name = "ID")]
    pub(crate) client: String,
    /// The user name; without it, a client that has none
    #[arg(long, value_name = "NAME", visible_alias = "username")]
    pub(crate) user: Option<String>,
    /// Take its password from the first line of standard input; without it, who has a name is taken for let in
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// May it publish to this topic?
    #[arg(
        long,
        value_name = "TOPIC",
        required_unless_present_any = ["subscribe", "receive"],
        conflicts_with_all = ["subscribe", "receive"]
    )]
    pub(crate) publish: Option<String>,
    /// May it subscribe to this filter?
    #[arg(long, value_name = "FILTER", conflicts_with = "receive")]
    pub(crate) subscribe: Option<String>,
    /// Would it get a message to this topic, once it is subscribed?
    #[arg(long, value_name = "TOPIC")]
    pub(crate) receive: Option<String>,
    /// At which QoS
    #[arg(
        long,
        value_name = "QOS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u8).range(0..=2)
    )]
    pub(crate) qos: u8,
    /// The message is to be retained
    #[arg(long, requires = "publish")]
    pub(crate) retain: bool,
    /// Where it comes from; rules that name addresses are about nobody without it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<IpAddr>,
    /// The listener it comes through, such as `tcp:default`; without it every authenticator is asked
    #[arg(long, value_name = "NAME")]
    pub(crate) listener: Option<String>,
    /// What authentication knows of it, again for each
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute)]
    pub(crate) attributes: Vec<(String, String)>,
    /// The common name of its certificate
    #[arg(long, value_name = "NAME", conflicts_with = "cert")]
    pub(crate) cert_common_name: Option<String>,
    /// Its certificate, PEM or DER
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// Where the users of the built-in database are [default: the file's, else as `mqtt broker` has it]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn attribute(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("there is no `=` in it")?;
    Ok((name.to_owned(), value.to_owned()))
}
