//! Every flag of `mosquitto_sub`.

use super::{Golden, outcome};
use crate::brokers::RunningBroker;

fn golden() -> Golden {
    let golden = Golden::new("sub");
    golden.keep_messages();
    golden
}

#[test]
fn flags_that_change_what_is_sent_or_printed() {
    let golden = golden();
    for flags in [
        "",
        "-v",
        "--verbose",
        "-N",
        "-v -N",
        "-q 1",
        "--qos 2",
        "-V mqttv31",
        "-V mqttv311",
        "-V 5",
        "--protocol-version mqttv5",
        "-i c1",
        "--id c1",
        "-I prefix",
        "-k 10",
        "--keepalive 10",
        "--quiet",
        "--pretty",
        "-W 20",
        "-c -i keeps",
        "-V 5 -x 10 -i expires",
        "-V 5 -c -x -1 -i stays",
        "-u somebody -P secret",
        "--will-topic w --will-payload gone --will-qos 1 --will-retain",
        "-T nothing/#",
        "-U nothing",
        "-h 127.0.0.1",
        "-D subscribe user-property a b",
        "-D unsubscribe user-property a b -U nothing",
        "-D connect receive-maximum 3",
        "-D connect user-property a b",
        "-D disconnect user-property a b",
        "-D publish content-type text/plain",
        "-D will user-property a b --will-topic w",
        "-D subscribe subscription-identifier 7 -F %S|%j",
        "--retain-as-published",
        "-V 5 --retain-as-published",
        "-M 3",
    ] {
        golden.same_line(&format!("-t a/b -C 1 {flags}"));
    }
    golden.same_line("-t a/b -t a/c -C 2 -v");
    golden.same_line("-t a/# -T a/b -C 1 -v");
    golden.same_line("-t a/b -E");
    golden.same_line("-t a/b -R -W 1");
    golden.same_line("-V 5 -t a/b -R -W 1");
    golden.same_line("-t nothing -W 1");
}

#[test]
fn formats() {
    let golden = golden();
    for format in [
        "%t",
        "%p",
        "%%",
        "%l",
        "%q",
        "%r",
        "%m",
        "%x",
        "%X",
        "%j",
        "|%8p|%-8p|%08p|%2p|%.2p|",
        "|%10t|%-10t|%3.2t|%.2t|%010t|%.0t|%30.3t|",
        "|%5m|%05l|%-5l|%5q|%05r|%-05l|%0-5l|%.2l|",
        "|%2F|%-2F|%02F|%5C|%20C|%-20C|%.3C|%5A|%05A|",
        "|%6E|%06E|%-8E|",
        "|%5S|%5R|%-5R|%.1R|%D|%5D|%P|%9P|",
        "@Y @m @@",
        "%10%|%-%|",
        r"a\nb\t\0\e\a\r\v\\",
        "",
        "text",
    ] {
        for topic in ["a/b", "p/1"] {
            for version in ["311", "5"] {
                golden.same(&[
                    "-t", topic, "-V", version, "-q", "1", "-C", "1", "-F", format,
                ]);
            }
        }
    }
    for format in ["%j", "%J", "<%J>"] {
        for topic in ["a/b", "a/c", "p/1"] {
            golden.same(&["-t", topic, "-V", "5", "-C", "1", "-F", format]);
            golden.same(&["-t", topic, "-V", "5", "-C", "1", "-F", format, "--pretty"]);
        }
    }
}

/// With MQTT 5 the Will is published when the time is over.
#[test]
fn the_end_of_the_time_publishes_the_will() {
    for program in ["sub", "rr"] {
        let golden = Golden::new(program);
        let work = match program {
            "sub" => &["-t", "nothing"][..],
            _ => &["-t", "nobody", "-e", "answer", "-m", "ask"],
        };
        for version in ["311", "5"] {
            let will = [
                "--will-topic",
                "w",
                "--will-payload",
                "gone",
                "--will-retain",
            ];
            let mut left = [golden.theirs(program), golden.ours()].map(|mut command| {
                command.args(["-V", version, "-W", "1"]).args(will);
                assert_eq!(outcome(command.args(work)).code, Some(27));
                let left = outcome(golden.theirs("sub").args(["-t", "w", "-W", "1"]));
                golden.publish(&["-t", "w", "-r"], b"");
                left.stdout
            });
            assert_eq!(left[0], left[1], "{program} {version}");
            let expected = if version == "5" { "gone\\n" } else { "" };
            assert_eq!(
                std::mem::take(&mut left[0]),
                expected,
                "{program} {version}"
            );
        }
    }
}

/// What a session has waiting is live to who takes it: not retained, and perhaps without payload.
#[test]
fn messages_of_a_session() {
    let golden = Golden::new("sub");
    for (version, payloads, flags) in [
        ("311", ["a", "b"], "-C 2"),
        ("5", ["a", "b"], "-C 2 -v"),
        ("311", ["", "b"], "-C 2"),
        ("311", ["", "b"], "-C 2 -v"),
        ("5", ["", "b"], "-C 2 -v -N"),
        ("5", ["", "b"], "-C 2 -F %p|%j|%J|%x|%l|%m|%q|%r"),
        ("311", ["a", "b"], "-C 2 -R"),
        ("311", ["a", "b"], "--retained-only"),
        ("5", ["a", "b"], "-C 2 -T live/none -x 60"),
    ] {
        let session = format!("-V {version} -c -i keep -q 2 -t live/# ");
        let prepare = |golden: &Golden| {
            // The session before it is thrown away, so that Packet Identifiers begin anew.
            for line in [
                format!("-V {version} -i keep -t live/# -E"),
                format!("{session} -E"),
            ] {
                let mut command = golden.theirs("sub");
                assert!(
                    command
                        .args(line.split_whitespace())
                        .status()
                        .unwrap()
                        .success()
                );
            }
            for payload in payloads {
                golden.publish(&["-t", "live/x"], payload.as_bytes());
            }
        };
        let line = session.clone() + flags;
        golden.same_after(prepare, &line.split_whitespace().collect::<Vec<_>>());
    }
}

#[test]
fn retained_messages_are_removed() {
    let golden = Golden::new("sub");
    let keep = |golden: &Golden| golden.publish(&["-r", "-t", "rm/1"], b"x");
    golden.same_after(keep, &["-t", "rm/#", "--remove-retained", "-W", "1", "-N"]);
    golden.same(&["-t", "rm/#", "-W", "1", "-v"]);
}

/// Where 2.0.11 sends its DISCONNECT and stays, at Mosquitto as here: ours ends, and nothing is retained any more.
#[test]
fn the_last_retained_message_is_removed_before_the_end() {
    for broker in [RunningBroker::ours(), RunningBroker::mosquitto()] {
        let golden = Golden {
            broker,
            program: "sub",
        };
        for count in 1..=3 {
            for number in 1..=count {
                golden.publish(&["-r", "-t", &format!("rm/{number}")], b"x");
            }
            let count = count.to_string();
            let args = ["-t", "rm/#", "--remove-retained", "-C", &count, "-F", "%r"];
            let removed = outcome(golden.ours().args(args));
            assert_eq!(removed.code, Some(0), "{removed:?}");
            assert_eq!(removed.stdout, "1\\n".repeat(count.parse().unwrap()));
            let left = outcome(golden.theirs("sub").args(["-t", "rm/#", "-W", "1", "-v"]));
            assert_eq!((left.stdout.as_str(), left.code), ("", Some(27)));
        }
    }
}

#[test]
fn mistakes() {
    let golden = Golden::new("sub");
    golden.same(&[]);
    for mistake in [
        "-t",
        "-t a/#/b",
        "-t a -C 0",
        "-t a -C x",
        "-t a -W 0",
        "-t a -F %z",
        "-t a -F %",
        r"-t a -F \q",
        r"-t a -F \",
        "-t a -F @",
        "-t a -q 3",
        "-t a -V 9",
        "-t a --retained-only -R",
        "-t a -T +x",
        "-t a -U +x",
        "-t a --nope",
        "-t a --random-filter 0",
        "-t a -D nothing content-type x",
        "-t a -D subscribe",
        "-t a -k x",
        "-t a -h",
        "-t a -p 1",
        "-c -t a",
        "-t a --will-payload x",
        "-t a -i a -I b",
        "-t a -x -2",
        "-t a word",
    ] {
        golden.same_line(mistake);
    }
}
