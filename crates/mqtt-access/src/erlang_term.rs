//! The part of Erlang's terms that configuration files are written in.

use std::fmt;

/// Terms within terms that are read.
const DEPTH_MAX: usize = 16;

/// A term.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Term {
    /// `allow`, `'and'`
    Atom(String),
    /// `"text"`, `<<"text">>`
    Text(String),
    /// `1`
    Number(u64),
    /// `{a, b}`
    Tuple(Vec<Term>),
    /// `[a, b]`
    List(Vec<Term>),
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |f: &mut fmt::Formatter<'_>, terms: &[Self]| {
            terms.iter().enumerate().try_for_each(|(nth, term)| {
                let separator = if nth == 0 { "" } else { ", " };
                write!(f, "{separator}{term}")
            })
        };
        match self {
            Self::Atom(atom) => f.write_str(atom),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Tuple(terms) => {
                f.write_str("{")?;
                all(f, terms)?;
                f.write_str("}")
            }
            Self::List(terms) => {
                f.write_str("[")?;
                all(f, terms)?;
                f.write_str("]")
            }
        }
    }
}

/// Reads terms, each ended by a full stop; `%` begins a comment.
#[derive(Debug)]
pub(crate) struct Terms<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Terms<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 1,
        }
    }

    /// The next term and the line it begins in; none at the end.
    ///
    /// An error is the line of what is no term, and what was expected there. Nothing can be read behind it.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, Term)>, (usize, String)> {
        self.skip_blank();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let term = self.term(0)?;
        self.skip_blank();
        self.expect('.')?;
        Ok(Some((line, term)))
    }

    fn term(&mut self, depth: usize) -> Result<Term, (usize, String)> {
        self.skip_blank();
        if depth > DEPTH_MAX {
            return Err(self.wrong("fewer terms within terms"));
        }
        let rest = self.rest;
        if let Some(inner) = rest.strip_prefix("<<") {
            self.rest = inner;
            self.skip_blank();
            self.expect('"')?;
            let text = self.quoted('"')?;
            self.skip_blank();
            self.expect('>')?;
            self.expect('>')?;
            return Ok(Term::Text(text));
        }
        match rest.chars().next() {
            Some('{') => Ok(Term::Tuple(self.all('}', depth)?)),
            Some('[') => Ok(Term::List(self.all(']', depth)?)),
            Some('"') => {
                self.rest = rest.get(1..).unwrap_or_default();
                let mut text = self.quoted('"')?;
                // Strings that stand one behind the other are one.
                loop {
                    self.skip_blank();
                    let Some(more) = self.rest.strip_prefix('"') else {
                        return Ok(Term::Text(text));
                    };
                    self.rest = more;
                    text.push_str(&self.quoted('"')?);
                }
            }
            Some('\'') => {
                self.rest = rest.get(1..).unwrap_or_default();
                Ok(Term::Atom(self.quoted('\'')?))
            }
            Some(first) if first.is_ascii_digit() => {
                let digits = self.take(|c| c.is_ascii_digit());
                let number = digits.parse().map_err(|_| self.wrong("a smaller number"))?;
                Ok(Term::Number(number))
            }
            Some(first) if first.is_ascii_lowercase() => {
                let atom = self.take(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@');
                Ok(Term::Atom(atom.to_owned()))
            }
            _ => Err(self.wrong("a term")),
        }
    }

    /// What stands between two brackets, of which the first comes next.
    fn all(&mut self, end: char, depth: usize) -> Result<Vec<Term>, (usize, String)> {
        self.rest = self.rest.get(1..).unwrap_or_default();
        let mut terms = Vec::new();
        self.skip_blank();
        if self.has(end) {
            return Ok(terms);
        }
        loop {
            terms.push(self.term(depth + 1)?);
            self.skip_blank();
            if self.has(end) {
                return Ok(terms);
            }
            if !self.has(',') {
                return Err(self.wrong(&format!("`,` or `{end}`")));
            }
        }
    }

    /// What stands up to the quotation mark, behind the first.
    fn quoted(&mut self, mark: char) -> Result<String, (usize, String)> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        let begun = self.line;
        while let Some((at, found)) = chars.next() {
            match found {
                found if found == mark => {
                    self.rest = self.rest.get(at + mark.len_utf8()..).unwrap_or_default();
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 's')) => text.push(' '),
                    Some((_, escaped)) if !escaped.is_ascii_alphanumeric() => {
                        self.line += usize::from(escaped == '\n');
                        text.push(escaped);
                    }
                    _ => {
                        return Err((
                            self.line,
                            "expected another character behind `\\`".to_owned(),
                        ));
                    }
                },
                found => {
                    self.line += usize::from(found == '\n');
                    text.push(found);
                }
            }
        }
        Err((begun, format!("expected a closing `{mark}`")))
    }

    fn skip_blank(&mut self) {
        loop {
            let blank = self.take(char::is_whitespace);
            self.line += blank.matches('\n').count();
            if !self.rest.starts_with('%') {
                return;
            }
            self.take(|c| c != '\n');
        }
    }

    fn take(&mut self, is_wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !is_wanted(c));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn has(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), (usize, String)> {
        match self.has(wanted) {
            true => Ok(()),
            false => Err(self.wrong(&format!("`{wanted}`"))),
        }
    }

    fn wrong(&self, expected: &str) -> (usize, String) {
        let found = match self.rest.chars().next() {
            Some(found) => format!("{found:?}"),
            None => "the end".to_owned(),
        };
        (self.line, format!("expected {expected}, found {found}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(usize, String)>, (usize, String)> {
        let mut terms = Terms::new(text);
        let mut found = Vec::new();
        while let Some((line, term)) = terms.next()? {
            found.push((line, term.to_string()));
        }
        Ok(found)
    }

    #[test]
    fn terms_are_read_with_their_lines() {
        let text = "%% first\n{allow, {username, \"a\\\"b\"},\n all, [\"x\" \"/y\", {eq, <<\"#\">>}]}. % more\n'and'. []. {}. 12.";
        let expected = [
            (
                2,
                "{allow, {username, \"a\\\"b\"}, all, [\"x/y\", {eq, \"#\"}]}",
            ),
            (4, "and"),
            (4, "[]"),
            (4, "{}"),
            (4, "12"),
        ];
        let expected = expected.map(|(line, term)| (line, term.to_owned()));
        assert_eq!(all(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_term_is_named() {
        for (text, line, expected) in [
            ("{allow", 1, "expected `,` or `}`, found the end"),
            ("\n{allow}", 2, "expected `.`, found the end"),
            ("Allow.", 1, "expected a term, found 'A'"),
            ("\n\"a\nb", 2, "expected a closing `\"`"),
            ("{a,}.", 1, "expected a term, found '}'"),
            (
                "99999999999999999999.",
                1,
                "expected a smaller number, found '.'",
            ),
            ("<<a>>.", 1, "expected `\"`, found 'a'"),
        ] {
            assert_eq!(all(text), Err((line, expected.to_owned())), "{text}");
        }
        let deep = "[".repeat(1000);
        assert!(
            all(&deep)
                .unwrap_err()
                .1
                .starts_with("expected fewer terms")
        );
    }
}
