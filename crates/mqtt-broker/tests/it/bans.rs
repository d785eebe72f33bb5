//! Who is banned, by each kind, and who comes and goes too often.

use crate::kit::{Client, Hello, QOS0, Server, V5, V311};
use mqtt_broker::Rate;
use mqtt_broker::manage::{Ban, Banned};
use mqtt_codec::ReasonCode;
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

fn ban(server: &Server, who: Banned) -> usize {
    let manager = server.broker().manager();
    manager.ban(Ban::new(who, 0)).unwrap()
}

fn reason_of(server: &Server, hello: &Hello<'_>) -> u8 {
    let (_client, welcome) = hello.ask(server);
    welcome.reason
}

#[test]
fn a_banned_client_id_is_ended_and_stays_out() {
    let server = Server::start();
    let mut bad = Client::connect(&server, V5, "bad");
    let mut good = Client::connect(&server, V5, "good");
    let who = Banned::ClientId("bad".into());
    assert_eq!(ban(&server, who.clone()), 1);
    bad.expect_disconnect(ReasonCode::ADMINISTRATIVE_ACTION);
    assert_eq!(reason_of(&server, &Hello::new(V5, "bad")), 0x8A);
    assert_eq!(reason_of(&server, &Hello::new(V311, "bad")), 0x87);
    good.subscribe("t", QOS0);
    assert!(server.broker().manager().unban(&who).unwrap());
    Client::connect(&server, V5, "bad");
}

#[test]
fn a_banned_user_stays_out_under_any_client_id() {
    let server = Server::start();
    let hello = |client_id| Hello {
        username: Some("ann"),
        ..Hello::new(V5, client_id)
    };
    let mut first = hello("c1").connect(&server);
    assert_eq!(ban(&server, Banned::Username("ann".into())), 1);
    first.expect_disconnect(ReasonCode::ADMINISTRATIVE_ACTION);
    assert_eq!(reason_of(&server, &hello("c2")), 0x8A);
    let other = Hello {
        username: Some("ben"),
        ..Hello::new(V5, "c3")
    };
    other.connect(&server);
}

#[test]
fn a_banned_network_is_closed_before_anything_is_read() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    let network = Banned::Network("127.0.0.0/8".parse().unwrap());
    assert_eq!(ban(&server, network.clone()), 1);
    client.expect_disconnect(ReasonCode::ADMINISTRATIVE_ACTION);
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed");
    let totals = server.broker().totals();
    assert_eq!(totals.limits.get("banned_address"), Some(&1));
    assert!(server.broker().manager().unban(&network).unwrap());
    Client::connect(&server, V5, "c");
}

#[test]
fn bans_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let keep = |config: &mut mqtt_broker::Config| {
        config.node.data_dir = Some(dir.path().to_owned());
    };
    let server = Server::with(keep);
    ban(&server, Banned::ClientId("bad".into()));
    server.shutdown();
    let server = Server::with(keep);
    assert_eq!(server.broker().manager().bans().len(), 1);
    assert_eq!(reason_of(&server, &Hello::new(V5, "bad")), 0x8A);
}

#[test]
fn a_client_that_comes_and_goes_is_banned_for_a_while() {
    let server = Server::with(|config| {
        config.flapping_detect.enable = true;
        config.flapping_detect.max_count = 2;
    });
    for gone in 1..=3 {
        let client = Client::connect(&server, V5, "c");
        client.disconnect();
        server.wait_until("gone", |broker| broker.totals().connections_closed == gone);
    }
    assert_eq!(reason_of(&server, &Hello::new(V5, "c")), 0x8A);
    let bans = server.broker().manager().bans();
    assert!(
        bans.iter()
            .all(|ban| ban.is_automatic && ban.until_ms.is_some())
    );
    Client::connect(&server, V5, "d");
}

#[test]
fn an_address_may_connect_only_so_often() {
    let server = Server::with(|config| {
        config.mqtt.max_conn_rate_per_address = Some(Rate {
            count: 3,
            per: Duration::from_secs(3600),
        });
    });
    let mut clients: Vec<_> = ["a", "b", "c"]
        .map(|client_id| Client::connect(&server, V5, client_id))
        .into();
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed");
    clients[0].subscribe("t", QOS0);
    let totals = server.broker().totals();
    assert_eq!(totals.limits.get("address_rate"), Some(&1));
}
