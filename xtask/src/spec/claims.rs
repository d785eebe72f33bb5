//! The `Covers:` lines of one source file, and the test that each stands at.

use std::iter::{Enumerate, Peekable};
use std::str::Lines;

use super::table::{VERSIONS, is_statement_id};

/// A test function says that it covers a statement.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Claim {
    /// Where the claim is written, from 1.
    pub(super) line: usize,
    /// The word of the version.
    pub(super) version: &'static str,
    /// Looks like a statement id; whether there is one, the table says.
    pub(super) id: String,
    /// The name of the test function.
    pub(super) function: String,
}

/// What the scan of one source file gives: its claims, and what is wrong at which line.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Scan {
    pub(super) claims: Vec<Claim>,
    pub(super) problems: Vec<(usize, String)>,
}

/// The claims of one source file.
pub(super) fn scan(source: &str) -> Scan {
    Scanner {
        lines: source.lines().enumerate().peekable(),
        head: Head::default(),
        scan: Scan::default(),
    }
    .run()
}

/// Reads a source file line by line.
struct Scanner<'a> {
    lines: Peekable<Enumerate<Lines<'a>>>,
    head: Head,
    scan: Scan,
}

/// What was read of the item that the scan is in front of: its doc lines and attributes.
#[derive(Default)]
struct Head {
    /// Line of the first claim, and the statements of all.
    claims: Option<(usize, Vec<(&'static str, String)>)>,
    is_test: bool,
    /// Square brackets of an attribute that are open at the end of a line.
    brackets_open: usize,
}

impl<'a> Scanner<'a> {
    fn run(mut self) -> Scan {
        while let Some((at, line)) = self.lines.next() {
            let line = self.skip_attributes(line.trim());
            if let Some(text) = doc_text(line) {
                self.read_doc(at + 1, text);
            } else if line.starts_with("//") {
                if text_claims(line) {
                    self.problem(at + 1, "a `Covers:` line is a `///` doc line of a test");
                }
            } else if let Some(name) = function_name(line) {
                self.end_head(Some(name));
            } else if !line.is_empty() {
                self.end_head(None);
            }
        }
        self.end_head(None);
        self.scan
    }

    /// The rest of `line` after the attributes it starts with or continues.
    fn skip_attributes(&mut self, line: &'a str) -> &'a str {
        let mut rest = line;
        loop {
            if self.head.brackets_open == 0 {
                let Some(attribute) = rest.strip_prefix("#[") else {
                    return rest;
                };
                let path = attribute.split(['(', ']', '=']).next().unwrap_or_default();
                self.head.is_test |= path.contains("test");
                self.head.brackets_open = 1;
                rest = attribute;
            }
            let Some((before, after)) = rest.split_once(['[', ']']) else {
                return "";
            };
            if rest
                .get(before.len()..)
                .is_some_and(|tail| tail.starts_with('['))
            {
                self.head.brackets_open += 1;
            } else {
                self.head.brackets_open -= 1;
            }
            rest = if self.head.brackets_open == 0 {
                after.trim_start()
            } else {
                after
            };
        }
    }

    fn read_doc(&mut self, line: usize, text: &'a str) {
        let Some(first) = text.strip_prefix("Covers:") else {
            if text_claims(text) {
                self.problem(
                    line,
                    "malformed: the line starts with `Covers:`, in this spelling",
                );
            }
            return;
        };
        let mut claims = first.trim().to_owned();
        while !claims.ends_with('.') {
            let next = self.lines.next_if(|(_, next)| {
                doc_text(next.trim()).is_some_and(|text| text.contains("[MQTT-"))
            });
            let Some((_, next)) = next else { break };
            claims.push(' ');
            claims.push_str(doc_text(next.trim()).unwrap_or_default());
        }
        match parse_claims(&claims) {
            Ok(new) => {
                self.head
                    .claims
                    .get_or_insert((line, Vec::new()))
                    .1
                    .extend(new);
            }
            Err(problem) => self.problem(line, &problem),
        }
    }

    /// The item has come: `name` when it is a function.
    fn end_head(&mut self, name: Option<&str>) {
        let head = std::mem::take(&mut self.head);
        let Some((line, claims)) = head.claims else {
            return;
        };
        match name {
            None => self.problem(line, "no function follows this `Covers:` line"),
            Some(name) if !head.is_test => {
                self.problem(
                    line,
                    &format!("`{name}` covers nothing, it has no test attribute"),
                );
            }
            Some(name) => {
                self.scan
                    .claims
                    .extend(claims.into_iter().map(|(version, id)| Claim {
                        line,
                        version,
                        id,
                        function: name.to_owned(),
                    }));
            }
        }
    }

    fn problem(&mut self, line: usize, problem: &str) {
        self.scan.problems.push((line, problem.to_owned()));
    }
}

/// The text of a `///` line.
fn doc_text(line: &str) -> Option<&str> {
    line.strip_prefix("///")
        .filter(|text| !text.starts_with('/'))
        .map(str::trim)
}

/// Whether a comment line means to be a claim, however it is spelled.
fn text_claims(line: &str) -> bool {
    let text = line
        .trim_start_matches(['/', '!', ' '])
        .to_ascii_lowercase();
    text.strip_prefix("covers")
        .is_some_and(|rest| rest.starts_with(':') || rest.contains("[mqtt-"))
}

/// The statements of `v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1].`
fn parse_claims(text: &str) -> Result<Vec<(&'static str, String)>, String> {
    let list = text.strip_suffix('.').unwrap_or(text);
    list.split(',')
        .map(|claim| parse_claim(claim.trim()))
        .collect()
}

fn parse_claim(claim: &str) -> Result<(&'static str, String), String> {
    let id = |(_, rest): (&str, &str)| {
        let id = rest.trim().strip_prefix('[')?.strip_suffix(']')?;
        is_statement_id(id).then(|| id.to_owned())
    };
    let version = |(word, _): (&str, &str)| VERSIONS.iter().find(|version| version.word == word);
    let parts = claim.split_once(' ');
    match (parts.and_then(version), parts.and_then(id)) {
        (Some(version), Some(id)) => Ok((version.word, id)),
        _ => Err(format!(
            "malformed `Covers:` line: `{claim}` is not like `v5 [MQTT-2.2.1-3]` or \
             `v3.1.1 [MQTT-2.3.1-1]`, commas between and a full stop at the end"
        )),
    }
}

/// The name of the function that a line starts.
fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| {
        matches!(
            *word,
            "pub" | "const" | "async" | "unsafe" | "extern" | "\"C\""
        ) || word.starts_with("pub(")
    });
    if words.next() != Some("fn") {
        return None;
    }
    words
        .next()?
        .split(|char: char| !char.is_alphanumeric() && char != '_')
        .next()
        .filter(|name| !name.is_empty())
}
#[cfg(test)]
mod tests {
    use super::*;

    fn claims_of(source: &str) -> Vec<(&'static str, String, String)> {
        let scan = scan(source);
        assert_eq!(scan.problems, [], "in {source}");
        scan.claims
            .into_iter()
            .map(|claim| (claim.version, claim.id, claim.function))
            .collect()
    }

    fn problem_of(source: &str) -> String {
        let scan = scan(source);
        assert_eq!(scan.claims, [], "in {source}");
        assert_eq!(scan.problems.len(), 1, "in {source}: {:?}", scan.problems);
        scan.problems
            .into_iter()
            .map(|(line, text)| format!("{line}: {text}"))
            .collect()
    }

    fn claim(version: &'static str, id: &str, function: &str) -> (&'static str, String, String) {
        (version, id.to_owned(), function.to_owned())
    }

    #[test]
    fn claims_carry_version_id_and_function() {
        let source = [
            "mod tests {",
            "    /// Says more.",
            "    /// Covers: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1].",
            "    #[test]",
            "    fn packet_id_zero_is_refused() {",
            "    }",
            "}",
        ];
        assert_eq!(
            claims_of(&source.join("\n")),
            [
                claim("v5", "MQTT-2.2.1-3", "packet_id_zero_is_refused"),
                claim("v3.1.1", "MQTT-2.3.1-1", "packet_id_zero_is_refused"),
            ]
        );
    }

    #[test]
    fn a_claim_goes_on_until_a_full_stop_or_a_line_without_an_id() {
        let stop = "/// Covers: v5 [MQTT-1.5.4-1],\n/// v5 [MQTT-1.5.4-2].\n\
            /// See [MQTT-9.9.9-9] for the other half.\n#[test]\nfn a() {}\n";
        let words = "/// Covers: v5 [MQTT-1.5.4-1],\n/// v5 [MQTT-1.5.4-2]\n\
            /// Plain words.\n#[test]\nfn a() {}\n";
        for source in [stop, words] {
            let expected = [
                claim("v5", "MQTT-1.5.4-1", "a"),
                claim("v5", "MQTT-1.5.4-2", "a"),
            ];
            assert_eq!(claims_of(source), expected);
        }
    }

    #[test]
    fn the_function_is_found_behind_attributes_and_qualifiers() {
        for item in [
            "#[test]\nfn name() {}",
            "#[test] fn name(a in 0..9u8) {",
            "#[tokio::test(flavor = \"current_thread\")]\nasync fn name() {}",
            "#[test]\n#[cfg_attr(\n    windows,\n    expect(x, reason = \"y\"),\n)]\nfn name() {}",
            "#[cfg([a])]\n// words\n\n/// More.\n#[test]\npub(crate) const unsafe fn name<T>() {",
        ] {
            let source = format!("/// Covers: v5 [MQTT-4.2-1].\n{item}\n");
            assert_eq!(claims_of(&source), [claim("v5", "MQTT-4.2-1", "name")]);
        }
        let before = "#[test]\n/// Covers: v5 [MQTT-4.2-1].\nfn name() {}\n";
        assert_eq!(claims_of(before), [claim("v5", "MQTT-4.2-1", "name")]);
    }

    #[test]
    fn a_malformed_claim_is_refused() {
        for claim in [
            "",
            "[MQTT-1.5.4-1].",
            "v5 MQTT-1.5.4-1.",
            "v4 [MQTT-1.5.4-1].",
            "v5 [MQTT-1.5.4].",
            "v5 [1.5.4-1].",
            "v5 [MQTT-1.5.-1].",
            "v5 [MQTT-1.5.4-1], [MQTT-1.5.4-2].",
            "v5 [MQTT-1.5.4-1] v5 [MQTT-1.5.4-2].",
            "v5 [MQTT-1.5.4-1],",
            "v5 [MQTT-1.5.4-1]. And words.",
        ] {
            let problem = problem_of(&format!("/// Covers: {claim}\n#[test]\nfn a() {{}}\n"));
            assert!(problem.starts_with("1: malformed"), "{claim}: {problem}");
        }
    }

    #[test]
    fn a_claim_in_another_spelling_is_refused() {
        for line in [
            "// Covers: v5 [MQTT-1.5.4-1].",
            "//! Covers: v5 [MQTT-1.5.4-1].",
            "//// Covers: v5 [MQTT-1.5.4-1].",
            "/// covers: v5 [MQTT-1.5.4-1].",
            "/// Covers v5 [MQTT-1.5.4-1].",
        ] {
            let problem = problem_of(&format!("{line}\n#[test]\nfn a() {{}}\n"));
            assert!(problem.starts_with("1: "), "{line}: {problem}");
        }
        assert_eq!(
            claims_of("/// Covers the rest of the table.\nfn a() {}\n"),
            []
        );
    }

    #[test]
    fn a_claim_without_a_test_is_refused() {
        let covers = "/// Covers: v5 [MQTT-1.5.4-1].\n";
        for rest in [
            "",
            "struct A;\nfn a() {}\n",
            "}\n#[test]\nfn a() {}\n",
            "#[test]\nfn $name() {}\n",
        ] {
            let problem = problem_of(&format!("{covers}{rest}"));
            assert!(problem.contains("no function follows"), "{rest}: {problem}");
        }
        for rest in ["fn helper() {}\n", "#[cfg(test)]\nfn helper() {}\n"] {
            let problem = problem_of(&format!("{covers}{rest}"));
            assert!(
                problem.contains("`helper` covers nothing"),
                "{rest}: {problem}"
            );
        }
    }
}
