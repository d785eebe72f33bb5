//! The forms in which rules are written.

use crate::rule_error::{RuleError, RulesError};
use crate::rules::Rules;
use std::path::Path;

/// How a file of rules is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum RuleFormat {
    /// A list of tables `[[rules]]`.
    #[default]
    Toml,
    /// Mosquitto's `acl_file`.
    Mosquitto,
    /// EMQX's `acl.conf`.
    Emqx,
}

impl Rules {
    /// Reads rules in any of the forms; `file` is what they say they come from.
    ///
    /// # Errors
    /// The lines that are wrong; of Mosquitto's form the first.
    pub fn parse(format: RuleFormat, text: &str, file: &Path) -> Result<Self, RulesError> {
        match format {
            RuleFormat::Toml => Self::parse_toml(text, file),
            RuleFormat::Emqx => Self::parse_emqx(text, file),
            RuleFormat::Mosquitto => {
                let parsed = Self::parse_mosquitto(text, file);
                parsed.map_err(|(line, cause)| {
                    RulesError::one(file.to_path_buf(), line, RuleError::Mosquitto(cause))
                })
            }
        }
    }
}
