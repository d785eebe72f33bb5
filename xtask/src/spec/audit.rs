//! Breaks lines that say which statement they obey, one at a time in a scratch copy, and sees whether a test notices.
//!
//! `cargo xtask spec --audit N` picks N such places at random. A place is a comment with a statement's id in it and
//! the code it stands at; what is broken is one small thing of that code that still compiles. One of the tests that
//! claim the statement has to fail, or any other of the package.

mod mutate;
mod random;
mod run;
mod sites;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use mutate::{Mutation, mutations};
use random::Random;
use run::{Scratch, Verdict};
use sites::{Site, sites};

use super::{claims, find_sources, read, relative_name};
use crate::report::say;
use crate::workspace::Workspace;

/// Ways of breaking one place that are tried before it counts as one that cannot be broken.
const TRIES: usize = 6;

/// A test that claims a statement.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Test {
    /// Its package.
    pub(super) package: String,
    /// Whether it is in the package's `it` binary, not among the unit tests.
    pub(super) is_integration: bool,
    /// Its function.
    pub(super) function: String,
}

/// Tests by the statement they claim: version word and id.
type Claims = BTreeMap<(&'static str, String), Vec<Test>>;

/// Breaks `count` places and prints what became of each.
///
/// # Errors
/// When the scratch copy cannot be made or built as it is.
pub(crate) fn run(workspace: &Workspace, count: usize, seed: u64) -> Result<ExitCode, String> {
    let claims = claims_of(&workspace.root)?;
    let all = all_sites(&workspace.root)?;
    say(&format!(
        "{} places cite a statement; {count} of them with seed {seed} (--seed {seed} repeats)",
        all.len()
    ));
    let scratch = Scratch::make(workspace)?;
    let mut random = Random::new(seed);
    let mut left = all;
    let (mut broken, mut unnoticed) = (0, Vec::new());
    while broken < count && !left.is_empty() {
        let site = left.swap_remove(random.below(left.len()));
        match audit(&scratch, &site, &claims, &mut random)? {
            Outcome::NotBreakable => continue,
            Outcome::Noticed(line) => say(&format!("noticed    {line}")),
            Outcome::NotNoticed(line) => {
                say(&format!("NOT NOTICED {line}"));
                unnoticed.push(line);
            }
        }
        broken += 1;
    }
    say(&format!(
        "{broken} broken, {} noticed, {} not noticed, seed {seed}",
        broken - unnoticed.len(),
        unnoticed.len()
    ));
    Ok(match unnoticed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What became of a place.
enum Outcome {
    /// Nothing at it could be broken so that it still compiles.
    NotBreakable,
    Noticed(String),
    NotNoticed(String),
}

fn audit(
    scratch: &Scratch,
    site: &Site,
    claims: &Claims,
    random: &mut Random,
) -> Result<Outcome, String> {
    let tests = site.tests(claims);
    let original = scratch.read(&site.file)?;
    scratch.check_as_it_is(site.package())?;
    let mut ways = mutations(&original, site);
    for _ in 0..TRIES {
        if ways.is_empty() {
            break;
        }
        let way = ways.swap_remove(random.below(ways.len()));
        scratch.write(&site.file, &way.applied(&original))?;
        let verdict = verdict(scratch, site, &tests);
        scratch.write(&site.file, &original)?;
        let line = described(site, &way);
        match verdict? {
            Verdict::DoesNotCompile => {}
            Verdict::Failed(test) => return Ok(Outcome::Noticed(format!("{line}: by {test}"))),
            Verdict::Passed => return Ok(Outcome::NotNoticed(line)),
        }
    }
    Ok(Outcome::NotBreakable)
}

/// Those who claim the statement are asked first, then every test of the package.
fn verdict(scratch: &Scratch, site: &Site, tests: &[Test]) -> Result<Verdict, String> {
    match scratch.verdict(tests)? {
        Verdict::Passed => scratch.verdict_of_all(site.package()),
        verdict => Ok(verdict),
    }
}

fn described(site: &Site, way: &Mutation) -> String {
    let ids: Vec<_> = site
        .ids
        .iter()
        .map(|(version, id)| format!("{version} {id}"))
        .collect();
    format!(
        "{}:{} [{}] `{}` -> `{}`",
        site.file,
        way.line + 1,
        ids.join(", "),
        way.before.trim(),
        way.after.trim()
    )
}

impl Site {
    fn package(&self) -> &str {
        self.file.split('/').nth(1).unwrap_or_default()
    }

    /// The tests that claim one of its statements, those of its own package first.
    fn tests(&self, claims: &Claims) -> Vec<Test> {
        let own = self.package();
        let all = self.ids.iter().filter_map(|id| claims.get(id)).flatten();
        let mut tests: Vec<Test> = all.cloned().collect();
        tests.sort();
        tests.dedup();
        tests.sort_by_key(|test| test.package != own);
        tests
    }
}

fn claims_of(root: &Path) -> Result<Claims, String> {
    let mut files = Vec::new();
    find_sources(&root.join("crates"), &mut files)?;
    let mut found = Claims::new();
    for file in files {
        let name = relative_name(root, &file);
        let package = name.split('/').nth(1).unwrap_or_default().to_owned();
        for claim in claims::scan(&read(&file)?).claims {
            let test = Test {
                package: package.clone(),
                is_integration: name.contains("/tests/it/"),
                function: claim.function,
            };
            found
                .entry((claim.version, claim.id))
                .or_default()
                .push(test);
        }
    }
    Ok(found)
}

fn all_sites(root: &Path) -> Result<Vec<Site>, String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("crates")).map_err(|error| error.to_string())? {
        let folder = entry.map_err(|error| error.to_string())?.path().join("src");
        find_sources(&folder, &mut files)?;
    }
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = relative_name(root, &file);
        let is_test = name.ends_with("/tests.rs") || name.contains("/tests/");
        if !is_test {
            all.extend(sites(&name, &read(&file)?));
        }
    }
    Ok(all)
}
