//! `mosquitto.conf`: every directive of Mosquitto 2.0 and 2.1, as this broker's configuration, or named with its line.

mod access;
mod emit;
mod gather;
mod lines;
mod notes;
mod settings;
#[cfg(test)]
mod tests;
mod tls;

use crate::remark::{Imported, Remark};
use crate::toml_text::TomlText;
use emit::Emission;
use lines::Files;
use std::io;
use std::net::IpAddr;
pub(crate) use tls::KNOWN as KNOWN_CIPHERS;

/// What a configuration refers to outside of itself.
pub trait Surroundings {
    /// The files of a directory that end with `.conf`, in the order of their names: name and text.
    ///
    /// # Errors
    /// The directory or one of its files cannot be read.
    fn conf_files_in(&self, dir: &str) -> io::Result<Vec<(String, String)>>;

    /// The addresses a name stands for; none if nobody knows.
    fn addresses(&self, host: &str) -> Vec<IpAddr>;
}

/// What is said besides the file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MosquittoOptions {
    /// `-p`: the port, where no line of the file opens a listener, as Mosquitto has it.
    pub port: Option<u16>,
    /// `-v`: everything is logged.
    pub verbose: bool,
    /// The broker's directory; without it, `mqtt` in `persistence_location`.
    pub data_dir: Option<String>,
}

/// A `mosquitto.conf` for this broker.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MosquittoConf {
    /// The configuration, and what is not honoured.
    pub imported: Imported,
    /// Where Mosquitto keeps its state (`mosquitto.db`), if it keeps any.
    pub db: Option<String>,
    /// `pid_file`.
    pub pid_file: Option<String>,
}

/// Reads a `mosquitto.conf`; `name` stands for it in remarks.
///
/// It never fails: what is wrong is a remark of [`crate::Class::Refused`].
pub fn mosquitto_conf(
    name: &str,
    text: &str,
    options: &MosquittoOptions,
    surroundings: &dyn Surroundings,
) -> MosquittoConf {
    let mut remarks: Vec<Remark> = Vec::new();
    let files = Files::gather(name, text, surroundings, &mut remarks);
    let settings = gather::gather(&files, &mut remarks);
    let mut emission = Emission {
        files: &files,
        settings: &settings,
        options,
        surroundings,
        toml: TomlText::default(),
        remarks: &mut remarks,
    };
    emission.all();
    let title = format!(
        "The configuration of {name}, a mosquitto.conf, for `mqtt broker`.\nWhat has no counterpart was named by `mqtt import`."
    );
    let toml = emission.toml.render(&title);
    let place = |remark: &Remark| {
        let file = files.names.iter().position(|known| *known == remark.origin);
        (file, remark.line)
    };
    remarks.sort_by_key(place);
    let is_kept = settings.persistence.as_ref().is_some_and(|set| set.value);
    let db = is_kept.then(|| {
        let file = settings.persistence_file.as_ref();
        let file = file.map_or("mosquitto.db", |set| set.value.as_str());
        match &settings.persistence_location {
            Some(dir) => format!("{}/{file}", dir.value.trim_end_matches('/')),
            None => file.to_owned(),
        }
    });
    MosquittoConf {
        imported: Imported { toml, remarks },
        db,
        pid_file: settings.pid_file.map(|set| set.value),
    }
}
