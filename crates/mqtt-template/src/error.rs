//! `TemplateError`: why a text is no template, and where.

/// Why a text is no template, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("at byte {at}: {problem}")]
pub struct TemplateError {
    /// Where the field begins. Unit: bytes, from 0.
    pub at: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It has no end.
    #[error("{{{{ without }}}}; {{{{{{{{ stands for two braces")]
    Open,
    /// There is no such field.
    #[error("there is no field {name:?}, only {}", crate::parse::NAMES.join(", "))]
    Unknown {
        /// What stood there.
        name: Box<str>,
    },
    /// The words behind its name are not what it takes.
    #[error("{name} takes {takes}")]
    Words {
        /// The field.
        name: &'static str,
        /// What belongs there.
        takes: &'static str,
    },
    /// A letter behind `%` that stands for nothing.
    #[error("there is no %{letter}, only %i, %s, %c, %u, %h, %r and %%")]
    Percent {
        /// What stood there; nothing at the end of the text.
        letter: Box<str>,
    },
}
