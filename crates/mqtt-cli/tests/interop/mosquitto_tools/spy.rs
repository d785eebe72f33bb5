//! `mqtt spy` between Mosquitto's clients and its broker.

use super::{VERSIONS, mosquitto_pub, mosquitto_sub};
use crate::{
    brokers::RunningBroker,
    process::{PATIENCE, Running, lines_of},
};
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// What `mqtt spy` shows and writes of a subscriber at QoS 2 and of a message at each QoS.
pub(super) fn spied(version: &str, capture: &Path) -> Vec<String> {
    let broker = RunningBroker::mosquitto();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
    let server = format!("mqtt://{}", broker.way.addr);
    command.args(["spy", "--listen", "127.0.0.1:0", "--connect", &server]);
    command.arg("--write").arg(capture);
    let mut spy = Running::spawn_by_stderr(command.stdout(Stdio::piped()));
    let shown = lines_of(spy.child.stdout.take().unwrap());
    let port: u16 = spy.wait_for("its address", |line| {
        let address = line.strip_prefix("mqtt: listening on mqtt://127.0.0.1:")?;
        address.split(' ').next()?.parse().ok()
    });
    let mut lines: Vec<String> = Vec::new();
    let mut wait_until = |is_there: &dyn Fn(&[String]) -> bool| {
        while !is_there(&lines) {
            match shown.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(_) => spy.fail(&format!("not all of it was shown: {lines:#?}")),
            }
        }
    };
    let mut subscriber = mosquitto_sub(port);
    subscriber.args(["-V", version, "-i", "sub", "-t", "a/#", "-q", "2"]);
    let mut subscriber = Running::spawn(subscriber.args(["-C", "3"]));
    wait_until(&|lines| lines.iter().any(|line| line.contains(" server SUBACK ")));
    for qos in ["0", "1", "2"] {
        let mut publisher = mosquitto_pub(port);
        publisher.args(["-V", version, "-i", "pub", "-q", qos, "-m", "payload"]);
        Running::spawn(publisher.args(["-t", &format!("a/{qos}")])).succeed();
    }
    subscriber.succeed();
    let are_closed = |lines: &[String]| {
        let closed = lines.iter().filter(|line| line.ends_with(" closed"));
        closed.count() == 4
    };
    wait_until(&are_closed);
    lines
}

/// The packets of these lines, from their number on and without their times.
fn packets(lines: &[String], client: &str, stream: usize) -> Vec<String> {
    let of_client = format!(" {stream} {client} #");
    let packets = lines.iter().filter_map(|line| {
        let (_, packet) = line.split_once(&of_client)?;
        let parts = packet
            .split("; ")
            .map(|part| match part.split_once(" after ") {
                Some((what, _)) => what,
                None => part,
            });
        Some(parts.collect::<Vec<_>>().join("; "))
    });
    packets.collect()
}

#[test]
fn every_acknowledgement_is_shown_with_what_it_answers() {
    for version in VERSIONS {
        let dir = tempfile::tempdir().unwrap();
        let lines = spied(version, &dir.path().join("spied.pcapng"));
        let is_right = |stream, client, expected: &[&str]| {
            let packets = packets(&lines, client, stream);
            assert_eq!(packets.len(), expected.len() + 2, "{version}: {lines:#?}");
            assert!(packets[0].starts_with("1 client CONNECT "), "{packets:?}");
            assert!(packets[1].ends_with("; answers CONNECT #1"), "{packets:?}");
            assert_eq!(packets[2..], *expected, "{version}");
        };
        is_right(
            1,
            "sub",
            &[
                r#"3 client SUBSCRIBE id 1, "a/#" qos 2"#,
                "4 server SUBACK id 1, granted qos 2; answers SUBSCRIBE #3",
                r#"5 server PUBLISH "a/0", qos 0, "payload""#,
                r#"6 server PUBLISH "a/1", qos 1, id 1, "payload""#,
                "7 client PUBACK id 1; answers PUBLISH #6",
                r#"8 server PUBLISH "a/2", qos 2, id 2, "payload""#,
                "9 client PUBREC id 2; answers PUBLISH #8",
                "10 server PUBREL id 2; answers PUBREC #9",
                "11 client PUBCOMP id 2; answers PUBREL #10; completes PUBLISH #8",
                "12 client DISCONNECT",
            ],
        );
        is_right(
            3,
            "pub",
            &[
                r#"3 client PUBLISH "a/1", qos 1, id 1, "payload""#,
                "4 server PUBACK id 1; answers PUBLISH #3",
                "5 client DISCONNECT",
            ],
        );
        is_right(
            4,
            "pub",
            &[
                r#"3 client PUBLISH "a/2", qos 2, id 1, "payload""#,
                "4 server PUBREC id 1; answers PUBLISH #3",
                "5 client PUBREL id 1; answers PUBREC #4",
                "6 server PUBCOMP id 1; answers PUBREL #5; completes PUBLISH #3",
                "7 client DISCONNECT",
            ],
        );
    }
}
