//! What is remembered, for how long, and how much of it.

use super::*;
use crate::core::limits::Limits;
use crate::core::session_cell::{SessionCell, SessionKey};
use crate::core::share_group::SharedStrategy;
use mqtt_codec::{Connect, ProtocolVersion, QoS, SubscriptionOptions};
use mqtt_session::Negotiated;
use std::num::NonZeroU32;
use std::sync::Arc;

fn router() -> Router {
    Router::new(SharedStrategy::RoundRobin, 7)
}

fn cell(key: u64) -> Arc<SessionCell> {
    let connect = Connect::new(ProtocolVersion::V5, "c");
    let negotiated = Negotiated::of_connect(&connect, &Limits::default().server());
    Arc::new(SessionCell::new(SessionKey(key), "c", negotiated))
}

fn subscribe(router: &Router, topic_filter: &str, cell: &Arc<SessionCell>) {
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    assert!(router.subscribe(topic_filter, cell, options, None));
}

/// A connection that publishes: how many routes the topic has.
fn publish(last: &mut LastTopic, cache: &mut TopicCache, router: &Router, name: &str) -> usize {
    let topic_name = TopicName::try_new(name).unwrap();
    let mut taken = last.take();
    let len = match &mut taken {
        Some(taken) if taken.topic_name.as_topic_name() == topic_name => {
            taken.routes.refresh(router, name);
            taken.routes.len()
        }
        _ => last
            .other(cache, router, topic_name, LastRight::NONE, None)
            .len(),
    };
    last.put(taken, cache);
    len
}

/// How many of these topics have a place.
fn kept(cache: &mut TopicCache, router: &Router, names: &[String]) -> usize {
    let has_place = |name: &&String| {
        let topic_name = TopicName::try_new(name).unwrap();
        let found = cache.find(router.hash(name), topic_name);
        let is_found = found.is_some();
        cache.give(found);
        is_found
    };
    names.iter().filter(has_place).count()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("topic/{nth}")).collect()
}

#[test]
fn topics_that_come_again_are_remembered() {
    let (router, subscriber) = (router(), cell(1));
    let (mut last, mut cache) = (LastTopic::default(), TopicCache::default());
    subscribe(&router, "topic/+", &subscriber);
    let names = names(2_000);
    for _ in 0..3 {
        for name in &names {
            assert_eq!(publish(&mut last, &mut cache, &router, name), 1);
        }
    }
    // A set may have been full for some.
    let kept = kept(&mut cache, &router, &names);
    assert!(kept >= 1_950, "{kept}");
    assert!(last.is_used() && last.routes().is_some_and(|routes| routes.len() == 1));
}

#[test]
fn a_changed_subscription_is_seen_by_the_next_message() {
    let (router, subscriber) = (router(), cell(1));
    let (mut last, mut cache) = (LastTopic::default(), TopicCache::default());
    let mut routes_of = |name| publish(&mut last, &mut cache, &router, name);
    assert_eq!((routes_of("a"), routes_of("b"), routes_of("a")), (0, 0, 0));
    subscribe(&router, "a", &subscriber);
    assert_eq!((routes_of("b"), routes_of("a")), (0, 1));
    assert!(router.unsubscribe("a", subscriber.key));
    assert_eq!((routes_of("a"), routes_of("b"), routes_of("a")), (0, 0, 0));
}

#[test]
fn brokers_of_one_worker_do_not_see_each_others_routes() {
    let (one, two, subscriber) = (router(), router(), cell(1));
    subscribe(&one, "a", &subscriber);
    let mut cache = TopicCache::default();
    let (mut of_one, mut of_two) = (LastTopic::default(), LastTopic::default());
    for _ in 0..3 {
        for (name, routes) in [("a", 1), ("b", 0)] {
            assert_eq!(publish(&mut of_one, &mut cache, &one, name), routes);
            assert_eq!(publish(&mut of_two, &mut cache, &two, name), 0);
        }
    }
}

#[test]
fn topics_that_never_come_again_push_nothing_out() {
    let (router, subscriber) = (router(), cell(1));
    let (mut last, mut cache) = (LastTopic::default(), TopicCache::default());
    subscribe(&router, "#", &subscriber);
    let names = names(60_000);
    let (usual, unique) = names.split_at(1_000);
    for name in usual.iter().chain(usual).chain(unique) {
        publish(&mut last, &mut cache, &router, name);
    }
    assert!(kept(&mut cache, &router, usual) >= 950);
    let places = cache.places.iter().flatten().count();
    assert!(places <= SETS * WAYS && cache.routes == places);
}

#[test]
fn many_routes_are_not_remembered_without_bound() {
    let router = router();
    let (mut last, mut cache) = (LastTopic::default(), TopicCache::default());
    let cells: Vec<_> = (1..=100).map(cell).collect();
    cells.iter().for_each(|cell| subscribe(&router, "#", cell));
    for name in &names(2_000) {
        assert_eq!(publish(&mut last, &mut cache, &router, name), 100);
    }
    assert!(cache.routes <= ROUTES_MAX && cache.routes > ROUTES_MAX - 200);
}

#[test]
fn sessions_that_have_gone_are_let_go() {
    let (router, subscriber) = (router(), cell(1));
    let (mut last, mut cache) = (LastTopic::default(), TopicCache::default());
    subscribe(&router, "topic/#", &subscriber);
    for name in &names(500) {
        publish(&mut last, &mut cache, &router, name);
    }
    assert!(Arc::strong_count(&subscriber) > 400);
    router.unsubscribe("topic/#", subscriber.key);
    for nth in 0..=SETS {
        publish(&mut last, &mut cache, &router, ["x", "y"][nth % 2]);
    }
    assert_eq!(Arc::strong_count(&subscriber), 1);
}

/// What `last` may publish to `name` as far as it is remembered; it publishes with `right` if that is nothing.
fn publish_by_right(
    last: &mut LastTopic,
    cache: &mut TopicCache,
    router: &Router,
    name: &str,
    right: LastRight,
) -> LastRight {
    let topic_name = TopicName::try_new(name).unwrap();
    let mut taken = last.take();
    let remembered = match &mut taken {
        Some(taken) if taken.topic_name.as_topic_name() == topic_name => {
            let remembered = taken.right;
            if remembered == LastRight::NONE {
                taken.right = right;
            }
            remembered
        }
        _ => {
            let holder = taken.as_ref().map(|taken| taken.holder);
            let remembered = holder.map_or(LastRight::NONE, |holder| {
                last.right(cache, router, topic_name, holder)
            });
            let new = match remembered {
                LastRight::NONE => right,
                _ => LastRight::NONE,
            };
            last.other(cache, router, topic_name, new, holder);
            remembered
        }
    };
    last.put(taken, cache);
    remembered
}

#[test]
fn rights_are_remembered_for_the_connection_that_has_them() {
    let router = router();
    let mut cache = TopicCache::default();
    let (mut one, mut other) = (LastTopic::default(), LastTopic::default());
    let right = LastRight::of(NonZeroU32::MIN, QoS::AtLeastOnce, false);
    let names = names(3);
    for round in 0..3 {
        for name in &names {
            let remembered = publish_by_right(&mut one, &mut cache, &router, name, right);
            assert_eq!(remembered == right, round > 0, "{name} {round}");
        }
    }
    for name in &names {
        let remembered = publish_by_right(&mut other, &mut cache, &router, name, right);
        assert_eq!(remembered, LastRight::NONE, "it is not the other's");
    }
    // The last one is still with the first connection, the others were published to by somebody else since.
    for (name, is_remembered) in names.iter().zip([false, false, true]) {
        let remembered = publish_by_right(&mut one, &mut cache, &router, name, right);
        assert_eq!(remembered == right, is_remembered, "{name}");
    }
    one.forget_right();
    for name in &names {
        let remembered = publish_by_right(&mut one, &mut cache, &router, name, right);
        assert_eq!(remembered, LastRight::NONE, "forgotten, wherever it stood");
    }
}
