//! PostgreSQL.

use super::{
    Asking, BAD_USER_NAME_OR_PASSWORD, MAY_NOT_PUBLISH, PATIENT, SERVER_UNAVAILABLE, SUCCESS,
    attempt,
};
use crate::{brokers::free_addr, process::Running, surroundings::variable};
use mqtt_certs::CertificateMaker;
use std::{
    fs,
    io::Write,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// Nobody, on every system: PostgreSQL does not run for root.
const NOBODY: u32 = 65_534;

/// Each user with the salt `salt`; `locked` has no password, `slow` takes its time.
const TABLE: &str = "
CREATE TABLE mqtt_user (username varchar(100) PRIMARY KEY, password_hash char(64), salt text, is_superuser bool);
INSERT INTO mqtt_user SELECT name, encode(sha256(convert_to('salt' || password, 'UTF8')), 'hex'), 'salt', is_superuser
 FROM (VALUES ('alice', 'one', true), ('bob', 'two', false), ('slow', 'three', true)) AS people (name, password, is_superuser);
INSERT INTO mqtt_user VALUES ('locked', NULL, 'salt', true), ('damaged', 'xyz', 'salt', true);
";

const QUERY: &str = "SELECT password_hash, salt, is_superuser FROM mqtt_user \
 WHERE username = ${username} AND (username <> 'slow' OR pg_sleep(60) IS NOT NULL)";

/// A server with the table.
struct Server {
    dir: TempDir,
    port: u16,
    process: Option<Running>,
}

impl Server {
    fn start() -> Self {
        let mut server = Self {
            dir: TempDir::new().unwrap(),
            port: free_addr().port(),
            process: None,
        };
        let dir = server.dir.path();
        fs::write(dir.join("password"), "secret\n").unwrap();
        CertificateMaker::new(dir).make().unwrap();
        server.give_away();
        let mut made = server.program("initdb");
        made.args([
            "--username=mqtt",
            "--auth=scram-sha-256",
            "--pwfile=password",
        ]);
        made.args([
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "--pgdata=data",
        ]);
        let made = made.output().unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut alone = server.program("postgres");
        alone.args(["--single", "-F", "-j", "-D", "data", "postgres"]);
        let mut alone = alone
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = alone.stdin.take().unwrap();
        for statement in TABLE.split_inclusive(";\n") {
            stdin
                .write_all(format!("{statement}\n").as_bytes())
                .unwrap();
        }
        drop(stdin);
        assert!(alone.wait().unwrap().success());
        server.go_on();
        server
    }

    /// What is in the directory belongs to who runs the server.
    fn give_away(&self) {
        let key = self.dir.path().join("server.key");
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
        if self.is_root() {
            let files = fs::read_dir(self.dir.path()).unwrap();
            let files = files.map(|file| file.unwrap().path());
            for path in files.chain([self.dir.path().to_owned()]) {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
    }

    fn is_root(&self) -> bool {
        fs::metadata("/proc/self").unwrap().uid() == 0
    }

    /// One of PostgreSQL's programs, in the directory.
    fn program(&self, name: &str) -> Command {
        let folder = variable("MQTT_INTEROP_POSTGRESQL_BIN");
        let mut command = Command::new(Path::new(&folder).join(name));
        command.env("LC_ALL", "C").current_dir(self.dir.path());
        let libraries = variable("MQTT_INTEROP_POSTGRESQL_LIBRARY_PATH");
        if !libraries.is_empty() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        if self.is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Runs again, at the same port.
    fn go_on(&mut self) {
        let mut command = self.program("postgres");
        let port = self.port.to_string();
        command.args(["-D", "data", "-h", "127.0.0.1", "-k", "", "-F", "-p", &port]);
        command.args(["-c", "ssl=on", "-c", "ssl_cert_file=../server.pem"]);
        command.args(["-c", "ssl_key_file=../server.key"]);
        let mut process = Running::spawn_by_stderr(&mut command);
        let awaited = "ready to accept connections";
        process.wait_for(awaited, |line| line.contains(awaited).then_some(()));
        self.process = Some(process);
    }

    /// Ends all that is under way, and then itself.
    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let pid = process.child.id().to_string();
            assert!(
                Command::new("kill")
                    .args(["-INT", &pid])
                    .status()
                    .unwrap()
                    .success()
            );
            process.wait();
        }
    }

    /// How the broker asks it; with `more`.
    fn backend(&self, more: &str) -> String {
        format!(
            "backend = \"postgresql\"\nserver = \"127.0.0.1:{}\"\ndatabase = \"postgres\"\nusername = \"mqtt\"\n\
             password = \"file://{}\"\nquery = \"{QUERY}\"\n{more}",
            self.port,
            self.file("password").display()
        )
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Who gets in, who does not, and that what a client says is no SQL.
#[test]
fn postgresql_knows_the_users() {
    let server = Server::start();
    let broker = Asking::start(&server.backend(""), PATIENT);
    let bad = BAD_USER_NAME_OR_PASSWORD;
    broker.sees(&[
        attempt("alice", "one", SUCCESS),
        attempt("bob", "two", MAY_NOT_PUBLISH),
        attempt("bob", "one", bad),
        attempt("bob", "", bad),
        attempt("Bob", "two", bad),
        attempt("carol", "two", bad),
        attempt("locked", "", bad),
        attempt("bob' OR '1'='1", "two", bad),
        attempt("bob'; DROP TABLE mqtt_user; --", "two", bad),
        attempt("$1", "two", bad),
        attempt("%", "two", bad),
        attempt("damaged", "xyz", SERVER_UNAVAILABLE),
        attempt("alice", "one", SUCCESS),
    ]);
    assert_eq!(broker.ended("accepted"), 3);
    assert_eq!(broker.ended("refused"), 9);
    assert_eq!(broker.ended("unavailable"), 1);
    assert_eq!(broker.counted("mqtt_passwords_proven_total"), 1);
    for secret in ["two", "secret", "xyz"] {
        assert!(broker.conceals(&format!("{secret}\"")), "{secret}");
    }
}

/// While it is down or slow nobody gets in, and all do when it is back.
#[test]
fn postgresql_down_slow_and_back() {
    let mut server = Server::start();
    let broker = Asking::start(&server.backend(""), PATIENT);
    let hasty = Asking::start(&server.backend(""), "1s");
    hasty.sees(&[attempt("slow", "three", SERVER_UNAVAILABLE)]);
    assert_eq!(hasty.logged("no answer in time"), 1);
    broker.sees(&[attempt("alice", "one", SUCCESS)]);
    server.stop();
    let down = [
        attempt("alice", "one", SERVER_UNAVAILABLE),
        attempt("carol", "one", SERVER_UNAVAILABLE),
    ];
    broker.sees(&down);
    assert_eq!(broker.ended("unavailable"), 2);
    assert_eq!(
        broker.logged("WARN mqtt_broker::access::authn::database"),
        1
    );
    server.go_on();
    broker.sees(&[attempt("alice", "one", SUCCESS)]);
    assert_eq!(broker.logged("the database answers again"), 1);
}

/// By TLS: the certificate has to be good, and by whom is said.
#[test]
fn postgresql_by_tls() {
    let server = Server::start();
    let ca = server.file("ca.pem");
    let trusting = format!(
        "ssl = {{ enable = true, cacertfile = \"{}\" }}\n",
        ca.display()
    );
    let broker = Asking::start(&server.backend(&trusting), PATIENT);
    broker.sees(&[attempt("alice", "one", SUCCESS)]);
    let strange = Asking::start(&server.backend("ssl.enable = true\n"), PATIENT);
    strange.sees(&[attempt("alice", "one", SERVER_UNAVAILABLE)]);
}
