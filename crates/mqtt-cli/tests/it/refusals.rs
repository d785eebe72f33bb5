//! `mqtt pub` and `mqtt sub` against servers that refuse, each with its exit code and line.

use std::net::TcpListener;

use crate::{
    process::run,
    server::{ScriptedServer, V5_ACCEPTED},
};

#[test]
fn no_server_is_told_with_host_and_port() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    for command in [&["sub", "-t", "a"][..], &["pub", "-t", "a", "-n"]] {
        let ended = run(command
            .iter()
            .chain(&["-h", "127.0.0.1", "-p", free.as_str()]));
        let start = format!("mqtt: cannot connect to 127.0.0.1:{free}: ");
        assert!(ended.stderr.starts_with(&start), "{}", ended.stderr);
        assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(1)));
    }
}

#[test]
fn quiet_leaves_the_exit_code_only() {
    let server = ScriptedServer::after_connack(&[0x20, 3, 0, 0x87, 0], |_| {});
    let ended = run([
        "sub",
        "-t",
        "a",
        "-h",
        "127.0.0.1",
        "--quiet",
        "-p",
        &server.port(),
    ]);
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0x87)));
    server.join();
}

#[test]
fn a_refused_connection_ends_with_the_connacks_code() {
    for (version, connack, code) in [
        ("5", &[0x20, 3, 0, 0x87, 0][..], 0x87),
        ("3.1.1", &[0x20, 2, 0, 5], 5),
        ("3.1", &[0x20, 2, 0, 4], 4),
    ] {
        let server = ScriptedServer::after_connack(connack, |_| {});
        let port = server.port();
        let ended = run([
            "pub",
            "-t",
            "a",
            "-n",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-V",
            version,
        ]);
        let start = format!("mqtt: cannot connect to 127.0.0.1:{port}: ");
        assert!(ended.stderr.starts_with(&start), "{}", ended.stderr);
        assert_eq!(
            (ended.stderr.lines().count(), ended.code),
            (1, Some(code)),
            "{version}"
        );
        server.join();
    }
}

#[test]
fn a_server_without_v5_is_asked_again() {
    let server = ScriptedServer::run(|accept| {
        let mut first = accept.next();
        assert_eq!(first.hear().body.get(6), Some(&5));
        first.say(&[0x20, 2, 0, 1]);
        let mut second = accept.next();
        assert_eq!(second.hear().body.get(6), Some(&4));
        second.say(&[0x20, 2, 0, 0]);
        let publish = second.hear();
        assert_eq!(
            (publish.first, publish.body.as_slice()),
            (0x30, b"\0\x01ahi".as_slice())
        );
        assert_eq!(second.hear().first, 0xE0);
    });
    let ended = run([
        "pub",
        "-t",
        "a",
        "-m",
        "hi",
        "-h",
        "127.0.0.1",
        "-p",
        &server.port(),
    ]);
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    server.join();
}

#[test]
fn a_refused_message_is_a_failure() {
    let server = ScriptedServer::after_connack(V5_ACCEPTED, |talk| {
        let [high, low] = talk.hear().packet_id(Some("a/b"));
        talk.say(&[0x40, 3, high, low, 0x87]);
        assert_eq!(talk.hear().first, 0xE0);
    });
    let port = server.port();
    let ended = run([
        "pub",
        "-t",
        "a/b",
        "-q",
        "1",
        "-n",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
    ]);
    assert!(
        ended.stderr.starts_with("mqtt: cannot publish to a/b: "),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("not authorized"), "{}", ended.stderr);
    assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(1)));
    server.join();
}

#[test]
fn one_refused_filter_is_a_failure() {
    let server = ScriptedServer::after_connack(V5_ACCEPTED, |talk| {
        let subscribe = talk.hear();
        assert_eq!(subscribe.first, 0x82);
        let [high, low] = subscribe.packet_id(None);
        talk.say(&[0x90, 5, high, low, 0, 0, 0x87]);
    });
    let port = server.port();
    let ended = run([
        "sub",
        "-t",
        "a",
        "-t",
        "b/#",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
    ]);
    assert!(
        ended.stderr.starts_with("mqtt: cannot subscribe to b/#: "),
        "{}",
        ended.stderr
    );
    assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(1)));
    server.join();
}

#[test]
fn a_lost_connection_is_a_failure() {
    let server = ScriptedServer::after_connack(V5_ACCEPTED, |talk| {
        let [high, low] = talk.hear().packet_id(None);
        talk.say(&[0x90, 4, high, low, 0, 0]);
        talk.say(&[0xE0, 1, 0x8B]);
    });
    let port = server.port();
    let ended = run([
        "sub",
        "-t",
        "a",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "--retry",
        "0",
    ]);
    assert!(
        ended.stderr.contains("server shutting down"),
        "{}",
        ended.stderr
    );
    assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(1)));
    server.join();
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_with_disconnect() {
    use crate::process::{Running, mqtt};
    use std::{process::Stdio, sync::mpsc};

    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (subscribed, waits) = mpsc::channel();
        let server = ScriptedServer::after_connack(V5_ACCEPTED, move |talk| {
            let [high, low] = talk.hear().packet_id(None);
            talk.say(&[0x90, 4, high, low, 0, 0]);
            subscribed.send(()).unwrap();
            let disconnect = talk.hear();
            assert_eq!((disconnect.first, disconnect.body.len()), (0xE0, 0));
        });
        let mut command = mqtt(["sub", "-t", "a", "-h", "127.0.0.1", "-p", &server.port()]);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let process = Running::from(child);
        waits.recv().unwrap();
        process.signal(signal);
        let ended = process.output();
        assert_eq!(
            (ended.status.code(), ended.stderr.as_slice()),
            (Some(code), b"".as_slice())
        );
        server.join();
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_publisher_that_waits_for_lines() {
    use crate::process::{Running, mqtt};
    use std::{io::Write, process::Stdio, sync::mpsc};

    let (published, waits) = mpsc::channel();
    let server = ScriptedServer::after_connack(V5_ACCEPTED, move |talk| {
        assert_eq!(talk.hear().body, b"\0\x01a\0one");
        published.send(()).unwrap();
        assert_eq!(talk.hear().first, 0xE0);
    });
    let mut command = mqtt([
        "pub",
        "-t",
        "a",
        "-l",
        "-h",
        "127.0.0.1",
        "-p",
        &server.port(),
    ]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\ntw").unwrap();
    let process = Running::from(child);
    waits.recv().unwrap();
    process.signal("INT");
    let ended = process.output();
    assert_eq!(
        (ended.status.code(), ended.stderr.as_slice()),
        (Some(130), b"".as_slice())
    );
    server.join();
}
