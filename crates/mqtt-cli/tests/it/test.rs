//! `mqtt test`: what a broker can do.

use tempfile::tempdir;

use crate::process::{RunningBroker, run};

#[test]
fn a_table_and_json_say_what_a_broker_can_do() {
    let dir = tempdir().unwrap();
    let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    let url = format!("mqtt://{}", broker.addrs.first().unwrap());
    let table = run(["test", "-L", &url, "--payload-max", "1000"]);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    assert!(
        table
            .stdout
            .contains("MQTT 3.1.1                          yes\n"),
        "{}",
        table.stdout
    );
    let json = run(["test", "-L", &url, "--payload-max", "1000", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let payload = json.pointer("/longest payload/detail");
    assert_eq!(payload, Some(&"1000 bytes, no more were tried".into()));
    assert_eq!(json.pointer("/QoS 2/is_so"), Some(&true.into()));
}

#[test]
fn what_cannot_be_tried_is_told() {
    let ended = run(["test", "-h", "127.0.0.1", "-p", "1"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("cannot connect to 127.0.0.1:1"),
        "{}",
        ended.stderr
    );
    let ended = run(["test", "-V", "5"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("every version is tried"),
        "{}",
        ended.stderr
    );
}
