//! What the linker is asked for a smaller program; docs/decisions/0011-release-profile.md.

use std::env;
use std::path::Path;
use std::process::Command;

/// Where that linker is, below the folder of the compiler.
const LINKER: &str = "lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    // Cargo leaves symbols in a program whose package has an optimisation level of its own, whatever `strip` says.
    if is("PROFILE", "release") && is("DEBUG", "false") && is("CARGO_CFG_TARGET_OS", "linux") {
        println!("cargo:rustc-link-arg-bins=-Wl,--strip-all");
    }
    // One of each group of functions that came out alike.
    if is("PROFILE", "release") && is("TARGET", "x86_64-unknown-linux-gnu") && links_by_itself() {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// Whether the compiler brings the linker that can, and nobody chose another.
fn links_by_itself() -> bool {
    let is_chosen = env::var_os("RUSTC_LINKER").is_some()
        || env::var_os("CARGO_ENCODED_RUSTFLAGS").is_some_and(|flags| !flags.is_empty());
    let Some(compiler) = env::var_os("RUSTC").filter(|_| !is_chosen) else {
        return false;
    };
    let folder = Command::new(compiler).args(["--print", "sysroot"]).output();
    let folder = folder
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    folder.is_some_and(|folder| Path::new(folder.trim()).join(LINKER).exists())
}
