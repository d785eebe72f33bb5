//! `mqtt help`: pages on commands and on what they are about.

mod page;
mod pager;

use std::{fmt::Write, process::ExitCode};

use crate::{
    args::{self, HelpArgs},
    exit::Failure,
};
use mqtt_dissect::Style;
use page::PAGES;
use pager::Screen;

/// The width of what is generated for the documentation. Unit: characters.
const MARKDOWN_WIDTH: usize = 100;

/// Runs the command.
pub(crate) fn run(args: &HelpArgs) -> Result<ExitCode, Failure> {
    if args.markdown {
        return pager::plain(&markdown()).map(|()| ExitCode::SUCCESS);
    }
    let screen = Screen::of_stdout();
    let text = match args.topic.as_slice() {
        [] => overview(&screen),
        names => page_on(names, &screen)?,
    };
    screen.show(&text).map(|()| ExitCode::SUCCESS)
}

/// Every command and every page, in a line each.
fn overview(screen: &Screen) -> String {
    let command = args::command();
    let mut text = String::from("Commands:\n");
    let line = |name: &str, about: &str| format!("  {name:<12} {about}\n");
    for command in command.get_subcommands() {
        let about = command.get_about().map(ToString::to_string);
        text.push_str(&line(command.get_name(), &about.unwrap_or_default()));
    }
    text.push_str("\nMore to read:\n");
    for page in &PAGES {
        text.push_str(&line(page.name, page.summary()));
    }
    text.push_str(
        "\n`mqtt help NAME` shows one of them, `mqtt COMMAND --help` the flags of a command.\n",
    );
    page::wrapped(&text, screen.width)
}

/// The page of this name, and the command of this name.
fn page_on(names: &[String], screen: &Screen) -> Result<String, Failure> {
    let page = match names {
        [name] => PAGES.iter().find(|page| page.name == name),
        _ => None,
    };
    let command = command_help(names, screen);
    match (page, command) {
        (None, None) => Err(Failure::usage(format_args!(
            "there is no help on `{}`; `mqtt help` lists what there is",
            names.join(" ")
        ))),
        (page, command) => {
            let mut text = page.map(|page| page.to_text(screen)).unwrap_or_default();
            if let Some(command) = command {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&command);
            }
            Ok(text)
        }
    }
}

/// What `--help` of a command prints.
fn command_help(names: &[String], screen: &Screen) -> Option<String> {
    let mut command = args::command().term_width(screen.width);
    command.build();
    let mut found = &mut command;
    for name in names {
        found = found.find_subcommand_mut(name)?;
    }
    let help = found.render_long_help();
    Some(match screen.style {
        Style::Coloured => help.ansi().to_string(),
        Style::Plain => help.to_string(),
    })
}

/// All of it for the documentation.
fn markdown() -> String {
    let screen = Screen::plain(MARKDOWN_WIDTH);
    let mut text = String::new();
    let mut command = args::command();
    command.build();
    let mut names = Vec::new();
    commands(&command, &mut names, &screen, &mut text);
    for page in &PAGES {
        text.push_str(&page.to_markdown());
    }
    text
}

/// A section for each command and those below it.
fn commands(command: &clap::Command, names: &mut Vec<String>, screen: &Screen, text: &mut String) {
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        names.push(below.get_name().to_owned());
        if let Some(help) = command_help(names, screen) {
            let title = names.join(" ");
            let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "## `mqtt {title}`\n\n```text\n{}\n```\n\n",
                lines.join("\n").trim_end()
            );
        }
        commands(below, names, screen, text);
        names.pop();
    }
}
