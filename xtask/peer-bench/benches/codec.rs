//! Our codec beside other people's, on the same packets.
//!
//! A row is a read buffer full of packets. The time of filling it, and of making the packets to
//! be sent, is not measured.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use mqtt_codec::{Packet, ProtocolVersion, QoS};
use peer_bench::cases::{self, Case, V5, V311};
use peer_bench::codec::Codec;
use peer_bench::mqtt_protocol_core::{self, ProtocolCore};
use peer_bench::mqttrs::Mqttrs;
use peer_bench::ours::Ours;
use peer_bench::report::{self, Row};
use peer_bench::rumqttc::Rumqttc;
use peer_bench::{check, mqttbytes, rmqtt};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
        .configure_from_args();
    let tables = [
        decode_v311(&mut criterion),
        decode_v5(&mut criterion),
        encode_v311(&mut criterion),
        encode_v5(&mut criterion),
        encode_in_pieces(&mut criterion),
    ];
    criterion.final_summary();
    println!("{}", tables.concat());
}

fn decode_v311(criterion: &mut Criterion) -> String {
    compare(criterion, "decode", V311, |group, case| {
        vec![
            decode_row::<Ours<false>>(group, case),
            decode_row::<mqttbytes::V4>(group, case),
            decode_row::<Mqttrs>(group, case),
            decode_row::<ProtocolCore<false>>(group, case),
            decode_row::<rmqtt::V3>(group, case),
        ]
    })
}

fn decode_v5(criterion: &mut Criterion) -> String {
    compare(criterion, "decode", V5, |group, case| {
        vec![
            decode_row::<Ours<true>>(group, case),
            decode_row::<mqttbytes::V5>(group, case),
            decode_row::<Rumqttc>(group, case),
            decode_row::<ProtocolCore<true>>(group, case),
            decode_row::<rmqtt::V5>(group, case),
        ]
    })
}

fn encode_v311(criterion: &mut Criterion) -> String {
    compare(criterion, "encode", V311, |group, case| {
        vec![
            encode_row::<Ours<false>>(group, case),
            encode_row::<mqttbytes::V4>(group, case),
            encode_row::<Mqttrs>(group, case),
            encode_row::<ProtocolCore<false>>(group, case),
            encode_row::<rmqtt::V3>(group, case),
        ]
    })
}

fn encode_v5(criterion: &mut Criterion) -> String {
    compare(criterion, "encode", V5, |group, case| {
        vec![
            encode_row::<Ours<true>>(group, case),
            encode_row::<mqttbytes::V5>(group, case),
            encode_row::<Rumqttc>(group, case),
            encode_row::<ProtocolCore<true>>(group, case),
            encode_row::<rmqtt::V5>(group, case),
        ]
    })
}

fn compare(
    criterion: &mut Criterion,
    work: &str,
    version: ProtocolVersion,
    rows: impl Fn(&mut BenchmarkGroup<'_, WallTime>, &Case) -> Vec<Option<f64>>,
) -> String {
    let version_name = if version == V5 { "v5" } else { "v3.1.1" };
    let mut lines = Vec::new();
    let cases = if work == "encode" {
        cases::all_to_send(version)
    } else {
        cases::all(version)
    };
    for case in cases {
        let name = format!("{work} {version_name} {}", case.name);
        let mut group = criterion.benchmark_group(&name);
        group.throughput(Throughput::Elements(case.packets.len() as u64));
        let ns = rows(&mut group, &case);
        group.finish();
        lines.push(Row {
            name: case.name,
            ns,
        });
    }
    let second = if version == V5 {
        Rumqttc::NAME
    } else {
        Mqttrs::NAME
    };
    let codecs = [
        Ours::<true>::NAME,
        mqttbytes::V5::NAME,
        second,
        ProtocolCore::<true>::NAME,
        rmqtt::V5::NAME,
    ];
    report::table(&format!("{work} {version_name}"), &codecs, &lines)
}

/// The fastest round, in nanoseconds per packet; `None` where the row was not asked for.
fn decode_row<C: Codec>(group: &mut BenchmarkGroup<'_, WallTime>, case: &Case) -> Option<f64> {
    check::agrees::<C>(case);
    let count = case.packets.len();
    let mut fastest = Fastest::new(count);
    let mut old = None;
    group.bench_function(C::NAME, |bencher| {
        bencher.iter_custom(|rounds| {
            (0..rounds)
                .map(|_| {
                    let mut input = C::input(black_box(&case.bytes), old.take());
                    let start = Instant::now();
                    decode_round::<C>(&mut input, count);
                    let time = fastest.note(start.elapsed());
                    old = Some(input);
                    time
                })
                .sum()
        });
    });
    fastest.ns_per_packet()
}

#[inline(never)]
fn decode_round<C: Codec>(input: &mut C::Input, count: usize) {
    for _ in 0..count {
        black_box(&C::decode(input));
    }
}

/// As [`decode_row`].
fn encode_row<C: Codec>(group: &mut BenchmarkGroup<'_, WallTime>, case: &Case) -> Option<f64> {
    check::agrees::<C>(case);
    let sources = C::sources(case);
    let mut output = C::output(case.bytes.len());
    let mut fastest = Fastest::new(case.packets.len());
    group.bench_function(C::NAME, |bencher| {
        bencher.iter_custom(|rounds| {
            (0..rounds)
                .map(|_| {
                    let packets: Vec<_> = black_box(&sources).iter().map(C::outgoing).collect();
                    let mut packets = packets.into_iter();
                    C::clear(&mut output);
                    let start = Instant::now();
                    encode_round::<C>(&mut packets, &mut output);
                    fastest.note(start.elapsed())
                })
                .sum()
        });
    });
    fastest.ns_per_packet()
}

#[inline(never)]
fn encode_round<'s, C: Codec>(
    packets: &mut std::vec::IntoIter<C::Outgoing<'s>>,
    output: &mut C::Output,
) {
    for packet in packets {
        C::encode(packet, output);
        black_box(&*output);
    }
}

/// The fastest of all rounds, which is what other work on the machine disturbs least.
struct Fastest {
    packets: usize,
    time: Option<Duration>,
}

impl Fastest {
    fn new(packets: usize) -> Self {
        Self {
            packets,
            time: None,
        }
    }

    fn note(&mut self, time: Duration) -> Duration {
        self.time = Some(self.time.map_or(time, |fastest| fastest.min(time)));
        time
    }

    fn ns_per_packet(&self) -> Option<f64> {
        self.time
            .map(|time| time.as_nanos() as f64 / self.packets as f64)
    }
}

/// Everything but the payload of a PUBLISH, which is sent from where it is.
fn encode_in_pieces(criterion: &mut Criterion) -> String {
    let packet = cases::publish(QoS::AtLeastOnce, 4096, false);
    let Packet::Publish(publish) = packet else {
        return String::new();
    };
    let case = Case::repeat("PUBLISH QoS 1, 4096 B", V5, packet);
    let source = ProtocolCore::<true>::sources(&case).remove(0);
    let mut group = criterion.benchmark_group("encode v5 in pieces");
    let mut head = [0; 64];
    let ours = pieces_row(&mut group, Ours::<true>::NAME, || {
        let publish = black_box(&publish);
        let head = black_box(&mut head);
        black_box(publish.encode_head(V5, publish.payload.len(), head)).unwrap();
    });
    let theirs = pieces_row(&mut group, ProtocolCore::<true>::NAME, || {
        black_box(mqtt_protocol_core::pieces(black_box(&source)));
    });
    group.finish();
    let row = Row {
        name: case.name,
        ns: vec![ours, theirs],
    };
    let codecs = [Ours::<true>::NAME, ProtocolCore::<true>::NAME];
    report::table("encode v5 in pieces", &codecs, &[row])
}

fn pieces_row(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut one: impl FnMut(),
) -> Option<f64> {
    let mut fastest = Fastest::new(256);
    group.throughput(Throughput::Elements(256));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            (0..rounds)
                .map(|_| {
                    let start = Instant::now();
                    for _ in 0..256 {
                        one();
                    }
                    fastest.note(start.elapsed())
                })
                .sum()
        });
    });
    fastest.ns_per_packet()
}
