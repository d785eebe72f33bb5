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
    let new = new.to_str().unwrap();
    assert_eq!(well(fixture.ctl(&["plan", new])), expected);
    let data_dir = fixture.dir.path().join("data");
    let data_dir = data_dir.to_str().unwrap();
    assert_eq!(
        well(run(["broker", "plan", new, "--data-dir", data_dir])),
        expected
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
