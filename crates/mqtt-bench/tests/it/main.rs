//! Runs of the generator against the relay, in one process.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mqtt_bench::{BenchError, LoopKind, Measurement, Phases, Relay, Scenario, Target, Topics, run};

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
        self.run_with_patience(scenario, Duration::from_secs(10))
    }

    fn run_with_patience(
        &self,
        scenario: &Scenario,
        patience: Duration,
    ) -> Result<Measurement, BenchError> {
        let phases = Phases {
            warm_up: Duration::from_millis(50),
            measured: Duration::from_millis(200),
            patience,
        };
        let target = Target {
            address: self.address,
            pid: Some(std::process::id()),
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
fn a_run_that_waits_in_vain_names_what_it_waits_for() {
    // The relay acknowledges nothing.
    let error = Served::start()
        .run_with_patience(&scenario("pair10-q1"), Duration::from_millis(300))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("publisher") && text.contains("PubAck"),
        "{text}"
    );
}

#[test]
fn the_relay_serves_what_can_be_copied() {
    for name in ["pair1-lat", "fanin200", "conns200", "idle15k", "churn10k"] {
        assert!(Relay::serves(&scenario(name)), "{name}");
    }
    for name in ["pair10-q1", "share10", "subs200k", "retain100k", "offline"] {
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
    };
    let refused = run(&scenario("pair10-q0"), &target, &Phases::default());
    assert!(matches!(refused, Err(BenchError::NotLoopback)));
}
