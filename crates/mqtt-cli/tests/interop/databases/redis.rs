//! Redis.

use super::{
    Asking, BAD_USER_NAME_OR_PASSWORD, MAY_NOT_PUBLISH, PATIENT, SERVER_UNAVAILABLE, SUCCESS,
    attempt,
};
use crate::{brokers::free_addr, process::Running, surroundings::variable};
use mqtt_certs::CertificateMaker;
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::Command,
};
use tempfile::TempDir;

/// The users in database 3, each with the SHA-256 of its salt and its password.
const USERS: &str = "SELECT 3
HSET mqtt_user:alice password_hash 62b49780606b97c54b401ab36fbeff01fd753275e196b3d6a913f5bb6d143c5c salt salt is_superuser 1
HSET mqtt_user:bob password_hash 2a020a1b64bf34ce9096e49ee1dca2091f7ef31f9d42d7d357be409fccbd3e0c salt salt is_superuser 0
HSET mqtt_user:locked salt salt is_superuser 1
HSET mqtt_user:damaged password_hash xyz salt salt
SET mqtt_user:text x
";

/// A server with the users.
struct Server {
    dir: TempDir,
    port: u16,
    tls_port: u16,
    process: Option<Running>,
}

impl Server {
    fn start() -> Self {
        let mut server = Self {
            dir: TempDir::new().unwrap(),
            port: free_addr().port(),
            tls_port: free_addr().port(),
            process: None,
        };
        CertificateMaker::new(server.dir.path()).make().unwrap();
        server.go_on();
        server
    }

    /// Runs again, at the same ports; what it had in memory is told again.
    fn go_on(&mut self) {
        let mut command = Command::new(variable("MQTT_INTEROP_REDIS"));
        let libraries = variable("MQTT_INTEROP_REDIS_LIBRARY_PATH");
        if !libraries.is_empty() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let (port, tls_port) = (self.port.to_string(), self.tls_port.to_string());
        command.current_dir(self.dir.path());
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", ""]);
        command.args(["--requirepass", "secret", "--tls-port", &tls_port]);
        command.args([
            "--tls-cert-file",
            "server.pem",
            "--tls-key-file",
            "server.key",
        ]);
        command.args(["--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "no"]);
        let mut process = Running::spawn(&mut command);
        let awaited = "Ready to accept connections";
        process.wait_for(awaited, |line| line.contains(awaited).then_some(()));
        self.process = Some(process);
        self.tell(USERS);
    }

    fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// Gives it commands, each of which is done.
    fn tell(&self, commands: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .write_all(format!("AUTH secret\n{commands}").as_bytes())
            .unwrap();
        let mut answers = BufReader::new(stream).lines();
        for command in std::iter::once("AUTH").chain(commands.lines()) {
            let answer = answers.next().unwrap().unwrap();
            assert!(!answer.starts_with('-'), "{command}: {answer}");
        }
    }

    /// How the broker asks it, at this port; with `more`.
    fn backend(&self, port: u16, more: &str) -> String {
        format!(
            "backend = \"redis\"\nserver = \"127.0.0.1:{port}\"\ndatabase = 3\npassword = \"secret\"\n\
             cmd = \"HMGET mqtt_user:${{username}} password_hash salt is_superuser\"\n{more}"
        )
    }
}

/// Who gets in, who does not, and that what a client says is no command.
#[test]
fn redis_knows_the_users() {
    let server = Server::start();
    let broker = Asking::start(&server.backend(server.port, ""), PATIENT);
    let bad = BAD_USER_NAME_OR_PASSWORD;
    broker.sees(&[
        attempt("alice", "one", SUCCESS),
        attempt("bob", "two", MAY_NOT_PUBLISH),
        attempt("bob", "one", bad),
        attempt("bob", "", bad),
        attempt("carol", "two", bad),
        attempt("locked", "", bad),
        attempt("alice password_hash", "one", bad),
        attempt("x\r\nFLUSHALL\r\n", "one", bad),
        attempt("damaged", "xyz", SERVER_UNAVAILABLE),
        attempt("text", "x", SERVER_UNAVAILABLE),
        attempt("alice", "one", SUCCESS),
    ]);
    assert_eq!(broker.ended("accepted"), 3);
    assert_eq!(broker.ended("refused"), 6);
    assert_eq!(broker.ended("unavailable"), 2);
    assert_eq!(broker.counted("mqtt_passwords_proven_total"), 1);
}

/// While it is down or slow nobody gets in, and all do when it is back.
#[test]
fn redis_down_slow_and_back() {
    let mut server = Server::start();
    let broker = Asking::start(&server.backend(server.port, ""), PATIENT);
    let hasty = Asking::start(&server.backend(server.port, ""), "1s");
    let alice = || attempt("alice", "one", SUCCESS);
    broker.sees(&[alice()]);
    server.tell("CLIENT PAUSE 600000 ALL\n");
    hasty.sees(&[attempt("alice", "one", SERVER_UNAVAILABLE)]);
    assert_eq!(hasty.logged("no answer in time"), 1);
    server.stop();
    broker.sees(&[attempt("alice", "one", SERVER_UNAVAILABLE)]);
    assert_eq!(broker.ended("unavailable"), 1);
    server.go_on();
    broker.sees(&[alice()]);
    assert_eq!(broker.logged("the database answers again"), 1);
}

/// By TLS, and with a password: without either nobody is known.
#[test]
fn redis_by_tls() {
    let server = Server::start();
    let ca = server.dir.path().join("ca.pem");
    let trusting = format!(
        "ssl = {{ enable = true, cacertfile = \"{}\" }}\n",
        ca.display()
    );
    let broker = Asking::start(&server.backend(server.tls_port, &trusting), PATIENT);
    broker.sees(&[attempt("alice", "one", SUCCESS)]);
    let strange = server.backend(server.tls_port, "ssl.enable = true\n");
    let strange = Asking::start(&strange, PATIENT);
    strange.sees(&[attempt("alice", "one", SERVER_UNAVAILABLE)]);
    let wrong = server
        .backend(server.port, "")
        .replace("\"secret\"", "\"wrong\"");
    let wrong = Asking::start(&wrong, PATIENT);
    wrong.sees(&[attempt("alice", "one", SERVER_UNAVAILABLE)]);
    assert!(wrong.conceals("secret"));
}
