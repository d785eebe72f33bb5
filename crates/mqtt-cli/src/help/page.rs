//! Pages that are written by hand, and how they are set.

use mqtt_dissect::Style;

use super::pager::Screen;

/// A page: a sentence, then paragraphs with headings (`# `); what is indented stays as it is.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) name: &'static str,
    text: &'static str,
}

/// All there are, in the order of the overview.
pub(super) const PAGES: [Page; 9] = [
    page("addresses", include_str!("addresses.txt")),
    page("topics", include_str!("topics.txt")),
    page("qos", include_str!("qos.txt")),
    page("session", include_str!("session.txt")),
    page("retained", include_str!("retained.txt")),
    page("properties", include_str!("properties.txt")),
    page("format", include_str!("format.txt")),
    page("tls", include_str!("tls.txt")),
    page("exit-codes", include_str!("exit-codes.txt")),
];

const fn page(name: &'static str, text: &'static str) -> Page {
    Page { name, text }
}

impl Page {
    /// Its first sentence.
    pub(super) fn summary(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default()
    }

    /// As it is read on a screen.
    pub(super) fn to_text(&self, screen: &Screen) -> String {
        let mut text = String::new();
        for line in self.text.lines() {
            match line.strip_prefix("# ") {
                Some(heading) => text.push_str(&bold(heading, screen.style)),
                None => text.push_str(&wrapped(line, screen.width)),
            }
            text.push('\n');
        }
        text
    }

    /// As a section of the documentation.
    pub(super) fn to_markdown(&self) -> String {
        let mut text = format!("## `mqtt help {}`\n\n", self.name);
        let mut is_code = false;
        for line in self.text.lines() {
            let is_indented = line.starts_with("  ");
            if is_indented != is_code {
                // A list of examples has none of a paragraph in it.
                text.push_str(if is_indented { "```text\n" } else { "```\n" });
                is_code = is_indented;
            }
            match line.strip_prefix("# ") {
                Some(heading) => text.push_str(&format!("**{heading}**\n")),
                None => text.push_str(line.strip_prefix("  ").unwrap_or(line)),
            }
            text.push('\n');
        }
        if is_code {
            text.push_str("```\n");
        }
        text.push('\n');
        text
    }
}

fn bold(text: &str, style: Style) -> String {
    match style {
        Style::Coloured => format!("\x1B[1m{text}\x1B[0m"),
        Style::Plain => text.to_owned(),
    }
}

/// Text of which no line is longer than `width`, unless it has no space or is indented.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    let lines = text.split('\n').map(|line| match line.starts_with("  ") {
        true => line.to_owned(),
        false => wrapped_line(line, width),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    let mut text = String::new();
    let mut len = 0;
    for word in line.split(' ') {
        let word_len = word.chars().count();
        match len {
            0 => {}
            _ if len + 1 + word_len > width => {
                text.push('\n');
                len = 0;
            }
            _ => {
                text.push(' ');
                len += 1;
            }
        }
        text.push_str(word);
        len += word_len;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_between_words() {
        assert_eq!(wrapped("one two three", 8), "one two\nthree");
        assert_eq!(wrapped("one two three", 7), "one two\nthree");
        assert_eq!(wrapped("one two three", 3), "one\ntwo\nthree");
        assert_eq!(wrapped("  one two three", 3), "  one two three");
        assert_eq!(wrapped("a\n\nb", 3), "a\n\nb");
    }

    /// The flags in a text: words that begin with a hyphen and a letter, or with two.
    fn flags(text: &str) -> Vec<&str> {
        let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
        let is_flag = |word: &&str| {
            let letters = word.trim_start_matches('-');
            let hyphens = word.len() - letters.len();
            letters.starts_with(|letter: char| letter.is_ascii_alphabetic())
                && (hyphens == 2 || hyphens == 1 && letters.len() == 1)
        };
        words.filter(is_flag).collect()
    }

    /// The flags that commands have, hidden ones and aliases with them.
    fn known_flags(command: &clap::Command, known: &mut Vec<String>) {
        for arg in command.get_arguments() {
            let longs = arg.get_all_aliases().unwrap_or_default();
            let longs = longs.into_iter().chain(arg.get_long());
            known.extend(longs.map(|long| format!("--{long}")));
            known.extend(arg.get_short().map(|letter| format!("-{letter}")));
        }
        for below in command.get_subcommands() {
            known_flags(below, known);
        }
    }

    #[test]
    fn every_flag_on_a_page_exists() {
        let mut command = crate::args::command();
        command.build();
        let mut known = Vec::new();
        known_flags(&command, &mut known);
        let unknown = PAGES.iter().flat_map(|page| {
            let named = flags(page.text).into_iter();
            let named = named.filter(|flag| !known.contains(&(*flag).to_owned()));
            named.map(|flag| (page.name, flag))
        });
        assert_eq!(unknown.collect::<Vec<_>>(), []);
    }

    #[test]
    fn the_page_on_tls_has_every_flag_of_tls() {
        let mut command = crate::args::command();
        command.build();
        let command = command.find_subcommand("pub").unwrap();
        let page = PAGES.iter().find(|page| page.name == "tls").unwrap();
        let named = flags(page.text);
        let of_tls = command.get_arguments().filter(|arg| {
            let long = arg.get_long().unwrap_or_default();
            arg.get_help_heading() == Some("TLS") || long.starts_with("psk")
        });
        let missing: Vec<_> = of_tls
            .filter_map(|arg| Some(format!("--{}", arg.get_long()?)))
            .filter(|flag| !named.contains(&flag.as_str()))
            .collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn the_page_on_properties_has_all_that_can_be_set() {
        let page = PAGES.iter().find(|page| page.name == "properties");
        let page = page.unwrap();
        let names: Vec<_> = crate::args::property_names();
        assert!(names.len() > 15, "{names:?}");
        for name in names {
            let line = format!("\n  {name} ");
            assert!(page.text.contains(&line), "{name}");
        }
        let of_messages = crate::args::command();
        let of_messages = of_messages.find_subcommand("pub").unwrap().get_arguments();
        let of_messages = of_messages.filter(|arg| {
            let long = arg.get_long().unwrap_or_default();
            arg.get_help_heading() == Some("Properties of MQTT 5") && long != "property"
        });
        for arg in of_messages {
            let flag = format!("--{}", arg.get_long().unwrap());
            assert!(flags(page.text).contains(&flag.as_str()), "{flag}");
        }
    }

    #[test]
    fn pages_are_sentences_with_headings() {
        for page in &PAGES {
            assert!(page.summary().ends_with('.'), "{}", page.name);
            assert!(page.text.contains("\n# "), "{}", page.name);
            for line in page.text.lines() {
                assert!(
                    line.starts_with("  ") || !line.starts_with(' '),
                    "{}: {line}",
                    page.name
                );
            }
        }
    }
}
