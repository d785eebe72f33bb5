//! `mqtt record` and `mqtt replay` at Mosquitto's broker, with its clients on both ends.

use super::{done, mosquitto_pub, mosquitto_sub, mqtt};
use crate::{brokers::RunningBroker, process::Running};
use std::fs;

#[test]
fn what_mosquitto_pub_sent_is_recorded_and_published_again() {
    let broker = RunningBroker::mosquitto();
    let port = broker.way.addr.port();
    let publish = |args: &[&str]| done(mosquitto_pub(port).args(args));
    publish(&["-r", "-q", "1", "-t", "in/retained", "-m", "before"]);

    let mut recorder = Running::spawn(&mut mqtt(&["record", "in/#", "-q", "2", "-C", "5"], port));
    let mut lines = Vec::new();
    let mut next = |recorder: &mut Running| {
        lines.push(recorder.next_line("a message").unwrap());
        lines.len()
    };
    // The head, and what was retained: it is subscribed.
    while next(&mut recorder) < 2 {}
    publish(&["-q", "0", "-t", "in/0", "-m", "21.5"]);
    publish(&["-q", "1", "-t", "in/1", "-m", "hällo"]);
    let properties = [
        "-D",
        "publish",
        "content-type",
        "text/plain",
        "-D",
        "publish",
        "user-property",
        "k",
        "v",
    ];
    publish(
        &[
            &["-V", "mqttv5", "-q", "2", "-t", "in/2", "-m", "with"],
            &properties[..],
        ]
        .concat(),
    );
    publish(&["-q", "1", "-t", "in/empty", "-n"]);
    while next(&mut recorder) < 6 {}
    recorder.succeed();
    for (line, part) in lines[1..].iter().zip([
        r#""topic":"in/retained","payload":"before","qos":1,"retain":true"#,
        r#""topic":"in/0","payload":"21.5"}"#,
        r#""topic":"in/1","payload":"hällo","qos":1}"#,
        r#""topic":"in/2","payload":"with","qos":2,"#,
        r#""topic":"in/empty","qos":1}"#,
    ]) {
        assert!(line.contains(part), "{part}: {line}");
    }

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recording.ndjson");
    fs::write(&file, lines.join("\n")).unwrap();
    // A session that is kept: nothing has to be waited for.
    let subscribe = |args: &[&str]| {
        let mut subscriber = mosquitto_sub(port);
        subscriber.args(["-V", "mqttv5", "-i", "heir", "-c", "-x", "60", "-q", "2"]);
        done(subscriber.args(["-t", "out/#"]).args(args))
    };
    subscribe(&["-E"]);
    let path = file.to_str().unwrap();
    done(&mut mqtt(
        &[
            "replay",
            path,
            "--max",
            "-q",
            "1",
            "--prefix",
            "out/",
            "--rewrite",
            "in=x",
        ],
        port,
    ));
    let heard = subscribe(&["-C", "5", "-F", "%t|%p|%C|%P"]);
    let expected = [
        "out/x/retained|before||",
        "out/x/0|21.5||",
        "out/x/1|hällo||",
        "out/x/2|with|text/plain|k:v",
        "out/x/empty|||",
    ];
    assert_eq!(heard.lines().collect::<Vec<_>>(), expected);
    // And what was retained is so again.
    let mut subscriber = mosquitto_sub(port);
    let kept = done(subscriber.args(["-t", "out/#", "-C", "1", "-F", "%t %r %p"]));
    assert_eq!(kept, "out/x/retained 1 before\n");
}
