//! Payloads by a schema: what they are made of, what they are printed as, and what a build without them says.

use std::fs;

use tempfile::{TempDir, tempdir};

use crate::process::{Ended, RunningBroker, mqtt};

#[cfg(any(feature = "avro", feature = "protobuf"))]
const READING: &str = r#"{"id":9007199254740993,"celsius":21.5}"#;

const PROTO: &str = "syntax = \"proto3\"; package demo;
    message Reading { uint64 id = 1; double celsius = 2; }
    message Answer { uint64 number = 1; double degrees = 2; }";

const AVSC: &str = r#"{"type":"record","name":"Reading","namespace":"demo","fields":[
    {"name":"id","type":"long"},{"name":"celsius","type":"double"}]}"#;

struct Setup {
    _broker: RunningBroker,
    port: String,
    dir: TempDir,
}

impl Setup {
    fn new() -> Self {
        let dir = tempdir().unwrap();
        let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
        let port = broker.addrs.first().unwrap().port().to_string();
        fs::write(dir.path().join("demo.proto"), PROTO).unwrap();
        fs::write(dir.path().join("reading.avsc"), AVSC).unwrap();
        let other = AVSC.replace("celsius", "kelvin");
        fs::write(dir.path().join("other.avsc"), other).unwrap();
        Self {
            _broker: broker,
            port,
            dir,
        }
    }

    /// Runs the command in the folder of the schemas.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Ended {
        let command: Vec<&str> = args
            .iter()
            .copied()
            .take_while(|arg| !arg.starts_with('-'))
            .collect();
        let flags = args.get(command.len()..).unwrap();
        let server = ["-h", "127.0.0.1", "-p", &self.port];
        let mut all = mqtt([&command[..], &server, flags].concat());
        Ended::from(all.current_dir(self.dir.path()).output().unwrap())
    }

    /// Runs the command, which must print this and nothing else.
    #[cfg(any(feature = "avro", feature = "protobuf"))]
    #[track_caller]
    fn prints(&self, args: &[&str], expected: &str) {
        let ended = self.run(args);
        let told = (ended.stdout.as_str(), ended.stderr.as_str(), ended.code);
        assert_eq!(told, (expected, "", Some(0)), "{args:?}");
    }
}

#[cfg(feature = "protobuf")]
#[test]
fn messages_of_protocol_buffers_are_made_and_shown() {
    let setup = Setup::new();
    let by = |flag: &'static str| [flag, "protobuf", "--protobuf", "demo.proto:demo.Reading"];
    let publish = ["pub", "-t", "p", "-r", "-q", "1", "-m", READING];
    setup.prints(&[&publish[..], &by("--encode")].concat(), "");
    let hex = ["sub", "-t", "p", "-C", "1", "-F", "hex"];
    setup.prints(&hex, "088180808080808010110000000000803540\n");
    let subscribe = ["sub", "-t", "p", "-C", "1"];
    setup.prints(
        &[&subscribe[..], &by("--decode")].concat(),
        &format!("{READING}\n"),
    );
    let get = ["retained", "get", "p"];
    setup.prints(
        &[&get[..], &by("--decode")].concat(),
        &format!("{READING}\n"),
    );
    // The request comes back as its response.
    let ask = [
        "rr", "-t", "self", "-e", "self", "-m", READING, "--encode", "protobuf",
    ];
    setup.prints(
        &[&ask[..], &by("--decode")].concat(),
        &format!("{READING}\n"),
    );
    // The response may be of another type, here one that has other names for the same.
    let types = [
        "--request-protobuf",
        "demo.proto:Reading",
        "--protobuf",
        "demo.proto:Answer",
        "--decode",
        "protobuf",
    ];
    let ask = [
        "rr", "-t", "self", "-e", "self", "-m", READING, "--encode", "protobuf",
    ];
    let answer = READING
        .replace("id", "number")
        .replace("celsius", "degrees");
    setup.prints(&[&ask[..], &types].concat(), &format!("{answer}\n"));
    // What is none is told, and printed as it came.
    setup.prints(&["pub", "-t", "plain", "-r", "-q", "1", "-m", "plain"], "");
    let plain = ["sub", "-t", "plain", "-C", "1"];
    let ended = setup.run(&[&plain[..], &by("--decode")].concat());
    assert_eq!(ended.stdout, "plain\n");
    assert!(
        ended.stderr.starts_with("mqtt: cannot decode: Protobuf: "),
        "{}",
        ended.stderr
    );
}

#[cfg(feature = "avro")]
#[test]
fn data_of_avro_are_made_and_shown() {
    let setup = Setup::new();
    let publish = |codec: &str, topic_name: &str| {
        let args = ["pub", "-t", topic_name, "-r", "-q", "1", "-m", READING];
        let by = ["--encode", codec, "--avro", "reading.avsc"];
        setup.prints(&[&args[..], &by].concat(), "");
    };
    publish("avro", "datum");
    publish("avro-single", "single");
    publish("avro-single,gzip", "zipped");
    let shown = |topic_name: &str, codec: &str| {
        let args = [
            "sub",
            "-t",
            topic_name,
            "-C",
            "1",
            "--decode",
            codec,
            "--avro",
            "reading.avsc",
        ];
        setup.prints(&args, &format!("{READING}\n"));
    };
    let hex = ["sub", "-t", "datum", "-C", "1", "-F", "hex"];
    setup.prints(
        &hex,
        "8280808080808020 0000000000803540\n"
            .replace(' ', "")
            .as_str(),
    );
    shown("datum", "avro");
    shown("single", "avro");
    shown("single", "avro-single");
    shown("single", "auto");
    shown("zipped", "auto");
    let get = [
        "retained",
        "get",
        "single",
        "--decode",
        "auto",
        "--avro",
        "reading.avsc",
    ];
    setup.prints(&get, &format!("{READING}\n"));
    // By another schema it looks like nothing.
    let other = [
        "sub",
        "-t",
        "single",
        "-C",
        "1",
        "--decode",
        "auto",
        "--avro",
        "other.avsc",
    ];
    let ended = setup.run(&other);
    assert!(ended.stdout.starts_with("c301"), "{}", ended.stdout);
    let ask = [
        "rr",
        "-t",
        "self",
        "-e",
        "self",
        "-m",
        READING,
        "--avro",
        "reading.avsc",
    ];
    let by = ["--encode", "avro", "--decode", "avro"];
    setup.prints(&[&ask[..], &by].concat(), &format!("{READING}\n"));
    let wrong = [
        "pub",
        "-t",
        "a",
        "-m",
        "{\"id\":\"x\"}",
        "--encode",
        "avro",
        "--avro",
        "reading.avsc",
    ];
    let ended = setup.run(&wrong);
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.stderr,
        "mqtt: message 1: Avro: id: \"x\" is no long\n"
    );
}

#[cfg(all(feature = "avro", feature = "protobuf"))]
#[test]
fn a_schema_that_is_missing_or_for_nothing_is_a_mistake() {
    for (args, mistake) in [
        (
            &["pub", "-t", "a", "-m", "{}", "--encode", "protobuf"][..],
            "--encode protobuf takes --protobuf FILE:MESSAGE",
        ),
        (
            &["sub", "-t", "a", "--decode", "gzip,avro"],
            "--decode avro takes --avro FILE",
        ),
        (
            &["retained", "get", "a", "--decode", "avro-single"],
            "--decode avro-single takes --avro FILE",
        ),
        (
            &["rr", "-t", "a", "-n", "--encode", "avro"],
            "--encode avro takes --avro FILE",
        ),
        (
            &["rr", "-t", "a", "-n", "--avro", "x.avsc"],
            "--avro is for --encode or --decode with",
        ),
        (
            &[
                "rr",
                "-t",
                "a",
                "-n",
                "--decode",
                "avro",
                "--request-avro",
                "x.avsc",
            ],
            "--avro is for --encode with",
        ),
        (
            &["pub", "-t", "a", "-m", "{}", "--protobuf", "a.proto:A"],
            "--protobuf is for --encode with protobuf in it",
        ),
        (
            &[
                "sub",
                "-t",
                "a",
                "--decode",
                "auto",
                "--protobuf",
                "a.proto:A",
            ],
            "--protobuf is for --decode with",
        ),
        (
            &["sub", "-t", "a", "--decode", "avro", "--avro", "none.avsc"],
            "--avro: cannot read none.avsc",
        ),
        (
            &[
                "pub",
                "-t",
                "a",
                "-m",
                "{}",
                "--encode",
                "protobuf",
                "--protobuf",
                "none.proto:A",
            ],
            "--protobuf: ",
        ),
    ] {
        let ended = Ended::from(mqtt(args).output().unwrap());
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(mistake), "{args:?}: {}", ended.stderr);
    }
}

#[cfg(not(feature = "protobuf"))]
#[test]
fn a_build_without_protocol_buffers_says_how_to_get_it() {
    let setup = Setup::new();
    for args in [
        &["pub", "-t", "a", "-m", "{}", "--encode", "protobuf"][..],
        &[
            "sub",
            "-t",
            "a",
            "--decode",
            "protobuf",
            "--protobuf",
            "demo.proto:demo.Reading",
        ],
        &["rr", "-t", "a", "-n", "--encode", "protobuf"],
        &["retained", "get", "a", "--decode", "protobuf"],
    ] {
        let ended = setup.run(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        let how = "this build has no Protobuf: build it with `--features protobuf`";
        assert!(ended.stderr.contains(how), "{args:?}: {}", ended.stderr);
    }
}

#[cfg(not(feature = "avro"))]
#[test]
fn a_build_without_avro_says_how_to_get_it() {
    let setup = Setup::new();
    for args in [
        &["pub", "-t", "a", "-m", "{}", "--encode", "avro"][..],
        &[
            "sub",
            "-t",
            "a",
            "--decode",
            "auto",
            "--avro",
            "reading.avsc",
        ],
        &[
            "rr",
            "-t",
            "a",
            "-n",
            "--decode",
            "avro-single",
            "--avro",
            "reading.avsc",
        ],
        &["retained", "get", "a", "--decode", "avro"],
    ] {
        let ended = setup.run(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        let how = "this build has no Avro: build it with `--features avro`";
        assert!(ended.stderr.contains(how), "{args:?}: {}", ended.stderr);
    }
}
