//! Listeners that come, go and move while the broker runs.

use crate::kit::{Client, Hello, QOS0, Server, V5, V311};
use mqtt_broker::config::{Bind, Effect, Listener, ListenerKind};
use mqtt_broker::{Config, Rate};
use mqtt_codec::{ProtocolVersion, ReasonCode};
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A configuration with these TCP listeners.
fn config(listeners: &[(&str, SocketAddr)]) -> Config {
    let listeners = listeners.iter().map(|(name, addr)| {
        let mut listener = Listener::new(ListenerKind::Tcp);
        listener.bind = Bind::Address(*addr);
        (format!("tcp:{name}"), listener)
    });
    Config {
        listeners: listeners.collect(),
        ..Config::default()
    }
}

/// A broker that listens there and lets everybody in.
fn server(listeners: &[(&str, SocketAddr)]) -> Server {
    let config = config(listeners);
    Server::with(|own| *own = config)
}

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// An address nobody listens on.
fn free() -> SocketAddr {
    TcpListener::bind(any()).unwrap().local_addr().unwrap()
}

/// Where a listener listens now.
fn addresses(server: &Server, name: &str) -> Vec<SocketAddr> {
    let listeners = server.broker().listeners();
    let found = listeners.iter().find(|one| *one.name == *name);
    found.map_or_else(Vec::new, |found| found.addresses.clone())
}

fn connect(addr: SocketAddr, version: ProtocolVersion, client_id: &str) -> Client {
    let mut client = Client::open_at(addr, version);
    client.send_bytes(&Hello::new(version, client_id).bytes());
    assert_eq!(client.welcome().reason, 0);
    client
}

fn is_refused(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn a_listener_is_added_and_the_others_notice_nothing() {
    let server = server(&[("a", any())]);
    let mut before = Client::connect(&server, V5, "before");
    before.subscribe("t", QOS0);
    let report = server
        .reload(config(&[("a", any()), ("b", any())]))
        .unwrap();
    let added = &report.live[0];
    assert_eq!(
        (&*added.key, added.effect),
        ("listeners.tcp.b.bind", Effect::Live)
    );
    assert_eq!((report.failed.len(), report.needs_restart.len()), (0, 0));
    let at = addresses(&server, "tcp:b")[0];
    let mut late = connect(at, V311, "late");
    late.publish("t", "x");
    assert_eq!(before.message().text(), ("t", "x"));
    server.shutdown();
    assert!(is_refused(at), "it stops with the others");
}

#[test]
fn a_listener_is_removed_with_its_connections_and_no_others() {
    let server = server(&[("a", any()), ("b", any())]);
    let at = addresses(&server, "tcp:b")[0];
    let mut stays = Client::connect(&server, V5, "stays");
    let mut v5 = connect(at, V5, "v5");
    let mut v311 = connect(at, V311, "v311");
    // One that has said nothing yet.
    let mut late = Client::open_at(at, V5);
    server.wait_for_connections(4);
    let report = server.reload(config(&[("a", any())])).unwrap();
    assert_eq!(report.listener_closed, 2);
    v5.expect_disconnect(ReasonCode::ADMINISTRATIVE_ACTION);
    v311.expect_close();
    assert!(is_refused(at));
    assert_eq!(addresses(&server, "tcp:b"), []);
    late.send_bytes(&Hello::new(V5, "late").bytes());
    assert_eq!(late.welcome().reason, 0);
    late.expect_disconnect(ReasonCode::ADMINISTRATIVE_ACTION);
    stays.ping();
    assert_eq!(
        server.broker().totals().ends.get("listener_closed"),
        Some(&3)
    );
    // What has that name next is another listener.
    server
        .reload(config(&[("a", any()), ("b", any())]))
        .unwrap();
    let mut next = connect(addresses(&server, "tcp:b")[0], V5, "next");
    next.ping();
}

#[test]
fn a_listener_that_moves_keeps_its_clients() {
    let server = server(&[("a", any())]);
    let (before, after) = (server.addr(), free());
    let mut client = Client::connect(&server, V5, "c");
    let report = server.reload(config(&[("a", after)])).unwrap();
    assert_eq!(report.live[0].effect, Effect::Live);
    assert_eq!((report.failed.len(), report.listener_closed), (0, 0));
    assert_eq!(addresses(&server, "tcp:a"), [after]);
    assert!(is_refused(before));
    connect(after, V5, "new").ping();
    client.ping();
}

/// The address is given from one to the other: it is never bound twice.
#[test]
fn an_address_goes_from_one_listener_to_another() {
    let (one, other) = (free(), free());
    let server = server(&[("a", one), ("b", other)]);
    let mut client = connect(one, V5, "c");
    let report = server.reload(config(&[("a", other), ("b", one)])).unwrap();
    assert_eq!(report.failed, Vec::<String>::new());
    assert_eq!(addresses(&server, "tcp:a"), [other]);
    assert_eq!(addresses(&server, "tcp:b"), [one]);
    client.ping();
    // A new name for the same address, and that address within a wider one.
    let report = server.reload(config(&[("a", other), ("c", one)])).unwrap();
    assert_eq!((report.failed.len(), report.listener_closed), (0, 0));
    connect(one, V5, "d").ping();
    let all = SocketAddr::new("0.0.0.0".parse().unwrap(), one.port());
    let report = server.reload(config(&[("a", other), ("c", all)])).unwrap();
    assert_eq!(report.failed, Vec::<String>::new());
    connect(one, V5, "e").ping();
}

#[test]
fn an_address_that_is_taken_is_told_and_nothing_else_suffers() {
    let server = server(&[("a", any()), ("b", any())]);
    let before = addresses(&server, "tcp:b")[0];
    let mut client = connect(before, V5, "c");
    let squatter = TcpListener::bind(any()).unwrap();
    let taken = squatter.local_addr().unwrap();
    let mut wanted = config(&[("a", any()), ("b", taken), ("c", taken), ("d", any())]);
    wanted.mqtt.max_subscriptions = 7;
    for _ in 0..2 {
        let report = server.reload(wanted.clone()).unwrap();
        for (failed, name) in report.failed.iter().zip(["b", "c"]) {
            let line = format!("listener `tcp:{name}`: cannot listen on {taken}: ");
            assert!(failed.starts_with(&line), "{failed}");
        }
        assert_eq!(report.failed.len(), 2);
        assert_eq!(
            addresses(&server, "tcp:b"),
            [before],
            "it stays where it was"
        );
        assert_eq!(addresses(&server, "tcp:c"), []);
    }
    connect(addresses(&server, "tcp:d")[0], V5, "d").ping();
    connect(before, V5, "e").ping();
    client.ping();
    // As soon as it is free, another reload does it.
    drop(squatter);
    wanted.listeners.remove("tcp:c");
    let report = server.reload(wanted).unwrap();
    assert_eq!(report.failed, Vec::<String>::new());
    assert_eq!(addresses(&server, "tcp:b"), [taken]);
    assert!(is_refused(before));
    client.ping();
}

#[test]
fn a_listener_that_is_removed_leaves_no_connection_in_its_queue() {
    let server = server(&[("a", any()), ("b", any())]);
    let at = addresses(&server, "tcp:b")[0];
    server.reload(config(&[("a", any())])).unwrap();
    match TcpStream::connect(at) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
        Ok(mut stream) => assert_eq!(stream.read(&mut [0]).unwrap(), 0),
    }
}

/// What the broker was not started for a listener cannot promise before a restart.
#[test]
fn a_new_listener_promises_no_more_than_the_broker_was_started_for() {
    let mut before = config(&[("a", any())]);
    before.durability = mqtt_broker::Durability::Memory;
    let server = Server::with(|own| *own = before.clone());
    let mut after = config(&[("a", any()), ("b", any())]);
    after.durability = mqtt_broker::Durability::Memory;
    let listener = after.listeners.get_mut("tcp:b").unwrap();
    listener.durability = Some(mqtt_broker::Durability::Fsync);
    let report = server.reload(after).unwrap();
    let restart: Vec<_> = report
        .needs_restart
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        restart,
        ["listeners.tcp.b.durability: \"memory\" -> \"fsync\""]
    );
    connect(addresses(&server, "tcp:b")[0], V5, "c").ping();
}

/// Those over the rate wait in the system, and another rate is looked at while they do.
#[test]
fn connections_over_the_rate_of_a_listener_wait() {
    let with_rate = |rate: Option<Rate>| {
        let mut config = config(&[("a", any())]);
        config.listeners.get_mut("tcp:a").unwrap().max_conn_rate = rate;
        config
    };
    let two_an_hour = with_rate(Some(Rate {
        count: 2,
        per: Duration::from_secs(3600),
    }));
    let server = Server::with(|own| *own = two_an_hour);
    let mut clients: Vec<_> = (0..6)
        .map(|nth| {
            let mut client = Client::open_at(server.addr(), V5);
            client.send_bytes(&Hello::new(V5, &format!("c{nth}")).bytes());
            client
        })
        .collect();
    server.wait_until("the rate is reached", |broker| {
        broker.totals().limits.get("connection_rate") >= Some(&1)
    });
    let accepted = server.broker().listeners().remove(0).accepted;
    assert!((2..=3).contains(&accepted), "{accepted}");
    server.reload(with_rate(None)).unwrap();
    for client in &mut clients {
        assert_eq!(client.welcome().reason, 0);
    }
}
