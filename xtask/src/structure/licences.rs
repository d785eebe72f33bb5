//! Whether every package we build may be used under licences of our list.

use std::fs;
use std::iter::Peekable;
use std::path::Path;
use std::str::SplitWhitespace;

use super::Finding;
use crate::metadata::{Metadata, Package};

/// Path of the list from the root. Each line is an SPDX identifier, or `package = identifier` for
/// one that only this package may have; `#` begins a remark.
const LIST: &str = "xtask/licences.txt";

/// Packages whose licence expression cannot be met from the list.
pub(super) fn unlisted(root: &Path, metadata: &Metadata) -> Vec<Finding> {
    match fs::read_to_string(root.join(LIST)) {
        Ok(list) => metadata
            .packages
            .iter()
            .filter_map(|package| finding(package, &list))
            .collect(),
        Err(error) => vec![Finding::of(LIST, error.to_string())],
    }
}

fn finding(package: &Package, list: &str) -> Option<Finding> {
    let place = format!("{} {}", package.name, package.version);
    let Some(expression) = &package.license else {
        return Some(Finding::of(&place, "says nothing of its licence"));
    };
    if is_met(expression, &allowed(&package.name, list)) {
        return None;
    }
    Some(Finding::of(
        &place,
        format!("its licence `{expression}` is not met by {LIST}"),
    ))
}

/// The identifiers that `list` allows this package.
fn allowed<'a>(package: &str, list: &'a str) -> Vec<&'a str> {
    let lines = list
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    let entries = lines.map(|line| {
        line.split_once(" = ")
            .map_or((None, line), |(only, licence)| (Some(only), licence))
    });
    entries
        .filter(|(only, _)| only.is_none_or(|only| only == package))
        .map(|(_, licence)| licence)
        .collect()
}

/// Evaluates an SPDX expression; `/` is how old packages wrote OR.
fn is_met(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut expression = Expression {
        words: spaced.split_whitespace().peekable(),
        allowed,
    };
    expression.either() == Some(true) && expression.words.next().is_none()
}

/// What is left to read of an expression; `None` from its methods where it is not well formed.
struct Expression<'a> {
    words: Peekable<SplitWhitespace<'a>>,
    allowed: &'a [&'a str],
}

impl Expression<'_> {
    fn either(&mut self) -> Option<bool> {
        let mut met = self.both()?;
        while self.words.next_if_eq(&"OR").is_some() {
            met |= self.both()?;
        }
        Some(met)
    }

    fn both(&mut self) -> Option<bool> {
        let mut met = self.single()?;
        while self.words.next_if_eq(&"AND").is_some() {
            met &= self.single()?;
        }
        Some(met)
    }

    fn single(&mut self) -> Option<bool> {
        let word = self.words.next()?;
        if word == "(" {
            let met = self.either()?;
            return self.words.next_if_eq(&")").map(|_| met);
        }
        let mut licence = word.to_owned();
        if self.words.next_if_eq(&"WITH").is_some() {
            licence = format!("{licence} WITH {}", self.words.next()?);
        }
        Some(self.allowed.contains(&licence.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: [&str; 3] = ["MIT", "Apache-2.0", "Unicode-3.0"];

    #[test]
    fn one_of_several_is_enough() {
        assert!(is_met("GPL-3.0 OR MIT", &ALLOWED));
        assert!(is_met("GPL-3.0/MIT", &ALLOWED));
        assert!(is_met("(MIT OR GPL-3.0) AND Unicode-3.0", &ALLOWED));
    }

    #[test]
    fn all_of_several_are_needed() {
        assert!(!is_met("MIT AND GPL-3.0", &ALLOWED));
        assert!(!is_met("(MIT OR Apache-2.0) AND GPL-3.0", &ALLOWED));
    }

    #[test]
    fn a_licence_with_exception_is_another_licence() {
        assert!(!is_met("Apache-2.0 WITH LLVM-exception", &ALLOWED));
    }

    #[test]
    fn a_broken_expression_is_not_met() {
        for expression in ["", "MIT OR", "(MIT", "MIT MIT"] {
            assert!(!is_met(expression, &ALLOWED), "{expression}");
        }
    }

    #[test]
    fn a_package_without_allowed_licence_is_found() {
        assert!(finding(&Package::default(), "MIT").is_some());
        let package = Package {
            license: Some("GPL-3.0".to_owned()),
            ..Package::default()
        };
        assert!(finding(&package, "# GPL-3.0\nMIT").is_some());
        assert!(finding(&package, "GPL-3.0 # GNU").is_none());
    }

    #[test]
    fn an_exception_is_for_one_package() {
        let package = |name: &str| Package {
            name: name.to_owned(),
            license: Some("MPL-2.0".to_owned()),
            ..Package::default()
        };
        assert!(finding(&package("a"), "MIT\na = MPL-2.0").is_none());
        assert!(finding(&package("b"), "MIT\na = MPL-2.0").is_some());
    }
}
