//! `mqtt decode`: what it reads, prints and answers.

use std::{fs, io::Write, process::Stdio};

use serde_json::Value;
use tempfile::tempdir;

use crate::process::{Ended, Running, mqtt, run};

/// A CONNECT of 3.1.1 and its hexadecimal form.
const CONNECT: &[u8] = b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01c";
const CONNECT_HEX: &str = "100d00044d5154540402003c000163";

/// Runs `mqtt decode` with something on its standard input.
fn decode(args: &[&str], input: &[u8]) -> Ended {
    let mut child = mqtt(["decode"].iter().chain(args))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Ended::from(Running::from(child).output())
}

/// A pcap file of raw IP with one packet of the client in it.
fn capture() -> Vec<u8> {
    let mut file = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0];
    file.extend([0; 8]);
    file.extend([0xFF, 0xFF, 0, 0, 101, 0, 0, 0]);
    let len = u8::try_from(40 + CONNECT.len()).unwrap();
    file.extend([0, 0, 0, 0, 0, 0, 0, 0, len, 0, 0, 0, len, 0, 0, 0]);
    file.extend([
        0x45, 0, 0, len, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ]);
    file.extend([
        0x9C, 0x40, 0x07, 0x5B, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 4, 0, 0, 0, 0, 0,
    ]);
    file.extend(CONNECT);
    file
}

#[test]
fn bytes_on_the_command_line_are_shown_field_by_field() {
    let spaced = [
        "10", "0d", "0004", "4d515454", "04", "02", "003c", "0001", "63",
    ];
    for args in [vec!["-x", CONNECT_HEX], [&["-x"][..], &spaced].concat()] {
        let ended = decode(&args, b"");
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let lines: Vec<_> = ended.stdout.lines().collect();
        assert_eq!(lines.first(), Some(&"CONNECT, MQTT 3.1.1, 15 bytes"));
        let keep_alive =
            "000a  00 3c                      keep alive: 60 seconds  v3.1.1 §3.1.2.10";
        assert!(lines.contains(&keep_alive), "{}", ended.stdout);
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn every_way_to_write_bytes_down_is_told_by_itself() {
    let line = "CONNECT 3.1.1, client \"c\", clean start, keep alive 60\n";
    let dump = b"00000000: 100d 0004 4d51 5454 0402 003c 0001 63    ....MQTT...<..c\n";
    for (format, input) in [
        ("hex", CONNECT_HEX.as_bytes()),
        ("hex", dump),
        ("base64", b"EA0ABE1RVFQEAgA8AAFj"),
        ("raw", CONNECT),
    ] {
        for args in [vec!["--line"], vec!["--line", "--format", format]] {
            let ended = decode(&args, input);
            assert_eq!(
                (ended.code, ended.stdout.as_str()),
                (Some(0), line),
                "{}",
                ended.stderr
            );
        }
    }
}

#[test]
fn a_capture_is_told_by_its_beginning() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.pcap");
    fs::write(&path, capture()).unwrap();
    let path = path.display().to_string();
    let ended = run(["decode", "--line", &path]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        "1970-01-01T00:00:00.000000Z 1 10.0.0.1:40000 > 10.0.0.2:1883  \
         #1 client CONNECT 3.1.1, client \"c\", clean start, keep alive 60\n"
    );
    assert_eq!(
        ended.stderr,
        "mqtt: 1 MQTT packets, 0 of them wrong, on 1 of 1 TCP connections; \
         1 packets of the network\n"
    );
    let json = decode(&["--json"], &capture());
    let object: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(object["packet"], "CONNECT");
    assert_eq!(object["side"], "client");
    assert_eq!(object["server"], "10.0.0.2:1883");
    // Bytes of a capture that are said to be packets are wrong ones.
    assert_eq!(decode(&["--format", "raw"], &capture()).code, Some(3));
    assert_eq!(decode(&["--format", "pcap"], CONNECT).code, Some(1));
}

#[test]
fn what_is_malformed_is_shown_where_it_is_and_told_by_the_exit_code() {
    // A PUBLISH with the Packet Identifier 0.
    let ended = decode(&["-V", "5", "-x", "3206000174000000"], b"");
    assert_eq!(ended.code, Some(3));
    let fault = "0005  ^ packet identifier 0 at byte 5, v5 [MQTT-2.2.1-3], \
                 reason 0x82 protocol error";
    assert!(
        ended.stdout.lines().any(|line| line == fault),
        "{}",
        ended.stdout
    );
    let json = decode(&["-V", "5", "--json", "-x", "3206000174000000"], b"");
    let object: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(object["valid"], false);
    assert_eq!(object["error"]["statement"], "v5 [MQTT-2.2.1-3]");
    assert_eq!(object["error"]["at"], 5);
    // Half a packet.
    let ended = decode(&["--line", "-x", "c0 00 30 05 00 01"], b"");
    assert_eq!(ended.code, Some(3));
    assert!(
        ended.stdout.starts_with("PINGREQ\nPUBLISH"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("3 of 7 bytes are missing"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_version_nobody_says_is_guessed_and_told() {
    let ended = decode(&["--line", "-x", "20020000"], b"");
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("read as version 3.1.1"),
        "{}",
        ended.stderr
    );
    let ended = decode(&["--line", "-V", "5", "-x", "20020000"], b"");
    assert_eq!(ended.code, Some(3));
    assert_eq!(ended.stderr, "");
}

#[test]
fn what_cannot_be_read_is_refused_in_one_line() {
    for (args, input, code) in [
        (&["-x", "zz"][..], &b""[..], 2),
        (&["-x", "100"], b"", 2),
        (&["-x", "10", "file"], b"", 2),
        (&["--json", "--line"], b"", 2),
        (&["-x", "10", "--format", "raw"], b"", 2),
        (&["no-such-file"], b"", 1),
        (&["--format", "base64"], b"?", 1),
        (&[], b"", 1),
    ] {
        let ended = decode(args, input);
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.starts_with("mqtt: "), "{}", ended.stderr);
    }
}
