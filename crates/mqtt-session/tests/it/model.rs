//! Every order of events in small exchanges: breadth first, until no new state is left.
//!
//! Two sessions with journals, a few messages, a few times that an end loses its connection or its process. In each
//! state everything that could happen next is tried: packets arrive one by one or not at all, records become durable
//! one by one, the application finishes with a message when it likes. In each state found, everything must still be
//! able to end well if nothing goes wrong any more.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking, and the number of states is wanted"
)]

mod end;
mod world;

use end::Kind;
use mqtt_codec::QoS;
use std::collections::{HashSet, VecDeque};
use world::{Action, World};

/// What an exploration found.
struct Explored {
    states: usize,
    transitions: usize,
    /// The shortest way to a broken rule.
    violation: Option<(String, Vec<Action>)>,
}

/// Visits every state that can be reached from `start`, or stops at the first broken rule.
fn explore(start: World) -> Explored {
    let mut seen = HashSet::from([start.key()]);
    // The state each one was found from, and by what.
    let mut found: Vec<(usize, Action)> = vec![(0, Action::Connect(0))];
    let mut queue = VecDeque::from([(0, start)]);
    let mut transitions = 0;
    let way = |found: &[(usize, Action)], mut at: usize| {
        let mut actions = Vec::new();
        while at > 0 {
            actions.push(found[at].1);
            at = found[at].0;
        }
        actions.reverse();
        actions
    };
    while let Some((at, world)) = queue.pop_front() {
        if let Err(what) = world.clone().drain() {
            let violation = Some((what, way(&found, at)));
            return Explored {
                states: seen.len(),
                transitions,
                violation,
            };
        }
        for action in world.actions() {
            transitions += 1;
            let mut next = world.clone();
            if let Err(what) = next.apply(action) {
                let mut actions = way(&found, at);
                actions.push(action);
                return Explored {
                    states: seen.len(),
                    transitions,
                    violation: Some((what, actions)),
                };
            }
            if seen.insert(next.key()) {
                found.push((at, action));
                queue.push_back((found.len() - 1, next));
            }
        }
    }
    Explored {
        states: seen.len(),
        transitions,
        violation: None,
    }
}

fn assert_holds(name: &str, start: World) -> usize {
    let explored = explore(start);
    let Explored {
        states,
        transitions,
        violation,
    } = explored;
    if let Some((what, actions)) = violation {
        panic!("{name}: {what} after {actions:#?}");
    }
    println!("{name}: {states} states, {transitions} transitions");
    states
}

/// Covers: v5 [MQTT-4.3.3-10], v3.1.1 [MQTT-4.3.3-2].
#[test]
fn v5_4_3_3_10_qos_2_is_exactly_once_in_every_order_of_losses_and_crashes() {
    let states = assert_holds(
        "one message",
        World::new(&[QoS::ExactlyOnce], 4).with_requests(1),
    );
    assert!(states > 1_000, "{states}");
    let two = [QoS::ExactlyOnce, QoS::ExactlyOnce];
    let states = assert_holds("two messages", World::new(&two, 2).with_requests(1));
    assert!(states > 10_000, "{states}");
}

/// Covers: v5 [MQTT-4.3.2-3], v3.1.1 [MQTT-4.3.2-1].
#[test]
fn v5_4_3_2_3_qos_1_is_at_least_once_in_every_order_of_losses_and_crashes() {
    let states = assert_holds("one message", World::new(&[QoS::AtLeastOnce], 4));
    assert!(states > 500, "{states}");
    let both = [QoS::AtLeastOnce, QoS::ExactlyOnce];
    let states = assert_holds("one of each", World::new(&both, 2).with_requests(1));
    assert!(states > 10_000, "{states}");
}

/// Covers: v5 [MQTT-4.3.3-9].
#[test]
fn v5_4_3_3_9_a_refusal_is_kept_in_every_order_of_losses_and_crashes() {
    let two = [QoS::ExactlyOnce, QoS::ExactlyOnce];
    assert_holds("refused", World::new(&two[..1], 3).with_refusals());
    assert_holds("one of two refused", World::new(&two, 1).with_refusals());
}

/// Each packet that does not wait for its record breaks a rule, so the exploration sees what it should.
#[test]
fn every_barrier_is_needed() {
    for kind in [Kind::Publish, Kind::PubRec, Kind::PubRel, Kind::PubComp] {
        let two = [QoS::ExactlyOnce, QoS::ExactlyOnce];
        let world = World::new(&two, 2).with_requests(1).leaving_early(kind);
        let (what, actions) = explore(world).violation.expect("a broken rule");
        println!(
            "{kind:?} leaves early: {what} after {} steps",
            actions.len()
        );
    }
    let world = World::new(&[QoS::AtLeastOnce], 2).leaving_early(Kind::PubAck);
    assert!(explore(world).violation.is_some());
}
