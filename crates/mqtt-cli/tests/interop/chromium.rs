//! A page in a real browser, with the `mqtt` package of npm: Debian's Chromium, without a window.

use crate::{
    brokers::RunningBroker,
    doors::Door,
    process::{PATIENCE, Running},
    surroundings::variable,
};
use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};
use tempfile::TempDir;

/// What the page says when it has been through everything.
const ALL: &str = "v4q0 v4q1 v4q2 v5q0 v5q1 v5q2";

/// What the page loads, beside itself.
const LIBRARY: &str = "mqtt/dist/mqtt.min.js";

/// Where a page comes from, and what it says.
struct PageServer {
    addr: SocketAddr,
    results: Receiver<String>,
}

impl PageServer {
    fn start() -> Self {
        let library = PathBuf::from(variable("MQTT_INTEROP_NODE_PATH")).join(LIBRARY);
        let library = fs::read(library).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, results) = mpsc::channel();
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A browser opens connections it does not use; they must hold up nobody.
                let (sender, library) = (sender.clone(), library.clone());
                thread::spawn(move || serve(stream, &library, &sender));
            }
        });
        Self { addr, results }
    }

    /// Where its pages are from, as a browser says it.
    fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Opens the page and waits for what it says.
    fn visit(&self, broker: &RunningBroker) -> String {
        let broker = format!("{}/mqtt", broker.way.url());
        let browser = Browser::open(&format!("{}/?broker={broker}", self.origin()));
        match self.results.recv_timeout(PATIENCE) {
            Ok(result) => result,
            Err(_) => browser.process.fail("the page says nothing"),
        }
    }
}

/// One request.
fn serve(mut stream: TcpStream, library: &[u8], results: &Sender<String>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut len = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        if header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            len = value.trim().parse().unwrap_or(0);
        }
    }
    let mut answer = |kind: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)
    };
    if request.starts_with("POST ") {
        let mut body = vec![0; len];
        reader.read_exact(&mut body)?;
        // Nobody listens when the test has failed already.
        let _ = results.send(String::from_utf8_lossy(&body).into_owned());
        return answer("text/plain", b"");
    }
    if request.starts_with("GET /mqtt.min.js ") {
        return answer("text/javascript", library);
    }
    answer("text/html", include_bytes!("chromium/page.html"))
}

/// A browser on one page.
struct Browser {
    process: Running,
    _profile: TempDir,
}

impl Browser {
    fn open(url: &str) -> Self {
        let profile = TempDir::new().unwrap();
        let mut command = Command::new(variable("MQTT_INTEROP_CHROMIUM"));
        let libraries = variable("MQTT_INTEROP_CHROMIUM_LIBRARIES");
        if !libraries.is_empty() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command.args([
            "--headless",
            // Neither root nor a container has one.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            // Its own store has no authority of ours.
            "--ignore-certificate-errors",
            // It goes on until it is told to end.
            "--remote-debugging-port=0",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg(url).stdout(Stdio::null());
        Self {
            process: Running::spawn_by_stderr(&mut command),
            _profile: profile,
        }
    }
}

#[test]
fn a_page_publishes_and_subscribes_by_ws() {
    let broker = RunningBroker::ours_by(Door::Ws, "");
    assert_eq!(PageServer::start().visit(&broker), ALL);
}

#[test]
fn a_page_publishes_and_subscribes_by_wss() {
    let broker = RunningBroker::ours_by(Door::Wss, "");
    assert_eq!(PageServer::start().visit(&broker), ALL);
}

#[test]
fn only_pages_of_allowed_origins_get_in() {
    let (ours, foreign) = (PageServer::start(), PageServer::start());
    let rules = format!(
        "websocket.check_origin_enable = true\nwebsocket.check_origins = ['{}']",
        ours.origin()
    );
    let broker = RunningBroker::ours_by(Door::Ws, &rules);
    assert_eq!(ours.visit(&broker), ALL);
    let refused = foreign.visit(&broker);
    assert!(refused.starts_with("failed: "), "{refused}");
    let cause = format!("origin \"{}\" is not allowed", foreign.origin());
    let logged = broker.logged(&cause);
    assert!(logged.contains(&cause), "{logged}");
}
