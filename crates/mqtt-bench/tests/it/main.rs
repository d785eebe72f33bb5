//! Runs of the generator against the relay, in one process.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod faulty;
mod fleet;
mod websocket;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mqtt_bench::{
    BenchError, LoopKind, Measurement, Phases, Relay, Scenario, Target, Topics, Transport, run,
};

/// A relay in a thread of its own, stopped when dropped.
struct Served {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn start() -> Self {
        let mut relay = Relay::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = relay.address().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = Some(std::thread::spawn(move || relay.serve(&seen).unwrap()));
        Self {
            address,
            stop,
            thread,
        }
    }

    fn run(&self, scenario: &Scenario) -> Result<Measurement, BenchError> {
        let phases = Phases {
            warm_up: Duration::from_millis(50),
            measured: Duration::from_millis(200),
            ..Phases::default()
        };
        let target = Target {
            address: self.address,
            pid: Some(std::process::id()),
            transport: Transport::default(),
        };
        run(scenario, &target, &phases)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))));
    }
}

fn scenario(name: &str) -> Scenario {
    mqtt_bench::find(name).unwrap()
}

fn deliveries(measurement: &Measurement) -> f64 {
    measurement.value("deliveries_per_s").unwrap()
}

#[test]
fn pairs_deliver_in_order() {
    let measurement = Served::start().run(&scenario("pair10-q0")).unwrap();
    assert!(deliveries(&measurement) > 10.0, "{measurement:?}");
    assert_eq!(measurement.value("out_of_order"), Some(0.0));
    if cfg!(target_os = "linux") {
        assert!(measurement.value("cpu_us_per_delivery").is_some());
        assert!(measurement.value("rss_bytes").unwrap() > 100_000.0);
    }
}

#[test]
fn one_message_at_a_time_is_timed() {
    let measurement = Served::start().run(&scenario("pair1-lat")).unwrap();
    let p50 = measurement.value("latency_p50_us").unwrap();
    let p999 = measurement.value("latency_p999_us").unwrap();
    assert!(p50 > 0.0 && p50 <= p999, "{measurement:?}");
}

#[test]
fn large_payloads_arrive_in_pieces() {
    let scenario = Scenario {
        publishers: 2,
        subscribers: 2,
        ..scenario("pair10-64k")
    };
    let measurement = Served::start().run(&scenario).unwrap();
    assert!(deliveries(&measurement) > 10.0, "{measurement:?}");
    assert_eq!(measurement.value("out_of_order"), Some(0.0));
}

#[test]
fn every_subscriber_gets_its_copy() {
    let measurement = Served::start().run(&scenario("fanout100")).unwrap();
    assert!(deliveries(&measurement) > 10.0, "{measurement:?}");
}

#[test]
fn packets_of_many_publishers_are_not_mixed_up() {
    let scenario = Scenario {
        publishers: 20,
        ..scenario("fanin200")
    };
    let measurement = Served::start().run(&scenario).unwrap();
    assert!(deliveries(&measurement) > 10.0, "{measurement:?}");
    assert_eq!(measurement.value("out_of_order"), Some(0.0));
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let open = LoopKind::Open { rate_per_s: 2_000 };
    let scenario = Scenario {
        loop_kind: open,
        window: 1024,
        ..scenario("pair10-q0")
    };
    let measurement = Served::start().run(&scenario).unwrap();
    let rate = deliveries(&measurement);
    assert!(rate > 500.0 && rate < 8_000.0, "{measurement:?}");
    assert!(measurement.value("latency_p99_us").is_some());
}

#[test]
fn connections_stay_or_come_and_go() {
    let relay = Served::start();
    let idle = relay
        .run(&Scenario {
            subscribers: 300,
            ..scenario("idle15k")
        })
        .unwrap();
    assert!(idle.value("connects_per_s").unwrap() > 1.0);
    let churn = relay
        .run(&Scenario {
            subscribers: 300,
            ..scenario("churn10k")
        })
        .unwrap();
    assert!(churn.value("cycles_per_s").unwrap() > 1.0);
}

#[test]
fn acknowledged_messages_pass_the_relay() {
    for name in ["pair10-q1", "v5pair10-q1", "pair10-q2", "q2-1k"] {
        let measurement = Served::start().run(&scenario(name)).unwrap();
        assert!(deliveries(&measurement) > 10.0, "{measurement:?}");
        assert!(measurement.value("acks_per_s").unwrap() > 10.0, "{name}");
        assert_eq!(measurement.value("out_of_order"), Some(0.0), "{name}");
    }
}

#[test]
fn a_shared_group_gets_each_message_once() {
    // The generator ends the run when a message comes twice or not at all.
    let measurement = Served::start().run(&scenario("share10")).unwrap();
    assert!(deliveries(&measurement) > 10.0, "{measurement:?}");
}

#[test]
fn a_run_that_waits_in_vain_names_what_it_waits_for() {
    let deaf = Deaf::start();
    let lonely = Scenario {
        publishers: 1,
        subscribers: 1,
        ..scenario("pair10-q1")
    };
    let phases = Phases {
        patience: Duration::from_millis(300),
        ..Phases::default()
    };
    let target = Target {
        address: deaf.address,
        pid: None,
        transport: Transport::default(),
    };
    let text = run(&lonely, &target, &phases).unwrap_err().to_string();
    assert!(
        text.contains("publisher") && text.contains("PubAck"),
        "{text}"
    );
}

/// Answers CONNECT and SUBSCRIBE of two clients and then reads on and says nothing.
struct Deaf {
    address: SocketAddr,
}

impl Deaf {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..2 {
            let listener = listener.try_clone().unwrap();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut buffer = [0; 65_536];
                while let Ok(1..) = stream.read(&mut buffer) {
                    let answer: &[u8] = match buffer[0] >> 4 {
                        1 => &[0x20, 2, 0, 0],
                        8 => &[0x90, 3, 0, 1, 1],
                        _ => &[],
                    };
                    stream.write_all(answer).unwrap();
                }
            });
        }
        Self { address }
    }
}

#[test]
fn the_relay_serves_what_can_be_copied() {
    for name in [
        "pair1-lat",
        "rate5k-q1",
        "pair10-q1",
        "pair10-q2",
        "v5pair10-q1",
        "fanin200",
        "share10",
        "conns200",
        "idle15k",
        "churn10k",
    ] {
        assert!(Relay::serves(&scenario(name)), "{name}");
    }
    for name in ["mixed-q1", "subs200k", "retain100k", "offline"] {
        assert!(!Relay::serves(&scenario(name)), "{name}");
    }
}

#[test]
fn an_impossible_scenario_and_a_far_address_are_refused() {
    let relay = Served::start();
    let shared = Scenario {
        topics: Topics::Shared,
        ..scenario("pair10-q0")
    };
    assert!(matches!(
        relay.run(&shared),
        Err(BenchError::Scenario { .. })
    ));
    let target = Target {
        address: SocketAddr::from(([192, 0, 2, 1], 1883)),
        pid: None,
        transport: Transport::default(),
    };
    let refused = run(&scenario("pair10-q0"), &target, &Phases::default());
    assert!(matches!(refused, Err(BenchError::NotLoopback)));
}
