//! Clients that misbehave or vanish: what is left of them, and whether others are still served.

use crate::{Server, connect, encoded, turn};
use mqtt_alloc_count::live_bytes;
use mqtt_broker::AllowAll;
use mqtt_broker::config::Duration;
use mqtt_codec::{
    Connect, Packet, PacketId, Properties, Property, PropertyList, ProtocolVersion, QoS, Subscribe,
    SubscribeFilters, SubscriptionOptions, TopicFilter, TopicName, Will,
};
use mqtt_testkit::raw::RawClient;

/// Clients of each kind in one round.
const CLIENTS: usize = 600;
/// Clients connected at once: both ends of each take a file descriptor of this process.
const AT_ONCE: usize = 200;
/// Rounds whose smallest figure stands for all: tables and pools are larger after some than after others.
const ROUNDS: usize = 3;
/// What as many rounds may leave on the heap, in bytes: under 75 for each client.
const LEFT_MAX: usize = 256 * 1024;
/// What as many rounds may add to resident memory, in KiB.
const RESIDENT_MAX_KB: u64 = 2 * 1024;

/// Bytes no broker can make sense of, the same in each run.
fn garbage(nth: usize) -> Vec<u8> {
    let mut state = u64::try_from(nth)
        .unwrap()
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(1 + nth % 600).collect()
}

/// A third each sends garbage, half a CONNECT, or nothing; all are closed by the broker.
fn abuse(server: &Server) {
    for batch in 0..CLIENTS / AT_ONCE {
        let mut clients: Vec<_> = (0..AT_ONCE)
            .map(|at| {
                let mut client = RawClient::connect(server.addr, ProtocolVersion::V5).unwrap();
                let hello = connect(ProtocolVersion::V5, "half");
                let nth = batch * AT_ONCE + at;
                // Garbage may be refused while it is still being sent.
                let _ = match nth % 3 {
                    0 => client.send_bytes(&garbage(nth)),
                    1 => client.send_bytes(&hello[..1 + nth % (hello.len() - 1)]),
                    _ => Ok(()),
                };
                client
            })
            .collect();
        for client in &mut clients {
            client.receive_to_end().unwrap();
        }
    }
}

/// Half have a session that ends with the connection, half one that lasts for another second.
fn vanish(server: &Server) {
    let version = ProtocolVersion::V5;
    let filter = TopicFilter::try_new("vanish/+/#").unwrap();
    let filters = [(filter, SubscriptionOptions::new(QoS::AtLeastOnce))];
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: SubscribeFilters::from(filters.as_slice()),
    });
    for batch in 0..CLIENTS / AT_ONCE {
        let clients: Vec<_> = (0..AT_ONCE)
            .map(|at| {
                let nth = batch * AT_ONCE + at;
                let client_id = format!("vanish-{nth}");
                let expiry = [Property::SessionExpiryInterval(1)];
                let list = PropertyList::new(if nth.is_multiple_of(2) { &[] } else { &expiry });
                let hello = Connect {
                    keep_alive_s: 60,
                    properties: Properties::from(&list),
                    will: Some(Will {
                        topic_name: TopicName::try_new("vanish/will/1").unwrap(),
                        payload: b"gone",
                        qos: QoS::AtMostOnce,
                        retain: nth.is_multiple_of(10),
                        properties: Properties::EMPTY,
                    }),
                    ..Connect::new(version, &client_id)
                };
                let mut client = RawClient::connect(server.addr, version).unwrap();
                let mut bytes = encoded(version, &Packet::Connect(hello));
                bytes.extend(encoded(version, &subscribe));
                client.send_bytes(&bytes).unwrap();
                for first in [0x20, 0x90] {
                    assert_eq!(client.receive().unwrap().bytes()[0], first);
                }
                client
            })
            .collect();
        drop(clients);
        server.wait_until("vanished", |broker| broker.sizes().connections == 1);
    }
    server.wait_until("sessions over", |broker| broker.sizes().sessions == 1);
    assert_eq!(server.broker.sizes().subscriptions, 0);
}

/// Resident memory of this process, in KiB.
#[cfg(target_os = "linux")]
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(not(target_os = "linux"))]
fn resident_kb() -> u64 {
    0
}

fn ping(client: &mut RawClient) {
    client.send(&Packet::PingReq).unwrap();
    assert_eq!(client.receive().unwrap().bytes(), [0xD0, 0]);
}

/// A packet that is announced and does not come gets memory for what has come of it, not for what was announced.
#[test]
fn who_announces_much_and_trickles_holds_little_memory() {
    const TRICKLERS: usize = 200;
    let _turn = turn();
    let version = ProtocolVersion::V311;
    let server = Server::start(2, AllowAll, |_| {});
    let mut clients: Vec<_> = (0..TRICKLERS)
        .map(|nth| {
            let mut client = RawClient::connect(server.addr, version).unwrap();
            client
                .send_bytes(&connect(version, &format!("trickle-{nth}")))
                .unwrap();
            client.receive().unwrap();
            ping(&mut client);
            client
        })
        .collect();
    let live_before = live_bytes();
    // PUBLISH with a Remaining Length of 1,000,000.
    let mut bytes = vec![0x30, 0xC0, 0x84, 0x3D, 0, 1, b't'];
    bytes.resize(20_000, b'x');
    let mut sent = 0;
    for upto in [5, 6, 100, 3_000, 20_000] {
        let received = server.broker.totals().bytes_received;
        for client in &mut clients {
            client.send_bytes(&bytes[sent..upto]).unwrap();
        }
        let coming = u64::try_from((upto - sent) * TRICKLERS).unwrap();
        server.wait_until("trickled", |broker| {
            broker.totals().bytes_received == received + coming
        });
        sent = upto;
        let grown = live_bytes().saturating_sub(live_before);
        // Four times what was sent, and the read buffers and lists of two workers.
        let grown_max = TRICKLERS * (4 * sent + 64) + 1024 * 1024;
        assert!(
            grown <= grown_max,
            "{grown} bytes for {TRICKLERS} clients that have sent {sent} bytes each"
        );
    }
}

/// The first rounds warm up tables, buffers and the runtime; what as many more add to them is a leak.
#[test]
fn clients_that_misbehave_or_vanish_leave_nothing_behind() {
    let _turn = turn();
    let server = Server::start(2, AllowAll, |config| {
        config.mqtt.idle_timeout = Duration::from_millis(200);
    });
    let mut client = RawClient::connect(server.addr, ProtocolVersion::V311).unwrap();
    client
        .send_bytes(&connect(ProtocolVersion::V311, "normal"))
        .unwrap();
    client.receive().unwrap();
    let mut rounds = || {
        let mut least = (usize::MAX, u64::MAX);
        for _ in 0..ROUNDS {
            abuse(&server);
            ping(&mut client);
            vanish(&server);
            ping(&mut client);
            least = (least.0.min(live_bytes()), least.1.min(resident_kb()));
        }
        least
    };
    let (live_first, resident_first) = rounds();
    let (live_then, resident_then) = rounds();
    assert!(
        live_then <= live_first + LEFT_MAX,
        "{live_first} bytes live after the first rounds, {live_then} after as many more"
    );
    assert!(
        resident_then <= resident_first + RESIDENT_MAX_KB,
        "{resident_first} KiB resident after the first rounds, {resident_then} after as many more"
    );
    assert_eq!(server.broker.totals().connections_panicked, 0);
}
