//! Profiles and options files: read and written.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{ArgAction, Args, Command, Id};
use toml::{Table, Value};

use super::{
    ConnectionArgs,
    property::SEPARATOR,
    words::{Behind, Words},
};
use crate::exit::Failure;

/// The longest file that is read. Unit: bytes.
const FILE_LEN_MAX: u64 = 1 << 20;

/// Flags that are secret, or may have something secret in them.
const SECRET: [&str; 4] = ["password", "p12_password", "auth_data", "ws_header"];

/// Whether that is a `-D` of what [`SECRET`] has by another name.
fn is_secret_property(id: &Id, value: Option<&OsString>) -> bool {
    let text = value.and_then(|value| value.to_str()).unwrap_or_default();
    id == "properties" && text.split([SEPARATOR, ' ']).nth(1) == Some("authentication-data")
}

/// The file of a profile.
pub(crate) fn path_of(name: &str) -> Result<PathBuf, Failure> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
        return Err(Failure::usage(format_args!(
            "{name:?} is no name of a profile: letters, digits, -, _ and . are"
        )));
    }
    let dirs = directories::ProjectDirs::from("", "", "mqtt");
    let dirs = dirs.ok_or_else(|| Failure::run_time("there is no home to keep profiles in"))?;
    Ok(dirs
        .config_dir()
        .join("profiles")
        .join(format!("{name}.toml")))
}

/// The flags of a file: TOML, or a flag with its value on each line.
pub(crate) fn read(command: &Command, path: &Path) -> Result<Vec<(Id, Option<OsString>)>, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::usage(format_args!("{}: {error}", path.display()));
    let len = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if len > FILE_LEN_MAX {
        return Err(failed(&"longer than 1 MiB"));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    match first.is_some_and(|line| line.starts_with('-')) {
        true => of_lines(command, &text),
        false => of_toml(command, &text),
    }
    .map_err(|error| failed(&error))
}

/// Keeps what is said of the connection, in a file that its owner alone can read.
pub(crate) fn save(
    command: &Command,
    name: &str,
    given: &[(Id, Option<OsString>)],
) -> Result<(), Failure> {
    let path = path_of(name)?;
    let has_secrets = given.iter().any(|(id, _)| id == "save_password");
    let table = table_of(command, given, has_secrets);
    let table = table.map_err(Failure::usage)?;
    let failed =
        |error| Failure::run_time(format_args!("cannot write {}: {error}", path.display()));
    write(&path, &table.to_string()).map_err(failed)?;
    // With stderr closed nobody is left to tell.
    let _ = writeln!(
        io::stderr(),
        "mqtt: profile {name} saved in {}",
        path.display()
    );
    Ok(())
}

fn of_lines(command: &Command, text: &str) -> Result<Vec<(Id, Option<OsString>)>, String> {
    let mut flags = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (flag, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.trim_start();
        let mut words = vec![OsString::new(), flag.into()];
        let is_property = matches!(flag, "-D" | "--property");
        match value {
            "" => {}
            // Its words are as many as there are.
            value if is_property => words.extend(value.splitn(4, ' ').map(OsString::from)),
            value => words.push(value.into()),
        }
        let read = Words::read(command, words, Behind::Anything);
        let (given, is_all) = (read.given.clone(), read.rest.len() == 1);
        if given.is_empty() || !is_all {
            return Err(format!("line {}: {flag} is no flag here", at + 1));
        }
        flags.extend(given);
    }
    Ok(flags)
}

fn of_toml(command: &Command, text: &str) -> Result<Vec<(Id, Option<OsString>)>, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.to_string();
        line.lines().collect::<Vec<_>>().join(" ")
    })?;
    let mut flags = Vec::new();
    for (name, value) in &table {
        let mut args = command.get_arguments();
        let arg = args.find(|arg| arg.get_long() == Some(name));
        // A flag of another command that this one has not; one that none has is a mistake.
        let Some(arg) = arg else {
            match is_of_connection(name) || KNOWN_ELSEWHERE.contains(&name.as_str()) {
                true => continue,
                false => return Err(format!("{name} is no flag here")),
            }
        };
        let values = match (arg.get_action(), value) {
            (ArgAction::Append, Value::Array(values)) => values.iter().collect(),
            _ => vec![value],
        };
        for value in values {
            let text =
                text_of(value).ok_or_else(|| format!("{name} has no text, number or flag"))?;
            flags.push((arg.get_id().clone(), Some(text.into())));
        }
    }
    Ok(flags)
}

/// Flags of pub, sub and rr that not all of them have.
const KNOWN_ELSEWHERE: [&str; 6] = ["topic", "qos", "retain", "verbose", "format", "template"];

fn is_of_connection(long: &str) -> bool {
    let connection = ConnectionArgs::augment_args(Command::new("connection"));
    connection
        .get_arguments()
        .any(|arg| arg.get_long() == Some(long))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        // The words of one property.
        Value::Array(words) => {
            let words: Option<Vec<_>> = words.iter().map(Value::as_str).collect();
            Some(words?.join(&SEPARATOR.to_string()))
        }
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

fn table_of(
    command: &Command,
    given: &[(Id, Option<OsString>)],
    has_secrets: bool,
) -> Result<Table, String> {
    let connection = ConnectionArgs::augment_args(Command::new("connection"));
    let mut table = Table::new();
    for (id, value) in given {
        let is_of_connection = connection.get_arguments().any(|arg| arg.get_id() == id);
        let is_of_profiles = ["options", "profile", "save_profile", "save_password"];
        let is_left_out = is_of_profiles.contains(&id.as_str())
            || (!has_secrets
                && (SECRET.contains(&id.as_str()) || is_secret_property(id, value.as_ref())));
        let arg = command.get_arguments().find(|arg| arg.get_id() == id);
        let Some(arg) = arg.filter(|_| is_of_connection && !is_left_out) else {
            continue;
        };
        let Some(long) = arg.get_long() else { continue };
        let value = match value {
            None => Value::Boolean(true),
            Some(value) => {
                let text = value
                    .to_str()
                    .ok_or_else(|| format!("--{long} is no text"))?;
                let has_password = matches!(long, "url" | "proxy") && !has_secrets;
                match text.contains(SEPARATOR) {
                    true => text
                        .split(SEPARATOR)
                        .map(Value::from)
                        .collect::<Vec<_>>()
                        .into(),
                    false if has_password => Value::from(without_password(text)),
                    false => Value::from(text),
                }
            }
        };
        match (arg.get_action(), table.get_mut(long)) {
            (ArgAction::Append, Some(Value::Array(values))) => values.push(value),
            (ArgAction::Append, _) => {
                table.insert(long.to_owned(), Value::Array(vec![value]));
            }
            _ => {
                table.insert(long.to_owned(), value);
            }
        }
    }
    Ok(table)
}

/// An address without the password in it.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let separator = if scheme.is_empty() { "" } else { "://" };
    match rest.rsplit_once('@') {
        Some((credentials, server)) => {
            let username = credentials.split(':').next().unwrap_or_default();
            format!("{scheme}{separator}{username}@{server}")
        }
        None => url.to_owned(),
    }
}

/// The file is there as a whole or not at all.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let new = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::CommandFactory;

    fn command() -> Command {
        let mut root = Cli::command();
        root.build();
        root.find_subcommand("pub").unwrap().clone()
    }

    #[test]
    fn lines_and_toml_say_the_same() {
        let lines = "# comment\n-h broker.example\n  --port 1884\n\n-r\n-D connect user-property a b c\n-m -x y\n";
        let lines = of_lines(&command(), lines).unwrap();
        let words: Vec<_> = lines
            .iter()
            .map(|(id, value)| {
                let value = value
                    .as_deref()
                    .map_or("-", |value| value.to_str().unwrap());
                format!("{id}={}", value.replace('\0', "~"))
            })
            .collect();
        assert_eq!(
            words,
            [
                "host=broker.example",
                "port=1884",
                "retain=-",
                "properties=connect~user-property~a~b c",
                "message=-x y"
            ]
        );
        let toml = "host = ['broker.example']\nport = 1884\nretain = true\n";
        let toml = of_toml(&command(), toml).unwrap();
        assert_eq!(toml.len(), 3);
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        for (text, says) in [
            ("-h b\n--nope 1\n", "line 2: --nope is no flag here"),
            ("-h b\nhost b\n", "line 2: "),
        ] {
            let error = of_lines(&command(), text).unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
        assert_eq!(
            of_toml(&command(), "nope = 1").unwrap_err(),
            "nope is no flag here"
        );
        assert!(
            of_toml(&command(), "host = { a = 1 }")
                .unwrap_err()
                .contains("host has no text")
        );
        assert!(of_toml(&command(), "host =").is_err());
        assert_eq!(of_toml(&command(), "verbose = true").unwrap(), []);
    }

    #[test]
    fn passwords_are_kept_only_when_asked_for() {
        let given = [
            ("url", Some("mqtts://alice:hush@b:8883/t")),
            ("password", Some("hush")),
            ("properties", Some("connect\0user-property\0a b\0c")),
            ("properties", Some("connect\0authentication-data\0hush")),
            ("properties", Some("connect authentication-data hush")),
            ("message", Some("x")),
            ("tls_use_os_certs", None),
        ];
        let given = given.map(|(id, value)| (Id::from(id), value.map(OsString::from)));
        let without = table_of(&command(), &given, false).unwrap().to_string();
        assert!(
            !without.contains("hush") && !without.contains("message"),
            "{without}"
        );
        assert!(
            without.contains("alice@b:8883/t") && without.contains("tls-use-os-certs = true"),
            "{without}"
        );
        assert!(
            without.contains(r#"["connect", "user-property", "a b", "c"]"#),
            "{without}"
        );
        let with = table_of(&command(), &given, true).unwrap().to_string();
        assert!(
            with.contains("pw = \"hush\"") && with.contains("alice:hush@b"),
            "{with}"
        );
    }

    #[test]
    fn profiles_have_plain_names() {
        for name in ["", "..", "a/b", "a b", ".hidden"] {
            assert!(path_of(name).is_err(), "{name}");
        }
    }
}
