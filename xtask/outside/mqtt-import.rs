//! Carries a small configuration over, and says what could not be.

use mqtt_import::{MosquittoOptions, Surroundings, mosquitto_conf};
use std::{io, net::IpAddr};

/// No files beside the one that is read, and no names.
struct Nowhere;

impl Surroundings for Nowhere {
    fn conf_files_in(&self, _dir: &str) -> io::Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    fn addresses(&self, _host: &str) -> Vec<IpAddr> {
        Vec::new()
    }
}

fn main() {
    let conf = "listener 1883 127.0.0.1\nallow_anonymous true\npsk_file secrets\n";
    let found = mosquitto_conf("m.conf", conf, &MosquittoOptions::default(), &Nowhere);
    assert!(found.imported.toml.contains("127.0.0.1:1883"));
    assert_eq!(found.imported.refused().count(), 1);
}
