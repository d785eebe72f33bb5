//! A Mosquitto is stopped, and ours goes on with what it has kept.

use crate::{
    brokers::free_addr,
    process::{PATIENCE, Running},
    surroundings::mosquitto_program,
};
use mqtt_client::{QoS, blocking::Client};
use mqtt_codec::ProtocolVersion;
use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};
use tempfile::TempDir;

/// Topics of a home with many sensors, each with a retained message.
const RETAINED: usize = 10_000;
/// Devices that are away.
const SESSIONS: usize = 100;
/// Messages that wait for each of them.
const QUEUED: usize = 20;

/// A configuration as Debian has it, with a directory of its own.
struct Home {
    dir: TempDir,
    addr: SocketAddr,
}

impl Home {
    fn new() -> Self {
        let home = Self {
            dir: TempDir::new().unwrap(),
            addr: free_addr(),
        };
        let location = home.dir.path().display();
        let lines = format!(
            "pid_file {location}/pid\npersistence true\npersistence_location {location}/\nlog_dest stderr\nlog_type all\nuser root\nlistener {} {}\nallow_anonymous true\n",
            home.addr.port(),
            home.addr.ip()
        );
        fs::write(home.conf(), lines).unwrap();
        home
    }

    fn conf(&self) -> std::path::PathBuf {
        self.dir.path().join("mosquitto.conf")
    }

    fn mosquitto(&self) -> Running {
        let mut command = mosquitto_program("MQTT_INTEROP_MOSQUITTO_BIN");
        let mut process = Running::spawn_by_stderr(command.arg("-c").arg(self.conf()));
        process.wait_for("`running`", |line| line.ends_with("running").then_some(()));
        process
    }

    /// A client that keeps its session; whether there was one.
    fn client(&self, client_id: &str, version: ProtocolVersion) -> (Client, bool) {
        let client = Client::builder(self.addr.to_string())
            .client_id(client_id)
            .version(version)
            .clean_start(false)
            .session_expiry(Duration::from_secs(7200))
            .connect()
            .unwrap();
        let session_present = client.connected().unwrap().session_present;
        (client, session_present)
    }

    fn publish(&self, messages: impl Iterator<Item = (String, String, QoS, bool)>) {
        let client = Client::builder(self.addr.to_string()).connect().unwrap();
        for (topic_name, payload, qos, retain) in messages {
            let publish = client.publish(topic_name, payload).qos(qos);
            let publish = if retain { publish.retain() } else { publish };
            publish.send().unwrap();
        }
        client.disconnect().send().unwrap();
    }

    /// Devices subscribe and leave; then everything is published.
    fn fill(&self, retained: usize, sessions: usize) {
        for nth in 0..sessions {
            let (client, _) = self.client(&format!("device-{nth}"), version_of(nth));
            // Without it the client would unsubscribe.
            let subscription = client.subscribe("alarm/#").qos(qos_of(nth)).send().unwrap();
            client.disconnect().send().unwrap();
            drop(subscription);
        }
        let kept = |nth: usize| {
            (
                format!("home/{nth}"),
                nth.to_string(),
                QoS::AtLeastOnce,
                true,
            )
        };
        self.publish((0..retained).map(kept));
        let alarm = |nth: usize| (format!("alarm/{nth}"), nth.to_string(), qos_of(nth), false);
        self.publish((0..QUEUED).map(alarm));
    }

    /// All devices find their session and everything that waited for them; all that was retained is there.
    fn check(&self, retained: usize, sessions: usize) {
        for nth in 0..sessions {
            let (client, session_present) = self.client(&format!("device-{nth}"), version_of(nth));
            assert!(session_present, "device {nth}");
            let mut unclaimed = client.unclaimed();
            for expected in 0..QUEUED {
                let message = unclaimed.next_timeout(PATIENCE);
                let message =
                    message.unwrap_or_else(|| panic!("device {nth} misses alarm {expected}"));
                assert_eq!(
                    message.text().unwrap(),
                    expected.to_string(),
                    "device {nth}"
                );
            }
            client.disconnect().send().unwrap();
        }
        let client = Client::builder(self.addr.to_string()).connect().unwrap();
        let home = client.subscribe("home/#").qos(QoS::AtLeastOnce).send();
        let mut home = home.unwrap();
        let mut found = vec![false; retained];
        for _ in 0..retained {
            let message = home.next_timeout(PATIENCE);
            let missing = found.iter().filter(|found| !**found).count();
            let message =
                message.unwrap_or_else(|| panic!("{missing} retained messages are missing"));
            assert!(message.retain(), "{}", message.topic_name());
            let nth: usize = message.text().unwrap().parse().unwrap();
            assert_eq!(message.topic_name(), format!("home/{nth}"));
            *found.get_mut(nth).unwrap() = true;
        }
        assert!(found.iter().all(|found| *found));
    }
}

fn version_of(nth: usize) -> ProtocolVersion {
    match nth.is_multiple_of(2) {
        true => ProtocolVersion::V311,
        false => ProtocolVersion::V5,
    }
}

fn qos_of(nth: usize) -> QoS {
    match nth.is_multiple_of(3) {
        true => QoS::ExactlyOnce,
        false => QoS::AtLeastOnce,
    }
}

/// As a service manager stops it: it writes its file.
fn stop(mut process: Running) {
    let pid = process.child.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    process.wait();
}

fn ours(command: &mut Command) -> Running {
    let mut process = Running::spawn(command);
    process.wait_for("`ready`", |line| (line == "ready").then_some(()));
    process
}

fn mqtt() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mqtt"))
}

#[test]
fn mosquitto_with_a_home_full_of_sensors_is_imported() {
    let home = Home::new();
    let mosquitto = home.mosquitto();
    home.fill(RETAINED, SESSIONS);
    stop(mosquitto);
    let toml = home.dir.path().join("broker.toml");
    let mut import = mqtt();
    import.arg("import").arg(home.conf()).arg("-o").arg(&toml);
    Running::spawn(&mut import).succeed();
    let broker = ours(mqtt().arg("broker").arg("--config").arg(&toml));
    home.check(RETAINED, SESSIONS);
    drop(broker);
    // What is there is not imported over.
    let again = mqtt()
        .arg("import")
        .arg(home.conf())
        .args(["--data-dir"])
        .arg(home.dir.path().join("mqtt"))
        .output();
    assert_eq!(again.unwrap().status.code(), Some(1));
}

#[test]
fn mosquitto_is_replaced_under_its_own_name() {
    let home = Home::new();
    let mosquitto = home.mosquitto();
    home.fill(50, 3);
    stop(mosquitto);
    // A link named as the program it stands for.
    let program = home.dir.path().join("mosquitto");
    link(&program);
    let mut command = Command::new(&program);
    command.arg("-c").arg(home.conf()).arg("-v");
    let broker = ours(&mut command);
    let pid = fs::read_to_string(home.dir.path().join("pid")).unwrap();
    assert_eq!(pid.trim(), broker.child.id().to_string());
    home.check(50, 3);
    drop(broker);
    // The next start goes on with its own state.
    let broker = ours(&mut command);
    let (client, session_present) = home.client("device-1", version_of(1));
    assert!(session_present);
    drop((client, broker));
}

fn link(program: &Path) {
    fs::hard_link(env!("CARGO_BIN_EXE_mqtt"), program)
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_mqtt"), program).map(drop))
        .unwrap();
}
