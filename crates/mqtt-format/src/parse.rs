//! Reading a format.

use std::str::FromStr;

use crate::field::{Conversion, Field};

/// The widest field. Unit: bytes.
const WIDTH_MAX: usize = 65_535;

/// A format that has been read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Format {
    pub(crate) parts: Vec<Part>,
    pub(crate) pretty: bool,
}

/// A part of a format.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// Text that is printed as it is.
    Text(String),
    /// `%` and what follows.
    Field(Field),
    /// `@` and a character.
    Time(char),
}

/// Why a text is no format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// It ends after `%` or `@`, before what these announce.
    #[error("incomplete format specifier")]
    Incomplete,
    /// It ends after `\`.
    #[error("incomplete escape specifier")]
    IncompleteEscape,
    /// Nothing is printed for this character behind `%`.
    #[error("invalid format specifier '{0}'")]
    Invalid(char),
    /// Nothing is printed for this character behind `\`.
    #[error("invalid escape specifier '{0}'")]
    InvalidEscape(char),
    /// A width or precision is above 65,535.
    #[error("a width or precision above 65535")]
    TooWide,
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// What is wrong with it, in mosquitto's words.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            let part = match character {
                '%' => match field(&mut rest)? {
                    None => {
                        plain.push('%');
                        continue;
                    }
                    Some(field) => Part::Field(field),
                },
                '@' => match rest.next().ok_or(FormatError::Incomplete)? {
                    '@' => {
                        plain.push('@');
                        continue;
                    }
                    letter => Part::Time(letter),
                },
                '\\' => {
                    plain.push(escape(rest.next())?);
                    continue;
                }
                character => {
                    plain.push(character);
                    continue;
                }
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(part);
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self {
            parts,
            pretty: false,
        })
    }

    /// Everything as one JSON object, as `%j` prints it.
    pub fn json() -> Self {
        let field = Field {
            conversion: Conversion::Json,
            left: false,
            zeros: false,
            width: 0,
            precision: None,
        };
        Self {
            parts: vec![Part::Field(field)],
            pretty: false,
        }
    }

    /// The same with JSON over several lines.
    #[must_use]
    pub fn pretty(self) -> Self {
        Self {
            pretty: true,
            ..self
        }
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::parse(text)
    }
}

/// A text with `\n`, `\t` and so on as the characters they stand for, as in a format.
///
/// # Errors
/// What is wrong with it, in mosquitto's words.
pub fn unescape(text: &str) -> Result<String, FormatError> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        plain.push(match character {
            '\\' => escape(rest.next())?,
            character => character,
        });
    }
    Ok(plain)
}

/// What follows a `%`; `None` for a percent sign.
fn field(rest: &mut std::str::Chars<'_>) -> Result<Option<Field>, FormatError> {
    let mut next = || rest.next().ok_or(FormatError::Incomplete);
    let mut character = next()?;
    let left = character == '-';
    if left {
        character = next()?;
    }
    let zeros = character == '0';
    if zeros {
        character = next()?;
    }
    let mut number = |character: &mut char| {
        let mut number = 0;
        while let Some(digit) = character.to_digit(10) {
            number = number * 10 + usize::try_from(digit).unwrap_or(0);
            if number > WIDTH_MAX {
                return Err(FormatError::TooWide);
            }
            *character = next()?;
        }
        Ok(number)
    };
    let width = number(&mut character)?;
    let precision = match character {
        '.' => {
            // Without digits it is 0.
            character = '0';
            Some(number(&mut character)?)
        }
        _ => None,
    };
    if character == '%' {
        return Ok(None);
    }
    let conversion = Conversion::of(character).ok_or(FormatError::Invalid(character))?;
    Ok(Some(Field {
        conversion,
        left,
        zeros,
        width,
        precision,
    }))
}

fn escape(character: Option<char>) -> Result<char, FormatError> {
    Ok(match character.ok_or(FormatError::IncompleteEscape)? {
        '\\' => '\\',
        '0' => '\0',
        'a' => '\x07',
        'e' => '\x1B',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0B',
        character => return Err(FormatError::InvalidEscape(character)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_those_of_mosquitto() {
        for text in ["%", "a%5", "%-", "%0", "%.", "%5.2", "@"] {
            assert_eq!(Format::parse(text), Err(FormatError::Incomplete), "{text}");
        }
        assert_eq!(Format::parse("%z"), Err(FormatError::Invalid('z')));
        assert_eq!(Format::parse("%5.2é"), Err(FormatError::Invalid('é')));
        assert_eq!(Format::parse("\\"), Err(FormatError::IncompleteEscape));
        assert_eq!(Format::parse("\\q"), Err(FormatError::InvalidEscape('q')));
        assert_eq!(
            Format::parse("%99999999999999999999p"),
            Err(FormatError::TooWide)
        );
    }
}
