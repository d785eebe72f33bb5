//! The Debian package: the binary, its unit file and its configuration.

use std::fs;
use std::path::Path;

use super::{BINARY, PACKAGING, copy};
use crate::report::Outcome;
use crate::shell::{Command, find_program};
use crate::workspace::Workspace;

/// The unit file.
pub(super) const UNIT: &str = "mqtt-broker.service";

/// The configuration.
pub(super) const CONFIG: &str = "broker.toml";

/// Where each file goes, and its mode; the binary is put beside these.
const FILES: [(&str, &str, u32); 3] = [
    (
        "xtask/packaging/mqtt-broker.service",
        "usr/lib/systemd/system/mqtt-broker.service",
        0o644,
    ),
    ("xtask/packaging/broker.toml", "etc/mqtt/broker.toml", 0o644),
    ("LICENSE", "usr/share/doc/mqtt/copyright", 0o644),
];

/// Scripts of the package.
const SCRIPTS: [&str; 2] = ["postinst", "prerm"];

/// Builds the package in `out` and reads it back.
///
/// # Errors
/// When a file cannot be read or written, or dpkg-deb fails.
pub(super) fn build(
    workspace: &Workspace,
    version: &str,
    binary: &Path,
    out: &Path,
) -> Result<Outcome, String> {
    let stage = workspace.target_dir("xtask")?.join("debian");
    if stage.exists() {
        fs::remove_dir_all(&stage).map_err(|error| format!("{}: {error}", stage.display()))?;
    }
    stage_files(workspace, binary, &stage)?;
    let bytes = fs::read(binary).map_err(|error| format!("{}: {error}", binary.display()))?;
    let architecture = architecture(std::env::consts::ARCH)?;
    write(
        &stage.join("DEBIAN/control"),
        &control(version, architecture, &bytes),
        0o644,
    )?;
    write(
        &stage.join("DEBIAN/conffiles"),
        &format!("/etc/mqtt/{CONFIG}\n"),
        0o644,
    )?;

    let package = out.join(format!("{BINARY}_{version}_{architecture}.deb"));
    let mut build = Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .arg(&stage)
        .arg(&package);
    if let Ok(time) = commit_time(workspace) {
        build = build.env("SOURCE_DATE_EPOCH", time.trim());
    }
    build.read()?;
    read_back(&package)
}

fn stage_files(workspace: &Workspace, binary: &Path, stage: &Path) -> Result<(), String> {
    place(binary, &stage.join("usr/bin").join(BINARY), 0o755)?;
    for (from, to, mode) in FILES {
        place(&workspace.root.join(from), &stage.join(to), mode)?;
    }
    for script in SCRIPTS {
        place(
            &workspace.root.join(PACKAGING).join(script),
            &stage.join("DEBIAN").join(script),
            0o755,
        )?;
    }
    Ok(())
}

fn control(version: &str, architecture: &str, binary: &[u8]) -> String {
    let installed_kb = binary.len().div_ceil(1024);
    let depends = depends(binary);
    format!(
        "Package: {BINARY}\nVersion: {version}\nArchitecture: {architecture}\n\
         Maintainer: mqtt maintainers <maintainers@example.invalid>\n\
         Installed-Size: {installed_kb}\nDepends: {depends}\nSection: net\nPriority: optional\n\
         Description: MQTT broker and command line\n \
         A broker for MQTT 3.1, 3.1.1 and 5.0, and commands to publish and subscribe.\n \
         The unit mqtt-broker.service is installed and not enabled.\n"
    )
}

/// The libraries a binary names, with the oldest C library that has every symbol it uses.
fn depends(binary: &[u8]) -> String {
    let mut newest = None;
    for (start, _) in binary
        .windows(8)
        .enumerate()
        .filter(|(_, window)| *window == b"GLIBC_2.")
    {
        let digits = binary
            .get(start + 8..)
            .unwrap_or_default()
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        let minor: String = digits.map(|byte| char::from(*byte)).collect();
        newest = newest.max(minor.parse::<u32>().ok());
    }
    let mut depends = newest
        .map(|minor| format!("libc6 (>= 2.{minor})"))
        .into_iter()
        .collect::<Vec<_>>();
    if binary.windows(13).any(|window| window == b"libgcc_s.so.1") {
        depends.push("libgcc-s1".to_owned());
    }
    depends.join(", ")
}

/// Debian's word for the machine.
fn architecture(rust: &str) -> Result<&'static str, String> {
    match rust {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        "arm" => Ok("armhf"),
        "riscv64" => Ok("riscv64"),
        "x86" => Ok("i386"),
        other => Err(format!("no name of Debian's for {other}")),
    }
}

/// Reads the package the way dpkg would, and with lintian where it is installed.
fn read_back(package: &Path) -> Result<Outcome, String> {
    let info = Command::new("dpkg-deb").arg("--info").arg(package).read()?;
    let contents = Command::new("dpkg-deb")
        .arg("--contents")
        .arg(package)
        .read()?;
    let missing = missing(&info, &contents);
    let mut outcome = match missing.as_slice() {
        [] => Outcome::passed(),
        missing => Outcome::failed(format!("the package lacks {}", missing.join(", "))),
    };
    if find_program("lintian").is_some() {
        let lintian =
            Command::new("lintian").args(["--fail-on", "error", "--suppress-tags", "no-changelog"]);
        outcome.add(Outcome::of_program(lintian.arg(package).capture()));
    }
    Ok(outcome)
}

fn missing(info: &str, contents: &str) -> Vec<String> {
    let fields = [
        "Package: ",
        "Version: ",
        "Architecture: ",
        "Depends: libc6",
        "conffiles",
        "postinst",
        "prerm",
    ];
    let paths = FILES
        .iter()
        .map(|(_, to, _)| (*to).to_owned())
        .chain([format!("usr/bin/{BINARY}")]);
    let fields = fields
        .iter()
        .filter(|field| !info.contains(*field))
        .map(|field| field.trim().to_owned());
    let root_owned = contents.lines().all(|line| line.contains(" root/root "));
    let lines: Vec<&str> = contents.lines().collect();
    let paths = paths.filter(|path| {
        !lines
            .iter()
            .any(|line| line.ends_with(&format!("./{path}")))
    });
    let owner = (!root_owned).then(|| "root as the owner of every file".to_owned());
    fields.chain(paths).chain(owner).collect()
}

fn commit_time(workspace: &Workspace) -> Result<String, String> {
    Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(&workspace.root)
        .read()
}

fn place(from: &Path, to: &Path, mode: u32) -> Result<(), String> {
    make_folders(to)?;
    copy(from, to)?;
    set_mode(to, mode)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    make_folders(path)?;
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    set_mode(path, mode)
}

/// Makes the folders above `path`, each readable for all whatever the caller's mask is.
fn make_folders(path: &Path) -> Result<(), String> {
    let Some(folder) = path.parent().filter(|folder| !folder.exists()) else {
        return Ok(());
    };
    make_folders(folder)?;
    fs::create_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    set_mode(folder, 0o755)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_symbol_decides_the_c_library() {
        let binary = b"..GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.17\0libgcc_s.so.1\0";
        assert_eq!(depends(binary), "libc6 (>= 2.34), libgcc-s1");
        assert_eq!(depends(b""), "");
    }

    #[test]
    fn control_ends_its_description_with_indented_lines() {
        let control = control("1.2.3", "amd64", b"GLIBC_2.34\0");
        assert!(
            control.starts_with("Package: mqtt\nVersion: 1.2.3\n"),
            "{control}"
        );
        assert!(
            control.contains("\nDescription: MQTT broker and command line\n A broker"),
            "{control}"
        );
        assert!(control.ends_with(" not enabled.\n"), "{control}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let info = "Package: Version: Architecture: Depends: libc6 conffiles postinst prerm";
        let contents = "-rwxr-xr-x root/root 1 2026-01-01 00:00 ./usr/bin/mqtt\n";
        let paths = FILES.map(|(_, to, _)| to.to_owned());
        assert_eq!(missing(info, contents), paths);
        assert_eq!(missing("", "").len(), 7 + 4);
    }
}
