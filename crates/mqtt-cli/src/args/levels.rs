//! Flags that are not on the command line: they come from the environment, then from a profile.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use clap::{Arg, ArgAction, Command, Id};

use super::{profile_file, words::Words};
use crate::exit::Failure;

/// Flags that say where flags come from, or nothing about what is done.
const NO_DEFAULT: [&str; 6] = [
    "options",
    "profile",
    "save_profile",
    "save_password",
    "help",
    "version",
];

/// How often a flag counts at most that counts how often it is said: more than any of them tells apart.
const COUNT_MAX: usize = 9;

/// The words of a command line with what other places have added.
#[derive(Debug)]
pub(crate) struct Filled {
    /// For clap.
    pub(crate) words: Vec<OsString>,
    /// The flags that were added, as in `--host`, and where they come from.
    added: Vec<(String, String)>,
}

/// Where flags come from.
struct Level {
    flags: Vec<(Id, Option<OsString>)>,
    /// The place's name, by the name of a flag.
    place: Place,
}

enum Place {
    Environment,
    Profile(String),
}

impl Filled {
    /// Without anything added.
    pub(crate) fn of(words: Words) -> Self {
        Self {
            words: words.with([]),
            added: Vec::new(),
        }
    }

    /// Where a flag comes from that a mistake is about.
    pub(crate) fn place_of(&self, mistake: &str) -> Option<&str> {
        let mut added = self.added.iter();
        let is_about = |flag: &str| {
            mistake
                .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'))
                .any(|word| word == flag)
        };
        let found = added.find(|(flag, _)| is_about(flag));
        found.map(|(_, place)| place.as_str())
    }
}

/// Adds what the environment and the profile say, if the command has profiles; saves one if it is to be.
pub(crate) fn filled(
    root: &Command,
    words: Words,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Filled, Failure> {
    let command = words.command(root);
    if !command
        .get_arguments()
        .any(|arg| arg.get_id() == "save_profile")
    {
        return Ok(Filled::of(words));
    }
    let mut levels = vec![Level {
        flags: of_environment(command, &variable),
        place: Place::Environment,
    }];
    let said = |id: &str, name: &str| {
        let mut given = words.given.iter();
        let given = given.find(|(given, _)| given == id);
        given
            .and_then(|(_, value)| value.clone())
            .or_else(|| variable(name))
    };
    let path = match (
        said("options", "MQTT_OPTIONS"),
        said("profile", "MQTT_PROFILE"),
    ) {
        (Some(path), _) => Some(path.into()),
        (None, Some(name)) => Some(profile_file::path_of(&name.to_string_lossy())?),
        (None, None) => None,
    };
    if let Some(path) = path {
        levels.push(of_file(command, &path)?);
    }
    if let Some(name) = said("save_profile", "") {
        profile_file::save(command, &name.to_string_lossy(), &words.given)?;
    }
    Ok(added(command, words, levels))
}

/// Adds what the options file of a program of Mosquitto's says, if there is one, and that of `-o`.
pub(crate) fn filled_from(
    command: &Command,
    words: Words,
    file: Option<&Path>,
) -> Result<Filled, Failure> {
    let mut levels = Vec::new();
    let given = words.given.iter().find(|(id, _)| id == "options");
    if let Some(path) = given.and_then(|(_, value)| value.clone()) {
        levels.push(of_file(command, Path::new(&path))?);
    }
    if let Some(path) = file.filter(|path| path.exists()) {
        levels.push(of_file(command, path)?);
    }
    Ok(added(command, words, levels))
}

fn added(command: &Command, words: Words, levels: Vec<Level>) -> Filled {
    let mut taken: Vec<Id> = words.given.iter().map(|(id, _)| id.clone()).collect();
    let mut more = Vec::new();
    let mut added = Vec::new();
    for level in levels {
        let mut new = Vec::new();
        for (id, value) in level.flags {
            let Some(arg) = command.get_arguments().find(|arg| *arg.get_id() == id) else {
                continue;
            };
            let is_taken = taken
                .iter()
                .any(|taken| *taken == id || exclude(command, taken, arg));
            let Some(word) = word_of(arg, value.as_deref()).filter(|_| !is_taken) else {
                continue;
            };
            let flag = name_of(arg);
            let place = match &level.place {
                Place::Environment => variable_of(arg).unwrap_or_default(),
                Place::Profile(path) => path.clone(),
            };
            added.push((flag, place));
            more.push(word);
            new.push(id);
        }
        taken.extend(new);
    }
    Filled {
        words: words.with(more),
        added,
    }
}

/// Whether the two cannot stand together.
fn exclude(command: &Command, taken: &Id, arg: &Arg) -> bool {
    let Some(taken) = command.get_arguments().find(|arg| arg.get_id() == taken) else {
        return false;
    };
    let conflict = |one: &Arg, other: &Arg| {
        let conflicts = command.get_arg_conflicts_with(one);
        conflicts.iter().any(|arg| arg.get_id() == other.get_id())
    };
    let in_one_group = command.get_groups().any(|group| {
        let ids: Vec<_> = group.get_args().collect();
        !group.clone().is_multiple() && ids.contains(&taken.get_id()) && ids.contains(&arg.get_id())
    });
    in_one_group || conflict(taken, arg) || conflict(arg, taken)
}

/// One word that gives the flag this value; none for a flag that is off.
fn word_of(arg: &Arg, value: Option<&OsStr>) -> Option<OsString> {
    let mut word = OsString::from(name_of(arg));
    match arg.get_action() {
        ArgAction::Set | ArgAction::Append => {
            if let Some(value) = value {
                if arg.get_long().is_some() {
                    word.push("=");
                }
                word.push(value);
            }
            Some(word)
        }
        ArgAction::Count => {
            let text = value.map_or("1", |value| value.to_str().unwrap_or("?"));
            let count = match text.to_ascii_lowercase().as_str() {
                "" | "false" | "no" | "off" => 0,
                "true" | "yes" | "on" => 1,
                count => match count.parse() {
                    Ok(count) => count,
                    // Refused as any other value that a flag cannot have.
                    Err(_) => {
                        word.push("=");
                        word.push(text);
                        return Some(word);
                    }
                },
            };
            let letters = String::from(arg.get_short()?).repeat(count.min(COUNT_MAX));
            (!letters.is_empty()).then(|| format!("-{letters}").into())
        }
        _ => match value.map(|value| value.to_ascii_lowercase()) {
            Some(value) if matches!(value.to_str(), Some("" | "0" | "false" | "no" | "off")) => {
                None
            }
            _ => Some(word),
        },
    }
}

fn of_environment(
    command: &Command,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Vec<(Id, Option<OsString>)> {
    let mut flags = Vec::new();
    for arg in command.get_arguments() {
        let Some(value) = variable_of(arg).and_then(|name| variable(&name)) else {
            continue;
        };
        let id = arg.get_id();
        if id == "port" && is_link(&value) {
            continue;
        }
        match (arg.get_action(), value.to_str()) {
            // One on each line.
            (ArgAction::Append, Some(text)) => {
                flags.extend(text.lines().map(|line| (id.clone(), Some(line.into()))));
            }
            _ => flags.push((id.clone(), Some(value))),
        }
    }
    flags
}

/// Whether somebody else has set the variable of the port: Kubernetes and Docker tell where a service named `mqtt` is
/// by `MQTT_PORT=tcp://10.0.0.1:1883`.
fn is_link(value: &OsStr) -> bool {
    let text = value.to_str();
    text.is_some_and(|text| text.contains("://"))
}

fn of_file(command: &Command, path: &Path) -> Result<Level, Failure> {
    let place = Place::Profile(path.display().to_string());
    let flags = profile_file::read(command, path)?;
    let flags = flags.into_iter();
    let flags = flags.filter(|(id, _)| !NO_DEFAULT.contains(&id.as_str()));
    Ok(Level {
        flags: flags.collect(),
        place,
    })
}

/// The variable of the environment that a flag is read from.
fn variable_of(arg: &Arg) -> Option<String> {
    let is_left_out = NO_DEFAULT.contains(&arg.get_id().as_str());
    let long = arg.get_long().filter(|_| !is_left_out)?;
    Some(format!(
        "MQTT_{}",
        long.to_ascii_uppercase().replace('-', "_")
    ))
}

/// `--long`, or `-s` where there is no long name.
fn name_of(arg: &Arg) -> String {
    match (arg.get_long(), arg.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{
        Cli,
        words::{Behind, Words},
    };
    use clap::CommandFactory;

    fn fill(line: &str, variables: &[(&str, &str)]) -> Result<String, Failure> {
        let mut root = Cli::command();
        root.build();
        let words = line.split(' ').map(OsString::from);
        let words = Words::read(&root, words, Behind::AFlagIsAFlag);
        let filled = filled(&root, words, |name| {
            let mut variables = variables.iter();
            let found = variables.find(|(variable, _)| *variable == name);
            found.map(|(_, value)| value.into())
        })?;
        let words = filled
            .words
            .iter()
            .map(|word| word.to_string_lossy().replace('\0', "~"));
        Ok(words.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_environment_adds_what_is_not_said() {
        for (line, variables, expected) in [
            (
                "mqtt pub -t a -n",
                &[("MQTT_HOST", "b")][..],
                "mqtt pub --host=b -t a -n",
            ),
            (
                "mqtt pub -t a -n -h c",
                &[("MQTT_HOST", "b")],
                "mqtt pub -t a -n -h c",
            ),
            (
                "mqtt pub -n -L mqtt://c/a",
                &[("MQTT_HOST", "b"), ("MQTT_PORT", "7")],
                "mqtt pub -n -L mqtt://c/a",
            ),
            (
                "mqtt pub -t a -n",
                &[("MQTT_MESSAGE", "b")],
                "mqtt pub -t a -n",
            ),
            (
                "mqtt pub -t a -n",
                &[("MQTT_RETAIN", "1"), ("MQTT_TEMPLATE", "off")],
                "mqtt pub --retain -t a -n",
            ),
            (
                "mqtt pub -t a -n",
                &[("MQTT_DEBUG", "2")],
                "mqtt pub -dd -t a -n",
            ),
            (
                "mqtt pub -t a -n",
                &[("MQTT_DEBUG", "99999999999999999")],
                "mqtt pub -ddddddddd -t a -n",
            ),
            (
                "mqtt pub -t a -n",
                &[("MQTT_DEBUG", "true")],
                "mqtt pub -d -t a -n",
            ),
            (
                "mqtt pub -t a -n",
                &[("MQTT_DEBUG", "off")],
                "mqtt pub -t a -n",
            ),
            (
                "mqtt pub -t a -n",
                &[("MQTT_DEBUG", "much")],
                "mqtt pub --debug=much -t a -n",
            ),
            (
                "mqtt pub -t a -n",
                &[("MQTT_USER_PROPERTY", "a=b\nc=d")],
                "mqtt pub --user-property=a=b --user-property=c=d -t a -n",
            ),
            // Which a cluster has set, and nobody who runs this.
            (
                "mqtt pub -t a -n",
                &[("MQTT_PORT", "tcp://10.0.0.1:1883"), ("MQTT_HOST", "b")],
                "mqtt pub --host=b -t a -n",
            ),
            (
                "mqtt decode -x 10",
                &[("MQTT_PORT", "7")],
                "mqtt decode -x 10",
            ),
        ] {
            assert_eq!(fill(line, variables).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn a_profile_adds_what_neither_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.toml");
        let text = "host = 'h'\nport = 7\nretain = true\nproperty = [['connect', 'user-property', 'a b', 'c']]\n";
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let line = format!("mqtt pub -o {path} -t a -n -p 9");
        assert_eq!(
            fill(&line, &[("MQTT_HOST", "e")]).unwrap(),
            format!(
                "mqtt pub --host=e --property=connect~user-property~a b~c --retain -o {path} -t a -n -p 9"
            )
        );
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let filled = Filled {
            words: Vec::new(),
            added: vec![("--port".to_owned(), "MQTT_PORT".to_owned())],
        };
        assert_eq!(
            filled.place_of("invalid value 'x' for '--port <PORT>'"),
            Some("MQTT_PORT")
        );
        assert_eq!(
            filled.place_of("invalid value 'x' for '--ports <PORT>'"),
            None
        );
    }
}
