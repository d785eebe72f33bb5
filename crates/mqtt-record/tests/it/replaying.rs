//! Recordings published again, on paused time.

use std::time::Duration;

use mqtt_client::mock::{Published, Server};
use mqtt_client::{Client, PublishError, QoS, ReasonCode, Reconnect};
use mqtt_record::{ReadError, Record, RecordProperties, Replay, Replayed, Speed, Topics};
use tokio::time::Instant;

fn record(at_s: u64, topic_name: &str, qos: QoS) -> Result<Record, ReadError> {
    Ok(Record {
        at: Duration::from_secs(at_s),
        topic_name: topic_name.to_owned(),
        payload: b"xy".to_vec(),
        qos,
        retain: at_s == 0,
        properties: RecordProperties::default(),
    })
}

async fn client(server: &Server) -> Client {
    let builder = server.builder().reconnect(Reconnect::never());
    builder.connect().await.unwrap()
}

/// What a replay of three messages, 100 s and 300 s after the first, comes to, and how long it takes.
async fn replayed(replay: Replay) -> (Replayed, Vec<Published>, Duration) {
    let server = Server::new();
    let client = client(&server).await;
    let records = [
        record(1000, "a/b", QoS::AtMostOnce),
        record(1100, "a/c", QoS::AtLeastOnce),
        record(1300, "b", QoS::ExactlyOnce),
    ];
    let mut replayed = Replayed::default();
    let start = Instant::now();
    let run = replay.run(&client, records, &mut replayed, |_| {});
    run.await.unwrap();
    let elapsed = start.elapsed();
    let mut published = Vec::new();
    for _ in 0..3 {
        published.push(server.published().await);
    }
    (replayed, published, elapsed)
}

#[tokio::test(start_paused = true)]
async fn messages_come_at_their_times() {
    for (speed, seconds) in [
        (Speed::Times(1.0), 300),
        (Speed::Times(10.0), 30),
        (Speed::Times(0.5), 600),
        (Speed::Max, 0),
    ] {
        let replay = Replay {
            speed,
            ..Replay::default()
        };
        let (replayed, published, elapsed) = replayed(replay).await;
        assert_eq!(elapsed.as_secs(), seconds, "{speed:?}");
        assert_eq!((replayed.sent, replayed.done, replayed.refused), (3, 3, 0));
        assert_eq!(replayed.bytes, 6);
        assert!(replayed.late_max < Duration::from_millis(10));
        let topics: Vec<_> = published
            .iter()
            .map(|one| one.topic_name.as_str())
            .collect();
        assert_eq!(topics, ["a/b", "a/c", "b"]);
        assert_eq!(published[2].qos, QoS::ExactlyOnce);
    }
}

#[tokio::test(start_paused = true)]
async fn topics_and_qos_are_changed() {
    let replay = Replay {
        speed: Speed::Max,
        topics: Topics {
            rewrites: vec![("a".to_owned(), "z".to_owned())],
            prefix: "test/".to_owned(),
        },
        qos: Some(QoS::AtLeastOnce),
        no_retain: true,
    };
    let (_, published, _) = replayed(replay).await;
    let topics: Vec<_> = published
        .iter()
        .map(|one| one.topic_name.as_str())
        .collect();
    assert_eq!(topics, ["test/z/b", "test/z/c", "test/b"]);
    assert!(
        published
            .iter()
            .all(|one| one.qos == QoS::AtLeastOnce && !one.retain)
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_are_counted_with_their_topics() {
    let server = Server::new();
    server.answer_publishes(ReasonCode::NOT_AUTHORIZED);
    let client = client(&server).await;
    let records = (0..300).map(|number| record(0, &format!("t/{number}"), QoS::AtLeastOnce));
    let mut replayed = Replayed::default();
    let mut told = 0;
    let run = Replay::default();
    run.run(&client, records, &mut replayed, |_| told += 1)
        .await
        .unwrap();
    assert_eq!(
        (replayed.sent, replayed.done, replayed.refused),
        (300, 0, 300)
    );
    assert_eq!(replayed.refusals.len(), 100);
    assert_eq!(replayed.refusals[0].topic_name, "t/0");
    assert!(matches!(
        replayed.refusals[0].error,
        PublishError::Refused { .. }
    ));
    assert!(told >= 300);
}

#[tokio::test(start_paused = true)]
async fn an_end_of_the_connection_is_told_while_nothing_is_due() {
    let server = Server::new();
    let client = client(&server).await;
    let records = [
        record(0, "a", QoS::AtLeastOnce),
        record(1000, "b", QoS::AtLeastOnce),
    ];
    let mut replayed = Replayed::default();
    let replay = Replay::default();
    let run = replay.run(&client, records, &mut replayed, |_| {});
    let cut = async {
        assert_eq!(server.published().await.topic_name, "a");
        server.cut();
    };
    let (ended, ()) = tokio::join!(run, cut);
    assert!(ended.is_err());
    assert_eq!(replayed.sent, 1);
}
