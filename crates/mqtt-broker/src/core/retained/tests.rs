//! Expiry of retained messages, and the bounds of the store.

use super::*;
use crate::core::message::Source;
use crate::core::session_cell::SessionKey;
use mqtt_codec::{PacketType, Properties, PropertyScope, QoS, TopicName};

fn message(topic_name: &str, payload: &[u8], expires_at_ms: Option<u64>) -> Arc<Message> {
    let source = Source {
        topic_name: TopicName::try_new(topic_name).unwrap(),
        properties: Properties::EMPTY,
        scope: PropertyScope::Packet(PacketType::Publish),
        expiry_left_s: None,
        payload,
    };
    Arc::new(Message::new(
        &source,
        QoS::AtLeastOnce,
        true,
        expires_at_ms,
        SessionKey(1),
    ))
}

fn matching(retained: &Retained, topic_filter: &str, now_ms: u64) -> Vec<Arc<Message>> {
    let mut found = Vec::new();
    retained.matches(topic_filter, &mut |message| {
        if !message.is_expired(now_ms) {
            found.push(Arc::clone(message));
        }
    });
    found
}

/// What the store says about itself adds up.
fn check(retained: &Retained) {
    let store = retained.store.read();
    let mut all = Vec::new();
    store
        .tree
        .matches("#", |message| all.push(Arc::clone(message)));
    assert_eq!(store.tree.len(), all.len());
    assert_eq!(store.bytes, all.iter().map(|one| one.size()).sum::<usize>());
    let expiring = all
        .iter()
        .filter(|one| one.expires_at_ms().is_some())
        .count();
    assert_eq!(store.expiring, expiring);
}

#[test]
fn each_message_goes_when_its_time_has_come_and_no_other() {
    let retained = Retained::new(&Limits::default());
    for nth in 0..1000 {
        let expires_at_ms = (nth % 3 != 0).then_some(nth * 10);
        let kept = message(&format!("t/{nth}"), b"x", expires_at_ms);
        retained.insert(&kept).unwrap();
    }
    for now_ms in [0, 95, 100, 5_000, 5_050, 20_000] {
        retained.sweep(now_ms);
        check(&retained);
        let kept = matching(&retained, "#", now_ms).len();
        let left = (0..1000)
            .filter(|nth| nth % 3 == 0 || nth * 10 > now_ms)
            .count();
        assert_eq!(kept, left, "{now_ms}");
        assert!(retained.len() - left <= 10, "no later than a tick");
    }
}

#[test]
fn a_replaced_message_takes_its_expiry_with_it() {
    let retained = Retained::new(&Limits::default());
    retained.insert(&message("t", b"old", Some(100))).unwrap();
    retained.insert(&message("t", b"new", Some(500))).unwrap();
    retained.sweep(200);
    assert_eq!(matching(&retained, "t", 200).len(), 1);
    retained.insert(&message("t", b"lasting", None)).unwrap();
    retained.sweep(1000);
    check(&retained);
    assert_eq!(matching(&retained, "t", 1000).len(), 1);
}

#[test]
fn a_topic_updated_forever_does_not_gather_expiries() {
    let retained = Retained::new(&Limits::default());
    for nth in 0..50_000 {
        let update = message("t", b"x", Some(1_000_000 + nth));
        retained.insert(&update).unwrap();
        if nth % 7 == 0 {
            retained.remove("t");
        }
    }
    check(&retained);
    assert!(retained.store.read().expiries.len() <= EXPIRIES_MIN + 3);
}

#[test]
fn many_that_expire_together_go_part_by_part() {
    let retained = Retained::new(&Limits::default());
    let count = SWEEP_MAX + SWEEP_MAX / 2;
    for nth in 0..count {
        retained
            .insert(&message(&format!("t/{nth}"), b"x", Some(100)))
            .unwrap();
    }
    retained.sweep(100);
    assert_eq!(retained.len(), count - SWEEP_MAX);
    assert_eq!(
        matching(&retained, "#", 100).len(),
        0,
        "what has expired is not sent"
    );
    retained.sweep(200);
    assert_eq!(retained.len(), 0);
    check(&retained);
}

#[test]
fn each_bound_of_the_store_is_told_by_name() {
    let insert = |retained: &Retained, topic_name, payload: &[u8]| {
        let message = message(topic_name, payload, None);
        retained.insert(&message).map_err(|full| full.0)
    };
    let limits = Limits {
        retained_max: 2,
        retained_len_max: 10,
        ..Limits::default()
    };
    let retained = Retained::new(&limits);
    assert_eq!(
        insert(&retained, "a", &[0; 11]),
        Err(LimitCause::RetainedLen)
    );
    assert_eq!(insert(&retained, "a", &[0; 10]), Ok(()));
    assert_eq!(insert(&retained, "b", b""), Ok(()));
    assert_eq!(insert(&retained, "c", b""), Err(LimitCause::RetainedCount));
    assert_eq!(insert(&retained, "b", b"x"), Ok(()), "in place of another");
    retained.remove("a");
    assert_eq!(insert(&retained, "c", b""), Ok(()));
    check(&retained);

    let limits = Limits {
        retained_bytes_max: message("a", b"", None).size() * 2 + 12,
        ..Limits::default()
    };
    let retained = Retained::new(&limits);
    assert_eq!(insert(&retained, "a", &[0; 10]), Ok(()));
    assert_eq!(
        insert(&retained, "b", &[0; 3]),
        Err(LimitCause::RetainedBytes)
    );
    assert_eq!(insert(&retained, "b", &[0; 2]), Ok(()));
    assert_eq!(
        insert(&retained, "b", &[0; 3]),
        Err(LimitCause::RetainedBytes)
    );
    assert_eq!(insert(&retained, "a", &[0; 9]), Ok(()));
    assert_eq!(insert(&retained, "b", &[0; 3]), Ok(()));
    check(&retained);
}

#[test]
fn what_is_removed_during_a_look_up_is_cleaned_up_after_it() {
    let retained = Retained::new(&Limits::default());
    let topic_name = |nth: usize| format!("t/{nth}");
    let count = BARE_MAX + 100;
    for nth in 0..count {
        retained
            .insert(&message(&topic_name(nth), b"x", None))
            .unwrap();
    }
    let page = |lookup: &mut RetainedLookup, steps| {
        let mut found = 0;
        let is_more = retained.page(lookup, steps, &mut |_| found += 1);
        (found, is_more)
    };
    let mut first = RetainedLookup::new("t/+");
    assert_eq!(page(&mut first, 1), (0, true));
    for nth in 0..count {
        assert!(retained.remove(&topic_name(nth)));
    }
    assert_eq!(retained.store.read().tree.bare_len(), count);
    let mut second = RetainedLookup::new("t/+");
    assert_eq!(page(&mut second, usize::MAX), (0, true), "it has to wait");
    assert_eq!(page(&mut first, usize::MAX), (0, false));
    drop(first);
    while page(&mut second, usize::MAX).1 {}
    drop(second);
    retained.sweep(0);
    retained.sweep(0);
    let store = retained.store.read();
    assert_eq!((store.tree.bare_len(), store.tree.entry_count()), (0, 0));
}

#[test]
fn a_look_up_takes_no_more_steps_than_it_may() {
    let retained = Retained::new(&Limits::default());
    for nth in 0..1000 {
        retained
            .insert(&message(&format!("a/{nth}/b"), b"x", None))
            .unwrap();
    }
    let mut lookup = RetainedLookup::new("+/+/none-such");
    let mut pages = 1;
    while retained.page(&mut lookup, 100, &mut |_| panic!("nothing matches")) {
        pages += 1;
    }
    assert_eq!(pages, 1, "a level nobody uses needs no search");
    let mut lookup = RetainedLookup::new("+/+/b/#");
    let (mut found, mut pages) = (0, 1);
    loop {
        let before = found;
        let is_more = retained.page(&mut lookup, 100, &mut |_| found += 1);
        assert!(found - before <= 100);
        if !is_more {
            break;
        }
        pages += 1;
    }
    assert_eq!(found, 1000);
    assert!(pages > 20, "{pages}");
}
