//! What `cargo metadata` says, as far as the checks need it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::workspace::cargo;

/// Every package that takes part in a build of the workspace, on any platform.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Metadata {
    /// Ours and those we depend on.
    pub(crate) packages: Vec<Package>,
    /// Identifiers of ours.
    #[serde(default)]
    pub(crate) workspace_members: BTreeSet<String>,
    /// Who depends on whom once features are chosen.
    pub(crate) resolve: Option<Resolve>,
    /// Where cargo puts what it builds.
    #[serde(default)]
    pub(crate) target_directory: PathBuf,
}

/// One package.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Package {
    /// Cargo's identifier for it.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its SPDX licence expression.
    pub(crate) license: Option<String>,
    /// The oldest Rust it says it builds with.
    pub(crate) rust_version: Option<String>,
    /// Registries it may go to; `Some` of none when it is never published.
    pub(crate) publish: Option<Vec<String>>,
    /// Path of its manifest.
    #[serde(default)]
    pub(crate) manifest_path: PathBuf,
    /// What its manifest depends on.
    #[serde(default)]
    pub(crate) dependencies: Vec<Dependency>,
    /// What it builds.
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
    /// Its features and what each enables.
    #[serde(default)]
    pub(crate) features: BTreeMap<String, Vec<String>>,
}

/// One line under `[dependencies]`, `[dev-dependencies]` or `[build-dependencies]`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Dependency {
    /// Name of the package.
    pub(crate) name: String,
    /// `None` for a normal one, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

/// One crate of a package.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: String,
    /// `lib`, `bin`, `test`, `bench`, `example` and others.
    pub(crate) kind: Vec<String>,
    /// Its first file.
    #[serde(default)]
    pub(crate) src_path: PathBuf,
}

/// The graph of packages.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Resolve {
    /// One entry for each package.
    pub(crate) nodes: Vec<Node>,
}

/// One package in the graph.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Node {
    /// The package.
    pub(crate) id: String,
    /// What it is linked to.
    pub(crate) deps: Vec<Edge>,
}

/// One arrow of the graph.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Edge {
    /// The package it points to.
    pub(crate) pkg: String,
    /// Why it is there.
    #[serde(default)]
    pub(crate) dep_kinds: Vec<EdgeKind>,
}

/// One reason for an arrow.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct EdgeKind {
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

impl Metadata {
    /// Runs cargo in `root`.
    ///
    /// # Errors
    /// When a manifest is wrong or a dependency cannot be had.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let text = cargo(root)
            .args(["metadata", "--format-version", "1", "--all-features"])
            .read()?;
        serde_json::from_str(&text)
            .map_err(|error| format!("cargo metadata is not as expected: {error}"))
    }

    /// Packages of this workspace, by name.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| self.workspace_members.contains(&package.id))
    }

    /// Packages of this workspace that go to a registry.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Package> {
        self.members().filter(|package| package.is_published())
    }

    /// Names of the targets of `kind` in the whole workspace, each with its package.
    pub(crate) fn targets<'a>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = (&'a Package, &'a Target)> {
        self.members().flat_map(move |package| {
            let of_kind = package.targets.iter().filter(move |target| target.is(kind));
            of_kind.map(move |target| (package, target))
        })
    }
}

impl Package {
    /// Whether it may go to a registry.
    pub(crate) fn is_published(&self) -> bool {
        self.publish
            .as_ref()
            .is_none_or(|registries| !registries.is_empty())
    }

    /// Its library, when it has one.
    pub(crate) fn library(&self) -> Option<&Target> {
        self.targets.iter().find(|target| target.is("lib"))
    }

    /// Folder of its manifest.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

impl Target {
    /// Whether it is of this kind.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|own| own == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_published_packages_are_told_apart() {
        let text = r#"{
            "packages": [
                {"id": "a", "name": "a", "version": "1.0.0", "license": null, "rust_version": null, "publish": null},
                {"id": "b", "name": "b", "version": "1.0.0", "license": null, "rust_version": null, "publish": []},
                {"id": "c", "name": "c", "version": "1.0.0", "license": "MIT", "rust_version": "1.70", "publish": null}
            ],
            "workspace_members": ["a", "b"],
            "resolve": null,
            "target_directory": "target"
        }"#;
        let metadata: Metadata = serde_json::from_str(text).unwrap();
        let names = |packages: Vec<&Package>| {
            packages
                .iter()
                .map(|package| package.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(metadata.members().collect()), ["a", "b"]);
        assert_eq!(names(metadata.published().collect()), ["a"]);
    }
}
