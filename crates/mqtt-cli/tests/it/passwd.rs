//! `mqtt passwd`.

use std::{fs, io::Write, path::Path, process::Stdio};

use mqtt_access::{Checked, Users};
use tempfile::tempdir;

use crate::process::{Ended, Running, mqtt, run};

fn passwd(file: &Path, options: &[&str], more: &[&str]) -> Ended {
    let file = file.display().to_string();
    run([&["passwd"], options, &[&file], more].concat())
}

fn with_input(file: &Path, username: &str, input: &str) -> Ended {
    let mut child = mqtt(["passwd", &file.display().to_string(), username])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    Ended::from(Running::from(child).output())
}

#[test]
fn users_come_change_and_go() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("users");
    let ended = passwd(&file, &["-c", "-b"], &["alice", "one"]);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), "user alice added\n")
    );
    let ended = with_input(&file, "bob", "two words\r\n");
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), "user bob added\n")
    );
    let ended = passwd(&file, &["-b", "-H", "sha512-pbkdf2"], &["alice", "three"]);
    assert_eq!(ended.stderr, "password of alice changed\n");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("alice:$7$210000$"), "{text}");
    let users = Users::open(&file).unwrap();
    assert_eq!(users.check("alice", b"three"), Checked::Right { line: 1 });
    assert_eq!(users.check("bob", b"two words"), Checked::Right { line: 2 });

    let ended = passwd(&file, &["--list"], &[]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "alice\nbob\n")
    );
    assert_eq!(passwd(&file, &["-D"], &["alice"]).code, Some(0));
    let ended = passwd(&file, &["-D"], &["alice"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("user \"alice\" is not in"),
        "{}",
        ended.stderr
    );
    assert_eq!(passwd(&file, &["--list"], &[]).stdout, "bob\n");
}

#[test]
fn plain_text_is_hashed() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("users");
    fs::write(&file, "alice:secret\n# bob:x\n").unwrap();
    assert_eq!(passwd(&file, &["-U"], &[]).stderr, "1 password hashed\n");
    assert_eq!(
        passwd(&file, &["-U"], &[]).stderr,
        "nothing stood there in plain text\n"
    );
    let users = Users::open(&file).unwrap();
    assert_eq!(users.check("alice", b"secret"), Checked::Right { line: 1 });
}

#[test]
fn mistakes_change_nothing() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("users");
    let missing = passwd(&file, &["-b"], &["alice", "x"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("users: "), "{}", missing.stderr);
    assert_eq!(with_input(&file, "alice", "x\n").code, Some(1));
    assert!(!file.exists());
    fs::write(&file, "").unwrap();
    let ended = passwd(&file, &["-b"], &["a:b", "x"]);
    assert_eq!(ended.stderr, "mqtt: user name \"a:b\" contains a colon\n");
    assert_eq!(ended.code, Some(2));
    let ended = with_input(&file, "alice", "");
    assert_eq!(ended.stderr, "mqtt: no password on standard input\n");
    for args in [
        ["passwd", "-b", "f", "u"].as_slice(),
        &["passwd", "f"],
        &["passwd", "-D", "-U", "f"],
        &["passwd", "f", "u", "p"],
        &["passwd", "-H", "sha512", "f", "u"],
    ] {
        assert_eq!(run(args).code, Some(2), "{args:?}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
}
