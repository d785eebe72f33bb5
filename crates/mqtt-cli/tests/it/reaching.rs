//! Ways to a broker that need somebody between, or something to show: proxies, PKCS#12, enhanced authentication; and
//! what other programs leave in the environment.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Stdio,
    thread,
};

use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tempfile::{TempDir, tempdir};

use crate::process::{Ended, Running, RunningBroker, mqtt, run};

/// A broker with this configuration besides a listener.
fn broker(dir: &TempDir, kind: &str, config: &str) -> (RunningBroker, SocketAddr) {
    let path = dir.path().join("mqtt.toml");
    let listener = format!("[listeners.{kind}.default]\nbind = '127.0.0.1:0'\n{config}");
    fs::write(&path, listener).unwrap();
    let mut command = mqtt(["broker", "--log", "warn", "--config"]);
    command
        .arg(&path)
        .arg("--data-dir")
        .arg(dir.path().join("data"));
    let broker = RunningBroker::spawn(&mut command);
    let addr = *broker.addrs.first().unwrap();
    (broker, addr)
}

/// A proxy that leads one client to `to`, whatever it asks for; gives what it was asked with.
fn proxy(
    to: SocketAddr,
    accept: fn(&mut TcpStream) -> String,
) -> (u16, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxying = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let asked = accept(&mut client);
        let mut server = TcpStream::connect(to).unwrap();
        let (mut from, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let answers = thread::spawn(move || {
            // Whoever goes away first ends it.
            let _ = std::io::copy(&mut from, &mut back);
            let _ = back.shutdown(std::net::Shutdown::Both);
        });
        let _ = std::io::copy(&mut client, &mut server);
        let _ = server.shutdown(std::net::Shutdown::Write);
        answers.join().unwrap();
        asked
    });
    (port, proxying)
}

fn bytes<const LEN: usize>(from: &mut TcpStream) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    from.read_exact(&mut bytes).unwrap();
    bytes
}

fn text(from: &mut TcpStream) -> String {
    let [len] = bytes(from);
    let mut text = vec![0; usize::from(len)];
    from.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// SOCKS5 by RFC 1928, with the user name and password of RFC 1929; gives both and the name that is looked for.
fn socks5(client: &mut TcpStream) -> String {
    let [version, count] = bytes(client);
    assert_eq!(version, 5);
    let mut methods = vec![0; usize::from(count)];
    client.read_exact(&mut methods).unwrap();
    assert!(methods.contains(&2), "{methods:?}");
    client.write_all(&[5, 2]).unwrap();
    assert_eq!(bytes(client), [1], "the version of RFC 1929");
    let (user, password) = (text(client), text(client));
    client.write_all(&[1, 0]).unwrap();
    // CONNECT to a name.
    assert_eq!(bytes(client), [5, 1, 0, 3]);
    let host = text(client);
    let port = u16::from_be_bytes(bytes(client));
    client
        .write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80])
        .unwrap();
    format!("{user}:{password}@{host}:{port}")
}

/// CONNECT of HTTP; gives its first line.
fn http(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(bytes::<1>(client)[0]);
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let head = String::from_utf8(head).unwrap();
    head.lines().next().unwrap().to_owned()
}

#[test]
fn a_proxy_leads_to_the_broker() {
    let dir = tempdir().unwrap();
    let (_broker, addr) = broker(&dir, "tcp", "");
    // The proxy looks the name up: here there is none.
    let to = [
        "-h",
        "broker.invalid",
        "-p",
        "7883",
        "-t",
        "a",
        "-q",
        "1",
        "-r",
        "-m",
        "x",
    ];
    for (scheme, accept, asked) in [
        (
            "socks5h",
            socks5 as fn(&mut TcpStream) -> String,
            "me:se:cret@broker.invalid:7883",
        ),
        ("http", http, "CONNECT broker.invalid:7883 HTTP/1.1"),
    ] {
        for program in ["pub", "mosquitto_pub"] {
            let (port, proxying) = proxy(addr, accept);
            let url = format!("{scheme}://me:se%3Acret@127.0.0.1:{port}");
            let args = [&[program], to.as_slice(), &["--proxy", &url]].concat();
            let ended = run(args);
            assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{url}");
            assert_eq!(proxying.join().unwrap(), asked);
        }
    }
}

#[test]
fn a_proxy_that_refuses_is_named() {
    let (port, proxying) = proxy("127.0.0.1:9".parse().unwrap(), |client| {
        let _: [u8; 3] = bytes(client);
        client.write_all(&[5, 0xFF]).unwrap();
        // Nobody is where it would lead.
        String::new()
    });
    let url = format!("socks5h://127.0.0.1:{port}");
    let ended = run([
        "pub",
        "-t",
        "a",
        "-n",
        "-h",
        "broker.invalid",
        "--proxy",
        &url,
    ]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("proxy"), "{}", ended.stderr);
    assert!(proxying.join().is_err());
}

#[test]
fn the_certificate_of_a_pkcs12_file_is_shown() {
    let dir = tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let made = run(["certs", "make", "--dir", &file("certs"), "--client", "me"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let certificate = |name: &str| {
        let der = CertificateDer::from_pem_file(file(name)).unwrap();
        Certificate::from_der(&der).unwrap()
    };
    let key = PrivateKeyDer::from_pem_file(file("certs/client-me.key")).unwrap();
    let key = PrivateKey::from_der(key.secret_der()).unwrap();
    let chain = [
        certificate("certs/client-me.pem"),
        certificate("certs/ca.pem"),
    ];
    let mut store = KeyStore::new();
    let entry = PrivateKeyChain::new("1", key, chain.to_vec());
    store.add_entry("me", KeyStoreEntry::PrivateKeyChain(entry));
    fs::write(file("me.p12"), store.writer("secret").write().unwrap()).unwrap();
    fs::write(file("password"), "secret\n").unwrap();
    let options = format!(
        "[listeners.ssl.default.ssl_options]\ncertfile = '{}'\nkeyfile = '{}'\ncacertfile = '{}'\n\
         verify = \"verify_peer\"\nfail_if_no_peer_cert = true\n",
        file("certs/server.pem"),
        file("certs/server.key"),
        file("certs/ca.pem")
    );
    let (_broker, addr) = broker(&dir, "ssl", &options);
    let (port, ca) = (addr.port().to_string(), file("certs/ca.pem"));
    let (p12, from_file) = (file("me.p12"), format!("@{}", file("password")));
    let publish = [
        "pub",
        "-t",
        "a",
        "-m",
        "x",
        "-q",
        "1",
        "-h",
        "localhost",
        "-p",
        &port,
    ];
    let run = |args: &[&str]| run([&publish[..], &["--cafile", &ca], args].concat());
    for password in ["secret", &from_file] {
        let ended = run(&["--p12", &p12, "--p12-password", password]);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{password}"
        );
    }
    for (args, says) in [
        (&["--p12", &p12, "--p12-password", "guess"][..], "password"),
        (&["--p12", &ca], "ca.pem"),
        (&["--p12", "/nowhere/me.p12"], "/nowhere/me.p12"),
        (&["--p12-password", "x"], "--p12"),
        (&[], "certificate"),
    ] {
        let ended = run(args);
        assert!(matches!(ended.code, Some(1 | 2)), "{args:?}");
        assert!(ended.stderr.contains(says), "{args:?}: {}", ended.stderr);
    }
}

/// `--tls-keylog` of each version has the lines by which Wireshark reads the connection.
#[test]
fn the_secrets_of_a_connection_are_logged_on_demand() {
    let dir = tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let made = run(["certs", "make", "--dir", &file("certs")]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let options = format!(
        "[listeners.ssl.default.ssl_options]\ncertfile = '{}'\nkeyfile = '{}'\n",
        file("certs/server.pem"),
        file("certs/server.key")
    );
    let (_broker, addr) = broker(&dir, "ssl", &options);
    let (port, ca, log) = (addr.port().to_string(), file("certs/ca.pem"), file("keys"));
    for (version, label) in [
        ("1.2", "CLIENT_RANDOM "),
        ("1.3", "SERVER_TRAFFIC_SECRET_0 "),
    ] {
        let publish = [
            "pub",
            "-t",
            "a",
            "-n",
            "-h",
            "localhost",
            "-p",
            &port,
            "--cafile",
            &ca,
        ];
        let how = ["--tls-version", version, "--tls-keylog", &log];
        let ended = run([&publish[..], &how].concat());
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{version}"
        );
        let lines = fs::read_to_string(&log).unwrap();
        assert!(
            lines.lines().any(|line| line.starts_with(label)),
            "{version}: {lines}"
        );
        // Added to, not replaced.
        assert!(lines.contains("CLIENT_RANDOM "), "{version}: {lines}");
    }
}

#[cfg(unix)]
#[test]
fn a_password_is_proved_by_scram() {
    let dir = tempdir().unwrap();
    let mechanism = "[[authentication]]\nmechanism = \"scram\"\nbackend = \"built_in_database\"\n";
    let (_broker, addr) = broker(&dir, "tcp", mechanism);
    let mut command = mqtt(["ctl", "users", "add", "ann", "--data-dir"]);
    command.arg(dir.path().join("data")).stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"s3cret\n").unwrap();
    let added = Ended::from(Running::from(child).output());
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    let port = addr.port().to_string();
    let to = [
        "pub",
        "-t",
        "a",
        "-n",
        "-q",
        "1",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
    ];
    let method = ["--auth-method", "SCRAM-SHA-256"];
    for (args, code) in [
        (&["-u", "ann", "-P", "s3cret"][..], 0),
        (&["-u", "ann", "-P", "guess"], 0x87),
        (&["-u", "bob", "-P", "s3cret"], 0x87),
        (&["-u", "ann"], 2),
        (&["-u", "ann", "-P", "s3cret", "--auth-data", "x"], 2),
        (&["-u", "ann", "-P", "s3cret", "-V", "3.1.1"], 2),
    ] {
        let ended = run([&to[..], &method, args].concat());
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
    }
    let other = run([&to[..], &["--auth-method", "none", "--auth-data", "x"]].concat());
    assert_eq!(other.code, Some(0x8C), "{}", other.stderr);
}

/// Kubernetes tells programs in a namespace with a service `mqtt` where that is.
#[test]
fn what_a_cluster_says_of_a_service_is_no_port() {
    let dir = tempdir().unwrap();
    let (_broker, addr) = broker(&dir, "tcp", "");
    let port = addr.port().to_string();
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = mqtt(args);
        command.envs(variables.iter().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ended::from(Running::from(command.spawn().unwrap()).output())
    };
    let cluster = [
        ("MQTT_PORT", "tcp://10.0.0.1:1883"),
        ("MQTT_SERVICE_HOST", "10.0.0.1"),
        ("MQTT_SERVICE_PORT", "1883"),
        ("MQTT_PORT_1883_TCP", "tcp://10.0.0.1:1883"),
        ("MQTT_PORT_1883_TCP_ADDR", "10.0.0.1"),
    ];
    let url = format!("mqtt://127.0.0.1:{port}/a");
    let ended = run(&["pub", "-L", &url, "-n"], &cluster);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    // As without a port: the usual one, where nobody may be.
    let ended = run(&["pub", "-h", "127.0.0.1", "-t", "a", "-n"], &cluster);
    assert!(
        ended.code != Some(2) && !ended.stderr.contains("MQTT_PORT"),
        "{}",
        ended.stderr
    );
    // A mistake is told.
    let ended = run(&["pub", "-t", "a", "-n"], &[("MQTT_PORT", "18x83")]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.ends_with("it comes from MQTT_PORT\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_subscription_identifier_comes_back_with_its_messages() {
    let dir = tempdir().unwrap();
    let (_broker, addr) = broker(&dir, "tcp", "");
    let port = addr.port().to_string();
    let to = ["-h", "127.0.0.1", "-p", &port, "-t", "a"];
    let kept = run([&["pub", "-r", "-q", "1", "-m", "x"], to.as_slice()].concat());
    assert_eq!(kept.code, Some(0), "{}", kept.stderr);
    for flags in [
        &["-D", "subscribe", "subscription-identifier", "7"][..],
        &["--sub-id", "7"],
        &[
            "-D",
            "subscribe",
            "subscription-identifier",
            "9",
            "--sub-id",
            "7",
        ],
    ] {
        let how = ["-F", "%S %p", "-C", "1", "-W", "20"];
        let ended = run([&["sub"], to.as_slice(), &how, flags].concat());
        assert_eq!(
            (ended.stdout.as_str(), ended.code),
            ("7 x\n", Some(0)),
            "{flags:?}"
        );
    }
    for number in ["0", "268435456", "x"] {
        let property = ["-D", "subscribe", "subscription-identifier", number];
        let ended = run([&["sub"], to.as_slice(), &property].concat());
        assert_eq!(ended.code, Some(2), "{number}");
        let says = format!("subscribe subscription-identifier {number}");
        assert!(ended.stderr.contains(&says), "{}", ended.stderr);
    }
}
