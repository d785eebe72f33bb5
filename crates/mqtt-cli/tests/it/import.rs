//! `mqtt import` and `mqtt mosquitto`.

use std::fs;

use tempfile::tempdir;

use crate::process::run;

/// A port and what belongs to it.
const CONF: &str = "listener 18830 127.0.0.1\nallow_anonymous true\n";

#[test]
fn what_is_written_is_what_the_broker_reads() {
    let dir = tempdir().unwrap();
    let (conf, toml) = (
        dir.path().join("mosquitto.conf"),
        dir.path().join("broker.toml"),
    );
    fs::write(&conf, format!("{CONF}http_dir /var/www\n")).unwrap();
    let (conf, toml) = (conf.display().to_string(), toml.display().to_string());
    let ended = run(["import", &conf]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("bind = \"127.0.0.1:18830\""),
        "{}",
        ended.stdout
    );
    let line = format!("mqtt: {conf}:3: `http_dir` not honoured: no files are served over HTTP\n");
    assert_eq!(ended.stderr, line);
    let ended = run(["import", &conf, "-o", &toml]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ended = run(["broker", "check", &toml]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ended = run(["import", &conf, "-o", &toml]);
    assert_eq!(ended.code, Some(1), "it is there already");
    let ended = run(["import", &conf, "-o", &toml, "--force"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_line_that_must_not_be_ignored_stops_both() {
    let dir = tempdir().unwrap();
    let (conf, toml) = (
        dir.path().join("mosquitto.conf"),
        dir.path().join("broker.toml"),
    );
    fs::write(&conf, format!("{CONF}clientid_prefixes a-\n")).unwrap();
    let conf = conf.display().to_string();
    let line = format!("mqtt: {conf}:3: `clientid_prefixes` refused: ");
    for arguments in [
        vec!["mosquitto", "-c", &conf],
        vec!["mosquitto", "-c", &conf, "-d"],
        vec!["import", &conf, "-o", &toml.display().to_string()],
    ] {
        let ended = run(&arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(ended.stderr.starts_with(&line), "{}", ended.stderr);
        assert!(!toml.exists());
    }
    let ended = run([
        "import",
        &conf,
        "-o",
        &toml.display().to_string(),
        "--partial",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(toml.exists());
}

#[test]
fn a_damaged_database_changes_nothing() {
    let dir = tempdir().unwrap();
    let (db, data) = (dir.path().join("mosquitto.db"), dir.path().join("data"));
    fs::write(
        &db,
        b"\0\xB5\0mosquitto db\0\0\0\0\0\0\0\x06\0\0\0\x02\0\0\0\x50cut",
    )
    .unwrap();
    let (db, name) = (db.display().to_string(), data.display().to_string());
    let ended = run(["import", &db, "--data-dir", &name]);
    assert_eq!(ended.code, Some(1));
    let line = format!(
        "mqtt: {db}: at byte 23: the file ends in the midst of a chunk; nothing was imported\n"
    );
    assert_eq!(ended.stderr, line);
    assert!(!data.join("store").exists());
    let ended = run(["import", &db]);
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(2), ""),
        "it wants a data directory"
    );
}

#[test]
fn emqx_is_told_by_its_name_or_its_text() {
    let dir = tempdir().unwrap();
    let text = "listeners.tcp.default { bind = \"127.0.0.1:18831\" }\n";
    for name in ["emqx.conf", "cluster.hocon", "some.conf"] {
        let file = dir.path().join(name);
        fs::write(&file, text).unwrap();
        let ended = run(["import", &file.display().to_string()]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(
            ended.stdout.contains("bind = \"127.0.0.1:18831\""),
            "{name}"
        );
    }
}
