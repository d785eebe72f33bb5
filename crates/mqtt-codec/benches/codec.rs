//! What reading and writing the usual packets costs.
//!
//! `cargo bench -p mqtt-codec`; with a name behind `--` only the rows that contain it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mqtt_codec::{
    Ack, Connect, Delivery, PACKET_LEN_MAX, Packet, PacketId, Properties, Property, PropertyList,
    ProtocolVersion, Publish, QoS, Subscribe, SubscribeFilters, SubscriptionOptions, TopicFilter,
    TopicName, Will, frame,
};

const V311: ProtocolVersion = ProtocolVersion::V311; // version: both are measured
const V5: ProtocolVersion = ProtocolVersion::V5; // version: both are measured

/// Reads and writes one packet again and again.
fn rows(criterion: &mut Criterion, name: &str, version: ProtocolVersion, packet: &Packet<'_>) {
    let len = packet.encoded_len(version).unwrap();
    let mut bytes = vec![0; len];
    packet.encode(version, &mut bytes).unwrap();
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let found = frame(black_box(&bytes), PACKET_LEN_MAX).unwrap().unwrap();
            let read = Packet::decode(found, black_box(version)).unwrap();
            black_box(&read);
        });
    });
    group.bench_function("encode", |bencher| {
        bencher.iter_batched_ref(
            || vec![0; len],
            |out| {
                black_box(packet)
                    .encode(black_box(version), black_box(out))
                    .unwrap()
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn publish(criterion: &mut Criterion) {
    let payload = [b'x'; 64];
    let base = Publish {
        topic_name: Some(TopicName::try_new("bench/publisher/7/topic").unwrap()),
        payload: &payload,
        ..Publish::default()
    };
    let qos_1 = Publish {
        delivery: Delivery::AtLeastOnce(PacketId::MAX),
        ..base
    };
    let set = [
        Property::PayloadFormatIndicator(mqtt_codec::PayloadFormat::Utf8),
        Property::MessageExpiryInterval(60),
        Property::ContentType("text/plain"),
        Property::UserProperty("trace", "0123456789abcdef"),
    ];
    let list = PropertyList::new(&set);
    let with_properties = Publish {
        properties: Properties::from(&list),
        ..qos_1
    };
    rows(
        criterion,
        "publish v3.1.1 qos 0",
        V311,
        &Packet::Publish(base),
    );
    rows(
        criterion,
        "publish v3.1.1 qos 1",
        V311,
        &Packet::Publish(qos_1),
    );
    rows(criterion, "publish v5 qos 0", V5, &Packet::Publish(base));
    rows(criterion, "publish v5 qos 1", V5, &Packet::Publish(qos_1));
    rows(
        criterion,
        "publish v5 qos 1, 4 properties",
        V5,
        &Packet::Publish(with_properties),
    );
}

/// A read buffer full of PUBLISH, as a broker finds it.
fn stream(criterion: &mut Criterion) {
    let publish = Publish {
        topic_name: Some(TopicName::try_new("bench/publisher/7/topic").unwrap()),
        payload: &[b'x'; 64],
        ..Publish::default()
    };
    let mut one = vec![0; publish.encoded_len(V311).unwrap()];
    publish.encode(V311, &mut one).unwrap();
    let bytes = one.repeat(1000);
    let mut group = criterion.benchmark_group("stream of 1000 publish v3.1.1 qos 0");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let mut rest = black_box(bytes.as_slice());
            let mut payload_len = 0;
            while let Some(found) = frame(rest, PACKET_LEN_MAX).unwrap() {
                payload_len += Publish::decode(found, V311).unwrap().payload.len();
                rest = &rest[found.len..];
            }
            payload_len
        });
    });
    group.finish();
}

fn others(criterion: &mut Criterion) {
    let ack = Packet::PubAck(Ack::new(PacketId::MAX));
    rows(criterion, "puback v3.1.1", V311, &ack);
    rows(criterion, "puback v5", V5, &ack);
    let will = Will {
        topic_name: TopicName::try_new("clients/7/gone").unwrap(),
        payload: b"gone",
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: Properties::EMPTY,
    };
    let connect = |version| {
        Packet::Connect(Connect {
            will: Some(will),
            username: Some("user"),
            password: Some(b"password"),
            keep_alive_s: 60,
            ..Connect::new(version, "client-0000007")
        })
    };
    rows(criterion, "connect v3.1.1", V311, &connect(V311));
    rows(criterion, "connect v5", V5, &connect(V5));
    let filters = ["a/b/c", "a/+/c", "$share/group/a/#"].map(|text| {
        (
            TopicFilter::try_new(text).unwrap(),
            SubscriptionOptions::default(),
        )
    });
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: SubscribeFilters::from(&filters[..]),
    });
    rows(criterion, "subscribe v3.1.1, 3 filters", V311, &subscribe);
    rows(criterion, "subscribe v5, 3 filters", V5, &subscribe);
}

criterion_group!(benches, publish, stream, others);
criterion_main!(benches);
