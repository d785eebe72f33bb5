//! `mqtt certs`.

use crate::process::run;
use std::path::Path;
use tempfile::tempdir;

fn make(dir: &Path, more: &[&str]) -> crate::process::Ended {
    let dir = dir.display().to_string();
    run([&["certs", "make", "--dir", &dir], more].concat())
}

#[test]
fn what_is_made_is_printed_with_what_to_do_next() {
    let folder = tempdir().unwrap();
    let dir = folder.path().join("new/certs");
    let ended = make(&dir, &["--host", "broker.lan", "--client", "meter-7"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let at = |name: &str| dir.join(name).display().to_string();
    for line in [
        format!("{}: the broker broker.lan", at("server.pem")),
        format!("{}: client meter-7", at("client-meter-7.pem")),
        "[listeners.ssl.default.ssl_options]".to_owned(),
        "fail_if_no_peer_cert = true".to_owned(),
        format!(
            "mosquitto_pub -h broker.lan -p 8883 --cafile {} --cert {} --key {} -t greeting -m hello",
            at("ca.pem"),
            at("client-meter-7.pem"),
            at("client-meter-7.key")
        ),
    ] {
        assert!(
            ended.stdout.lines().any(|printed| printed == line),
            "{line}\n{}",
            ended.stdout
        );
    }
    let ended = run(["certs", "show", &at("client-meter-7.pem")]);
    assert!(
        ended.stdout.starts_with("subject:     CN=meter-7\n"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("\nfor:         client\n"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("(824 days left)\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_is_there_is_kept_and_said_so() {
    let folder = tempdir().unwrap();
    assert_eq!(make(folder.path(), &[]).code, Some(0));
    let ended = make(folder.path(), &[]);
    let server = folder.path().join("server.pem");
    let expected = format!(
        "mqtt: {} is there already; --force replaces it, --client NAME makes another client\n",
        server.display()
    );
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(1), expected.as_str())
    );
    assert_eq!(make(folder.path(), &["--client", "b"]).code, Some(0));
    assert_eq!(make(folder.path(), &["--force"]).code, Some(0));
    let ended = make(folder.path(), &["--client", "../b"]);
    assert_eq!(ended.code, Some(2));
}
