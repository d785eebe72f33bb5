//! This machine: its name, and the files and names that another broker's configuration refers to.

use std::{
    fs, io,
    net::{IpAddr, ToSocketAddrs},
    path::Path,
};

use mqtt_import::Surroundings;

/// This machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThisMachine;

/// Files of one directory that are read.
const FILES_MAX: usize = 1000;

impl Surroundings for ThisMachine {
    fn conf_files_in(&self, dir: &str) -> io::Result<Vec<(String, String)>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "conf") {
                paths.push(path);
            }
        }
        paths.sort();
        if paths.len() > FILES_MAX {
            return Err(io::Error::other(format!("more than {FILES_MAX} files")));
        }
        let read = |path: &Path| Ok((path.display().to_string(), fs::read_to_string(path)?));
        paths.iter().map(|path| read(path)).collect()
    }

    fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let found = (host, 0).to_socket_addrs();
        found.map_or_else(
            |_| Vec::new(),
            |found| found.map(|addr| addr.ip()).collect(),
        )
    }
}

/// This machine's name; empty if it has none.
pub(crate) fn hostname() -> String {
    #[cfg(unix)]
    return rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    #[cfg(not(unix))]
    std::env::var("COMPUTERNAME").unwrap_or_default()
}
