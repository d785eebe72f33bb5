//! What a client keeps on disk, step by step.

use crate::net::{Net, net};
use crate::server::{Server, ack};
use mqtt_client::{
    Client, ClientBuilder, CloseReason, ConnectError, ProtocolVersion, PublishError, QoS,
    Reconnect, Store, StoreError,
};
use mqtt_codec::{Packet, PacketId, Property};
use mqtt_log::fault::{Faults, SimDisk};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A client on `disk` that dies when its driver is aborted.
struct Process {
    client: Client,
    driver: JoinHandle<CloseReason>,
    net: Net,
}

fn store(disk: &SimDisk) -> Store {
    Store::on_disk(disk.clone()).max_message(4096)
}

impl Process {
    fn start(disk: &SimDisk) -> Self {
        Self::start_with(disk, |builder| builder)
    }

    fn start_with(disk: &SimDisk, options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let (net, builder) = net("first.example");
        let policy = Reconnect::new().from_start().seed(1);
        let builder = builder.reconnect(policy).store(store(disk));
        let (client, driver) = options(builder).build().unwrap();
        let driver = tokio::spawn(driver);
        Self {
            client,
            driver,
            net,
        }
    }

    /// The end of the process; its disk as the next one sees it.
    async fn die(self, disk: &SimDisk) -> SimDisk {
        let disk = disk.kill();
        self.driver.abort();
        let _ = self.driver.await;
        disk
    }

    async fn enqueue(&self, topic_name: &str, qos: QoS) {
        let publish = self
            .client
            .publish(topic_name, topic_name.to_owned())
            .qos(qos);
        drop(publish.enqueue().await.unwrap());
    }

    fn restored(&self) -> Vec<String> {
        let restored = self.client.restored().into_iter();
        restored.map(|one| one.topic_name).collect()
    }
}

async fn publish_of(server: &mut Server) -> (String, bool, u16) {
    let received = server.recv().await;
    let publish = received.publish();
    let topic_name = publish.topic_name.unwrap().as_str().to_owned();
    (topic_name, publish.dup, received.packet_id().get())
}

#[tokio::test]
async fn the_offline_queue_goes_on_in_order_with_receipts() {
    let disk = SimDisk::new(1);
    let process = Process::start(&disk);
    process.net.set_down(true);
    for topic_name in ["1", "2", "3"] {
        process.enqueue(topic_name, QoS::AtLeastOnce).await;
    }
    let disk = process.die(&disk).await;

    let mut process = Process::start(&disk);
    let restored = process.client.restored();
    assert!(process.client.restored().is_empty(), "they are given once");
    let mut server = process.net.accept(false).await;
    for topic_name in ["1", "2", "3"] {
        let (found, dup, packet_id) = publish_of(&mut server).await;
        assert_eq!((found.as_str(), dup), (topic_name, false));
        let packet_id = PacketId::new(packet_id).unwrap();
        server.send(Packet::PubAck(ack(packet_id))).await;
    }
    for (one, topic_name) in restored.into_iter().zip(["1", "2", "3"]) {
        assert_eq!(
            (one.topic_name.as_str(), one.qos),
            (topic_name, QoS::AtLeastOnce)
        );
        assert_eq!(one.payload, topic_name.as_bytes());
        one.receipt.await.unwrap();
    }
    process.client.disconnect().await.unwrap();
    assert!(Process::start(&disk).restored().is_empty());
}

/// A process that died with messages in flight goes on with their identifiers and stages.
///
/// Covers: v5 [MQTT-4.4.0-1], v5 [MQTT-4.3.3-6].
#[tokio::test]
async fn what_was_in_flight_goes_on_where_it_was() {
    let disk = SimDisk::new(2);
    let mut process = Process::start(&disk);
    let mut server = process.net.accept(false).await;
    for topic_name in ["1", "2", "3"] {
        process.enqueue(topic_name, QoS::ExactlyOnce).await;
    }
    let mut packet_ids = Vec::new();
    for _ in 0..3 {
        packet_ids.push(server.recv().await.packet_id());
    }
    server.send(Packet::PubRec(ack(packet_ids[1]))).await;
    assert_eq!(
        server.recv().await.packet(),
        Packet::PubRel(ack(packet_ids[1]))
    );
    let disk = process.die(&disk).await;

    let mut process = Process::start(&disk);
    let restored = process.client.restored();
    let mut server = process.net.next(ProtocolVersion::V5).await;
    let connect = server.accept_with(true, &[]).await;
    let Packet::Connect(connect) = connect.packet() else {
        panic!("CONNECT expected");
    };
    assert!(!connect.clean_start);
    assert_eq!(
        server.recv().await.packet(),
        Packet::PubRel(ack(packet_ids[1]))
    );
    for (topic_name, packet_id) in [("1", packet_ids[0]), ("3", packet_ids[2])] {
        let found = publish_of(&mut server).await;
        assert_eq!(found, (topic_name.to_owned(), true, packet_id.get()));
    }
    for packet_id in [packet_ids[0], packet_ids[2]] {
        server.send(Packet::PubRec(ack(packet_id))).await;
        assert_eq!(server.recv().await.packet(), Packet::PubRel(ack(packet_id)));
    }
    for packet_id in packet_ids {
        server.send(Packet::PubComp(ack(packet_id))).await;
    }
    assert_eq!(restored.len(), 3);
    for one in restored {
        one.receipt.await.unwrap();
    }
}

/// A message of QoS 2 that was received before the process died is not delivered by the next one.
///
/// Covers: v5 [MQTT-4.3.3-10].
#[tokio::test]
async fn a_received_message_is_known_to_the_next_process() {
    let disk = SimDisk::new(3);
    let mut process = Process::start(&disk);
    let mut server = process.net.accept(false).await;
    server.publish("once", QoS::ExactlyOnce, 7).await;
    let message = process.client.unclaimed().next().await.unwrap();
    assert_eq!(message.topic_name(), "once");
    let packet_id = PacketId::new(7).unwrap();
    assert_eq!(server.recv().await.packet(), Packet::PubRec(ack(packet_id)));
    let disk = process.die(&disk).await;

    let mut process = Process::start(&disk);
    let mut server = process.net.accept(true).await;
    server.publish("once", QoS::ExactlyOnce, 7).await;
    assert_eq!(server.recv().await.packet(), Packet::PubRec(ack(packet_id)));
    server.send(Packet::PubRel(ack(packet_id))).await;
    assert_eq!(
        server.recv().await.packet(),
        Packet::PubComp(ack(packet_id))
    );
    server.publish("other", QoS::ExactlyOnce, 7).await;
    let message = process.client.unclaimed().next().await.unwrap();
    assert_eq!(
        message.topic_name(),
        "other",
        "the first one has not come again"
    );
}

/// A server that has lost the session: QoS 1 begins anew, QoS 2 in flight ends, what was never sent is sent.
#[tokio::test]
async fn a_lost_session_ends_only_qos_2_in_flight() {
    let disk = SimDisk::new(4);
    let mut process = Process::start(&disk);
    let window = [Property::ReceiveMaximum(2.try_into().unwrap())];
    let mut server = process.net.accept_with(false, &window).await;
    for (topic_name, qos) in [
        ("1", QoS::AtLeastOnce),
        ("2", QoS::ExactlyOnce),
        ("3", QoS::ExactlyOnce),
    ] {
        process.enqueue(topic_name, qos).await;
    }
    for topic_name in ["1", "2"] {
        assert_eq!(publish_of(&mut server).await.0, topic_name);
    }
    let disk = process.die(&disk).await;

    let mut process = Process::start(&disk);
    let mut restored = process.client.restored();
    restored.sort_by(|a, b| a.topic_name.cmp(&b.topic_name));
    let mut server = process.net.accept(false).await;
    for topic_name in ["1", "3"] {
        let (found, dup, packet_id) = publish_of(&mut server).await;
        assert_eq!((found.as_str(), dup), (topic_name, false));
        let packet_id = PacketId::new(packet_id).unwrap();
        match topic_name {
            "1" => server.send(Packet::PubAck(ack(packet_id))).await,
            _ => {
                server.send(Packet::PubRec(ack(packet_id))).await;
                server.recv().await;
                server.send(Packet::PubComp(ack(packet_id))).await;
            }
        }
    }
    let mut results = Vec::new();
    for one in restored {
        results.push(one.receipt.await);
    }
    assert!(matches!(
        results.as_slice(),
        [Ok(_), Err(PublishError::SessionLost), Ok(_)]
    ));
    process.client.disconnect().await.unwrap();
    assert!(Process::start(&disk).restored().is_empty());
}

#[tokio::test]
async fn a_message_expires_while_no_process_runs() {
    let disk = SimDisk::new(5);
    let process = Process::start(&disk);
    process.net.set_down(true);
    let publish = process.client.publish("short", "").qos(QoS::AtLeastOnce);
    let publish = publish.message_expiry(Duration::from_secs(1));
    drop(publish.enqueue().await.unwrap());
    let publish = process.client.publish("long", "").qos(QoS::AtLeastOnce);
    let publish = publish.message_expiry(Duration::from_secs(100));
    drop(publish.enqueue().await.unwrap());
    let disk = process.die(&disk).await;
    // The clock of the system goes on, which no test can hurry.
    std::thread::sleep(Duration::from_millis(1100));

    let mut process = Process::start(&disk);
    let restored = process.client.restored();
    let mut server = process.net.accept(false).await;
    let received = server.recv().await;
    let publish = received.publish();
    assert_eq!(publish.topic_name.unwrap().as_str(), "long");
    let left_s = publish.properties.message_expiry_interval_s().unwrap();
    assert!((90..=99).contains(&left_s), "{left_s}");
    let short = restored.into_iter().next().unwrap();
    assert!(matches!(short.receipt.await, Err(PublishError::Expired)));
}

#[tokio::test]
async fn what_an_earlier_process_left_takes_the_places() {
    let disk = SimDisk::new(6);
    let process = Process::start(&disk);
    process.net.set_down(true);
    for topic_name in ["1", "2", "3"] {
        process.enqueue(topic_name, QoS::AtLeastOnce).await;
    }
    let disk = process.die(&disk).await;
    let process = Process::start_with(&disk, |builder| builder.publish_capacity(2));
    process.net.set_down(true);
    let publish = process.client.publish("4", "").qos(QoS::AtLeastOnce);
    assert!(publish.try_enqueue().is_err());
    assert_eq!(process.client.metrics().publishes_pending, 3);
}

fn refused(disk: &SimDisk, client_id: &str) -> StoreError {
    let builder = Client::builder("first.example").client_id(client_id);
    match builder.store(store(disk)).build() {
        Err(ConnectError::Store(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_store_is_of_one_client_at_a_time() {
    let disk = SimDisk::new(7);
    let process = Process::start(&disk);
    let error = refused(&disk, "client");
    assert!(error.is_in_use() && error.is_retryable(), "{error}");
    let client = process.client.clone();
    drop(client.disconnect().timeout(Duration::ZERO).await);
    assert!(matches!(
        refused(&disk, "other"),
        StoreError::OtherClient { found } if found == "client"
    ));
    assert!(matches!(refused(&disk, ""), StoreError::NoClientId));
    // Although handles of the first one are there still.
    assert!(Process::start(&disk).restored().is_empty());
}

#[tokio::test]
async fn damage_is_refused_with_its_place() {
    let disk = SimDisk::new(8);
    let process = Process::start(&disk);
    process.net.set_down(true);
    for _ in 0..20 {
        process.enqueue("t", QoS::AtLeastOnce).await;
    }
    let disk = process.die(&disk).await;
    let segment = "0000000000000000.seg";
    assert!(disk.flip(segment, 3 * 512 + 40, 3));
    let error = refused(&disk, "client");
    assert!(error.to_string().contains(segment), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_full_disk_refuses_and_takes_again() {
    let disk = SimDisk::new(9);
    let mut process = Process::start(&disk);
    let mut server = process.net.accept(false).await;
    disk.set_capacity(disk.used());
    let mut kept = 0;
    let error = loop {
        let publish = process.client.publish("t", vec![7; 4000]);
        match publish.qos(QoS::AtLeastOnce).enqueue().await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, PublishError::Store(StoreError::Full)),
        "{error}"
    );
    assert!(error.is_retryable() && kept > 50, "{kept}");
    for _ in 0..kept {
        let packet_id = server.recv().await.packet_id();
        server.send(Packet::PubAck(ack(packet_id))).await;
    }
    process.client.drain().await.unwrap();
    disk.set_capacity(u64::MAX);
    loop {
        let publish = process.client.publish("t", "x").qos(QoS::AtLeastOnce);
        match publish.enqueue().await {
            Ok(_) => break,
            Err(PublishError::Store(StoreError::Full)) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_failing_disk_ends_the_client_with_its_cause() {
    let disk = SimDisk::new(10);
    let mut process = Process::start(&disk);
    let _server = process.net.accept(false).await;
    disk.set_faults(Faults {
        failed_sync: 1000,
        ..Faults::default()
    });
    let publish = process.client.publish("t", "x").qos(QoS::AtLeastOnce);
    let error = publish.await.unwrap_err();
    assert!(error.to_string().contains("input/output error"), "{error}");
    let reason = process.client.closed().await;
    assert!(
        matches!(&reason, CloseReason::Store(StoreError::Failed(_))),
        "{reason}"
    );
    assert!(!reason.is_retryable());
}

/// Nothing leaves that the disk does not have.
#[tokio::test]
async fn no_packet_leaves_before_its_record_is_durable() {
    let disk = SimDisk::new(11);
    let mut process = Process::start(&disk);
    let mut server = process.net.accept(false).await;
    disk.set_faults(Faults {
        failed_sync: 1000,
        ..Faults::default()
    });
    for topic_name in ["1", "2"] {
        let publish = process
            .client
            .publish(topic_name, "x")
            .qos(QoS::AtLeastOnce);
        drop(publish.try_enqueue());
    }
    assert!(server.try_recv().await.is_none());
}

#[tokio::test]
async fn qos_0_is_not_kept_and_may_be_refused() {
    let disk = SimDisk::new(12);
    let process = Process::start_with(&disk, ClientBuilder::refuse_qos0_offline);
    process.net.set_down(true);
    let error = process.client.publish("t", "x").await.unwrap_err();
    assert!(matches!(error, PublishError::Offline) && error.is_retryable());
    let disk = process.die(&disk).await;
    let process = Process::start(&disk);
    process.net.set_down(true);
    let receipt = process.client.publish("t", "x").enqueue().await.unwrap();
    receipt.stored().await.unwrap();
    let disk = process.die(&disk).await;
    assert!(Process::start(&disk).restored().is_empty());
}

/// A store of format 1, as its first version has written it: messages 1 to 6, of which 1 is acknowledged, 2 released,
/// 3 refused, 4 and 5 are in flight and 6 waits; and one of QoS 2 was received.
///
/// Every later version has to open it.
#[tokio::test]
async fn a_store_of_the_first_format_is_read() {
    let disk = SimDisk::new(13);
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/store-1");
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        disk.put(entry.file_name().to_str().unwrap(), &bytes);
    }
    let mut process = Process::start(&disk);
    let restored = process.client.restored();
    let topic_names: Vec<_> = restored.iter().map(|one| one.topic_name.clone()).collect();
    assert_eq!(topic_names, ["2", "4", "5", "6"]);
    let mut server = process.net.accept(true).await;
    let released = server.recv().await;
    assert!(matches!(released.packet(), Packet::PubRel(_)));
    server
        .send(Packet::PubComp(ack(released.packet_id())))
        .await;
    for (topic_name, dup) in [("4", true), ("5", true), ("6", false)] {
        let received = server.recv().await;
        let publish = received.publish();
        assert_eq!(
            (publish.topic_name.unwrap().as_str(), publish.dup),
            (topic_name, dup)
        );
        assert_eq!(publish.payload, b"payload");
        assert_eq!(publish.retain, topic_name == "6");
        let content_type = publish.properties.content_type();
        assert_eq!(content_type, (topic_name == "6").then_some("text/plain"));
        server.send(Packet::PubAck(ack(received.packet_id()))).await;
    }
    server.publish("seven", QoS::ExactlyOnce, 7).await;
    assert_eq!(
        server.recv().await.packet(),
        Packet::PubRec(ack(PacketId::new(7).unwrap()))
    );
    for one in restored {
        one.receipt.await.unwrap();
    }
}
