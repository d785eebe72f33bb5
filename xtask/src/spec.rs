//! Which test covers which normative statement, and the page that says so.
//!
//! The statements are the rows of `docs/spec/*.tsv`, the claims are doc lines of tests in the form
//! that `docs/spec-coverage.md` shows at its top. A claim that names no row of its version's table
//! is an error, so a typing mistake cannot pass for coverage.

mod audit;
mod claims;
mod table;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::fs;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

pub(crate) use audit::run as audit;
use table::{LAYERS, Statement, Table, VERSIONS};

const PAGE: &str = "docs/spec-coverage.md";
const FOLDERS: [&str; 3] = ["crates", "fuzz", "xtask"];
const FOLDERS_SKIPPED: [&str; 3] = ["target", "corpus", "artifacts"];

/// What a run found, per version of the standard.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Summary {
    /// Each version's word and counts, newest version first.
    pub(crate) versions: Vec<(&'static str, Counts)>,
    /// Test functions that cover at least one statement.
    pub(crate) tests: usize,
}

/// How many statements stand where.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    /// Statements that a test names.
    pub(crate) covered: usize,
    /// Statements that no test names yet.
    pub(crate) open: usize,
    /// Statements whose row says why no test can show them.
    pub(crate) not_testable: usize,
}

/// Reads the tables and the tests below `root` and brings the page up to date.
///
/// With `check` nothing is written: a page that differs is the error.
///
/// # Errors
///
/// One line for each malformed row, malformed claim, unknown id or claim without a test; or the
/// page is out of date; or a file cannot be read or written.
pub(crate) fn run(root: &Path, check: bool) -> Result<Summary, String> {
    let mut problems = Vec::new();
    let mut tables = Vec::new();
    for version in &VERSIONS {
        let text = read(&root.join(version.file))?;
        tables.push(Table::parse(version, &text, &mut problems));
    }
    add_tests(root, &mut tables, &mut problems)?;
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    let page = render(&tables);
    let path = root.join(PAGE);
    // A checkout may have turned the line ends around.
    let current = fs::read_to_string(&path)
        .unwrap_or_default()
        .replace("\r\n", "\n");
    if current != page {
        if check {
            return Err(format!(
                "{PAGE} is out of date: run `cargo xtask spec` and commit it"
            ));
        }
        fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(Summary::of(&tables))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn add_tests(root: &Path, tables: &mut [Table], problems: &mut Vec<String>) -> Result<(), String> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        find_sources(&root.join(folder), &mut files)?;
    }
    files.sort();
    for file in files {
        let name = relative_name(root, &file);
        let scan = claims::scan(&read(&file)?);
        for (line, problem) in scan.problems {
            problems.push(format!("{name}:{line}: {problem}"));
        }
        for claim in scan.claims {
            let label = format!("{}::{}", short_name(&name), claim.function);
            for table in tables
                .iter_mut()
                .filter(|table| table.version.word == claim.version)
            {
                if let Err(problem) = table.add_test(&claim.id, label.clone()) {
                    problems.push(format!("{name}:{}: {problem}", claim.line));
                }
            }
        }
    }
    Ok(())
}

fn find_sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if !folder.is_dir() {
        return Ok(());
    }
    let failed = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() && !name.starts_with('.') && !FOLDERS_SKIPPED.contains(&name.as_str()) {
            find_sources(&entry.path(), files)?;
        } else if kind.is_file() && name.ends_with(".rs") {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// The path below `root`, with `/` on every platform.
fn relative_name(root: &Path, file: &Path) -> String {
    let path = file.strip_prefix(root).unwrap_or(file);
    let parts: Vec<_> = path
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    parts.join("/")
}

/// The package and the module file: `mqtt-codec connect` of `crates/mqtt-codec/src/connect.rs`.
fn short_name(name: &str) -> String {
    let mut parts: Vec<&str> = name
        .strip_prefix("crates/")
        .unwrap_or(name)
        .split('/')
        .collect();
    let file = parts.pop().unwrap_or_default();
    let module = match (file.strip_suffix(".rs").unwrap_or(file), parts.last()) {
        ("mod", Some(folder)) => folder,
        (module, _) => module,
    };
    format!("{} {module}", parts.first().unwrap_or(&module))
}

fn render(tables: &[Table]) -> String {
    let mut page = String::from(
        "# Spec coverage\n\n\
         Generated by `cargo xtask spec`; do not edit.\n\
         The rows are `docs/spec/*.tsv`, in our own words: the standards decide.\n\
         A test claims a row by a doc line of this form: \
         `/// Covers: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1].`\n",
    );
    for table in tables {
        // Writing to a `String` cannot fail.
        let _ = render_table(&mut page, table);
    }
    page
}

fn render_table(page: &mut String, table: &Table) -> fmt::Result {
    let (title, rows) = (table.version.title, &table.statements);
    writeln!(
        page,
        "\n## {title}\n\n{} statements: {}.\n",
        rows.len(),
        Counts::of(rows)
    )?;
    page.push_str("| layer | covered | open | not testable |\n|---|---|---|---|\n");
    for layer in LAYERS {
        let rows = rows.iter().filter(|row| row.layer == layer);
        let Counts {
            covered,
            open,
            not_testable,
        } = Counts::of(rows);
        writeln!(page, "| {layer} | {covered} | {open} | {not_testable} |")?;
    }
    page.push_str("\n| id | binds | layer | paraphrase | tests |\n|---|---|---|---|---|\n");
    for row in rows {
        let Statement {
            id,
            binds,
            layer,
            paraphrase,
            ..
        } = row;
        writeln!(
            page,
            "| {id} | {binds} | {layer} | {paraphrase} | {} |",
            tests_cell(row)
        )?;
    }
    Ok(())
}

fn tests_cell(row: &Statement) -> String {
    match &row.not_testable {
        Some(why) => format!("not testable: {why}"),
        None if row.tests.is_empty() => "open".to_owned(),
        None => {
            let tests: Vec<_> = row.tests.iter().map(|test| format!("`{test}`")).collect();
            tests.join(", ")
        }
    }
}

impl Summary {
    fn of(tables: &[Table]) -> Self {
        let versions = tables
            .iter()
            .map(|table| (table.version.word, Counts::of(&table.statements)));
        let tests = tables
            .iter()
            .flat_map(|table| &table.statements)
            .flat_map(|row| &row.tests);
        Self {
            versions: versions.collect(),
            tests: tests.collect::<BTreeSet<_>>().len(),
        }
    }
}

impl Counts {
    fn of<'a>(rows: impl IntoIterator<Item = &'a Statement>) -> Self {
        let mut counts = Self::default();
        for row in rows {
            counts += match (&row.not_testable, row.tests.is_empty()) {
                (Some(_), _) => Self {
                    not_testable: 1,
                    ..Self::default()
                },
                (None, true) => Self {
                    open: 1,
                    ..Self::default()
                },
                (None, false) => Self {
                    covered: 1,
                    ..Self::default()
                },
            };
        }
        counts
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.covered += other.covered;
        self.open += other.open;
        self.not_testable += other.not_testable;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            covered,
            open,
            not_testable,
        } = self;
        write!(
            f,
            "{covered} covered, {open} open, {not_testable} not testable"
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, counts) in &self.versions {
            write!(f, "{word}: {counts}; ")?;
        }
        write!(f, "by {} tests", self.tests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "id\tsection\tbinds\tlayer\tstate\tparaphrase\n\
        MQTT-1.5.4-1\t1.5.4\tboth\tcodec\topen\tone\n\
        MQTT-3.1.0-1\t3.1\tclient\tsession\topen\ttwo\n\
        MQTT-4.2-1\t4.2\tboth\tio\tnot testable: for a reason\tthree\n";

    #[test]
    fn a_test_is_named_by_package_and_file() {
        for (path, name) in [
            (
                "crates/mqtt-codec/src/packet/connect.rs",
                "mqtt-codec connect",
            ),
            ("crates/mqtt-codec/tests/it/main.rs", "mqtt-codec main"),
            (
                "crates/mqtt-session/src/client/mod.rs",
                "mqtt-session client",
            ),
            ("xtask/src/spec.rs", "xtask spec"),
        ] {
            assert_eq!(short_name(path), name);
        }
    }

    #[test]
    fn an_id_outside_its_table_is_refused() {
        let tree = Tree::new("unknown");
        tree.write(
            "docs/spec/v311.tsv",
            TABLE.split_inclusive("\n").next().unwrap(),
        );
        for (claim, found) in [
            (
                "v5 [MQTT-1.5.4-9]",
                "a.rs:1: v5 [MQTT-1.5.4-9] is not in docs/spec/v5.tsv",
            ),
            (
                "v3.1.1 [MQTT-1.5.4-1]",
                "v3.1.1 [MQTT-1.5.4-1] is not in docs/spec/v311.tsv",
            ),
            ("v5 [MQTT-4.2-1]", "v5 [MQTT-4.2-1] is `not testable`"),
        ] {
            tree.write(
                "crates/a/src/a.rs",
                &format!("/// Covers: {claim}.\n#[test]\nfn t() {{}}"),
            );
            let problem = run(&tree.0, false).unwrap_err();
            assert!(
                problem.contains(found) && problem.lines().count() == 1,
                "{problem}"
            );
        }
    }

    #[test]
    fn the_page_counts_and_lists_and_is_checked() {
        let tree = Tree::new("page");
        let test = "/// Covers: v5 [MQTT-1.5.4-1], v3.1.1 [MQTT-1.5.4-1].\n#[test]\nfn t() {}\n";
        tree.write("crates/b/src/z.rs", test);
        tree.write("crates/a/tests/it/y.rs", test);
        tree.write("crates/a/target/skipped.rs", "/// Covers: nothing\n");
        let stale = run(&tree.0, true).unwrap_err();
        assert_eq!(stale.lines().count(), 1, "{stale}");
        assert!(
            stale.contains("docs/spec-coverage.md is out of date"),
            "{stale}"
        );

        let counts = Counts {
            covered: 1,
            open: 1,
            not_testable: 1,
        };
        let summary = Summary {
            versions: vec![("v5", counts), ("v3.1.1", counts)],
            tests: 2,
        };
        assert_eq!(run(&tree.0, false).as_ref(), Ok(&summary));
        assert_eq!(run(&tree.0, true), Ok(summary));
        let page = fs::read_to_string(tree.0.join(PAGE)).unwrap();
        for line in [
            "3 statements: 1 covered, 1 open, 1 not testable.",
            "| codec | 1 | 0 | 0 |",
            "| MQTT-1.5.4-1 | both | codec | one | `a y::t`, `b z::t` |",
            "| MQTT-3.1.0-1 | client | session | two | open |",
            "| MQTT-4.2-1 | both | io | three | not testable: for a reason |",
        ] {
            assert_eq!(
                page.lines().filter(|found| *found == line).count(),
                2,
                "{line} in {page}"
            );
        }
        tree.write(PAGE, &page.replace('\n', "\r\n"));
        assert!(run(&tree.0, true).is_ok());
        tree.write(PAGE, &page.replace("open", "closed"));
        assert!(run(&tree.0, true).is_err());
    }

    /// A workspace of two equal tables in a folder of its own, removed at the end.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let name = format!("mqtt-xtask-spec-{}-{name}", std::process::id());
            let tree = Self(std::env::temp_dir().join(name));
            tree.write("docs/spec/v5.tsv", TABLE);
            tree.write("docs/spec/v311.tsv", TABLE);
            tree
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
