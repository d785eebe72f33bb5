//! Uses each published library the way another project does: from a folder of its own, by path.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use crate::metadata::Package;
use crate::report::{Counts, Outcome};
use crate::workspace::{Workspace, cargo};

/// Where the programs are, one `<crate>.rs` each.
const PROGRAMS: &str = "xtask/outside";

/// What a line of a program begins with that names something else it needs, as in `Cargo.toml`;
/// `{root}` in it stands for the folder of the workspace.
const DEPENDENCY: &str = "// dependency: ";

/// Which features the other project asks for.
#[derive(Clone, Copy)]
enum Features {
    Default,
    None,
    All,
}

/// Builds and runs a project for every library and set of features; each counts as one test.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let folder = env::temp_dir().join(format!("mqtt-outside-{}", process::id()));
    let mut outcome = Outcome::default();
    for package in workspace
        .metadata
        .published()
        .filter(|package| package.library().is_some())
    {
        for features in sets(package) {
            outcome.add(check(workspace, &folder, package, features));
        }
    }
    if let Err(error) = fs::remove_dir_all(&folder) {
        outcome
            .notes
            .push(format!("{} is left over: {error}", folder.display()));
    }
    outcome
}

fn sets(package: &Package) -> Vec<Features> {
    if package.features.is_empty() {
        return vec![Features::Default];
    }
    vec![Features::Default, Features::None, Features::All]
}

fn check(workspace: &Workspace, folder: &Path, package: &Package, features: Features) -> Outcome {
    let result = write_project(workspace, folder, package, features).and_then(|project| {
        let target = workspace.target_dir("outside")?;
        cargo(&project)
            .args(["run", "--quiet"])
            .env("CARGO_TARGET_DIR", target)
            .capture()
    });
    let mut outcome = Outcome::of_program(result);
    if outcome.counts != Counts::default() && outcome.counts.failed > 0 {
        outcome
            .notes
            .push(format!("failed: {} with {}", package.name, features.name()));
    }
    outcome
}

/// Writes the project; versions are those of our own lock file.
fn write_project(
    workspace: &Workspace,
    folder: &Path,
    package: &Package,
    features: Features,
) -> Result<PathBuf, String> {
    let program_path = workspace
        .root
        .join(PROGRAMS)
        .join(format!("{}.rs", package.name));
    let program = fs::read_to_string(&program_path).map_err(|error| {
        format!(
            "{} needs a program at {PROGRAMS}/{}.rs: {error}",
            package.name, package.name
        )
    })?;
    let project = folder.join(format!(
        "{}-{}",
        package.name,
        features.name().replace(' ', "-")
    ));
    let write = || {
        fs::create_dir_all(project.join("src"))?;
        fs::write(
            project.join("Cargo.toml"),
            manifest(&workspace.root, package, features, &program),
        )?;
        fs::write(project.join("src/main.rs"), &program)?;
        let lock = workspace.root.join("Cargo.lock");
        if lock.exists() {
            fs::copy(lock, project.join("Cargo.lock"))?;
        }
        Ok(())
    };
    write().map_err(|error: std::io::Error| format!("{}: {error}", project.display()))?;
    Ok(project)
}

fn manifest(root: &Path, package: &Package, features: Features, program: &str) -> String {
    let folder = package.folder().display();
    let mut text = format!(
        "[package]\nname = \"outside\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [workspace]\n\n[profile.dev]\ndebug = false\nincremental = false\n\n[dependencies]\n{} = {{ path = '{folder}'{} }}\n",
        package.name,
        features.entry(package),
    );
    for line in program
        .lines()
        .filter_map(|line| line.strip_prefix(DEPENDENCY))
    {
        text.push_str(&line.replace("{root}", &root.to_string_lossy()));
        text.push('\n');
    }
    text
}

impl Features {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default features",
            Self::None => "no features",
            Self::All => "all features",
        }
    }

    /// What the dependency's entry says beside the path.
    fn entry(self, package: &Package) -> String {
        match self {
            Self::Default => String::new(),
            Self::None => ", default-features = false".to_owned(),
            Self::All => {
                let names: Vec<String> = package
                    .features
                    .keys()
                    .map(|name| format!("\"{name}\""))
                    .collect();
                format!(", features = [{}]", names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Package {
        let features = [
            ("bytes".to_owned(), Vec::new()),
            ("default".to_owned(), Vec::new()),
        ]
        .into();
        Package {
            name: "a".to_owned(),
            manifest_path: "/r/a/Cargo.toml".into(),
            features,
            ..Package::default()
        }
    }

    #[test]
    fn a_library_with_features_is_used_three_times() {
        assert_eq!(sets(&package()).len(), 3);
        assert_eq!(sets(&Package::default()).len(), 1);
    }

    #[test]
    fn the_manifest_names_features_and_further_dependencies() {
        let program = "//! A.\n// dependency: b = { path = '{root}/b' }\nfn main() {}";
        let none = manifest(Path::new("/r"), &package(), Features::None, program);
        assert!(
            none.ends_with(
                "[dependencies]\na = { path = '/r/a', default-features = false }\nb = { path = '/r/b' }\n"
            ),
            "{none}"
        );
        let all = manifest(Path::new("/r"), &package(), Features::All, "");
        assert!(
            all.contains("features = [\"bytes\", \"default\"] }"),
            "{all}"
        );
    }
}
