//! Why a file is no scenario.

use mqtt_template::TemplateError;

/// Why a text is no scenario; each names the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// It is no TOML, or has keys or values that a scenario does not have.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// Nobody is in it.
    #[error("a scenario needs [[devices]]")]
    NoDevices,
    /// A bound is passed, or two things do not go together.
    #[error("{place}: {problem}")]
    Value {
        /// Which devices, message and field.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A text with fields in braces is wrong.
    #[error("{place}: {error}")]
    Template {
        /// Which devices, message and key.
        place: String,
        /// What is wrong, and where in the text.
        error: TemplateError,
    },
}
