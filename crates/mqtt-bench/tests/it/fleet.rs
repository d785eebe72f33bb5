//! Fleets against the relay, and against a broker with faults.

use std::time::Duration;

use mqtt_bench::{
    Fleet, FleetError, FleetReport, HeaderFields, HeaderForm, Pace, Payload, Protocol, QoS, Stop,
    Topic, Verdict, run_fleet,
};

use crate::Served;
use crate::faulty::{Faults, Faulty};

/// Pairs with a topic each, at a rate.
pub(crate) fn pairs(port: u16, count: u32, per_s: u64) -> Fleet {
    let mut fleet = Fleet {
        publishers: count,
        subscribers: count,
        hosts: vec!["127.0.0.1".to_owned()],
        port,
        protocol: Protocol::V311,
        header: HeaderFields {
            form: HeaderForm::Own,
            number: true,
            time: true,
        },
        duration: Some(Duration::from_millis(300)),
        patience: Duration::from_secs(5),
        ..Fleet::default()
    };
    fleet.publishing.topics = vec![Topic {
        name: "bench/%i".to_owned(),
        payload: Payload::Size(64),
        qos: None,
        retain: None,
    }];
    fleet.publishing.pace = Pace::Rate {
        per_1000_s: per_s * 1000,
    };
    fleet.publishing.inflight = 20;
    fleet.subscribing.topic_filters = vec!["bench/%i".to_owned()];
    fleet
}

fn run(fleet: Fleet) -> FleetReport {
    run_fleet(fleet, &Stop::default(), |_| {}).unwrap()
}

#[test]
fn all_that_is_sent_arrives_and_is_timed() {
    let relay = Served::start();
    for threads in [1, 2] {
        let mut fleet = pairs(relay.address.port(), 10, 5_000);
        fleet.threads = threads;
        fleet.warm_up = Duration::from_millis(100);
        let report = run(fleet);
        let counts = &report.counts;
        assert_eq!(report.verdict(), Verdict::Clean, "{}", report.table());
        assert_eq!((counts.sent, report.lost), (counts.received, 0));
        assert_eq!((counts.repeated, counts.late, counts.foreign), (0, 0, 0));
        let times = report.delivering.unwrap();
        // What came in the warm-up is not timed.
        assert!(times.count > 100 && times.count < counts.received);
        assert!(times.p50_us > 0.0 && times.p50_us <= times.p9999_us);
        assert!(report.sending.is_some() && report.connecting.is_some());
    }
}

#[test]
fn qos_1_and_2_are_acknowledged_to_the_end() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for protocol in [Protocol::V311, Protocol::V5] {
            let relay = Served::start();
            let mut fleet = pairs(relay.address.port(), 2, 1_000);
            fleet.publishing.qos = qos;
            fleet.subscribing.qos = qos;
            fleet.protocol = protocol;
            let report = run(fleet);
            assert_eq!(report.verdict(), Verdict::Clean, "{}", report.table());
            assert_eq!(report.counts.acknowledged, report.counts.sent);
            assert!(report.acknowledging.is_some());
        }
    }
}

#[test]
fn a_limit_ends_the_run_to_the_message() {
    let relay = Served::start();
    let mut fleet = pairs(relay.address.port(), 3, 100_000);
    fleet.duration = None;
    fleet.publishing.limit = Some(1000);
    let report = run(fleet);
    assert_eq!((report.counts.sent, report.counts.received), (1000, 1000));
    assert_eq!(report.verdict(), Verdict::Clean);
}

#[test]
fn without_a_pace_messages_go_as_fast_as_they_arrive() {
    let relay = Served::start();
    let mut fleet = pairs(relay.address.port(), 4, 1);
    fleet.publishing.pace = Pace::Unlimited;
    let report = run(fleet);
    assert!(report.counts.sent > 1000, "{}", report.table());
    assert_eq!(
        (report.lost, report.counts.late),
        (0, 0),
        "{}",
        report.table()
    );
}

/// One pair and 1,000 messages, and what came of them.
fn through(faults: Faults) -> FleetReport {
    let broker = Faulty::start(faults);
    let mut fleet = pairs(broker.0.port(), 1, 5_000);
    fleet.duration = None;
    fleet.publishing.limit = Some(1_000);
    fleet.patience = Duration::from_secs(1);
    run(fleet)
}

#[test]
fn lost_messages_are_counted_to_the_last() {
    let report = through(Faults {
        lose: 10,
        ..Faults::default()
    });
    // The last of all is lost too, which no later one shows.
    assert_eq!((report.lost, report.counts.skipped), (100, 99));
    assert_eq!((report.counts.repeated, report.counts.late), (0, 0));
    assert_eq!(report.verdict(), Verdict::MessagesLost);
}

#[test]
fn repeated_messages_are_told_from_lost_ones() {
    let report = through(Faults {
        repeat: 8,
        ..Faults::default()
    });
    assert_eq!((report.lost, report.counts.repeated), (0, 125));
    assert_eq!(report.verdict(), Verdict::MessagesLost);
}

#[test]
fn late_messages_are_not_lost() {
    let report = through(Faults {
        hold: 7,
        ..Faults::default()
    });
    assert_eq!((report.lost, report.counts.repeated), (0, 0));
    assert_eq!(report.counts.late, 142);
    assert_eq!(report.verdict(), Verdict::Clean);
}

#[test]
fn a_stall_of_the_broker_shows_in_all_messages_it_delays() {
    let report = through(Faults {
        stall: (200, Duration::from_millis(100)),
        ..Faults::default()
    });
    // 5,000 messages per second for 100 ms: about 500 of 1,000 wait, on average for half of it.
    let times = report.delivering.unwrap();
    assert!(times.max_us >= 95_000.0, "{times:?}");
    assert!(times.p75_us >= 30_000.0, "{times:?}");
}

#[test]
fn clients_that_are_refused_are_counted_with_the_reason() {
    let broker = Faulty::start(Faults {
        refuse: 5,
        ..Faults::default()
    });
    let mut fleet = pairs(broker.0.port(), 2, 100);
    fleet.connect_retries = 1;
    let report = run(fleet);
    assert_eq!(report.verdict(), Verdict::ConnectionsFailed);
    assert_eq!(
        (report.counts.connect_failures, report.counts.given_up),
        (8, 4)
    );
    assert_eq!(
        report.faults.get("CONNACK 0x05"),
        Some(&8),
        "{:?}",
        report.faults
    );
}

#[test]
fn who_loses_a_connection_comes_back_if_asked_to() {
    let broker = Faulty::start(Faults {
        close: 1,
        ..Faults::default()
    });
    let mut fleet = pairs(broker.0.port(), 1, 1_000);
    fleet.connect_retries = 1;
    fleet.reconnects = 1;
    let report = run(fleet);
    let counts = &report.counts;
    assert_eq!(
        (counts.given_up, counts.ready),
        (0, 2),
        "{}",
        report.table()
    );
    assert_eq!(counts.connect_failures + counts.lost_connections, 1);
    assert!(counts.received > 0, "{}", report.table());
}

#[test]
fn a_port_nobody_listens_on_is_no_error_of_the_run() {
    let port = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let report = run(Fleet {
        idle: 3,
        hosts: vec!["127.0.0.1".to_owned()],
        port,
        ..Fleet::default()
    });
    assert_eq!((report.counts.given_up, report.counts.connects), (3, 0));
    assert_eq!(report.verdict(), Verdict::ConnectionsFailed);
}

#[test]
fn a_stop_ends_a_run_and_the_report_stands() {
    let relay = Served::start();
    let mut fleet = pairs(relay.address.port(), 2, 1_000);
    fleet.duration = None;
    let stop = Stop::default();
    let mut seconds = 0;
    let report = run_fleet(fleet, &stop, |progress| {
        seconds += 1;
        assert!(progress.prometheus().contains("mqtt_bench_sent_total"));
        stop.ask();
    });
    let report = report.unwrap();
    assert!(report.stopped && seconds >= 1);
    assert_eq!(report.counts.sent, report.counts.received);
    assert!(
        report
            .prometheus()
            .contains("mqtt_bench_delivering_seconds_count")
    );
}

#[test]
fn a_fleet_that_cannot_be_is_told_before_it_begins() {
    let mut small = pairs(1, 1, 1);
    small.publishing.topics[0].payload = Payload::Size(27);
    let mut wild = pairs(1, 1, 1);
    wild.publishing.topics[0].name = "a/#".to_owned();
    let mut crowd = pairs(1, 1, 1);
    crowd.threads = 0;
    for (fleet, part) in [
        (Fleet::default(), "clients"),
        (small, "no room for the header of 28"),
        (wild, "no topic to publish to"),
        (crowd, "threads"),
    ] {
        let error = run_fleet(fleet, &Stop::default(), |_| {}).unwrap_err();
        assert!(matches!(error, FleetError::Settings(_)));
        assert!(error.to_string().contains(part), "{error}");
    }
}
