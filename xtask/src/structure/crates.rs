//! Rules on who depends on whom.

use std::collections::BTreeSet;

use super::Finding;
use crate::metadata::{Metadata, Package};

/// What each crate of ours may depend on among ours; development dependencies on the testkit are free.
const ALLOWED: &[(&str, &[&str])] = &[
    ("mqtt-codec", &[]),
    ("mqtt-session", &["mqtt-codec"]),
    ("mqtt-io", &["mqtt-codec"]),
    ("mqtt-log", &[]),
    ("mqtt-auth", &[]),
    ("mqtt-access", &[]),
    ("mqtt-certs", &[]),
    ("mqtt-store", &["mqtt-log"]),
    (
        "mqtt-client",
        &[
            "mqtt-codec",
            "mqtt-session",
            "mqtt-io",
            "mqtt-auth",
            "mqtt-log",
        ],
    ),
    (
        "mqtt-broker",
        &[
            "mqtt-codec",
            "mqtt-session",
            "mqtt-io",
            "mqtt-access",
            "mqtt-auth",
            "mqtt-store",
        ],
    ),
    ("mqtt-admin", &["mqtt-broker", "mqtt-codec"]),
    // The broker for its tests alone: what is written must be what the broker reads.
    ("mqtt-import", &["mqtt-codec", "mqtt-store", "mqtt-broker"]),
    ("mqtt-bench", &["mqtt-codec", "mqtt-template"]),
    ("mqtt-torture", &["mqtt-codec"]),
    ("mqtt-dissect", &["mqtt-codec"]),
    ("mqtt-format", &[]),
    ("mqtt-template", &[]),
    ("mqtt-payload", &[]),
    // The broker for its tests alone.
    ("mqtt-probe", &["mqtt-client", "mqtt-broker"]),
    ("mqtt-record", &["mqtt-client", "mqtt-codec"]),
    (
        "mqtt-spy",
        &["mqtt-codec", "mqtt-dissect", "mqtt-io", "mqtt-record"],
    ),
    ("mqtt-tui", &["mqtt-payload"]),
    ("mqtt-sim", &["mqtt-client", "mqtt-template"]),
    (
        "mqtt-cli",
        &[
            "mqtt-access",
            "mqtt-admin",
            "mqtt-certs",
            "mqtt-client",
            "mqtt-broker",
            "mqtt-codec",
            "mqtt-bench",
            "mqtt-dissect",
            "mqtt-format",
            "mqtt-import",
            "mqtt-payload",
            "mqtt-probe",
            "mqtt-record",
            "mqtt-spy",
            "mqtt-sim",
            "mqtt-store",
            "mqtt-template",
            "mqtt-torture",
            "mqtt-tui",
        ],
    ),
    (
        "mqtt-testkit",
        &[
            "mqtt-access",
            "mqtt-codec",
            "mqtt-dissect",
            "mqtt-import",
            "mqtt-payload",
            "mqtt-record",
            "mqtt-session",
            "mqtt-io",
        ],
    ),
    (
        "mqtt-alloc-count",
        &["mqtt-broker", "mqtt-client", "mqtt-codec"],
    ),
    ("xtask", &["mqtt-bench", "mqtt-certs"]),
];

/// Crates that need no runtime.
const WITHOUT_RUNTIME: [&str; 11] = [
    "mqtt-tui",
    "mqtt-template",
    "mqtt-format",
    "mqtt-payload",
    "mqtt-dissect",
    "mqtt-codec",
    "mqtt-session",
    "mqtt-log",
    "mqtt-auth",
    "mqtt-access",
    "mqtt-store",
];

/// Integration tests a crate may have: one binary, and one that needs other implementations.
const TEST_BINARIES: [&str; 2] = ["it", "interop"];

/// Arrows between our crates that are not on the list.
pub(super) fn forbidden_edges(metadata: &Metadata) -> Vec<Finding> {
    let names: BTreeSet<&str> = metadata
        .members()
        .map(|package| package.name.as_str())
        .collect();
    let mut findings = Vec::new();
    for package in metadata.members() {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            findings.push(Finding::of(
                &package.name,
                "a crate without a list of what it may depend on",
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let is_dev = dependency.kind.as_deref() == Some("dev");
            // The testkit's own tests compile the main README, which shows several crates; a crate's own tests may use
            // features of it that are not its defaults.
            let is_own = name == "mqtt-testkit" || name == package.name;
            let is_test = is_dev && (is_own || package.name == "mqtt-testkit");
            if names.contains(name) && !is_test && !allowed.contains(&name) {
                findings.push(Finding::of(
                    &package.name,
                    format!("may not depend on {name}"),
                ));
            }
        }
    }
    findings
}

/// `tokio` among what codec, session or log depend on, near or far.
pub(super) fn runtime_below(metadata: &Metadata) -> Vec<Finding> {
    let is_below = |package: &&Package| WITHOUT_RUNTIME.contains(&package.name.as_str());
    let reached = metadata.members().filter(is_below).filter(|package| {
        let declares = package
            .dependencies
            .iter()
            .any(|dependency| dependency.name == "tokio");
        declares || reaches(metadata, &package.id, "tokio")
    });
    reached
        .map(|package| Finding::of(&package.name, "depends on tokio"))
        .collect()
}

/// Packages that need a newer Rust than ours promise.
pub(super) fn rust_versions(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    let declared = metadata
        .members()
        .map(|package| (package, rust_version(package)));
    let (with, without): (Vec<_>, Vec<_>) = declared.partition(|(_, version)| version.is_some());
    findings.extend(
        without
            .iter()
            .map(|(package, _)| Finding::of(&package.name, "declares no rust-version")),
    );
    let Some(ours) = with.into_iter().filter_map(|(_, version)| version).min() else {
        return findings;
    };
    let newer = metadata
        .packages
        .iter()
        .filter(|package| rust_version(package).is_some_and(|version| version > ours));
    findings.extend(newer.map(|package| {
        let version = package.rust_version.as_deref().unwrap_or_default();
        Finding::of(
            &package.name,
            format!("{} needs Rust {version}, newer than ours", package.version),
        )
    }));
    findings
}

/// Integration tests beside the one binary of a crate.
pub(super) fn test_binaries(metadata: &Metadata) -> Vec<Finding> {
    let strangers = metadata
        .targets("test")
        .filter(|(_, target)| !TEST_BINARIES.contains(&target.name.as_str()));
    strangers
        .map(|(package, target)| {
            Finding::of(
                &package.name,
                format!("has a test binary `{}`", target.name),
            )
        })
        .collect()
}

/// Whether normal dependencies lead from one package to another of this name.
fn reaches(metadata: &Metadata, from: &str, name: &str) -> bool {
    let Some(resolve) = &metadata.resolve else {
        return false;
    };
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        let edges = resolve
            .nodes
            .iter()
            .filter(|node| node.id == id)
            .flat_map(|node| &node.deps);
        for edge in edges.filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none())) {
            if seen.insert(&edge.pkg) {
                open.push(&edge.pkg);
            }
        }
    }
    metadata
        .packages
        .iter()
        .any(|package| package.name == name && seen.contains(package.id.as_str()))
}

/// Major, minor, patch.
fn rust_version(package: &Package) -> Option<[u64; 3]> {
    let mut numbers = package
        .rust_version
        .as_deref()?
        .split('.')
        .map(|number| number.parse().ok());
    let mut next = || numbers.next().unwrap_or(Some(0));
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Dependency, Edge, EdgeKind, Node, Resolve, Target};

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependency = |(name, kind): &(&str, Option<&str>)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(str::to_owned),
        };
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            rust_version: Some("1.95".to_owned()),
            dependencies: dependencies.iter().map(dependency).collect(),
            ..Package::default()
        }
    }

    fn workspace(members: Vec<Package>) -> Metadata {
        let workspace_members = members.iter().map(|package| package.id.clone()).collect();
        Metadata {
            packages: members,
            workspace_members,
            ..Metadata::default()
        }
    }

    fn edge(from: &str, to: &str, kind: Option<&str>) -> Node {
        let dep_kinds = vec![EdgeKind {
            kind: kind.map(str::to_owned),
        }];
        Node {
            id: from.to_owned(),
            deps: vec![Edge {
                pkg: to.to_owned(),
                dep_kinds,
            }],
        }
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        let metadata = workspace(vec![
            package(
                "mqtt-codec",
                &[("mqtt-io", None), ("mqtt-testkit", Some("dev"))],
            ),
            package("mqtt-io", &[("mqtt-codec", None), ("tokio", None)]),
            package("mqtt-testkit", &[("mqtt-codec", None)]),
        ]);
        assert_eq!(
            forbidden_edges(&metadata),
            [Finding::of("mqtt-codec", "may not depend on mqtt-io")]
        );
    }

    #[test]
    fn the_testkit_is_for_tests_only() {
        let metadata = workspace(vec![
            package("mqtt-broker", &[("mqtt-testkit", None)]),
            package("mqtt-testkit", &[]),
        ]);
        assert_eq!(forbidden_edges(&metadata).len(), 1);
    }

    #[test]
    fn an_unknown_crate_is_found() {
        assert_eq!(
            forbidden_edges(&workspace(vec![package("mqtt-new", &[])])).len(),
            1
        );
    }

    #[test]
    fn tokio_behind_another_crate_is_found() {
        let mut metadata = workspace(vec![package("mqtt-session", &[])]);
        metadata
            .packages
            .extend([package("helper", &[]), package("tokio", &[])]);
        metadata.resolve = Some(Resolve {
            nodes: vec![
                edge("mqtt-session", "helper", None),
                edge("helper", "tokio", None),
            ],
        });
        assert_eq!(runtime_below(&metadata).len(), 1);
        metadata.resolve = Some(Resolve {
            nodes: vec![
                edge("mqtt-session", "helper", Some("dev")),
                edge("helper", "tokio", None),
            ],
        });
        assert!(runtime_below(&metadata).is_empty());
    }

    #[test]
    fn a_newer_rust_is_found() {
        let mut metadata = workspace(vec![package("mqtt-codec", &[])]);
        metadata.packages.push(Package {
            rust_version: Some("1.96.1".to_owned()),
            ..package("new", &[])
        });
        metadata.packages.push(Package {
            rust_version: Some("1.95.0".to_owned()),
            ..package("same", &[])
        });
        let findings = rust_versions(&metadata);
        assert_eq!(
            findings
                .iter()
                .map(|finding| finding.place.as_str())
                .collect::<Vec<_>>(),
            ["new"]
        );
    }

    #[test]
    fn a_crate_without_rust_version_is_found() {
        let metadata = workspace(vec![Package {
            rust_version: None,
            ..package("mqtt-codec", &[])
        }]);
        assert_eq!(rust_versions(&metadata).len(), 1);
    }

    #[test]
    fn a_second_test_binary_is_found() {
        let target = |name: &str| Target {
            name: name.to_owned(),
            kind: vec!["test".to_owned()],
            ..Target::default()
        };
        let targets = vec![target("it"), target("more")];
        let metadata = workspace(vec![Package {
            targets,
            ..package("mqtt-codec", &[])
        }]);
        assert_eq!(
            test_binaries(&metadata),
            [Finding::of("mqtt-codec", "has a test binary `more`")]
        );
    }
}
