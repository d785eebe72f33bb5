//! Certificates that change with users and rules under five hundred live clients, and those that cannot be used.

use super::{Authority, Files, Guest, dial, packet, port, push_text, tls_listener, trusting};
use crate::kit::Server;
use mqtt_access::{HashForm, StoredPassword};
use mqtt_broker::Config;
use mqtt_broker::config::{ListenerKind, Tls, Verify};
use mqtt_io::Connector;
use std::fmt::Write as _;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

const CLIENTS: usize = 500;
/// The users; each has a tenth of the clients.
const USERS: usize = 10;
/// The one that is taken out of the file.
const LOST_USER: usize = 7;
/// The one that may not subscribe any more.
const LOST_RIGHT: usize = 3;

/// Who a client is and how it came.
#[derive(Clone, Copy)]
struct Plan {
    nth: usize,
    is_v5: bool,
    has_tls: bool,
}

impl Plan {
    fn of(nth: usize) -> Self {
        Self {
            nth,
            is_v5: nth % 20 < 10,
            has_tls: nth % 40 < 20,
        }
    }

    fn user(self) -> usize {
        self.nth % USERS
    }

    fn is_lost(self) -> bool {
        [LOST_USER, LOST_RIGHT].contains(&self.user())
    }

    fn topic(self) -> String {
        format!("own/{}", self.nth)
    }

    /// CONNECT with user name and password, Clean Start, no Keep Alive.
    fn hello(self) -> Vec<u8> {
        let mut body = vec![0, 4];
        body.extend_from_slice(b"MQTT");
        body.extend_from_slice(&[if self.is_v5 { 5 } else { 4 }, 0xC2, 0, 0]);
        self.no_properties(&mut body);
        push_text(&mut body, &format!("c{}", self.nth));
        push_text(&mut body, &format!("u{}", self.user()));
        push_text(&mut body, "secret");
        packet(0x10, &body)
    }

    /// SUBSCRIBE at QoS 1.
    fn subscribe(self) -> Vec<u8> {
        let mut body = vec![0, 1];
        self.no_properties(&mut body);
        push_text(&mut body, &self.topic());
        body.push(1);
        packet(0x82, &body)
    }

    /// PUBLISH at QoS 1 with a number for its payload.
    fn publish(self, number: u16) -> Vec<u8> {
        let mut body = Vec::new();
        push_text(&mut body, &self.topic());
        body.extend(number.to_be_bytes());
        self.no_properties(&mut body);
        body.extend(number.to_be_bytes());
        packet(0x32, &body)
    }

    fn no_properties(self, body: &mut Vec<u8>) {
        if self.is_v5 {
            body.push(0);
        }
    }
}

/// How a client fared.
#[derive(Debug, Eq, PartialEq)]
enum Fate {
    /// It was told to stop, after so many messages of its own had come back to it, each once and in order.
    Stayed(u16),
    /// Its connection ended, with this Reason Code of DISCONNECT if there was one.
    Ended(Option<u8>),
}

/// Connects, subscribes, and sends itself messages at QoS 1, one after the other, until `stop` says so.
async fn live(
    plan: Plan,
    mut guest: Guest,
    progress: watch::Sender<u16>,
    stop: watch::Receiver<bool>,
) -> Fate {
    for number in 1..u16::MAX {
        if *stop.borrow() {
            return Fate::Stayed(number - 1);
        }
        let sent = guest.stream.write_all(&plan.publish(number)).await;
        let flushed = guest.stream.flush().await;
        let (mut is_acked, mut is_back) = (false, false);
        while !(is_acked && is_back) {
            let Some(received) = guest.receive().await else {
                return Fate::Ended(None);
            };
            match received[0] {
                0x40 => {
                    assert_eq!(received[2..4], number.to_be_bytes());
                    assert!(!is_acked, "acknowledged once");
                    is_acked = true;
                }
                0x32 => {
                    let [.., high, low] = received[..] else {
                        panic!("{received:?}");
                    };
                    assert_eq!(u16::from_be_bytes([high, low]), number, "in order");
                    let at = 2 + 2 + plan.topic().len();
                    let ack = [0x40, 2, received[at], received[at + 1]];
                    // A connection that was ended in between says so when it is read from.
                    let _ = guest.stream.write_all(&ack).await;
                    is_back = true;
                }
                0xE0 => return Fate::Ended(received.get(2).copied()),
                other => panic!("{other:#x}: {received:?}"),
            }
        }
        sent.unwrap();
        flushed.unwrap();
        progress.send_replace(number);
    }
    panic!("never told to stop");
}

/// Users `u0` to `u9`, but for one.
fn users(without: Option<usize>, hash: &StoredPassword) -> String {
    let mut text = String::new();
    for user in (0..USERS).filter(|user| Some(*user) != without) {
        writeln!(text, "u{user}:{hash}").unwrap();
    }
    text
}

fn config(files: &Files, authority: &Authority, rules: &str) -> Config {
    let text = format!(
        "mqtt.max_connections = 2000\n[[authentication]]\nmechanism = \"password_based\"\nbackend = \"file\"\npath = {:?}\n\
         [authorization]\nrules = [{rules} {{ permission = \"allow\" }}]\n[listeners.tcp.plain]\nbind = \"127.0.0.1:0\"\n",
        files.path("users")
    );
    let mut config = Config::from_toml(&text, "broker.toml").unwrap();
    let door = tls_listener(ListenerKind::Ssl, files, authority);
    config.listeners.insert("ssl:door".to_owned(), door);
    config
}

async fn connect(plan: Plan, urls: &[String; 2], connector: &Connector) -> Guest {
    let url = &urls[usize::from(plan.has_tls)];
    let mut guest = dial(url, connector).await.unwrap();
    guest.send(&plan.hello()).await;
    let connack = guest.receive().await.unwrap();
    assert_eq!((connack[0], connack[3]), (0x20, 0), "let in");
    guest.send(&plan.subscribe()).await;
    assert_eq!(guest.receive().await.unwrap().last(), Some(&1));
    guest
}

/// Waits until each of those has got `more` messages from now on.
async fn until_further(all: &[(Plan, watch::Receiver<u16>)], more: u16) {
    let meant = all.iter().filter(|(plan, _)| !plan.is_lost());
    let marks: Vec<_> = meant
        .map(|(_, progress)| (*progress.borrow() + more, progress.clone()))
        .collect();
    for (mark, mut progress) in marks {
        let there = progress.wait_for(|number| *number >= mark).await;
        assert!(there.is_ok(), "a client that may stay lost its connection");
    }
}

#[test]
fn five_hundred_clients_see_everything_change_and_lose_only_what_was_taken() {
    let (files, before, after) = (
        Files::new(),
        Authority::new("before"),
        Authority::new("after"),
    );
    let hash = StoredPassword::hashed(b"secret", HashForm::Argon2id).unwrap();
    files.write("users", &users(None, &hash));
    let started = config(&files, &before, "");
    let server = Server::built(|own| *own = started, |builder| builder);
    let urls = [("mqtt", "tcp:plain"), ("mqtts", "ssl:door")].map(|(scheme, name)| {
        let port = port(server.broker(), name);
        format!("{scheme}://localhost:{port}")
    });
    server.block_on(async {
        let old = Connector::new().tls(trusting(&before).build().unwrap());
        let (stop, stopped) = watch::channel(false);
        let mut guests = Vec::new();
        for nth in 0..CLIENTS {
            let plan = Plan::of(nth);
            guests.push((plan, connect(plan, &urls, &old).await));
        }
        let mut all = Vec::new();
        let mut fates = JoinSet::new();
        for (plan, guest) in guests {
            let nth = plan.nth;
            let (progress, seen) = watch::channel(0);
            let life = live(plan, guest, progress, stopped.clone());
            fates.spawn(async move { (nth, life.await) });
            all.push((plan, seen));
        }
        until_further(&all, 1).await;

        // All at once: another certificate of another authority, a user less, and a rule more.
        files.write("users", &users(Some(LOST_USER), &hash));
        let denied = format!(
            "{{ permission = \"deny\", action = \"subscribe\", username = \"u{LOST_RIGHT}\" }},"
        );
        let report = server
            .broker()
            .reload(config(&files, &after, &denied))
            .await
            .unwrap();
        let share = u64::try_from(CLIENTS / USERS).unwrap();
        assert_eq!(report.failed, Vec::<String>::new());
        assert_eq!(report.rechecked.clients_disconnected, 2 * share);
        assert_eq!(report.rechecked.subscriptions_removed, share);

        until_further(&all, 3).await;
        // Who comes now sees the new certificate, and the old one is not shown to anybody.
        let new = Connector::new().tls(trusting(&after).build().unwrap());
        let mut late = connect(Plan::of(CLIENTS), &urls, &new).await;
        assert!(late.is_alive().await);
        dial(&urls[1], &old).await.map(drop).unwrap_err();

        stop.send_replace(true);
        let (mut stayed, mut ended) = (0, 0);
        while let Some(done) = fates.join_next().await {
            let (nth, fate) = done.unwrap();
            let plan = Plan::of(nth);
            match fate {
                Fate::Stayed(messages) => {
                    assert!(!plan.is_lost(), "client {nth} has no right to stay");
                    assert!(messages >= 4, "client {nth}");
                    stayed += 1;
                }
                Fate::Ended(reason) => {
                    assert!(plan.is_lost(), "client {nth} was lost");
                    let expected = plan.is_v5.then_some(0x87);
                    assert_eq!(reason, expected, "client {nth}");
                    ended += 1;
                }
            }
        }
        assert_eq!((stayed, ended), (CLIENTS * 8 / 10, CLIENTS * 2 / 10));
    });
}

/// A configuration with a listener of TCP, and one of TLS.
fn with_tls(files: &Files, authority: &Authority) -> Config {
    let mut config = Config::default();
    config.listen_only_on(["127.0.0.1:0".parse().unwrap()]);
    let door = tls_listener(ListenerKind::Ssl, files, authority);
    config.listeners.insert("ssl:door".to_owned(), door);
    config
}

#[test]
fn a_configuration_with_a_bad_certificate_changes_nothing() {
    let (files, authority) = (Files::new(), Authority::new("servers"));
    let before = with_tls(&files, &authority);
    let started = before.clone();
    let server = Server::with(|own| *own = started);
    let url = format!("mqtts://localhost:{}", port(server.broker(), "ssl:door"));
    let plain = format!("mqtt://localhost:{}", port(server.broker(), "tcp:listen-1"));
    let connector = Connector::new().tls(trusting(&authority).build().unwrap());
    let bad = |change: &dyn Fn(&mut Tls)| {
        let mut config = before.clone();
        config.mqtt.max_connections = 1;
        config.listeners.remove("tcp:listen-1");
        change(&mut config.listeners.get_mut("ssl:door").unwrap().tls);
        config
    };
    let no_pem = files.write("empty.pem", "no certificate");
    let other_key = files.write("other.key", &Authority::new("x").server("x").key_pem());
    let devices = files.write("devices.pem", &authority.pem());
    for (config, line) in [
        (
            bad(&|tls| tls.certfile = Some(no_pem.clone())),
            "listener `ssl:door`: `ssl_options.certfile`: ",
        ),
        (
            bad(&|tls| tls.keyfile = Some(other_key.clone())),
            "listener `ssl:door`: `ssl_options.keyfile`: the private key does not belong",
        ),
        (
            bad(&|tls| {
                tls.verify = Verify::Peer;
                tls.cacertfile = Some(devices.clone());
                tls.crlfile = vec![no_pem.clone()];
            }),
            "listener `ssl:door`: `ssl_options.crlfile`: ",
        ),
    ] {
        let planned = server.broker().manager().plan(&config).unwrap_err();
        let refused = server.reload(config).unwrap_err();
        assert_eq!(planned.to_string(), refused.to_string());
        assert!(refused.to_string().starts_with(line), "{refused}");
        server.block_on(async {
            for url in [&url, &plain] {
                let mut guest = Guest::connect(url, &connector, "c").await;
                assert!(guest.is_alive().await);
            }
        });
    }
    assert!(server.reload(before.clone()).unwrap().is_empty());
}

#[test]
fn tls_may_come_with_a_reload() {
    let (files, authority) = (Files::new(), Authority::new("servers"));
    let server = Server::start();
    let report = server.reload(with_tls(&files, &authority)).unwrap();
    assert_eq!(report.failed, Vec::<String>::new());
    let url = format!("mqtts://localhost:{}", port(server.broker(), "ssl:door"));
    let connector = Connector::new().tls(trusting(&authority).build().unwrap());
    server.block_on(async {
        let mut guest = Guest::connect(&url, &connector, "c").await;
        assert!(guest.is_alive().await);
    });
    assert_eq!(server.broker().certificates().len(), 1);
}
