//! Checks the systemd unit: the keys we rely on, and systemd's own opinion where it is installed.

use std::fs;
use std::path::Path;

use crate::report::{Counts, Outcome};
use crate::shell::{Command, find_program};

/// Lines the unit must have, by section.
const LINES: [(&str, &str); 8] = [
    ("[Unit]", "Description="),
    ("[Service]", "Type=notify"),
    ("[Service]", "LimitNOFILE=1048576"),
    ("[Service]", "DynamicUser=yes"),
    ("[Service]", "StateDirectory=mqtt"),
    (
        "[Service]",
        "ExecStart=/usr/bin/mqtt broker --config /etc/mqtt/broker.toml --data-dir /var/lib/mqtt",
    ),
    ("[Service]", "Restart=on-failure"),
    ("[Install]", "WantedBy=multi-user.target"),
];

/// Checks the unit at `path`; `binary` stands in for the installed one.
pub(super) fn check(path: &Path, binary: &Path) -> Outcome {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return Outcome::failed(format!("{}: {error}", path.display())),
    };
    let missing = missing(&text);
    let mut outcome = Outcome {
        notes: missing,
        ..Outcome::default()
    };
    let failed = usize::from(!outcome.notes.is_empty());
    outcome.counts += Counts {
        passed: 1 - failed,
        failed,
        skipped: 0,
    };
    outcome.add(verify(path, &text, binary));
    outcome
}

/// Asks systemd, about a copy that starts a binary which is there.
fn verify(path: &Path, text: &str, binary: &Path) -> Outcome {
    if find_program("systemd-analyze").is_none() {
        return Outcome::skipped(
            "skipped: systemd's check of the unit: systemd-analyze is not installed",
        );
    }
    let Some((folder, name)) = binary.parent().zip(path.file_name()) else {
        return Outcome::failed("the binary has no folder");
    };
    let copy = folder.join(name);
    let text = text.replace("/usr/bin/mqtt", &binary.to_string_lossy());
    if let Err(error) = fs::write(&copy, text) {
        return Outcome::failed(format!("{}: {error}", copy.display()));
    }
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(&copy)
        .capture();
    let outcome = match output {
        Ok(output) if !output.joined().contains(name.to_string_lossy().as_ref()) => {
            Outcome::of_program(Ok(output))
        }
        Ok(output) => Outcome {
            log: output.joined(),
            ..Outcome::failed("systemd finds fault with the unit")
        },
        Err(error) => Outcome::failed(error),
    };
    match fs::remove_file(&copy) {
        Ok(()) => outcome,
        Err(error) => Outcome::failed(format!("{}: {error}", copy.display())),
    }
}

fn missing(text: &str) -> Vec<String> {
    let lacks = |section: &str, wanted: &str| {
        let lines = text
            .lines()
            .map(str::trim)
            .skip_while(|line| *line != section)
            .skip(1);
        !lines
            .take_while(|line| !line.starts_with('['))
            .any(|line| line.starts_with(wanted))
    };
    let missing = LINES
        .into_iter()
        .filter(|(section, line)| lacks(section, line));
    missing
        .map(|(section, line)| format!("the unit lacks `{line}` in {section}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_the_wrong_section_is_missing() {
        let good = LINES.iter().fold(String::new(), |text, (section, line)| {
            let head = if text.contains(section) {
                String::new()
            } else {
                format!("{section}\n")
            };
            format!("{text}{head}{line}\n")
        });
        assert!(missing(&good).is_empty(), "{:?}", missing(&good));
        assert_eq!(missing(&good.replace("[Install]", "[Other]")).len(), 1);
    }
}
