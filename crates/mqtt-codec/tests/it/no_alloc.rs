//! The codec in a program that has neither a standard library nor an allocator.

use std::path::Path;
use std::process::{Command, Output};

/// A program that uses an allocator without having one does not link; this one reads and writes
/// every packet.
#[cfg(target_os = "linux")]
#[test]
fn a_program_without_allocator_reads_and_writes_every_packet() {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_alloc");
    std::fs::create_dir_all(&project).unwrap();
    std::fs::write(project.join("Cargo.toml"), manifest(crate_root)).unwrap();
    let lock = crate_root.join("../../Cargo.lock");
    if lock.exists() {
        std::fs::copy(lock, project.join("Cargo.lock")).unwrap();
    }
    let built = Some(build(&project, &["--offline"]))
        .filter(|output| output.status.success())
        .unwrap_or_else(|| build(&project, &[]));
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let program = project.join("target/release/no-alloc");
    let status = Command::new(program).status().unwrap();
    assert_eq!(
        status.code(),
        Some(0),
        "the code is the step of the program that failed"
    );
}

fn build(project: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet"])
        .args(options)
        .current_dir(project)
        .env("CARGO_TARGET_DIR", project.join("target"))
        // Flags for the tests, such as those that measure coverage, need a standard library.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .unwrap()
}

fn manifest(crate_root: &Path) -> String {
    let codec = crate_root.display();
    let program = crate_root.join("tests/it/no_alloc/program.rs");
    let program = program.display();
    format!(
        "[package]\nname = \"no-alloc\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\
         [[bin]]\nname = \"no-alloc\"\npath = '{program}'\n\
         [dependencies]\nmqtt-codec = {{ path = '{codec}' }}\n\
         [profile.release]\npanic = \"abort\"\nlto = \"fat\"\n\
         [workspace]\n"
    )
}
