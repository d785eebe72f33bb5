//! `mqtt passwd`: the letters are `mosquitto_passwd`'s.

use std::path::PathBuf;

/// Users and passwords in a file.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mqtt passwd -c users alice              a new file with one user; asks for the password
  mqtt passwd -b users bob secret         adds bob, or changes his password
  echo secret | mqtt passwd users carol   the password from standard input
  mqtt passwd -D users bob                takes bob out
  mqtt passwd -U users                    hashes passwords that stand there in plain text
  mqtt passwd --list users                prints the user names")]
pub(crate) struct PasswdArgs {
    /// Begin a new file; an old one of that name is replaced
    #[arg(short = 'c', conflicts_with_all = ["delete", "upgrade", "list"])]
    pub(crate) create: bool,
    /// Take the password from the command line, where others on this machine can see it
    #[arg(short = 'b', requires = "password", conflicts_with_all = ["delete", "upgrade", "list"])]
    pub(crate) batch: bool,
    /// Take the user out
    #[arg(short = 'D', conflicts_with_all = ["upgrade", "list"])]
    pub(crate) delete: bool,
    /// Hash all passwords that stand in the file in plain text
    #[arg(short = 'U', conflicts_with_all = ["list", "username"])]
    pub(crate) upgrade: bool,
    /// Print the user names
    #[arg(long, conflicts_with = "username")]
    pub(crate) list: bool,
    /// How passwords are hashed; mosquitto reads the second from 2.0 on [default: argon2id]
    #[arg(short = 'H', long = "hash", value_enum)]
    pub(crate) hash: Option<HashArg>,
    /// The password file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The user
    #[arg(value_name = "USER", required_unless_present_any = ["upgrade", "list"])]
    pub(crate) username: Option<String>,
    /// The password, with -b
    #[arg(value_name = "PASSWORD", requires = "batch")]
    pub(crate) password: Option<String>,
}

impl PasswdArgs {
    /// What is not said is as `mosquitto_passwd` has it: a hash that Mosquitto reads from 2.0 on.
    pub(crate) fn as_mosquitto(&mut self) {
        self.hash.get_or_insert(HashArg::Sha512Pbkdf2);
    }
}

/// How passwords are hashed.
#[derive(Clone, Copy, Default, clap::ValueEnum)]
pub(crate) enum HashArg {
    /// Slow and large on purpose: best against somebody who has the file
    #[default]
    Argon2id,
    /// PBKDF2 with SHA-512, 210,000 rounds
    #[value(alias = "pbkdf2-sha512")]
    Sha512Pbkdf2,
}
