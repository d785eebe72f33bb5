//! `mqtt retained` on `mqtt broker`.

use tempfile::{TempDir, tempdir};

use crate::process::{Ended, RunningBroker, run};

struct Setup {
    _broker: RunningBroker,
    port: String,
    _dir: TempDir,
}

impl Setup {
    /// A broker with three retained messages.
    fn new() -> Self {
        let dir = tempdir().unwrap();
        let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
        let port = broker.addrs.first().unwrap().port().to_string();
        let setup = Self {
            _broker: broker,
            port,
            _dir: dir,
        };
        for (topic, payload, qos) in [("a/1", "one", "0"), ("a/2", "four", "1"), ("b", "x", "2")] {
            let ended = setup.run(&["pub", "-r", "-q", qos, "-t", topic, "-m", payload]);
            assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
        }
        setup
    }

    fn run(&self, args: &[&str]) -> Ended {
        run([args, &["-h", "127.0.0.1", "-p", &self.port]].concat())
    }

    /// The lines of `ls`, in order of topics.
    fn ls(&self, args: &[&str]) -> Vec<String> {
        let ended = self.run(&[&["retained", "ls"], args].concat());
        assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
        let mut lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
        lines.sort_by_key(|line| line.split_whitespace().next_back().map(str::to_owned));
        lines
    }
}

#[test]
fn they_are_listed() {
    let setup = Setup::new();
    let expected = [
        "         3  a/1",
        "         4  a/2",
        "         1  b",
        "     bytes  topic",
    ];
    assert_eq!(setup.ls(&[]), expected);
    assert_eq!(setup.ls(&["a/+"]).len(), 3);
    assert!(setup.ls(&["none/#"]).is_empty());
    let long = setup.ls(&["--long", "a/#"]);
    assert_eq!(long[..2], ["         3    0  a/1", "         4    1  a/2"]);
    let mut json = setup.ls(&["--json", "--long"]);
    json.sort();
    let expected = [
        r#"{"len":1,"qos":2,"topic":"b"}"#,
        r#"{"len":3,"qos":0,"topic":"a/1"}"#,
        r#"{"len":4,"qos":1,"topic":"a/2"}"#,
    ];
    assert_eq!(json, expected);
}

#[test]
fn one_is_printed_as_it_is() {
    let setup = Setup::new();
    let ended = setup.run(&["retained", "get", "a/2"]);
    assert_eq!((ended.stdout.as_str(), ended.code), ("four", Some(0)));
    let ended = setup.run(&["retained", "get", "a"]);
    assert_eq!((ended.stdout.as_str(), ended.code), ("", Some(3)));
    assert_eq!(ended.stderr, "mqtt: nothing is retained on a\n");
    let ended = setup.run(&["retained", "get", "a/#"]);
    assert_eq!(ended.code, Some(2));
}

#[test]
fn they_are_cleared() {
    let setup = Setup::new();
    let ended = setup.run(&["retained", "clear", "a/#", "--dry-run"]);
    let mut topics: Vec<_> = ended.stdout.lines().collect();
    topics.sort_unstable();
    assert_eq!(topics, ["a/1", "a/2"]);
    assert_eq!(
        (ended.stderr.as_str(), ended.code),
        ("mqtt: 2 would be cleared\n", Some(0))
    );
    assert_eq!(setup.ls(&[]).len(), 4);
    let ended = setup.run(&["retained", "clear", "a/#"]);
    assert_eq!(
        (ended.stderr.as_str(), ended.code),
        ("mqtt: 2 cleared\n", Some(0))
    );
    assert_eq!(setup.ls(&[]).len(), 2);
    let ended = setup.run(&["retained", "clear", "a/#"]);
    assert_eq!(
        (ended.stderr.as_str(), ended.code),
        ("mqtt: 0 cleared\n", Some(0))
    );
}
