//! The built-in authentication, asking a database: what each answer does. Real ones are asked by `cargo xtask interop`.
#![cfg(feature = "redis")]

use crate::kit::{Hello, Server, V5};
use mqtt_broker::Config;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const BAD: u8 = 0x86;
const UNAVAILABLE: u8 = 0x88;

/// A Redis that has answers by key, as they go over the network; its threads end with the test.
struct Fake {
    addr: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answers: Mutex<BTreeMap<String, String>>,
    asked: Mutex<Vec<Vec<String>>>,
    connections: AtomicUsize,
}

impl Fake {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fake = Self {
            addr: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let state = Arc::clone(&fake.state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                state.connections.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || serve(&stream, &state));
            }
        });
        fake
    }

    /// A user has this from now on.
    fn user(&self, name: &str, fields: [Option<&str>; 3]) {
        let text = |field: Option<&str>| match field {
            Some(text) => format!("${}\r\n{text}\r\n", text.len()),
            None => "$-1\r\n".to_owned(),
        };
        let answer = format!("*3\r\n{}", fields.map(text).concat());
        self.say(name, &answer);
    }

    /// What is answered about a user; nothing at all is a connection that ends.
    fn say(&self, name: &str, answer: &str) {
        let mut answers = self.state.answers.lock().unwrap();
        answers.insert(format!("u:{name}"), answer.to_owned());
    }

    fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    fn config(&self, more: &str) -> Config {
        let text = format!(
            "listeners.tcp.default.bind = '127.0.0.1:0'\nauthentication_settings.max_failures = 'infinity'\n\
             [[authentication]]\nmechanism = 'password_based'\nbackend = 'redis'\nserver = '{}'\n\
             cmd = 'HMGET u:${{username}} password_hash salt is_superuser'\n{more}\n",
            self.addr
        );
        Config::from_toml(&text, "t").unwrap()
    }

    fn server(&self, more: &str) -> Server {
        let settings = self.config(more);
        Server::built(|config| *config = settings, |builder| builder)
    }
}

fn serve(stream: &TcpStream, state: &State) {
    let mut reader = BufReader::new(stream);
    while let Some(words) = command(&mut reader) {
        let answer = match words.get(1).filter(|_| words[0] == "HMGET") {
            None => "+OK\r\n".to_owned(),
            Some(key) => {
                let nobody = "*3\r\n$-1\r\n$-1\r\n$-1\r\n".to_owned();
                let answers = state.answers.lock().unwrap();
                let answer = answers.get(key).cloned().unwrap_or(nobody);
                state.asked.lock().unwrap().push(words);
                answer
            }
        };
        if answer.is_empty() || (&*stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The words of the next command.
fn command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let number = |reader: &mut dyn BufRead, mark: char| {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        line.strip_prefix(mark)?.trim().parse::<usize>().ok()
    };
    let count = number(reader, '*')?;
    let word = |_| {
        let mut word = vec![0; number(reader, '$')? + 2];
        reader.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        String::from_utf8(word).ok()
    };
    (0..count).map(word).collect()
}

fn ask(server: &Server, username: Option<&str>, password: Option<&str>) -> u8 {
    let hello = Hello {
        username,
        password: password.map(str::as_bytes),
        ..Hello::new(V5, "c")
    };
    hello.ask(server).1.reason
}

/// SHA-256 of `salt` and `secret`.
const SALTED: &str = "bede90386d450cea8b77b822f8887065e4e5abf132c2f9dccfcc7fbd4cba5e35";

#[test]
fn each_answer_has_its_verdict() {
    let fake = Fake::start();
    let server = fake.server("request_timeout = '30s'");
    fake.user("bob", [Some(SALTED), Some("salt"), Some("0")]);
    fake.user("root", [Some(SALTED), Some("salt"), Some("1")]);
    fake.user("locked", [None, Some("salt"), Some("1")]);
    fake.user("damaged", [Some("x"), Some("salt"), None]);
    fake.user("empty", [Some(""), None, None]);
    fake.say("error", "-WRONGTYPE no hash\r\n");
    fake.say("number", ":1\r\n");
    fake.say("few", "*1\r\n$-1\r\n");
    fake.say("gone", "");
    for (username, password, reason) in [
        (Some("bob"), Some("secret"), 0),
        (Some("bob"), Some("Secret"), BAD),
        (Some("bob"), Some(""), BAD),
        (Some("bob"), None, BAD),
        (Some("root"), Some("secret"), 0),
        (Some("carol"), Some("secret"), BAD),
        (Some("locked"), Some(""), BAD),
        (Some(""), Some("secret"), BAD),
        (None, Some("secret"), BAD),
        (None, None, 0x87),
        (Some("few"), Some("secret"), BAD),
        // Whatever is no clear answer lets nobody in.
        (Some("damaged"), Some("x"), UNAVAILABLE),
        (Some("empty"), Some(""), UNAVAILABLE),
        (Some("error"), Some("secret"), UNAVAILABLE),
        (Some("number"), Some("secret"), UNAVAILABLE),
        (Some("gone"), Some("secret"), UNAVAILABLE),
    ] {
        let found = ask(&server, username, password);
        assert_eq!(found, reason, "{username:?} {password:?}");
    }
    let client = server.broker().guard().unwrap().counts();
    assert_eq!((client.accepted, client.unavailable), (2, 5));
}

/// What a client says is one word, and asked about as it is.
#[test]
fn a_name_stays_a_name() {
    let fake = Fake::start();
    let server = fake.server("");
    let name = "x\r\nDEL u:bob ${clientid}";
    assert_eq!(ask(&server, Some(name), Some("secret")), BAD);
    let asked = fake.state.asked.lock().unwrap().clone();
    let key = format!("u:{name}");
    let expected = ["HMGET", &key, "password_hash", "salt", "is_superuser"];
    assert_eq!(asked, [expected.map(str::to_owned)]);
}

/// A password that was right is not checked again, until the database has another one.
#[test]
fn a_proof_ends_with_the_row_it_is_of() {
    let fake = Fake::start();
    let server = fake.server("");
    let counts = || {
        let counts = server.broker().guard().unwrap().counts();
        (counts.checked, counts.proven)
    };
    fake.user("bob", [Some(SALTED), Some("salt"), None]);
    assert_eq!(ask(&server, Some("bob"), Some("secret")), 0);
    assert_eq!(ask(&server, Some("bob"), Some("secret")), 0);
    assert_eq!(counts(), (1, 1));
    fake.user("bob", [Some(SALTED), Some("other"), None]);
    assert_eq!(ask(&server, Some("bob"), Some("secret")), BAD);
    assert_eq!(counts(), (2, 1));
    // Nobody is checked as long as somebody.
    assert_eq!(ask(&server, Some("carol"), Some("secret")), BAD);
    assert_eq!(counts(), (3, 1));
}

#[test]
fn a_reload_keeps_connections_unless_they_are_others() {
    let fake = Fake::start();
    let server = fake.server("");
    fake.user("bob", [Some(SALTED), Some("salt"), None]);
    let guard = server.broker().guard().unwrap();
    let bob = || assert_eq!(ask(&server, Some("bob"), Some("secret")), 0);
    bob();
    guard.reload(&fake.config("")).unwrap();
    bob();
    assert_eq!(fake.connections(), 1);
    guard.reload(&fake.config("password = 'x'")).unwrap();
    bob();
    assert_eq!(fake.connections(), 2);
    // A configuration that is refused changes nothing.
    let error = guard.reload(&fake.config("password_hash_algorithm.name = 'pbkdf2'"));
    let says = "`password_hash_algorithm.mac_fun` is missing";
    assert!(error.unwrap_err().to_string().contains(says));
    bob();
    assert_eq!(fake.connections(), 2);
}
