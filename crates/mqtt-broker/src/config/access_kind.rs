//! Kinds of values that keys about access have.

use super::kind::{Kind, Text};
use std::path::PathBuf;
use toml::de::DeValue;

/// The path of a file.
pub(super) struct FilePath;

/// A list of names.
pub(super) struct Names;

impl Kind<PathBuf> for FilePath {
    fn read(&self, value: &DeValue<'_>) -> Option<PathBuf> {
        let path = value.as_str().filter(|path| !path.is_empty())?;
        Some(PathBuf::from(path))
    }

    fn allowed(&self) -> String {
        "the path of a file, as a string".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        String::new()
    }

    fn show(&self, value: &PathBuf) -> String {
        Text.show(&value.display().to_string())
    }
}

impl Kind<Vec<String>> for Names {
    fn read(&self, value: &DeValue<'_>) -> Option<Vec<String>> {
        let names = value.as_array()?.iter();
        let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        names.map(|value| name(value.get_ref().as_str()?)).collect()
    }

    fn allowed(&self) -> String {
        "a list of names".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "list"
    }

    fn range(&self) -> String {
        "names".to_owned()
    }

    fn show(&self, value: &Vec<String>) -> String {
        format!("{value:?}")
    }
}
