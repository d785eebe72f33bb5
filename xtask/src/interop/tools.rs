//! The other implementations: taken from the environment or the system, else fetched; nothing is installed or started.

mod chromium;
mod databases;
mod debian;
mod mosquitto;
mod tshark;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use crate::shell::{Command, find_program};

/// Another implementation.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Tool {
    /// The Mosquitto broker and its clients.
    Mosquitto,
    /// Eclipse Paho for Python.
    Paho,
    /// aiomqtt for Python.
    Aiomqtt,
    /// gmqtt for Python.
    Gmqtt,
    /// The `mqtt` package of npm.
    Npm,
    /// Wireshark on the command line.
    Tshark,
    /// Chromium, with the package of npm in a page.
    Chromium,
    /// The PostgreSQL server.
    PostgreSql,
    /// The Redis server.
    Redis,
}

/// What could be made available.
#[derive(Debug, Default)]
pub(super) struct Tools {
    variables: BTreeMap<&'static str, String>,
    missing: BTreeMap<Tool, String>,
}

/// Every variable the tests read; a value from outside is kept.
const VARIABLES: [&str; 17] = [
    "MQTT_INTEROP_CHROMIUM",
    "MQTT_INTEROP_CHROMIUM_LIBRARIES",
    "MQTT_INTEROP_DUMPCAP",
    "MQTT_INTEROP_LD_LIBRARY_PATH",
    "MQTT_INTEROP_MOSQUITTO_BIN",
    "MQTT_INTEROP_MOSQUITTO_PUB",
    "MQTT_INTEROP_MOSQUITTO_SUB",
    "MQTT_INTEROP_NODE",
    "MQTT_INTEROP_NODE_PATH",
    "MQTT_INTEROP_POSTGRESQL_BIN",
    "MQTT_INTEROP_POSTGRESQL_LIBRARY_PATH",
    "MQTT_INTEROP_PYTHON",
    "MQTT_INTEROP_PYTHONPATH",
    "MQTT_INTEROP_REDIS",
    "MQTT_INTEROP_REDIS_LIBRARY_PATH",
    "MQTT_INTEROP_TSHARK",
    "MQTT_INTEROP_TSHARK_LIBRARY_PATH",
];

impl Tools {
    /// Looks for each tool, and fetches it into `folder` when it is nowhere.
    pub(super) fn prepare(folder: &Path) -> Self {
        let mut tools = Self::default();
        for (tool, prepared) in [
            (
                Tool::Mosquitto,
                unless_given("MQTT_INTEROP_MOSQUITTO_BIN", || mosquitto::prepare(folder)),
            ),
            (
                Tool::Paho,
                unless_given("MQTT_INTEROP_PYTHON", || {
                    python(folder, "paho", "paho-mqtt==2.*")
                }),
            ),
            (
                Tool::Aiomqtt,
                unless_given("MQTT_INTEROP_PYTHON", || {
                    python(folder, "aiomqtt", "aiomqtt==2.*")
                }),
            ),
            (
                Tool::Gmqtt,
                unless_given("MQTT_INTEROP_PYTHON", || {
                    python(folder, "gmqtt", "gmqtt==0.*")
                }),
            ),
            (Tool::Npm, unless_given("MQTT_INTEROP_NODE", || npm(folder))),
            (
                Tool::Tshark,
                unless_given("MQTT_INTEROP_TSHARK", || tshark::prepare(folder)),
            ),
            (
                Tool::Chromium,
                unless_given("MQTT_INTEROP_CHROMIUM", || {
                    let package = unless_given("MQTT_INTEROP_NODE", || npm(folder));
                    package.and_then(|_| chromium::prepare(folder))
                }),
            ),
            (
                Tool::PostgreSql,
                unless_given("MQTT_INTEROP_POSTGRESQL_BIN", || {
                    databases::postgresql(folder)
                }),
            ),
            (
                Tool::Redis,
                unless_given("MQTT_INTEROP_REDIS", || databases::redis(folder)),
            ),
        ] {
            match prepared {
                Ok(variables) => tools.variables.extend(variables),
                Err(reason) => {
                    tools.missing.insert(tool, reason);
                }
            }
        }
        tools
    }

    /// The environment of the tests, by name.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// Why a tool cannot be used; `None` when it can.
    pub(super) fn missing(&self, tool: Tool) -> Option<&str> {
        self.missing.get(&tool).map(String::as_str)
    }

    /// Every tool that cannot be used, and why.
    pub(super) fn all_missing(&self) -> impl Iterator<Item = (Tool, &str)> {
        self.missing
            .iter()
            .map(|(tool, reason)| (*tool, reason.as_str()))
    }

    /// All tools but one.
    #[cfg(test)]
    pub(super) fn without(tool: Tool, reason: &str) -> Self {
        Self {
            variables: BTreeMap::new(),
            missing: [(tool, reason.to_owned())].into(),
        }
    }
}

/// Keeps what the environment says when it has `name`, else asks.
fn unless_given(
    name: &str,
    prepare: impl FnOnce() -> Result<Vec<(&'static str, String)>, String>,
) -> Result<Vec<(&'static str, String)>, String> {
    if env::var_os(name).is_none() {
        return prepare();
    }
    Ok(VARIABLES
        .into_iter()
        .filter_map(|name| Some((name, env::var(name).ok()?)))
        .collect())
}

/// Python with a package in a folder of ours; `module` is what the package brings.
fn python(
    folder: &Path,
    module: &str,
    package: &str,
) -> Result<Vec<(&'static str, String)>, String> {
    let python = find_program("python3")
        .or_else(|| find_program("python"))
        .ok_or("python3 is not installed")?;
    let packages = folder.join("python");
    if !packages.join(module).exists() {
        let pip = Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--root-user-action", "ignore", "--upgrade", "--target"])
            .arg(&packages)
            .arg(package);
        pip.read()
            .map_err(|error| format!("{package} cannot be fetched: {error}"))?;
    }
    Ok(vec![
        ("MQTT_INTEROP_PYTHON", text(&python)),
        ("MQTT_INTEROP_PYTHONPATH", text(&packages)),
    ])
}

/// Node with the `mqtt` package in a folder of ours.
fn npm(folder: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let node = find_program("node").ok_or("node is not installed")?;
    let prefix = folder.join("node");
    let modules = prefix.join("node_modules");
    if !modules.join("mqtt").exists() {
        let npm = find_program("npm").ok_or("npm is not installed")?;
        fs::create_dir_all(&prefix).map_err(|error| format!("{}: {error}", prefix.display()))?;
        let install = Command::new(npm)
            .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
            .arg(&prefix)
            .arg("mqtt@5");
        install
            .read()
            .map_err(|error| format!("the mqtt package cannot be fetched: {error}"))?;
    }
    Ok(vec![
        ("MQTT_INTEROP_NODE", text(&node)),
        ("MQTT_INTEROP_NODE_PATH", text(&modules)),
    ])
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
