//! Connections change lanes in the middle of traffic, and nobody can tell.

use super::*;
use crate::{Broker, Config};
use mqtt_codec::QoS;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Rounds of messages, each on other lanes.
const ROUNDS: u16 = 60;
/// Messages in a round; they and what they cause fit any socket buffer.
const BURST: u16 = 20;

/// A second lane with a thread of its own.
fn lane() -> Handle {
    let runtime: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
}

async fn client(addr: SocketAddr, client_id: u8) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let connect = [
        0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 1, client_id,
    ];
    stream.write_all(&connect).await.unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).await.unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
    stream
}

async fn subscribe(stream: &mut TcpStream, qos: QoS) {
    let subscribe = [0x82, 6, 0, 1, 0, 1, b't', qos.get()];
    stream.write_all(&subscribe).await.unwrap();
    let mut suback = [0; 5];
    stream.read_exact(&mut suback).await.unwrap();
    assert_eq!(suback, [0x90, 3, 0, 1, qos.get()]);
}

/// Publishes a burst at QoS 1, reads it from `subscriber`, and acknowledges it.
async fn burst(publisher: &mut TcpStream, subscriber: &mut TcpStream, first: u16) {
    for number in first..first + BURST {
        let [high, low] = number.to_be_bytes();
        let publish = [0x32, 7, 0, 1, b't', high, low, high, low];
        publisher.write_all(&publish).await.unwrap();
    }
    for number in first..first + BURST {
        let mut publish = [0; 9];
        subscriber.read_exact(&mut publish).await.unwrap();
        let [0x32, 7, 0, 1, b't', id_high, id_low, high, low] = publish else {
            panic!("not the PUBLISH: {publish:?}")
        };
        assert_eq!([high, low], number.to_be_bytes(), "in order, none missing");
        subscriber
            .write_all(&[0x40, 2, id_high, id_low])
            .await
            .unwrap();
    }
    for number in first..first + BURST {
        let mut puback = [0; 4];
        publisher.read_exact(&mut puback).await.unwrap();
        let [high, low] = number.to_be_bytes();
        assert_eq!(puback, [0x40, 2, high, low]);
    }
}

async fn broker() -> Broker {
    let config = Config::from_toml("listeners.tcp.default.bind = '127.0.0.1:0'", "test").unwrap();
    let builder = Broker::builder().config(config).runtimes([lane()]);
    builder.start().await.unwrap()
}

/// The lane of the session with this Client Identifier.
fn lane_of(broker: &Broker, client_id: &str) -> Lane {
    broker.door().core.lane_of(client_id).unwrap()
}

#[tokio::test]
async fn messages_keep_their_order_while_connections_move() {
    let broker = broker().await;
    let lanes = &broker.door().lanes;
    let addr = broker.local_addrs()[0];
    let mut subscriber = client(addr, b's').await;
    subscribe(&mut subscriber, QoS::AtLeastOnce).await;
    let mut publisher = client(addr, b'p').await;
    let mut seen = Vec::new();
    for round in 1..=ROUNDS {
        let (from, to) = match round % 2 {
            1 => (Lane::FIRST, Lane(1)),
            _ => (Lane(1), Lane::FIRST),
        };
        // Or the order before would send them back at once.
        lanes.give(to, None);
        lanes.give(from, Some(Order::gather_on(round, to)));
        burst(&mut publisher, &mut subscriber, round * BURST).await;
        seen.push((lane_of(&broker, "p"), lane_of(&broker, "s")));
    }
    assert!(seen.contains(&(Lane(1), Lane(1))), "{seen:?}");
    assert!(seen.contains(&(Lane::FIRST, Lane::FIRST)), "{seen:?}");
    broker.shutdown().await;
}

#[tokio::test]
async fn a_subscriber_goes_with_its_publisher() {
    let broker = broker().await;
    let lanes = &broker.door().lanes;
    let addr = broker.local_addrs()[0];
    let mut subscriber = client(addr, b's').await;
    subscribe(&mut subscriber, QoS::AtLeastOnce).await;
    let mut publisher = client(addr, b'p').await;
    burst(&mut publisher, &mut subscriber, 1).await;
    // The second of the publishers that are asked is meant, and there is only this one.
    lanes.give(Lane::FIRST, Some(Order::new(1, Lane(1), 0.5)));
    burst(&mut publisher, &mut subscriber, 100).await;
    assert_eq!(lane_of(&broker, "p"), Lane::FIRST);
    lanes.give(Lane::FIRST, Some(Order::new(2, Lane(1), 0.996)));
    lanes.is_meant(Lane::FIRST, Order::new(2, Lane(1), 0.996));
    for round in 2..=ROUNDS {
        burst(&mut publisher, &mut subscriber, round * 100).await;
        if lane_of(&broker, "s") == Lane(1) {
            break;
        }
    }
    burst(&mut publisher, &mut subscriber, 10_000).await;
    assert_eq!(
        (lane_of(&broker, "p"), lane_of(&broker, "s")),
        (Lane(1), Lane(1))
    );
    broker.shutdown().await;
}

#[test]
fn an_order_is_seen_once() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let lanes = Lanes::new(runtime.handle().clone(), vec![runtime.handle().clone()]);
    assert_eq!(lanes.order(Lane::FIRST, 0), None);
    let order = Order::new(3, Lane(1), 0.5);
    lanes.give(Lane::FIRST, Some(order));
    assert_eq!(lanes.order(Lane::FIRST, 0), Some(order));
    assert_eq!(lanes.order(Lane::FIRST, 3), None);
    assert_eq!(lanes.order(Lane(1), 0), None);
    assert_eq!(lanes.for_new(), Lane::FIRST);
}
