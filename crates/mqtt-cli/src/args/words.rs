//! The words of the command line, before they are parsed: with what a flag takes beside it.
//!
//! clap gives a flag a fixed number of values; `-D` has three or four, by the third. And mosquitto's programs take the
//! word behind a flag whatever it looks like, which clap does for `--flag=word` alone.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command, Id};

use super::property::PropertyArg;
use crate::exit::Failure;

/// Letters of mqttx that are two or three behind one hyphen, and their long names.
const MQTTX: [(&str, &str); 11] = [
    ("-Wt", "--will-topic"),
    ("-Wm", "--will-payload"),
    ("-Wq", "--will-qos"),
    ("-Wr", "--will-retain"),
    ("-Wd", "--will-delay"),
    ("-We", "--will-message-expiry"),
    ("-Wct", "--will-content-type"),
    ("-Wrt", "--will-response-topic"),
    ("-Wcd", "--will-correlation-data"),
    ("-Wpf", "--will-payload-format"),
    ("-Wup", "--will-user-property"),
];

/// How the word behind a flag that takes one is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Behind {
    /// By clap: a word with a hyphen is a flag.
    AFlagIsAFlag,
    /// By mosquitto: it is the value.
    Anything,
}

/// What stands on the command line.
#[derive(Debug)]
pub(crate) struct Words {
    /// For clap: the program, and the subcommands.
    pub(crate) commands: Vec<OsString>,
    /// For clap: what follows.
    pub(crate) rest: Vec<OsString>,
    /// The flags in it, with their values.
    pub(crate) given: Vec<(Id, Option<OsString>)>,
}

impl Words {
    /// Reads the words of a program that is called as `command` says. The command has to be built.
    pub(crate) fn read(
        command: &Command,
        words: impl IntoIterator<Item = OsString>,
        behind: Behind,
    ) -> Self {
        let mut words = words.into_iter();
        let mut reader = Reader {
            command,
            behind,
            read: Self {
                commands: words.next().into_iter().collect(),
                rest: Vec::new(),
                given: Vec::new(),
            },
            next: words.collect::<Vec<_>>().into_iter().peekable(),
        };
        while let Some(word) = reader.next.next() {
            reader.take(word);
        }
        reader.read
    }

    /// The subcommand these are the words of; `root` has to be what they were read with.
    pub(crate) fn command<'a>(&self, root: &'a Command) -> &'a Command {
        let names = self.commands.iter().skip(1);
        names.fold(root, |command, name| {
            command.find_subcommand(name).unwrap_or(command)
        })
    }

    /// Fails where one of a group that excludes each other is there twice; a flag in no group counts the last time.
    pub(crate) fn check_groups(&self, command: &Command) -> Result<(), Failure> {
        let mut groups = command.get_groups();
        let is_twice = groups.any(|group| {
            let members: Vec<_> = group.get_args().collect();
            let given = self.given.iter().filter(|(id, _)| members.contains(&id));
            !group.clone().is_multiple() && given.count() > 1
        });
        match is_twice {
            true => Err(Failure::usage("there can be one message only")),
            false => Ok(()),
        }
    }

    /// All of it, with more flags before those that are here.
    pub(crate) fn with(self, more: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let mut all = self.commands;
        all.extend(more);
        all.extend(self.rest);
        all
    }
}

struct Reader<'a> {
    command: &'a Command,
    behind: Behind,
    read: Words,
    next: std::iter::Peekable<std::vec::IntoIter<OsString>>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, word: OsString) {
        let Some(text) = word.to_str() else {
            return self.read.rest.push(word);
        };
        if text == "--" {
            self.read.rest.push(word);
            return self.read.rest.extend(self.next.by_ref());
        }
        let has_will = self
            .command
            .get_arguments()
            .any(|arg| arg.get_id() == "will_topic");
        let mqttx = MQTTX.iter().find(|(short, _)| has_will && *short == text);
        if let Some((_, long)) = mqttx {
            return self.take(OsString::from(*long));
        }
        if let Some(long) = text.strip_prefix("--") {
            self.take_long(&word, long);
        } else if text.len() > 1 && text.starts_with('-') {
            self.take_short(&word, text);
        } else if let Some(command) = self.command.find_subcommand(text) {
            // Flags of the command before belong to it.
            self.read.commands.append(&mut self.read.rest);
            self.read.commands.push(word);
            self.command = command;
        } else {
            self.read.rest.push(word);
        }
    }

    fn take_long(&mut self, word: &OsStr, long: &str) {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (long, None),
        };
        let named = |arg: &&Arg| {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            arg.get_long() == Some(name) || aliases.contains(&name)
        };
        match self.command.get_arguments().find(named) {
            None => self.read.rest.push(word.to_owned()),
            Some(arg) => self.take_arg(arg, word.to_owned(), value),
        }
    }

    /// Letters, of which the last may take a value.
    fn take_short(&mut self, word: &OsStr, text: &str) {
        for (at, letter) in text.char_indices().skip(1) {
            let named = |arg: &&Arg| {
                let aliases = arg.get_all_short_aliases().unwrap_or_default();
                arg.get_short() == Some(letter) || aliases.contains(&letter)
            };
            let Some(arg) = self.command.get_arguments().find(named) else {
                return self.read.rest.push(word.to_owned());
            };
            if !takes_value(arg) {
                self.read.given.push((arg.get_id().clone(), None));
                continue;
            }
            let end = at + letter.len_utf8();
            let value = text.get(end..).filter(|value| !value.is_empty());
            let flags = text.get(..end).unwrap_or(text);
            let value = value.map(|value| value.strip_prefix('=').unwrap_or(value).into());
            return self.take_arg(arg, flags.into(), value);
        }
        self.read.rest.push(word.to_owned());
    }

    /// A flag, which stands as `flag` and has `value` in the same word.
    fn take_arg(&mut self, arg: &'a Arg, flag: OsString, value: Option<OsString>) {
        let id = arg.get_id().clone();
        if !takes_value(arg) {
            self.read.given.push((id, None));
            return self.read.rest.push(flag);
        }
        let is_attached = value.is_some();
        let value = match value {
            _ if id == "properties" => self.property(value),
            Some(value) => Some(value),
            None if self.takes_next(arg) => self.next.next(),
            None => None,
        };
        self.read.given.push((id.clone(), value.clone()));
        match value {
            None => self.read.rest.push(flag),
            // `--flag=value` is one word already.
            Some(_) if is_attached && flag.to_string_lossy().contains('=') => {
                self.read.rest.push(flag);
            }
            Some(value)
                if self.behind == Behind::AFlagIsAFlag && !is_attached && id != "properties" =>
            {
                self.read.rest.extend([flag, value]);
            }
            Some(value) => {
                let mut word = flag;
                word.push("=");
                word.push(value);
                self.read.rest.push(word);
            }
        }
    }

    fn takes_next(&mut self, arg: &Arg) -> bool {
        let is_optional = arg
            .get_num_args()
            .is_some_and(|count| count.min_values() == 0);
        let is_flag = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
        match self.next.peek() {
            None => false,
            Some(word) if is_optional => self.behind == Behind::Anything || !is_flag(word),
            Some(word) => {
                self.behind == Behind::Anything
                    || arg.is_allow_hyphen_values_set()
                    || !is_flag(word)
                    || (arg.is_allow_negative_numbers_set() && is_number(word))
            }
        }
    }

    /// The words of a `-D` as one; the first may be there already.
    fn property(&mut self, first: Option<OsString>) -> Option<OsString> {
        let mut words: Vec<_> = match first {
            // In one piece, by spaces.
            Some(first) if first.as_encoded_bytes().contains(&b' ') => return Some(first),
            Some(first) => vec![first],
            None => vec![self.next.next()?],
        };
        if let Some(name) = self.next.next() {
            let count = PropertyArg::words_after(&name);
            words.push(name);
            words.extend(self.next.by_ref().take(count));
        }
        Some(PropertyArg::joined(&words))
    }
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn is_number(word: &OsStr) -> bool {
    word.to_str()
        .is_some_and(|text| text.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let flag = |id: &'static str, letter| Arg::new(id).short(letter).long(id);
        let sub = Command::new("sub")
            .disable_help_flag(true)
            .arg(flag("topic", 't').action(ArgAction::Append))
            .arg(
                flag("properties", 'D')
                    .long("property")
                    .action(ArgAction::Append),
            )
            .arg(flag("verbose", 'v').action(ArgAction::SetTrue))
            .arg(flag("pw", 'P').num_args(0..=1))
            .arg(Arg::new("will_topic").long("will-topic"))
            .arg(Arg::new("url"));
        let mut command = Command::new("mqtt").subcommand(sub);
        command.build();
        command
    }

    fn read(line: &str, behind: Behind) -> Vec<String> {
        let words = line.split(' ').map(OsString::from);
        let words = Words::read(&command(), words, behind).with([]);
        words
            .into_iter()
            .map(|word| word.into_string().unwrap().replace('\0', "~"))
            .collect()
    }

    #[test]
    fn a_property_has_three_words_or_four_and_becomes_one() {
        for (line, expected) in [
            (
                "mqtt sub -D publish content-type -t -t x",
                "mqtt sub -D=publish~content-type~-t -t x",
            ),
            (
                "mqtt sub -D publish user-property a b c",
                "mqtt sub -D=publish~user-property~a~b c",
            ),
            (
                "mqtt sub -vD will user-property a -D",
                "mqtt sub -vD=will~user-property~a~-D",
            ),
            (
                "mqtt sub --property connect receive-maximum 3 x",
                "mqtt sub --property=connect~receive-maximum~3 x",
            ),
            ("mqtt sub -t -v -D", "mqtt sub -t -v -D"),
            ("mqtt sub -- -D a b c", "mqtt sub -- -D a b c"),
            ("mqtt sub -Wt a", "mqtt sub --will-topic a"),
            ("mqtt sub -P -t x", "mqtt sub -P -t x"),
            ("mqtt sub --nope -D a b c", "mqtt sub --nope -D=a~b~c"),
        ] {
            assert_eq!(
                read(line, Behind::AFlagIsAFlag).join(" "),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn as_mosquitto_has_it_any_word_behind_a_flag_is_its_value() {
        for (line, expected) in [
            ("mqtt sub -t -v -v", "mqtt sub -t=-v -v"),
            ("mqtt sub --topic -- x", "mqtt sub --topic=-- x"),
            ("mqtt sub -t =a", "mqtt sub -t==a"),
            ("mqtt sub -P -x", "mqtt sub -P=-x"),
        ] {
            assert_eq!(read(line, Behind::Anything).join(" "), expected, "{line}");
        }
    }
}
