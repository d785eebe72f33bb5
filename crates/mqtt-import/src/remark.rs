//! What is said about a line that is not carried over as it stands.

use std::fmt;

/// What it means that a line is not honoured as it stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// Nothing here corresponds, and nobody can do more or less for it.
    Ignored,
    /// It is honoured, or its purpose is, but not in every respect.
    Differs,
    /// Ignoring it would open something up, or make another broker of it: the configuration is not to be run so.
    Refused,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignored => "not honoured",
            Self::Differs => "honoured in part",
            Self::Refused => "refused",
        })
    }
}

/// A line that is not honoured as it stands, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remark {
    /// The file, by the name it was given.
    pub origin: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// The directive, or the key.
    pub directive: String,
    /// What it means.
    pub class: Class,
    /// Why, in words.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": `{}` {}: {}", self.directive, self.class, self.text)
    }
}

/// A configuration for this broker, and what could not be said in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Imported {
    /// The configuration, as `mqtt broker` reads it.
    pub toml: String,
    /// What is not honoured as it stands, in the order of the lines.
    pub remarks: Vec<Remark>,
}

impl Imported {
    /// What must not be ignored.
    pub fn refused(&self) -> impl Iterator<Item = &Remark> {
        let remarks = self.remarks.iter();
        remarks.filter(|remark| remark.class == Class::Refused)
    }
}
