//! The tables of normative statements, `docs/spec/*.tsv`.

use std::collections::BTreeSet;

/// The layers of the product that keep a statement, lowest first.
pub(super) const LAYERS: [&str; 5] = ["codec", "session", "broker", "client", "io"];

/// The versions of the standard, newest first.
pub(super) const VERSIONS: [Version; 2] = [
    Version {
        word: "v5",
        title: "MQTT 5.0",
        file: "docs/spec/v5.tsv",
    },
    Version {
        word: "v3.1.1",
        title: "MQTT 3.1.1",
        file: "docs/spec/v311.tsv",
    },
];

const COLUMNS: &str = "id\tsection\tbinds\tlayer\tstate\tparaphrase";
const BINDS: [&str; 5] = ["client", "server", "both", "sender", "receiver"];
const PARAPHRASE_LEN_MAX: usize = 110;

/// A version of the standard.
#[derive(Debug)]
pub(super) struct Version {
    /// Its word in a claim.
    pub(super) word: &'static str,
    /// Its heading on the page.
    pub(super) title: &'static str,
    /// Its table, below the root of the workspace.
    pub(super) file: &'static str,
}

/// All statements of one version.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) version: &'static Version,
    /// In the order of the file, each id once.
    pub(super) statements: Vec<Statement>,
}

/// One row of a table.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Statement {
    /// `MQTT-`, section, `-`, number; the same id can mean another thing in another version.
    pub(super) id: String,
    /// Whom it binds.
    pub(super) binds: String,
    /// One of [`LAYERS`].
    pub(super) layer: String,
    /// Why no test can show it; none for an ordinary statement.
    pub(super) not_testable: Option<String>,
    /// What it asks for, in our words.
    pub(super) paraphrase: String,
    /// Labels of the tests that cover it.
    pub(super) tests: BTreeSet<String>,
}

impl Table {
    /// Reads the text of `version`'s file; each bad row adds a line to `problems`.
    pub(super) fn parse(version: &'static Version, text: &str, problems: &mut Vec<String>) -> Self {
        let file = version.file;
        let mut lines = text.lines();
        if lines.next() != Some(COLUMNS) {
            let columns = COLUMNS.replace('\t', ", ");
            problems.push(format!("{file}:1: the columns are not {columns}"));
        }
        let mut statements: Vec<Statement> = Vec::new();
        for (at, line) in lines.enumerate() {
            match Statement::parse(line) {
                Ok(new) if statements.iter().any(|old| old.id == new.id) => {
                    problems.push(format!("{file}:{}: {} is there twice", at + 2, new.id));
                }
                Ok(new) => statements.push(new),
                Err(problem) => problems.push(format!("{file}:{}: {problem}", at + 2)),
            }
        }
        Self {
            version,
            statements,
        }
    }

    /// Notes that the test of this label covers the statement `id`.
    ///
    /// # Errors
    ///
    /// There is no such statement, or its row says that no test can show it.
    pub(super) fn add_test(&mut self, id: &str, label: String) -> Result<(), String> {
        let Version { word, file, .. } = self.version;
        match self.statements.iter_mut().find(|row| row.id == id) {
            None => Err(format!("{word} [{id}] is not in {file}")),
            Some(row) if row.not_testable.is_some() => Err(format!(
                "{word} [{id}] is `not testable` in {file}: correct the row or the claim"
            )),
            Some(row) => {
                row.tests.insert(label);
                Ok(())
            }
        }
    }
}

impl Statement {
    fn parse(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[id, section, binds, layer, state, paraphrase] = fields.as_slice() else {
            return Err(format!("{} columns where 6 belong", fields.len()));
        };
        if !is_statement_id(id) || section.is_empty() {
            return Err(format!("`{id}` in section `{section}` is not a statement"));
        }
        if !BINDS.contains(&binds) {
            return Err(format!("binds `{binds}`, not one of {}", BINDS.join(", ")));
        }
        if !LAYERS.contains(&layer) {
            return Err(format!("layer `{layer}`, not one of {}", LAYERS.join(", ")));
        }
        let why = state.strip_prefix("not testable: ").map(str::trim);
        if state != "open" && why.is_none_or(str::is_empty) {
            let forms = "neither `open` nor `not testable: <why>`";
            return Err(format!("state `{state}`, {forms}"));
        }
        let len = paraphrase.chars().count();
        if len == 0 || len > PARAPHRASE_LEN_MAX {
            return Err(format!("{len} characters, not 1 to {PARAPHRASE_LEN_MAX}"));
        }
        if line.contains('|') {
            return Err("a `|`, which breaks the page".to_owned());
        }
        Ok(Self {
            id: id.to_owned(),
            binds: binds.to_owned(),
            layer: layer.to_owned(),
            not_testable: why.map(str::to_owned),
            paraphrase: paraphrase.to_owned(),
            tests: BTreeSet::new(),
        })
    }
}

/// Whether `id` is `MQTT-`, a section of numbers and dots, `-`, a number.
pub(super) fn is_statement_id(id: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    id.strip_prefix("MQTT-")
        .and_then(|rest| rest.rsplit_once('-'))
        .is_some_and(|(section, number)| section.split('.').all(is_number) && is_number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_another_form_is_refused() {
        assert!(Statement::parse("MQTT-1.5.4-1\t1.5.4\tboth\tcodec\topen\twords").is_ok());
        for line in [
            "",
            "MQTT-1.5.4-1\t1.5.4\tboth\tcodec\topen",
            "MQTT-1.5.4\t1.5.4\tboth\tcodec\topen\twords",
            "MQTT-1.5.4-1\t\tboth\tcodec\topen\twords",
            "MQTT-1.5.4-1\t1.5.4\tnobody\tcodec\topen\twords",
            "MQTT-1.5.4-1\t1.5.4\tboth\tnowhere\topen\twords",
            "MQTT-1.5.4-1\t1.5.4\tboth\tcodec\tclosed\twords",
            "MQTT-1.5.4-1\t1.5.4\tboth\tcodec\tnot testable: \twords",
            "MQTT-1.5.4-1\t1.5.4\tboth\tcodec\topen\ta | b",
            "MQTT-1.5.4-1\t1.5.4\tboth\tcodec\topen\t",
        ] {
            assert!(Statement::parse(line).is_err(), "{line}");
        }
        let long = format!(
            "MQTT-1.5.4-1\t1.5.4\tboth\tcodec\topen\t{}",
            "x".repeat(111)
        );
        assert!(Statement::parse(&long).is_err());
    }

    #[test]
    fn a_bad_line_is_named_and_the_others_are_read() {
        let row = "MQTT-1.5.4-1\t1.5.4\tboth\tcodec\topen\twords";
        let mut problems = Vec::new();
        let text = format!("id\n{row}\nnonsense\n{row}\n");
        let table = Table::parse(&VERSIONS[0], &text, &mut problems);
        assert_eq!(table.statements.len(), 1);
        assert_eq!(
            problems,
            [
                "docs/spec/v5.tsv:1: the columns are not \
                 id, section, binds, layer, state, paraphrase",
                "docs/spec/v5.tsv:3: 1 columns where 6 belong",
                "docs/spec/v5.tsv:4: MQTT-1.5.4-1 is there twice",
            ]
        );
    }
}
