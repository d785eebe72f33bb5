//! Writes the inputs to start fuzzing from: `fuzz_seeds FOLDER` makes a folder in it for each target.

use std::path::PathBuf;
use std::{env, fs, io};

use mqtt_testkit::seeds;

fn main() -> io::Result<()> {
    let folder: PathBuf = match env::args_os().nth(1) {
        Some(folder) => folder.into(),
        None => return Err(io::Error::other("which folder?")),
    };
    for (number, seed) in seeds::all().into_iter().enumerate() {
        let folder = folder.join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{number:04}")), seed.bytes)?;
    }
    Ok(())
}
