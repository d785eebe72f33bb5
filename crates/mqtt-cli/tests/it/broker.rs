//! `mqtt broker`: what it says at its start, what stops it from starting, and its end.

use std::{
    fs,
    net::{TcpListener, TcpStream},
};

use tempfile::tempdir;

use crate::process::{RunningBroker, mqtt, run};

#[test]
fn the_start_tells_where_who_and_ready() {
    let dir = tempdir().unwrap();
    let broker = RunningBroker::start(
        &dir,
        &["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"],
    );
    let [first, second] = broker.addrs.as_slice() else {
        panic!("{:?}", broker.lines)
    };
    assert_eq!(
        broker.lines,
        [
            format!("listening on {first}"),
            format!("listening on {second}"),
            "clients: anyone on this machine, without a user name; other machines cannot reach \
             this broker"
                .to_owned(),
            format!(
                "data: {}, locked for this broker; holds 0 sessions, 0 waiting and 0 retained \
                 messages",
                dir.path().join("data").display()
            ),
            "ready".to_owned(),
        ]
    );
    for addr in &broker.addrs {
        assert_ne!(addr.port(), 0);
        TcpStream::connect(addr).unwrap();
    }
}

#[test]
fn an_open_broker_says_so() {
    let dir = tempdir().unwrap();
    let broker = RunningBroker::start(&dir, &["--allow-anonymous", "--listen", "0.0.0.0:0"]);
    let clients = "clients: anyone who can reach this broker, without a user name";
    assert!(
        broker.lines.iter().any(|line| line == clients),
        "{:?}",
        broker.lines
    );
}

#[test]
fn flags_override_the_file() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("broker.toml");
    fs::write(
        &file,
        "[listeners.tcp.a]\nbind = \"192.0.2.1:1\"\n[log]\nlevel = \"error\"\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let broker = RunningBroker::start(&dir, &["--config", file, "--listen", "127.0.0.1:0"]);
    assert_eq!(broker.addrs.len(), 1);
    assert!(
        broker.addrs.iter().all(|addr| addr.ip().is_loopback()),
        "{:?}",
        broker.addrs
    );
}

#[test]
fn a_port_in_use_is_told() {
    let dir = tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = run([
        "broker".as_ref(),
        "--data-dir".as_ref(),
        dir.path().as_os_str(),
        "--listen".as_ref(),
        addr.as_ref(),
    ]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.starts_with("mqtt: ") && ended.stderr.contains(&addr),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_data_directory_is_for_one_broker() {
    let dir = tempdir().unwrap();
    let _first = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    let data_dir = dir.path().join("data");
    let listen = ["broker", "--listen", "127.0.0.1:0", "--data-dir"].map(AsRef::as_ref);
    let second = run(listen.into_iter().chain([data_dir.as_os_str()]));
    assert_eq!(
        (second.stderr, second.code),
        (
            format!(
                "mqtt: the data directory {} is in use by another broker\n",
                data_dir.display()
            ),
            Some(1)
        )
    );
}

#[test]
fn a_data_directory_that_cannot_be_made_is_told() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let listen = ["broker", "--listen", "127.0.0.1:0", "--data-dir"].map(AsRef::as_ref);
    let ended = run(listen.into_iter().chain([file.join("data").as_os_str()]));
    let start = format!(
        "mqtt: cannot create the data directory {}: ",
        file.join("data").display()
    );
    assert!(ended.stderr.starts_with(&start), "{}", ended.stderr);
    assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(1)));
}

#[cfg(unix)]
#[test]
fn signals_end_it_in_order() {
    for signal in ["TERM", "INT"] {
        let dir = tempdir().unwrap();
        let mut broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
        broker.process.signal(signal);
        assert_eq!(broker.wait(), Some(0), "{signal}");
        for addr in &broker.addrs {
            TcpStream::connect(addr).unwrap_err();
        }
        RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn data_lives_in_the_state_directory() {
    let state = tempdir().unwrap();
    let mut command = mqtt(["broker", "--log", "warn", "--listen", "127.0.0.1:0"]);
    let _broker = RunningBroker::spawn(command.env("XDG_STATE_HOME", state.path()));
    assert!(state.path().join("mqtt").join("lock").is_file());
}

#[cfg(target_os = "linux")]
#[test]
fn systemd_hears_of_start_and_stop() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(30)))
        .unwrap();
    let mut buffer = [0; 100];
    let mut heard = || {
        let len = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer.get(..len).unwrap().to_vec()).unwrap()
    };

    let mut command = mqtt([
        "broker",
        "--log",
        "warn",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
    ]);
    command
        .arg(dir.path().join("data"))
        .env("NOTIFY_SOCKET", &path);
    let mut broker = RunningBroker::spawn(&mut command);
    assert_eq!(heard(), "READY=1\n");
    broker.process.signal("TERM");
    assert_eq!(heard(), "STOPPING=1\n");
    assert_eq!(broker.wait(), Some(0));
}
