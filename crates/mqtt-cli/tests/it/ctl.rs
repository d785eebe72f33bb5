//! `mqtt ctl` and `mqtt broker plan`: a broker that runs, looked into and changed.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use tempfile::{TempDir, tempdir};

use crate::process::{Ended, RunningBroker, mqtt, run};

/// CONNECT of 3.1.1 with Clean Session, client id `c`.
const CONNECT: &[u8] = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c";

/// A broker with a configuration file, and its directory.
struct Fixture {
    broker: RunningBroker,
    dir: TempDir,
}

impl Fixture {
    fn start(config: &str) -> Self {
        let dir = tempdir().unwrap();
        let file = dir.path().join("broker.toml");
        fs::write(&file, config).unwrap();
        let data_dir = dir.path().join("data");
        let mut command = mqtt(["broker", "--listen", "127.0.0.1:0", "--config"]);
        let command = command.arg(file).arg("--data-dir").arg(data_dir);
        // Where nobody reads it the log would fill the pipe.
        let broker = RunningBroker::spawn(command.stderr(std::process::Stdio::null()));
        Self { broker, dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("broker.toml")
    }

    /// `mqtt ctl` for this broker.
    fn ctl(&self, args: &[&str]) -> Ended {
        let data_dir = self.dir.path().join("data");
        let flags = ["ctl".as_ref(), "--data-dir".as_ref(), data_dir.as_os_str()];
        run(flags.into_iter().chain(args.iter().map(AsRef::as_ref)))
    }

    /// A client `c` that is connected.
    fn client(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.broker.addrs.first().unwrap()).unwrap();
        stream.write_all(CONNECT).unwrap();
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).unwrap();
        assert_eq!(connack, [0x20, 2, 0, 0]);
        stream
    }
}

fn well(ended: Ended) -> String {
    assert_eq!(
        (ended.code, &*ended.stderr),
        (Some(0), ""),
        "{}",
        ended.stdout
    );
    ended.stdout
}

#[test]
fn clients_are_listed_shown_and_kicked() {
    let fixture = Fixture::start("");
    let mut client = fixture.client();
    let list = well(fixture.ctl(&["clients", "list"]));
    let mut lines = list.lines();
    assert!(
        lines.next().unwrap().starts_with("CLIENT  CONNECTED  USER"),
        "{list}"
    );
    assert!(lines.next().unwrap().starts_with("c       yes"), "{list}");
    assert_eq!(lines.next(), None);
    let shown = well(fixture.ctl(&["clients", "show", "c"]));
    assert!(shown.contains("keep alive      60s"), "{shown}");
    let json = well(fixture.ctl(&["--json", "clients", "list", "--connected"]));
    assert!(json.starts_with("{\"client_id\":\"c\","), "{json}");
    assert_eq!(
        well(fixture.ctl(&["clients", "list", "--disconnected", "--json"])),
        ""
    );
    let kicked = well(fixture.ctl(&["clients", "kick", "c"]));
    assert_eq!(kicked, "the connection of `c` is ended\n");
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "closed");
    let again = fixture.ctl(&["clients", "kick", "c"]);
    assert_eq!(
        (again.code, &*again.stderr),
        (Some(1), "mqtt: no client `c` is connected\n")
    );
}

/// Sessions, messages, users and bans are for nobody but the user the broker runs as.
#[test]
fn nobody_else_may_look_into_the_data_directory() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::start("");
    let mut client = fixture.client();
    // A message to be retained, and a subscription.
    client
        .write_all(b"\x31\x04\0\x01xy\x82\x06\0\x01\0\x01#\x01")
        .unwrap();
    let mut suback = [0; 5];
    client.read_exact(&mut suback).unwrap();
    well(fixture.ctl(&["bans", "add", "--client-id", "bad"]));
    let data = fixture.dir.path().join("data");
    let (mut found, mut folders) = (Vec::new(), vec![data]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push(path);
        }
        found.push(folder);
    }
    assert!(found.len() > 5, "{found:?}");
    for path in found {
        // A file of the log may be on its way out.
        let Ok(known) = fs::symlink_metadata(&path) else {
            continue;
        };
        let mode = known.permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

/// What a client is told on the wire is enough to find the rule.
#[test]
fn a_refusal_is_looked_up_by_what_the_client_was_told() {
    let fixture = Fixture::start(
        "[[authorization.rules]]\npermission = \"deny\"\ntopics = [\"secret/#\"]\n\n\
         [[authorization.rules]]\npermission = \"allow\"\n",
    );
    assert_eq!(well(fixture.ctl(&["refusals", "--json"])), "");
    let port = fixture.broker.addrs.first().unwrap().port().to_string();
    let publish = |topic: &str| {
        let host = ["-h", "127.0.0.1", "-p", &port, "-i", "c9", "-q", "1"];
        run(["pub", "-m", "x", "-t", topic].into_iter().chain(host)).stderr
    };
    let told = publish("secret/a");
    let words = "not authorized (ref ";
    let reference = told
        .split_once(words)
        .and_then(|(_, rest)| rest.get(..6))
        .unwrap_or_else(|| panic!("{told}"));
    publish("secret/b");
    publish("secret/b");
    let config = fixture.file().display().to_string();
    let shown = well(fixture.ctl(&["refusals", reference]));
    for line in [
        format!("reference    {reference}\n"),
        "client       c9\n".to_owned(),
        "wanted to    publish\n".to_owned(),
        "topic        secret/a\n".to_owned(),
        format!("decided by   the rule {config}:1\n"),
        "reason code  0x87\n".to_owned(),
        "times        1\n".to_owned(),
    ] {
        assert!(shown.contains(&line), "{line} is not in\n{shown}");
    }
    let whole = format!("{words}{reference})");
    assert_eq!(
        well(fixture.ctl(&["refusals", &whole, "--json"])),
        well(fixture.ctl(&["refusals", reference, "--json"]))
    );
    let list = well(fixture.ctl(&["refusals", "--client-id", "c9"]));
    let mut lines = list.lines();
    assert!(lines.next().unwrap().starts_with("REF     WHEN"), "{list}");
    assert!(lines.next().unwrap().contains("secret/a"), "{list}");
    let last = lines.next().unwrap();
    assert!(last.contains("  2      c9"), "twice: {list}");
    assert_eq!(lines.next(), None);
    let list = well(fixture.ctl(&["refusals", "--limit", "1", "--json"]));
    let last: serde_json::Value = serde_json::from_str(list.trim()).unwrap();
    assert_eq!(
        (&last["topic"], &last["times"]),
        (&"secret/b".into(), &2.into())
    );
    assert_eq!(
        well(fixture.ctl(&["refusals", "--client-id", "x", "--json"])),
        ""
    );
    for (text, code) in [("zzzzzz", 2), ("000001", 1)] {
        let ended = fixture.ctl(&["refusals", text]);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(code), 1));
    }
}

#[test]
fn where_no_broker_runs_it_says_so() {
    let dir = tempdir().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let ended = run(["ctl", "--data-dir", data_dir, "status"]);
    assert_eq!(
        (ended.code, ended.stderr, &*ended.stdout),
        (
            Some(1),
            format!("mqtt: no broker runs there: nobody listens on {data_dir}/admin.sock\n"),
            ""
        )
    );
}

#[test]
fn the_log_level_is_changed_and_a_misspelt_one_is_not() {
    let fixture = Fixture::start("log.level = \"error\"");
    assert_eq!(well(fixture.ctl(&["log-level"])), "error\n");
    well(fixture.ctl(&["log-level", "mqtt_broker=debug,warn"]));
    assert_eq!(
        well(fixture.ctl(&["log-level"])),
        "mqtt_broker=debug,warn\n"
    );
    let ended = fixture.ctl(&["log-level", "inof"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        well(fixture.ctl(&["log-level"])),
        "mqtt_broker=debug,warn\n"
    );
}

#[test]
fn sighup_and_ctl_reload_read_the_file_again() {
    let fixture = Fixture::start("");
    let _client = fixture.client();
    fs::write(
        fixture.file(),
        "log.level = \"debug\"\nmqtt.max_inflight = 7\n",
    )
    .unwrap();
    let expected = "at once:\n  log.level: \"info\" -> \"debug\"\n\
                    for new connections:\n  mqtt.max_inflight: 1024 -> 7\n";
    assert_eq!(well(fixture.ctl(&["reload"])), expected);
    assert_eq!(well(fixture.ctl(&["reload"])), "nothing changes\n");
    assert_eq!(well(fixture.ctl(&["log-level"])), "debug\n");
    fs::write(fixture.file(), "log.level = \"warn\"\n").unwrap();
    fixture.broker.process.signal("HUP");
    let deadline = Instant::now() + Duration::from_secs(20);
    while well(fixture.ctl(&["log-level"])) != "warn\n" {
        assert!(Instant::now() < deadline, "SIGHUP has an effect");
    }
    fs::write(fixture.file(), "log.level = \"loud\"\n").unwrap();
    let refused = fixture.ctl(&["reload"]);
    let line = format!(
        "mqtt: {}:1: `log.level` is `\"loud\"`, it must be ",
        fixture.file().display()
    );
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.starts_with(&line), "{}", refused.stderr);
    assert_eq!(well(fixture.ctl(&["log-level"])), "warn\n");
    let status = well(fixture.ctl(&["status"]));
    assert!(status.contains("connections        1\n"), "{status}");
}

/// The whole output, as a golden text.
#[test]
fn a_plan_tells_what_each_change_takes() {
    let fixture = Fixture::start("mqtt.max_inflight = 20");
    let new = fixture.dir.path().join("new.toml");
    fs::write(
        &new,
        "log.level = \"debug\"\nmqtt.max_inflight = 32\nnode.name = \"b\"\ndurability = \"os\"\n\
         [[rewrite]]\nsource_topic = \"a/#\"\nre = \"^a$\"\ndest_topic = \"b\"\n",
    )
    .unwrap();
    let expected = "at once:\n  log.level: \"info\" -> \"debug\"\n  rewrite: 0 entries -> 1 entry\n\
         for new connections:\n  mqtt.max_inflight: 20 -> 32\n\
         after a restart:\n  durability: \"fsync\" -> \"os\"\n  node.name: \"mqtt\" -> \"b\"\n";
    let asked = format!("{expected}no client would lose anything\n");
    let new = new.to_str().unwrap();
    assert_eq!(well(fixture.ctl(&["plan", new])), asked);
    let data_dir = fixture.dir.path().join("data");
    let data_dir = data_dir.to_str().unwrap();
    assert_eq!(
        well(run(["broker", "plan", new, "--data-dir", data_dir])),
        asked
    );
    let old = fixture.file();
    let old = old.to_str().unwrap();
    assert_eq!(
        well(run(["broker", "plan", new, "--config", old])),
        expected
    );
    assert_eq!(
        well(run(["broker", "plan", old, "--config", old])),
        "nothing changes\n"
    );
    let nowhere = fixture.dir.path().join("nowhere");
    let alone = run([
        "broker",
        "plan",
        new,
        "--data-dir",
        nowhere.to_str().unwrap(),
    ]);
    assert_eq!(alone.code, Some(1));
    let hint = "admin.sock; name another configuration to compare with by --config FILE\n";
    assert!(alone.stderr.ends_with(hint), "{}", alone.stderr);
}

/// The whole output, as a golden text.
#[test]
fn a_plan_tells_which_clients_would_lose_what() {
    let fixture = Fixture::start("");
    let mut client = fixture.client();
    client.write_all(b"\x82\x06\0\x01\0\x01a\0").unwrap();
    let mut suback = [0; 5];
    client.read_exact(&mut suback).unwrap();
    assert_eq!(suback, [0x90, 3, 0, 1, 0]);
    let peer = client.local_addr().unwrap();
    let new = fixture.dir.path().join("new.toml");
    let rules = |rest: &str| {
        let rule = "[[authorization.rules]]\npermission = \"deny\"\ntopics = [\"a\"]\n";
        fs::write(&new, format!("{rest}{rule}")).unwrap();
    };
    let new = new.to_str().unwrap();
    let change = "at once:\n  authorization.rules: 0 entries -> 1 entry\n";
    rules("");
    let expected = format!(
        "{change}clients that would be disconnected:\n  c (no user name, {peer}):\n    \
         subscription a: the rule {new}:1\n"
    );
    assert_eq!(well(fixture.ctl(&["plan", new])), expected);
    let json = well(fixture.ctl(&["--json", "plan", new]));
    let forecast =
        "\"forecast\":{\"away\":0,\"clients\":[{\"client_id\":\"c\",\"disconnected\":true,";
    assert!(json.contains(forecast), "{json}");
    rules("authorization.on_lost_right = \"unsubscribe\"\n");
    let stays = well(fixture.ctl(&["plan", new]));
    let line = "clients that would stay and lose something:\n  c (no user name, ";
    assert!(stays.contains(line), "{stays}");
    client.write_all(&[0xC0, 0]).unwrap();
    client.read_exact(suback.get_mut(..2).unwrap()).unwrap();
    assert!(suback.starts_with(&[0xD0, 0]), "it is still there");
}

#[test]
fn metrics_are_for_prometheus() {
    let fixture = Fixture::start("");
    let _client = fixture.client();
    let page = well(fixture.ctl(&["metrics"]));
    assert!(page.contains("\nmqtt_clients_accepted_total 1\n"), "{page}");
    let counters = well(fixture.ctl(&["counters", "--json"]));
    assert!(
        counters.contains("\"mqtt_clients_accepted_total\":1"),
        "{counters}"
    );
}

#[test]
fn bans_are_put_listed_and_taken_away() {
    let fixture = Fixture::start("");
    let mut client = fixture.client();
    let add = [
        "bans",
        "add",
        "--client-id",
        "c",
        "--for",
        "1h",
        "--reason",
        "spam",
    ];
    assert_eq!(well(fixture.ctl(&add)), "banned; connections ended: 1\n");
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "closed");
    well(fixture.ctl(&["bans", "add", "--address", "192.0.2.0/24"]));
    let list = well(fixture.ctl(&["bans", "list"]));
    let mut lines = list.lines();
    assert!(lines.next().unwrap().starts_with("WHO"), "{list}");
    let first = lines.next().unwrap();
    assert!(
        first.starts_with("client c") && first.ends_with("spam"),
        "{list}"
    );
    assert!(lines.next().unwrap().starts_with("192.0.2.0/24"), "{list}");
    well(fixture.ctl(&["bans", "remove", "--client-id", "c"]));
    let _client = fixture.client();
    let again = fixture.ctl(&["bans", "remove", "--client-id", "c"]);
    assert_eq!(
        (again.code, &*again.stderr),
        (Some(1), "mqtt: client `c` is not banned\n")
    );
    let wrong = fixture.ctl(&["bans", "add", "--address", "example.com"]);
    assert_eq!(wrong.code, Some(2));
}

#[test]
fn users_are_added_changed_and_deleted_while_it_runs() {
    let fixture = Fixture::start(
        "[[authentication]]\nmechanism = \"password_based\"\nbackend = \"built_in_database\"\n",
    );
    let data_dir = fixture.dir.path().join("data");
    let with_password = |args: &[&str], password: &str| {
        let mut command = mqtt(["ctl", "--data-dir"]);
        command.arg(&data_dir).args(args);
        command.stdin(std::process::Stdio::piped());
        let piped = command.stdout(std::process::Stdio::piped());
        let mut child = piped.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{password}").unwrap();
        drop(stdin);
        Ended::from(child.wait_with_output().unwrap())
    };
    let added = with_password(&["users", "add", "ann"], "s3cret");
    assert_eq!(well(added), "user `ann` is added\n");
    let twice = with_password(&["users", "add", "ann"], "s3cret");
    assert_eq!(twice.code, Some(1));
    assert_eq!(
        well(fixture.ctl(&["users", "list"])),
        "USER  SUPERUSER\nann   no\n"
    );
    let connack = |password: &str| {
        let mut stream = TcpStream::connect(fixture.broker.addrs.first().unwrap()).unwrap();
        let mut packet = b"\x10\0\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x03ann\0".to_vec();
        packet.push(u8::try_from(password.len()).unwrap());
        packet.extend_from_slice(password.as_bytes());
        let len = u8::try_from(packet.len() - 2).unwrap();
        *packet.get_mut(1).unwrap() = len;
        stream.write_all(&packet).unwrap();
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).unwrap();
        (*connack.last().unwrap(), stream)
    };
    let (code, mut live) = connack("s3cret");
    assert_eq!(code, 0);
    assert_ne!(connack("wrong").0, 0);
    well(with_password(&["users", "passwd", "ann"], "another"));
    assert_eq!(live.read(&mut [0]).unwrap(), 0, "closed with its password");
    assert_ne!(connack("s3cret").0, 0);
    let (code, mut live) = connack("another");
    assert_eq!(code, 0);
    well(fixture.ctl(&["users", "delete", "ann"]));
    assert_eq!(live.read(&mut [0]).unwrap(), 0, "closed with its user");
    let gone = fixture.ctl(&["users", "delete", "ann"]);
    assert_eq!(gone.code, Some(1));
}

#[test]
fn the_log_goes_to_a_file_too_which_is_opened_anew_on_sighup() {
    let logs = tempdir().unwrap();
    let path = logs.path().join("x").join("mqtt.log");
    let config = format!(
        "[log.file]\nenable = true\nlevel = \"info\"\nformatter = \"json\"\npath = {path:?}\n"
    );
    let fixture = Fixture::start(&config);
    let wait_for = |what: &str| {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = fs::read_to_string(&path).unwrap_or_default();
            if text.contains(what) {
                return text;
            }
            assert!(Instant::now() < deadline, "{what}: {text}");
            std::thread::yield_now();
        }
    };
    well(fixture.ctl(&["bans", "add", "--client-id", "first"]));
    let text = wait_for("client `first`");
    assert!(
        text.starts_with("{\"timestamp\":\"") && text.ends_with("}\n"),
        "{text}"
    );
    let moved = logs.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    fixture.broker.process.signal("HUP");
    wait_for("configuration reloaded");
    well(fixture.ctl(&["bans", "add", "--client-id", "second"]));
    wait_for("client `second`");
    assert!(!fs::read_to_string(&moved).unwrap().contains("second"));
    well(fixture.ctl(&["log-level", "error"]));
    well(fixture.ctl(&["bans", "add", "--client-id", "third"]));
    well(fixture.ctl(&["log-level", "info"]));
    well(fixture.ctl(&["bans", "add", "--client-id", "fourth"]));
    assert!(!wait_for("client `fourth`").contains("third"));
}

#[test]
fn a_log_that_cannot_be_written_stops_the_start() {
    let dir = tempdir().unwrap();
    let config = dir.path().join("broker.toml");
    fs::write(
        &config,
        format!("[log.file]\nenable = true\npath = {:?}\n", dir.path()),
    )
    .unwrap();
    let data_dir = dir.path().join("data");
    let listen = ["broker", "--listen", "127.0.0.1:0", "--config"].map(AsRef::as_ref);
    let ended = run(listen.into_iter().chain([
        config.as_os_str(),
        "--data-dir".as_ref(),
        data_dir.as_os_str(),
    ]));
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.starts_with("mqtt: cannot write the log to "),
        "{}",
        ended.stderr
    );
}
