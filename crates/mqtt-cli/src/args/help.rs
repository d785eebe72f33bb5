//! `mqtt help` and `mqtt completions`.

use clap_complete::Shell;

/// Help on a command, or on what commands are about.
#[derive(clap::Args)]
pub(crate) struct HelpArgs {
    /// A command, such as `sub` or `ctl clients`, or a page; without it, what there is
    #[arg(value_name = "NAME")]
    pub(crate) topic: Vec<String>,
    /// Print all of it for the documentation
    #[arg(long, hide = true, conflicts_with = "topic")]
    pub(crate) markdown: bool,
}

/// A script for a shell.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mqtt completions bash > ~/.local/share/bash-completion/completions/mqtt
  mqtt completions zsh > \"${fpath[1]}/_mqtt\"
  mqtt completions fish > ~/.config/fish/completions/mqtt.fish
  mqtt completions powershell | Out-String | Invoke-Expression")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: Shell,
}
