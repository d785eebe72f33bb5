//! Disks that are full, slow, or not asked to sync, under a broker.

use crate::kit::{Client, GatedDisk, Hello, Post, QOS0, QOS1, QOS2, Server, V5, V311, options};
use mqtt_broker::{Config, Durability, Durable, StoreEvent};
use mqtt_codec::PacketType;
use mqtt_store::fault::SimDisk;
use mqtt_store::{Disk, Settings, Store};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the store has told, in one word each.
type Told = Arc<Mutex<Vec<&'static str>>>;

/// Small, and quick to write checkpoints.
fn settings(told: &Told) -> Settings {
    let mut settings = Settings::default();
    settings.segment_len = 64 << 10;
    settings.log_len_max = 512 << 10;
    settings.checkpoint_every = Duration::from_millis(20);
    let told = Arc::clone(told);
    settings.on_event = Some(Arc::new(move |event| {
        told.lock().unwrap().push(match event {
            StoreEvent::Failed(_) => "failed",
            StoreEvent::Full => "full",
            StoreEvent::Room => "room",
            StoreEvent::AlarmOn { .. } => "alarm",
            StoreEvent::AlarmOff => "alarm off",
            _ => "other",
        });
    }));
    settings
}

fn server(disk: impl Disk + Clone, settings: Settings, change: impl FnOnce(&mut Config)) -> Server {
    let durable = Durable::of(Store::open_all_on(disk, settings).unwrap());
    Server::built(change, |builder| builder.durable(durable))
}

/// A session that lasts and holds `t` at QoS 1, its client away.
fn sleeper(server: &Server) {
    let mut sleeper = Hello::lasting(V311, "sleeper").connect(server);
    sleeper.subscribe("t", QOS1);
    sleeper.disconnect();
    server.wait_for_connections(0);
}

/// All that waits for the sleeper, in order.
fn wake_sleeper(server: &Server, messages: u32) -> Vec<String> {
    let mut sleeper = Hello::lasting(V311, "sleeper").attach(server, true);
    let texts = (0..messages).map(|_| sleeper.take().text().1.to_owned());
    let texts = texts.collect();
    // Nothing more comes; a subscription of its own would need room.
    sleeper.ping();
    sleeper.disconnect();
    texts
}

fn number(server: &Server, limit: &str) -> u64 {
    server
        .broker()
        .totals()
        .limits
        .get(limit)
        .copied()
        .unwrap_or(0)
}

/// Publishes numbers to `t` until one is refused: how many were accepted.
fn fill(client: &mut Client) -> u32 {
    for number in 0..10_000 {
        let payload = format!("{number:0>1000}");
        let post = Post {
            qos: if number % 2 == 0 { QOS1 } else { QOS2 },
            ..Post::new("t", payload.as_bytes())
        };
        match client.publish_fully(&post) {
            0 => {}
            reason => {
                assert_eq!(reason, 0x97);
                return number;
            }
        }
    }
    panic!("never full");
}

#[test]
fn a_full_disk_refuses_what_it_would_have_to_keep_and_loses_nothing() {
    // The bound on the log, and the disk itself.
    for capacity in [u64::MAX, 400 << 10] {
        let (disk, told) = (SimDisk::new(1), Told::default());
        disk.set_capacity(2 << 20);
        let server = server(disk.clone(), settings(&told), |_| {});
        sleeper(&server);
        let mut present = Hello::lasting(V5, "present").connect(&server);
        present.subscribe("live", QOS0);
        disk.set_capacity(capacity.saturating_add(disk.used()));
        let mut client = Client::connect(&server, V5, "c");
        let accepted = fill(&mut client);
        assert!(accepted > 20, "{accepted} messages");
        assert!(number(&server, "log_len") > 0);
        let log = server.broker().sizes().log.unwrap();
        let last = told.lock().unwrap().last().copied();
        if capacity == u64::MAX {
            assert!(log.is_alarmed && log.is_full, "{log:?}");
            assert!(log.used <= log.max && log.used >= log.max / 5 * 4);
            assert_eq!(*told.lock().unwrap(), ["alarm", "full"]);
        } else {
            assert_eq!((log.is_full, last), (true, Some("full")));
        }
        // Nothing else that needs room is taken, each with its own answer.
        let kept = Post {
            qos: QOS1,
            retain: true,
            ..Post::new("kept", &[0; 1000])
        };
        assert_eq!(client.publish_fully(&kept), 0x97);
        assert_eq!(
            present.subscribe_with(&[("more", options(QOS1))], &[]),
            [0x97]
        );
        // What is there already may be asked for again, as clients do that come back.
        present.subscribe("live", QOS0);
        present.subscribe("live", QOS1);
        let (mut refused, welcome) = Hello::lasting(V5, "new").ask(&server);
        assert_eq!(welcome.reason, 0x97);
        refused.expect_close();
        let mut old = Client::connect(&server, V311, "old");
        old.post(&Post {
            retain: false,
            ..Post {
                topic_name: Some("t"),
                ..kept
            }
        });
        old.expect_close();
        // What needs none goes on.
        client.subscribe("mine", QOS2);
        for qos in [QOS0, QOS1, QOS2] {
            client.publish_to("mine", qos);
        }
        client.publish("live", "x");
        assert_eq!(present.message().text(), ("live", "x"));
        // Had the broker been killed now, all that was acknowledged would be there.
        {
            let next = self::server(disk.copy(), settings(&Told::default()), |_| {});
            assert_eq!(
                numbers(&wake_sleeper(&next, accepted)),
                (0..accepted).collect::<Vec<_>>()
            );
        }
        // Room comes back as it is taken, or as somebody makes it.
        assert_eq!(
            numbers(&wake_sleeper(&server, accepted)),
            (0..accepted).collect::<Vec<_>>()
        );
        disk.set_capacity(u64::MAX);
        server.wait_until("room", |broker| !broker.sizes().log.unwrap().is_full);
        for round in 0..3 {
            client.publish_1("t", &round.to_string());
        }
        assert_eq!(client.publish_fully(&kept), 0x10);
        assert_eq!(numbers(&wake_sleeper(&server, 3)), [0, 1, 2]);
        let told = told.lock().unwrap();
        assert!(
            told.contains(&"room") && !told.contains(&"failed"),
            "{told:?}"
        );
    }
}

fn numbers(texts: &[String]) -> Vec<u32> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Settings under which the disk is behind by 8 KiB and nothing more is taken at 16 KiB.
fn gated() -> (GatedDisk, Settings) {
    let mut settings = settings(&Told::default());
    settings.log_len_max = 8 << 20;
    (GatedDisk::new(SimDisk::new(1)), settings)
}

#[test]
fn a_disk_that_is_behind_slows_down_only_those_who_need_it() {
    let (disk, settings) = gated();
    let server = server(disk.clone(), settings, |_| {});
    sleeper(&server);
    let mut other = Client::connect(&server, V5, "other");
    other.subscribe("mine", QOS2);
    let mut client = Client::connect(&server, V5, "c");
    let shut = disk.shut();
    let before = server.broker().totals().messages_received;
    for packet_id in 1..=64 {
        client.post(&Post {
            qos: QOS1,
            packet_id,
            ..Post::new("t", format!("{packet_id:0>1000}").as_bytes())
        });
    }
    server.wait_until("behind", |broker| {
        broker.totals().messages_received - before >= 8
    });
    for qos in [QOS0, QOS1, QOS2] {
        other.publish_to("mine", qos);
        other.publish_to_t(QOS0);
    }
    other.ping();
    let taken = server.broker().totals().messages_received - before;
    assert!(taken < 8 + 6 + 24, "{taken} were taken from both");
    assert_eq!(number(&server, "log_behind"), 0);
    drop(shut);
    for packet_id in 1..=64 {
        assert_eq!(client.expect_ack(PacketType::PubAck, packet_id), 0);
    }
    assert_eq!(
        numbers(&wake_sleeper(&server, 64)),
        (1..=64).collect::<Vec<_>>()
    );
}

#[test]
fn who_has_waited_too_long_for_the_disk_is_refused() {
    let (disk, settings) = gated();
    let timeout = mqtt_broker::config::Duration::from_millis(50);
    let server = server(disk.clone(), settings, |config| {
        config.store.behind_timeout = timeout;
    });
    sleeper(&server);
    let mut filler = Client::connect(&server, V5, "filler");
    let mut late = Client::connect(&server, V5, "late");
    let mut old = Client::connect(&server, V311, "old");
    let shut = disk.shut();
    let before = server.broker().totals().messages_received;
    for packet_id in 1..=9 {
        filler.post(&Post {
            qos: QOS1,
            packet_id,
            ..Post::new("t", format!("{packet_id:0>1000}").as_bytes())
        });
    }
    server.wait_until("behind", |broker| {
        broker.totals().messages_received - before >= 8
    });
    let post = Post {
        qos: QOS1,
        ..Post::new("t", b"late")
    };
    assert_eq!(late.publish_fully(&post), 0x97);
    old.post(&post);
    old.expect_close();
    assert!(number(&server, "log_behind") >= 2);
    drop(shut);
    let accepted = (1..=9).filter(|packet_id| {
        let reason = filler.expect_ack(PacketType::PubAck, *packet_id);
        assert!([0, 0x97].contains(&reason));
        reason == 0
    });
    let accepted: Vec<u32> = accepted.map(u32::from).collect();
    assert!(accepted.len() >= 8, "{accepted:?}");
    let waiting = u32::try_from(accepted.len()).unwrap();
    assert_eq!(numbers(&wake_sleeper(&server, waiting)), accepted);
    late.publish_1("t", "7");
    assert_eq!(wake_sleeper(&server, 1), ["7"]);
}

/// Groups written and files synced for 100 messages that are acknowledged one after the other.
fn written_and_synced(durability: Durability) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config {
        durability,
        ..Config::default()
    };
    config.store.checkpoint_interval = mqtt_broker::config::Duration::from_secs(3600);
    let durable = Durable::open(dir.path(), &config, |_| {}).unwrap();
    let server = Server::built(
        |own| own.durability = durability,
        |builder| builder.durable(durable),
    );
    sleeper(&server);
    let log = || server.broker().sizes().log.unwrap();
    let before = log();
    let mut client = Client::connect(&server, V5, "c");
    for number in 0..100 {
        client.publish_1("t", &number.to_string());
    }
    let after = log();
    assert_eq!(wake_sleeper(&server, 100).len(), 100);
    (after.groups - before.groups, after.syncs - before.syncs)
}

#[test]
fn only_fsync_syncs_each_group() {
    let (groups, syncs) = written_and_synced(Durability::Fsync);
    assert!(groups >= 100 && syncs >= groups, "{groups}, {syncs}");
    let (groups, syncs) = written_and_synced(Durability::Os);
    assert!(groups >= 100 && syncs <= 2, "{groups}, {syncs}");
}
