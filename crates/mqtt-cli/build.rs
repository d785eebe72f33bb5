//! Asks the linker that Rust brings for this target to keep one of each group of functions that came out alike.

use std::env;
use std::path::Path;
use std::process::Command;

/// Where that linker is, below the folder of the compiler.
const LINKER: &str = "lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("TARGET", "x86_64-unknown-linux-gnu") && links_by_itself() {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// Whether the compiler has the linker, and nobody chose another.
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
