//! A client session and a server session in a steady state: every packet of every flow without an allocation.

use crate::turn;
use mqtt_alloc_count::{allocations, live_bytes};
use mqtt_codec::{ProtocolVersion, QoS};
use mqtt_testkit::exchange::Exchange;

const MESSAGES: usize = 10_000;

/// The allocations of 10,000 messages, after as many that warm up.
fn measured(version: ProtocolVersion, qos: QoS) -> u64 {
    let mut exchange = Exchange::new(version).unwrap();
    let mut pump = || {
        for _ in 0..MESSAGES {
            exchange.publish(qos).unwrap();
        }
        (allocations(), live_bytes())
    };
    let (before, live) = pump();
    let (after, live_after) = pump();
    assert_eq!(live_after, live, "{version:?} {qos:?}");
    after - before
}

fn assert_nothing_is_allocated(qos: QoS) {
    let _turn = turn();
    for version in ProtocolVersion::ALL {
        assert_eq!(measured(version, qos), 0, "{version:?}");
    }
}

#[test]
fn qos_0_between_sessions_allocates_nothing() {
    assert_nothing_is_allocated(QoS::AtMostOnce);
}

#[test]
fn qos_1_between_sessions_allocates_nothing() {
    assert_nothing_is_allocated(QoS::AtLeastOnce);
}

#[test]
fn qos_2_between_sessions_allocates_nothing() {
    assert_nothing_is_allocated(QoS::ExactlyOnce);
}
