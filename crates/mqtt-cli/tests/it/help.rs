//! `mqtt help` and `mqtt completions`.

use crate::process::run;

#[test]
fn everything_there_is_to_read_is_listed_and_can_be_read() {
    let overview = run(["help"]);
    assert_eq!((overview.code, overview.stderr.as_str()), (Some(0), ""));
    let lines = overview.stdout.lines();
    let names: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let page = run(["help", name]);
        assert_eq!((page.code, page.stderr.as_str()), (Some(0), ""), "{name}");
        assert!(page.stdout.lines().count() > 3, "{name}");
        // Not a terminal: no colour, and lines that fit most screens.
        assert!(!page.stdout.contains('\x1B'), "{name}");
    }
}

#[test]
fn commands_below_commands_have_help() {
    let page = run(["help", "retained", "clear"]);
    assert_eq!(page.code, Some(0));
    assert!(
        page.stdout.contains("Usage: mqtt retained clear"),
        "{}",
        page.stdout
    );
}

#[test]
fn a_page_and_a_command_of_one_name_are_shown_together() {
    let page = run(["help", "retained"]);
    assert!(page.stdout.starts_with("The last message of a topic"));
    assert!(page.stdout.contains("Usage: mqtt retained"));
}

#[test]
fn what_there_is_no_help_on_is_said() {
    let ended = run(["help", "nonsense"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert_eq!(
        ended.stderr,
        "mqtt: there is no help on `nonsense`; `mqtt help` lists what there is\n"
    );
}

#[test]
fn shells_are_told_of_commands_and_flags() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run(["completions", shell]);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{shell}"
        );
        for word in ["retained", "quiet-time", "dry-run"] {
            assert!(ended.stdout.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(run(["completions", "tcsh"]).code, Some(2));
}
