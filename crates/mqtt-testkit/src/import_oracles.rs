//! What must hold for any bytes that are read as another broker's files: each function takes input of no particular
//! form, and a test or a fuzz target calls it and nothing else.

use mqtt_import::{
    DbLimits, Imported, MosquittoOptions, Surroundings, check_db, emqx_conf, mosquitto_conf,
};
use std::io::{self, Cursor};
use std::net::IpAddr;

/// A directory that includes the input itself once, and a name with one address.
struct Itself<'a>(&'a str);

impl Surroundings for Itself<'_> {
    fn conf_files_in(&self, _dir: &str) -> io::Result<Vec<(String, String)>> {
        Ok(vec![("included".to_owned(), self.0.to_owned())])
    }

    fn addresses(&self, _host: &str) -> Vec<IpAddr> {
        vec![IpAddr::from([192, 0, 2, 1])]
    }
}

/// A `mosquitto.conf` is converted, the same way each time, and what is said is about lines that are there.
///
/// # Panics
/// When it does not hold.
pub fn mosquitto_conf_file(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let options = MosquittoOptions::default();
    let first = mosquitto_conf("main", &text, &options, &Itself(&text));
    let again = mosquitto_conf("main", &text, &options, &Itself(&text));
    assert_eq!(first, again);
    check(&first.imported, &text);
}

/// The same of an `emqx.conf`.
///
/// # Panics
/// When it does not hold.
pub fn emqx_conf_file(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let first = emqx_conf("main", &text, None);
    assert_eq!(first, emqx_conf("main", &text, None));
    check(&first, &text);
}

/// A `mosquitto.db` is read to its end, or what is wrong is within it.
///
/// # Panics
/// When it does not hold.
pub fn mosquitto_db_file(input: &[u8]) {
    let limits = DbLimits {
        messages_max: 1000,
        entries_max: 1000,
        sessions_max: 1000,
        subscriptions_max: 1000,
    };
    if let Err(error) = check_db(Cursor::new(input), &limits) {
        let len = u64::try_from(input.len()).unwrap_or(u64::MAX);
        assert!(error.offset <= len, "{error} in {len} bytes");
    }
}

fn check(imported: &Imported, text: &str) {
    let lines = text.lines().count() + 1;
    for remark in &imported.remarks {
        let line = usize::try_from(remark.line).unwrap_or(usize::MAX);
        assert!(line <= lines, "{remark}");
    }
    // Every line is a comment, a table or a key.
    for line in imported.toml.lines() {
        let is_known = line.is_empty() || line.starts_with(['#', '[']) || line.contains(" = ");
        assert!(is_known, "{line:?}");
    }
}
