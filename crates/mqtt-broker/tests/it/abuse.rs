//! Clients that mean no good: whatever they send, nobody else notices and nothing is left of them.

use crate::kit::{Client, Hello, Last, Post, QOS0, QOS1, QOS2, Server, V5, V31, V311, options};
use mqtt_broker::config::Duration;
use mqtt_codec::{
    Ack, Auth, Disconnect, Packet, PacketId, PacketType, Properties, Property, PropertyList,
    ProtocolVersion, ReasonCode, Subscribe, SubscribeFilters, SubscriptionIdentifier, TopicFilter,
    Unsubscribe, UnsubscribeFilters,
};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroU16;

const SEED: u64 = 0x5eed_ab05;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// A client that behaves, and to whom nothing may happen.
struct Innocent(Client);

impl Innocent {
    fn connect(server: &Server) -> Self {
        let mut client = Client::connect(server, V5, "innocent");
        client.subscribe("innocent/topic", QOS2);
        Self(client)
    }

    fn check(&mut self) {
        for qos in [QOS0, QOS1, QOS2] {
            self.0.publish_to("innocent/topic", qos);
        }
    }
}

/// One packet of every kind that a client may send, and of some kinds that it may not.
fn corpus(version: ProtocolVersion) -> Vec<Vec<u8>> {
    let encode = |packet: &Packet<'_>| {
        let mut bytes = vec![0; packet.encoded_len(version).unwrap()];
        packet.encode(version, &mut bytes).unwrap();
        bytes
    };
    let id = |id: u16| PacketId::new(id).unwrap();
    let properties: &[Property<'_>] = &[
        Property::UserProperty("name", "value"),
        Property::UserProperty("", ""),
    ];
    let list = PropertyList::new(properties);
    let with_properties = Properties::from(&list);
    let filters = [
        (TopicFilter::try_new("a/+/#").unwrap(), options(QOS2)),
        (TopicFilter::try_new("$share/g/b/#").unwrap(), options(QOS1)),
    ];
    let subscription_id = SubscriptionIdentifier::new(5).unwrap();
    let ids = [Property::SubscriptionIdentifier(subscription_id)];
    let ids = PropertyList::new(&ids);
    let leaving = [filters[0].0, filters[1].0];
    let ack = |packet_id| Ack {
        properties: with_properties,
        ..Ack::new(id(packet_id))
    };
    let alias = [
        Property::TopicAlias(NonZeroU16::new(3).unwrap()),
        Property::ContentType("text"),
        Property::MessageExpiryInterval(7),
    ];
    let last = Last {
        retain: true,
        qos: QOS1,
        ..Last::new("a/will")
    };
    let mut all = vec![
        Hello {
            will: Some(last),
            username: Some("name"),
            ..Hello::new(version, "abuser")
        }
        .bytes(),
        encode(&Packet::PubAck(ack(1))),
        encode(&Packet::PubRec(ack(2))),
        encode(&Packet::PubRel(ack(3))),
        encode(&Packet::PubComp(ack(4))),
        encode(&Packet::Subscribe(Subscribe {
            packet_id: id(5),
            properties: if version.has_properties() {
                Properties::from(&ids)
            } else {
                Properties::EMPTY
            },
            filters: SubscribeFilters::from(&filters[..]),
        })),
        encode(&Packet::Unsubscribe(Unsubscribe {
            packet_id: id(6),
            properties: with_properties,
            filters: UnsubscribeFilters::from(&leaving[..]),
        })),
        encode(&Packet::PingReq),
        encode(&Packet::PingResp),
        encode(&Packet::Disconnect(Disconnect {
            reason: ReasonCode::NORMAL_DISCONNECTION,
            properties: with_properties,
        })),
    ];
    for (qos, retain) in [(QOS0, true), (QOS1, false), (QOS2, true)] {
        let properties: &[Property<'_>] = if version.has_properties() {
            &alias
        } else {
            &[]
        };
        let post = Post {
            qos,
            retain,
            properties,
            packet_id: 9,
            ..Post::new("a/b/c", b"payload")
        };
        all.push(post.bytes(version));
    }
    if version.has_properties() {
        let method = [Property::AuthenticationMethod("none")];
        let method = PropertyList::new(&method);
        all.push(encode(&Packet::Auth(Auth {
            reason: ReasonCode::CONTINUE_AUTHENTICATION,
            properties: Properties::from(&method),
        })));
    }
    all
}

/// Sends `bytes` on a connection of its own, and reads until the broker has had enough.
fn throw(server: &Server, bytes: &[u8]) {
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    // The broker may close before all is written or read.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

fn check_unharmed(server: &Server, innocent: &mut Innocent) {
    innocent.check();
    server.wait_for_connections(1);
    assert_eq!(server.broker().totals().connections_panicked, 0);
    assert_eq!(
        server.broker().sizes().sessions,
        1,
        "no session is left behind"
    );
    assert_eq!(server.broker().sizes().subscriptions, 1);
}

#[test]
fn packets_with_mistakes_of_every_kind_harm_nobody() {
    println!("seed {SEED:#x}");
    let mut random = Random(SEED);
    let server = Server::start();
    let mut innocent = Innocent::connect(&server);
    for version in [V31, V311, V5] {
        let (hello, corpus) = (Hello::new(version, "abuser").bytes(), corpus(version));
        for _ in 0..500 {
            let mut packet = corpus[random.below(corpus.len())].clone();
            for _ in 0..=random.below(3) {
                match random.below(5) {
                    0 => packet.truncate(random.below(packet.len().max(1))),
                    1 => packet.insert(
                        random.below(packet.len() + 1),
                        u8::try_from(random.below(256)).unwrap(),
                    ),
                    2 if !packet.is_empty() => {
                        let at = random.below(packet.len());
                        packet[at] ^= 1 << random.below(8);
                    }
                    3 if packet.len() > 2 => packet[1] = u8::try_from(random.below(256)).unwrap(),
                    _ => packet.extend_from_slice(&corpus[random.below(corpus.len())]),
                }
            }
            let mut bytes = if random.below(4) == 0 {
                Vec::new()
            } else {
                hello.clone()
            };
            bytes.extend_from_slice(&packet);
            throw(&server, &bytes);
        }
        innocent.check();
    }
    // Wills were kept and retained messages made: they are not what must be gone.
    let mut cleaner = Client::connect(&server, V5, "abuser");
    cleaner.publish("x", "");
    cleaner.disconnect();
    check_unharmed(&server, &mut innocent);
}

#[test]
fn packets_in_any_order_harm_nobody() {
    println!("seed {SEED:#x}");
    let mut random = Random(SEED);
    let server = Server::start();
    let mut innocent = Innocent::connect(&server);
    for version in [V31, V311, V5] {
        let corpus = corpus(version);
        for _ in 0..200 {
            let mut bytes = Hello::new(version, "abuser").bytes();
            for _ in 0..random.below(40) {
                // CONNECT only rarely, as it ends everything.
                let at = random.below(corpus.len() * 3).min(corpus.len() * 3 - 1) % corpus.len();
                if at != 0 || random.below(10) == 0 {
                    bytes.extend_from_slice(&corpus[at]);
                }
            }
            throw(&server, &bytes);
        }
        innocent.check();
    }
    check_unharmed(&server, &mut innocent);
}

#[test]
fn half_open_connections_go_in_time_and_keep_nobody_out() {
    let server = Server::with(|config| config.mqtt.idle_timeout = Duration::from_secs(1));
    let mut innocent = Innocent::connect(&server);
    let hello = Hello::new(V5, "half").bytes();
    let open: Vec<_> = (0..1000)
        .map(|nth| {
            let mut stream = TcpStream::connect(server.addr()).unwrap();
            stream.write_all(&hello[..nth % hello.len()]).unwrap();
            stream
        })
        .collect();
    innocent.check();
    let mut late = Client::connect(&server, V311, "late");
    late.ping();
    late.disconnect();
    server.wait_for_connections(1);
    assert_eq!(
        server.broker().totals().ends.get("connect_timeout"),
        Some(&1000)
    );
    drop(open);
    check_unharmed(&server, &mut innocent);
}

#[test]
fn a_client_that_never_reads_is_not_read_from_for_ever() {
    let server = Server::start();
    let mut innocent = Innocent::connect(&server);
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.write_all(&Hello::new(V5, "deaf").bytes()).unwrap();
    stream
        .set_write_timeout(Some(std::time::Duration::from_millis(300)))
        .unwrap();
    // Each asks for an answer, and nobody takes the answers.
    let pings = [0xC0, 0].repeat(64 * 1024);
    let mut sent = 0;
    while let Ok(len) = stream.write(&pings) {
        sent += len;
        assert!(sent < 100 * 1024 * 1024, "input must stop");
    }
    innocent.check();
    drop(stream);
    check_unharmed(&server, &mut innocent);
}

#[test]
fn subscriptions_without_number_end_at_their_bound_and_leave_nothing() {
    let server = Server::start();
    let mut innocent = Innocent::connect(&server);
    let mut client = Client::connect(&server, V5, "c");
    let deep = vec!["+"; 127].join("/");
    let filters: Vec<_> = (0..12_000).map(|nth| format!("{deep}/{nth}")).collect();
    let mut refused = 0;
    for chunk in filters.chunks(1000) {
        let chunk: Vec<_> = chunk
            .iter()
            .map(|filter| (filter.as_str(), options(QOS1)))
            .collect();
        let granted = client.subscribe_with(&chunk, &[]);
        refused += granted.iter().filter(|reason| **reason == 0x97).count();
    }
    assert_eq!(refused, 2_000);
    innocent.check();
    // The same again changes nothing.
    let again: Vec<_> = filters[..1000]
        .iter()
        .map(|filter| (filter.as_str(), options(QOS0)))
        .collect();
    assert_eq!(client.subscribe_with(&again, &[]), vec![0; 1000]);
    assert_eq!(server.broker().sizes().subscriptions, 10_001);
    client.disconnect();
    check_unharmed(&server, &mut innocent);
}

#[test]
fn topics_as_deep_as_can_be_are_refused_or_handled() {
    let server = Server::with(|config| config.mqtt.max_topic_levels = u16::MAX);
    let mut innocent = Innocent::connect(&server);
    let mut client = Client::connect(&server, V5, "c");
    let deepest = "/".repeat(65_534);
    let all_levels = format!("{}#", "+/".repeat(32_767));
    for filter in [&*deepest, &all_levels] {
        client.subscribe_with(&[(filter, options(QOS0))], &[]);
    }
    let post = Post {
        retain: true,
        ..Post::new(&deepest, b"deep")
    };
    client.post(&post);
    assert_eq!(client.message().topic_name.len(), 65_534);
    innocent.check();
    client.post(&Post {
        payload: b"",
        ..post
    });
    assert_eq!(client.message().payload, "");
    client.disconnect();
    check_unharmed(&server, &mut innocent);
    assert_eq!(server.broker().sizes().retained, 0);
}

#[test]
fn identifiers_and_aliases_used_again_and_again_take_no_memory() {
    let server = Server::start();
    let mut innocent = Innocent::connect(&server);
    let mut client = Client::connect(&server, V5, "c");
    for nth in 0..20_000_u32 {
        let number = NonZeroU16::new(1 + u16::try_from(nth % 16).unwrap()).unwrap();
        client.post(&Post {
            properties: &[Property::TopicAlias(number)],
            ..Post::new(&format!("t/{nth}"), b"")
        });
        if nth % 1000 == 0 {
            client.ping();
        }
    }
    // Never released: the first is taken, the others are repeats of it.
    for _ in 0..1000 {
        client.post(&Post {
            qos: QOS2,
            ..Post::new("innocent/topic", b"once")
        });
        assert_eq!(client.expect_ack(PacketType::PubRec, 1), 0);
    }
    assert_eq!(innocent.0.message().payload, "once");
    innocent.0.ack(PacketType::PubRec, 1);
    innocent.0.expect_ack(PacketType::PubRel, 1);
    innocent.0.ack(PacketType::PubComp, 1);
    for _ in 0..1000 {
        let post = Post {
            qos: QOS1,
            ..Post::new("t", b"")
        };
        client.publish_fully(&post);
    }
    for packet_type in [PacketType::PubAck, PacketType::PubComp, PacketType::PubRel] {
        for packet_id in 1..=2000 {
            client.ack(packet_type, packet_id);
            if packet_type == PacketType::PubRel {
                client.expect_ack(PacketType::PubComp, packet_id);
            }
        }
    }
    client.disconnect();
    check_unharmed(&server, &mut innocent);
}

#[test]
fn one_identifier_taken_over_by_many_stays_with_the_last() {
    let server = Server::start();
    let mut innocent = Innocent::connect(&server);
    let hello = Hello::new(V5, "same").bytes();
    let all: Vec<_> = (0..300)
        .map(|_| {
            let mut stream = TcpStream::connect(server.addr()).unwrap();
            stream.write_all(&hello).unwrap();
            stream
        })
        .collect();
    server.wait_until("one is left", |broker| {
        let totals = broker.totals();
        totals.ends.get("session_taken_over") == Some(&299) && broker.sizes().connections == 2
    });
    innocent.check();
    drop(all);
    check_unharmed(&server, &mut innocent);
}

/// Memory of this process in bytes, where the system tells.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim()
        .strip_suffix("kB")
        .unwrap()
        .trim()
        .parse::<usize>()
        .unwrap()
        * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn connections_that_come_and_go_leave_no_memory() {
    let server = Server::start();
    let mut innocent = Innocent::connect(&server);
    let round = || {
        for nth in 0..500 {
            let client_id = format!("c{nth}");
            let mut bytes = Hello::new(V5, &client_id).bytes();
            for packet in &corpus(V5)[1..8] {
                bytes.extend_from_slice(packet);
            }
            throw(&server, &bytes);
        }
    };
    round();
    innocent.check();
    let before = resident();
    for _ in 0..4 {
        round();
    }
    innocent.check();
    let grown = resident().saturating_sub(before);
    // Other tests of this process run at the same time.
    assert!(grown < 200 * 1024 * 1024, "grown by {grown} bytes");
    check_unharmed(&server, &mut innocent);
}
