//! A file of runs one after the other: the long flags of `mqtt bench` as keys.
//!
//! ```toml
//! host = "broker.example"      # for all steps
//!
//! [[step]]
//! command = "all"
//! name = "pairs"
//! count = 100
//! rate = 5000
//! duration = "30s"
//! ```

use toml::{Table, Value};

/// Steps of one file at most.
const STEPS_MAX: usize = 1000;

/// A file of runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScenarioFile {
    /// The runs, in order.
    pub steps: Vec<Step>,
}

/// One run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// What the report calls it.
    pub name: String,
    /// `conn`, `pub`, `sub` or `all`; `None` for what the command line says.
    pub command: Option<String>,
    /// Long flags with their values, in the order that later ones override earlier ones.
    pub flags: Vec<(String, String)>,
}

/// Why a file is no scenario.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ScenarioFileError {
    /// It is no TOML.
    #[error("{0}")]
    Toml(String),
    /// A value is of a kind that no flag has.
    #[error("{key}: a flag takes a text, a number, true or false, or a list of these")]
    Value {
        /// Its key.
        key: String,
    },
    /// `step` is no list of tables, or too long.
    #[error("step: say [[step]], {STEPS_MAX} times at most")]
    Steps,
}

impl ScenarioFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// It is no TOML, or holds what is no flag's value.
    pub fn parse(text: &str) -> Result<Self, ScenarioFileError> {
        let toml = |error: toml::de::Error| {
            ScenarioFileError::Toml(error.to_string().trim_end().replace('\n', " "))
        };
        let mut common: Table = text.parse().map_err(toml)?;
        let steps = match common.remove("step") {
            None => vec![Table::new()],
            Some(Value::Array(steps)) if (1..=STEPS_MAX).contains(&steps.len()) => {
                let tables = steps.into_iter().map(|step| match step {
                    Value::Table(table) => Ok(table),
                    _ => Err(ScenarioFileError::Steps),
                });
                tables.collect::<Result<_, _>>()?
            }
            Some(_) => return Err(ScenarioFileError::Steps),
        };
        let steps = (1..)
            .zip(steps)
            .map(|(number, step)| Step::of(number, &common, &step));
        Ok(Self {
            steps: steps.collect::<Result<_, _>>()?,
        })
    }
}

impl Step {
    fn of(number: usize, common: &Table, own: &Table) -> Result<Self, ScenarioFileError> {
        let mut step = Self {
            name: format!("step {number}"),
            command: None,
            flags: Vec::new(),
        };
        let inherited = common.iter().filter(|(key, _)| !own.contains_key(*key));
        for (key, value) in inherited.chain(own) {
            match (key.as_str(), value) {
                ("name", Value::String(name)) => step.name.clone_from(name),
                ("command", Value::String(command)) => step.command = Some(command.clone()),
                (key, Value::Array(values)) => {
                    for value in values {
                        step.flags.push((key.to_owned(), text_of(key, value)?));
                    }
                }
                (key, value) => step.flags.push((key.to_owned(), text_of(key, value)?)),
            }
        }
        Ok(step)
    }
}

fn text_of(key: &str, value: &Value) -> Result<String, ScenarioFileError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(is) => Ok(is.to_string()),
        _ => Err(ScenarioFileError::Value {
            key: key.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_inherit_and_override() {
        let file = ScenarioFile::parse(
            "host = \"h\"\nqos = 1\n[[step]]\ncommand = \"all\"\nname = \"a\"\nqos = 2\ntopic = [\"x\", \"y\"]\n[[step]]\nws = true\n",
        );
        let steps = file.unwrap().steps;
        let flags = |step: &Step| {
            let texts = step
                .flags
                .iter()
                .map(|(key, value)| format!("{key}={value}"));
            texts.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(flags(&steps[0]), "host=h qos=2 topic=x topic=y");
        assert_eq!(
            (steps[0].name.as_str(), steps[0].command.as_deref()),
            ("a", Some("all"))
        );
        assert_eq!(flags(&steps[1]), "host=h qos=1 ws=true");
        assert_eq!(
            (steps[1].name.as_str(), &steps[1].command),
            ("step 2", &None)
        );
    }

    #[test]
    fn a_file_without_steps_is_one_step() {
        assert_eq!(ScenarioFile::parse("count = 3").unwrap().steps.len(), 1);
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        for (text, part) in [
            ("a = ", "TOML"),
            ("a = { b = 1 }", "a: a flag takes"),
            ("step = 3", "[[step]]"),
            ("step = [1]", "[[step]]"),
        ] {
            let error = ScenarioFile::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains('\n'));
        }
    }
}
