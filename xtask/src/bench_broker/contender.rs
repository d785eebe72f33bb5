//! Starts brokers, each fresh and on a free loopback port, and ends what it started.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mqtt_bench::{Relay, Scenario, Transport};
use mqtt_certs::CertificateMaker;

use super::START_MAX;
use crate::report::say;
use crate::shell::find_program;

/// How the result calls the copying relay.
pub(crate) const RELAY: &str = "relay";
/// Lines read while waiting for a broker to be ready.
const LINES_MAX: usize = 200;

/// A broker that can be started.
#[derive(Debug)]
pub(crate) enum Contender {
    /// The `mqtt` program.
    Ours {
        /// How the result calls it.
        name: String,
        /// The program.
        program: PathBuf,
        /// More arguments.
        arguments: Vec<String>,
        /// More environment.
        environment: Vec<(String, String)>,
        /// What it is spoken to over.
        transport: Transport,
    },
    /// Mosquitto.
    Mosquitto {
        /// Whether it keeps its state in a file.
        persistent: bool,
        /// The program.
        program: PathBuf,
        /// Where its libraries are, if not in the usual places.
        libraries: Option<OsString>,
    },
    /// This program as the copying relay.
    Relay(Transport),
}

/// A started broker; dropping it ends it and removes its files.
pub(crate) struct Broker {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    folder: Folder,
}

impl Contender {
    /// Our broker.
    pub(crate) fn ours(
        name: String,
        program: PathBuf,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
        transport: Transport,
    ) -> Self {
        Self::Ours {
            name: named(&name, transport),
            program,
            arguments,
            environment,
            transport,
        }
    }

    /// Mosquitto, by `MQTT_INTEROP_MOSQUITTO_BIN` (with `MQTT_INTEROP_LD_LIBRARY_PATH`) or on the
    /// path.
    ///
    /// # Errors
    /// It is in neither place.
    pub(crate) fn mosquitto(persistent: bool) -> Result<Self, String> {
        let given = std::env::var_os("MQTT_INTEROP_MOSQUITTO_BIN").map(PathBuf::from);
        let program = given
            .or_else(|| find_program("mosquitto"))
            .ok_or("mosquitto is not on the path; MQTT_INTEROP_MOSQUITTO_BIN may name it")?;
        let libraries = std::env::var_os("MQTT_INTEROP_LD_LIBRARY_PATH");
        Ok(Self::Mosquitto {
            persistent,
            program,
            libraries,
        })
    }

    /// How the result calls it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Ours { name, .. } => name,
            Self::Mosquitto {
                persistent: true, ..
            } => "mosquitto persistent",
            Self::Mosquitto { .. } => "mosquitto",
            Self::Relay(Transport::Tls) => "relay tls",
            Self::Relay(_) => RELAY,
        }
    }

    /// What it is spoken to over.
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Self::Ours { transport, .. } | Self::Relay(transport) => *transport,
            Self::Mosquitto { .. } => Transport::Tcp,
        }
    }

    /// Whether it can do what the scenario needs.
    pub(crate) fn serves(&self, scenario: &Scenario) -> bool {
        !matches!(self, Self::Relay(_)) || Relay::serves(scenario)
    }

    /// Starts it and waits until it accepts connections.
    ///
    /// # Errors
    /// It does not start, or is not ready in time.
    pub(crate) fn start(&self) -> Result<Broker, String> {
        let folder = Folder::create()?;
        match self {
            Self::Ours {
                program,
                arguments,
                environment,
                transport,
                ..
            } => {
                let mut command = Command::new(program);
                command.arg("broker");
                match listener(*transport, &folder)? {
                    None => command.args(["--listen", "127.0.0.1:0"]),
                    Some(config) => command.arg("--config").arg(config),
                };
                command.arg("--data-dir");
                command.arg(folder.path.join("data")).args(arguments);
                command.envs(environment.iter().map(|(key, value)| (key, value)));
                start_announcing(command, folder)
            }
            Self::Mosquitto {
                persistent,
                program,
                libraries,
            } => {
                let mut command = Command::new(program);
                if let Some(libraries) = libraries {
                    command.env("LD_LIBRARY_PATH", libraries);
                }
                start_mosquitto(command, folder, *persistent)
            }
            Self::Relay(transport) => {
                let this = std::env::current_exe().map_err(|error| format!("relay: {error}"))?;
                let mut command = Command::new(this);
                command.args(["bench", "broker", "--serve-relay"]);
                if *transport == Transport::Tls {
                    make_certificates(&folder)?;
                    command.arg("--relay-certificates").arg(&folder.path);
                }
                start_announcing(command, folder)
            }
        }
    }
}

impl Broker {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last line of its log.
    pub(crate) fn last_words(&self) -> Option<String> {
        let log = fs::read_to_string(self.folder.log()).ok()?;
        log.lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .map(str::to_owned)
    }

    fn failed(&self, what: &str) -> String {
        let words = self
            .last_words()
            .unwrap_or_else(|| "nothing in its log".to_owned());
        format!("the broker {what}: {words}")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Serves as the relay until standard input ends: until the starter is gone.
///
/// With `certificates` inside TLS.
pub(crate) fn serve_relay(certificates: Option<&Path>) -> Result<(), String> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let bound = match certificates {
        None => Relay::bind(any_port),
        Some(folder) => {
            let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
            Relay::bind_tls(any_port, &certificate, &key)
        }
    };
    let mut relay = bound.map_err(|error| error.to_string())?;
    let address = relay.address().map_err(|error| error.to_string())?;
    std::thread::spawn(|| {
        let _end = std::io::stdin().read_to_end(&mut Vec::new());
        STOP.store(true, Ordering::Relaxed);
    });
    say(&format!("listening on {address}"));
    say("ready");
    relay.serve(&STOP).map_err(|error| error.to_string())
}

/// The name of a contender that is spoken to over something else than TCP.
fn named(name: &str, transport: Transport) -> String {
    match transport {
        Transport::Tcp => name.to_owned(),
        Transport::Tls => format!("{name} tls"),
        Transport::Ws => format!("{name} ws"),
    }
}

/// The configuration of our broker with a listener other than TCP.
fn listener(transport: Transport, folder: &Folder) -> Result<Option<PathBuf>, String> {
    let listener = match transport {
        Transport::Tcp => return Ok(None),
        Transport::Ws => "[listeners.ws.bench]\nbind = \"127.0.0.1:0\"\n".to_owned(),
        Transport::Tls => {
            make_certificates(folder)?;
            let file = |name: &str| folder.path.join(name).display().to_string();
            format!(
                "[listeners.ssl.bench]\nbind = \"127.0.0.1:0\"\nssl_options.certfile = {:?}\nssl_options.keyfile = {:?}\n",
                file("server.pem"),
                file("server.key")
            )
        }
    };
    let path = folder.path.join("broker.toml");
    fs::write(&path, listener).map_err(|error| format!("broker.toml: {error}"))?;
    Ok(Some(path))
}

fn make_certificates(folder: &Folder) -> Result<(), String> {
    let maker = CertificateMaker::new(&folder.path);
    maker.make().map(drop).map_err(|error| error.to_string())
}

/// Starts a broker that prints its address and then a line `ready`.
fn start_announcing(mut command: Command, folder: Folder) -> Result<Broker, String> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(folder.new_log()?);
    let mut child = spawn(&mut command)?;
    let stdout = child
        .stdout
        .take()
        .ok_or("the broker has no standard output")?;
    // The address is filled in below; dropping the broker on the way ends the child.
    let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut broker = Broker {
        child,
        address: unknown,
        folder,
    };
    let (sender, lines) = mpsc::sync_channel(LINES_MAX);
    std::thread::spawn(move || {
        // Reads on to the end, so that the broker never blocks on a full pipe.
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _full = sender.try_send(line);
        }
    });
    let end = Instant::now() + START_MAX;
    let mut address = None;
    while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
        address = address.or_else(|| address_in(&line));
        if line.trim() == "ready"
            && let Some(address) = address
        {
            broker.address = address;
            return Ok(broker);
        }
    }
    Err(broker.failed("printed no address and `ready`"))
}

fn start_mosquitto(
    mut command: Command,
    folder: Folder,
    persistent: bool,
) -> Result<Broker, String> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
    let address = free.map_err(|error| format!("no free port: {error}"))?;
    let config = format!(
        "listener {} 127.0.0.1\nallow_anonymous true\npersistence {persistent}\n\
         persistence_location {}/\nuser root\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_type error\nset_tcp_nodelay true\n",
        address.port(),
        folder.path.display()
    );
    let path = folder.path.join("mosquitto.conf");
    fs::write(&path, config).map_err(|error| format!("mosquitto.conf: {error}"))?;
    command
        .arg("-c")
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.stderr(folder.new_log()?);
    let child = spawn(&mut command)?;
    let mut broker = Broker {
        child,
        address,
        folder,
    };
    let end = Instant::now() + START_MAX;
    while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        let ended = broker.child.try_wait().is_ok_and(|status| status.is_some());
        if ended || Instant::now() > end {
            return Err(broker.failed("accepts no connection"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(broker)
}

fn spawn(command: &mut Command) -> Result<Child, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .spawn()
        .map_err(|error| format!("{program} cannot be started: {error}"))
}

/// The first `127.0.0.1:PORT` in a line.
pub(crate) fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, after) = line.split_once("127.0.0.1:")?;
    let digits = after
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(after.len());
    let port: u16 = after.get(..digits)?.parse().ok()?;
    (port > 0).then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// A folder of its own for one started broker, removed when dropped.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create() -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mqtt-bench-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path })
    }

    fn log(&self) -> PathBuf {
        self.path.join("broker.log")
    }

    fn new_log(&self) -> Result<File, String> {
        let path: &Path = &self.log();
        File::create(path).map_err(|error| format!("{}: {error}", path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies in the system's folder for such files.
        let _removed = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_any_line() {
        let found = |line| address_in(line).map(|address| address.port());
        assert_eq!(found("listening on 127.0.0.1:4711 (tcp)"), Some(4711));
        assert_eq!(found("127.0.0.1:1883"), Some(1883));
        assert_eq!(found("mqtt://127.0.0.1:0"), None);
        assert_eq!(found("listening on [::1]:99"), None);
        assert_eq!(found("127.0.0.1:99999999"), None);
    }

    #[test]
    fn a_broker_that_is_not_there_is_named() {
        let contender = Contender::ours(
            "mqtt".to_owned(),
            PathBuf::from("no-such-broker-here"),
            Vec::new(),
            Vec::new(),
            Transport::Tcp,
        );
        let error = contender.start().err().unwrap();
        assert!(error.contains("no-such-broker-here"), "{error}");
    }
}
