//! Which member gets a message, by each strategy.

use super::*;
use crate::core::limits::Limits;
use mqtt_codec::{Connect, ProtocolVersion, QoS};
use mqtt_session::Negotiated;
use std::collections::BTreeMap;

const HERE: Standing = Standing::new(true, false, false, false);
const HERE_FULL: Standing = Standing::new(true, false, true, true);
const AWAY: Standing = Standing::new(false, false, true, false);
const AWAY_FULL: Standing = Standing::new(false, false, true, true);
const ENDED: Standing = Standing::new(false, true, false, false);

fn cell(key: u64, standing: Standing) -> Arc<SessionCell> {
    let connect = Connect::new(ProtocolVersion::V5, "c");
    let negotiated = Negotiated::of_connect(&connect, &Limits::default().server());
    let cell = SessionCell::new(SessionKey(key), &format!("c{key}"), negotiated);
    cell.standing.swap(standing);
    Arc::new(cell)
}

fn group(strategy: SharedStrategy, standings: &[Standing]) -> (Arc<Group>, Vec<Arc<SessionCell>>) {
    let group = Arc::new(Group::new(GroupKey(1), "$share/g/t", strategy, 7));
    let cells: Vec<_> = (1..)
        .zip(standings)
        .map(|(key, standing)| cell(key, *standing))
        .collect();
    for cell in &cells {
        assert!(group.join(cell, SubscriptionOptions::new(QoS::AtLeastOnce), None));
    }
    (group, cells)
}

fn pick(group: &Group, publisher_id: &str, topic_name: &str) -> Option<u64> {
    let sender = Sender {
        publisher_id,
        topic_name,
    };
    group.pick(sender).map(|picked| picked.member.cell.key.0)
}

/// How many of `count` messages from as many publishers each member gets.
fn shares(group: &Group, count: usize) -> BTreeMap<u64, usize> {
    let mut shares = BTreeMap::new();
    for nth in 0..count {
        let name = format!("name{nth}");
        *shares
            .entry(pick(group, &name, &name).unwrap())
            .or_default() += 1;
    }
    shares
}

const ALL: [SharedStrategy; 6] = [
    SharedStrategy::RoundRobin,
    SharedStrategy::Random,
    SharedStrategy::Sticky,
    SharedStrategy::HashClientId,
    SharedStrategy::HashTopic,
    SharedStrategy::LeastInflight,
];

#[test]
fn those_who_are_there_and_have_room_come_first_whatever_the_strategy() {
    for strategy in ALL {
        for (standings, expected) in [
            (&[AWAY, HERE_FULL, HERE, ENDED][..], Some(3)),
            (&[AWAY, ENDED, HERE_FULL, AWAY], Some(3)),
            (&[AWAY_FULL, ENDED, AWAY], Some(3)),
            (&[ENDED, AWAY_FULL], Some(2)),
            (&[ENDED], None),
            (&[], None),
        ] {
            let (group, _cells) = group(strategy, standings);
            for nth in 0..10 {
                let name = nth.to_string();
                assert_eq!(
                    pick(&group, &name, &name),
                    expected,
                    "{strategy:?} {standings:?}"
                );
            }
        }
    }
}

#[test]
fn round_robin_is_in_turn_among_those_who_are_there() {
    let standings = [HERE, AWAY, HERE, ENDED, HERE];
    let (group, cells) = group(SharedStrategy::RoundRobin, &standings);
    let turns: Vec<_> = (0..6).map(|_| pick(&group, "p", "t")).collect();
    assert_eq!(turns, [1, 3, 5, 1, 3, 5].map(Some));
    cells[1].standing.swap(HERE);
    let turns: Vec<_> = (0..5).map(|_| pick(&group, "p", "t")).collect();
    assert_eq!(turns, [1, 2, 3, 5, 1].map(Some));
    assert!(group.leave(SessionKey(2)) && !group.leave(SessionKey(2)));
    let turns: Vec<_> = (0..4).map(|_| pick(&group, "p", "t")).collect();
    assert_eq!(
        turns,
        [3, 5, 1, 3].map(Some),
        "nobody is skipped by one who leaves"
    );
}

#[test]
fn random_is_fair_and_follows_from_its_seed() {
    let standings = [HERE, AWAY, HERE, HERE, AWAY, AWAY, AWAY, HERE];
    let (group, _cells) = group(SharedStrategy::Random, &standings);
    let shares = shares(&group, 4000);
    assert_eq!(shares.keys().copied().collect::<Vec<_>>(), [1, 3, 4, 8]);
    assert!(
        shares.values().all(|share| (850..1150).contains(share)),
        "{shares:?}"
    );
    let run = || {
        let (group, _cells) = self::group(SharedStrategy::Random, &standings);
        (0..20).map(|_| pick(&group, "p", "t")).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn sticky_stays_until_its_member_goes() {
    let (group, cells) = group(SharedStrategy::Sticky, &[HERE, HERE, HERE]);
    let first = pick(&group, "p", "t").unwrap();
    assert_eq!(shares(&group, 50), BTreeMap::from([(first, 50)]));
    let place = usize::try_from(first - 1).unwrap();
    cells[place].standing.swap(AWAY);
    let second = pick(&group, "p", "t").unwrap();
    assert_ne!(second, first);
    cells[place].standing.swap(HERE);
    assert_eq!(
        shares(&group, 50),
        BTreeMap::from([(second, 50)]),
        "it does not go back"
    );
    group.leave(SessionKey(second));
    assert_ne!(pick(&group, "p", "t"), Some(second));
}

#[test]
fn hashes_keep_to_their_member_and_spread_over_all() {
    for (strategy, by_topic) in [
        (SharedStrategy::HashClientId, false),
        (SharedStrategy::HashTopic, true),
    ] {
        let (group, cells) = group(strategy, &[HERE; 5]);
        let of = |name: &str| match by_topic {
            true => pick(&group, "any", name).unwrap(),
            false => pick(&group, name, "any").unwrap(),
        };
        let names: Vec<_> = (0..1000).map(|nth| format!("name{nth}")).collect();
        let before: Vec<_> = names.iter().map(|name| of(name)).collect();
        for member in 1..=5 {
            let share = before.iter().filter(|one| **one == member).count();
            assert!(
                (140..260).contains(&share),
                "{strategy:?} {member} has {share}"
            );
        }
        assert!(
            names.iter().map(|name| of(name)).eq(before.iter().copied()),
            "always the same"
        );
        cells[2].standing.swap(AWAY);
        for (name, before) in names.iter().zip(&before) {
            let now = of(name);
            assert!(
                now == *before || *before == 3 && now != 3,
                "only its own share moves"
            );
        }
    }
}

#[test]
fn least_inflight_goes_to_who_has_least_to_do() {
    let (group, cells) = group(SharedStrategy::LeastInflight, &[HERE; 3]);
    let busy = |at: usize, count: usize| {
        let mut state = cells[at].state.lock();
        for _ in 0..count {
            let state = &mut *state;
            let sent = crate::core::session_cell::Sent {
                message: None,
                qos: QoS::AtLeastOnce,
                retain: false,
                via: Via::default(),
                id: crate::core::log::MessageId::NONE,
                is_stored: false,
            };
            let begun = state
                .send
                .begin_publish(&mut state.send_quota, QoS::AtLeastOnce, sent);
            assert!(begun.is_ok());
        }
    };
    let turns: Vec<_> = (0..3).map(|_| pick(&group, "p", "t").unwrap()).collect();
    assert_eq!(turns, [1, 2, 3], "equals come in turn");
    busy(0, 2);
    busy(1, 1);
    assert_eq!(pick(&group, "p", "t"), Some(3));
    busy(2, 3);
    assert_eq!(pick(&group, "p", "t"), Some(2));
}

#[test]
fn joining_twice_is_one_membership_with_the_newer_options() {
    let (group, cells) = group(SharedStrategy::RoundRobin, &[HERE]);
    assert!(!group.join(&cells[0], SubscriptionOptions::new(QoS::ExactlyOnce), None));
    assert_eq!(group.len(), 1);
    let sender = Sender {
        publisher_id: "p",
        topic_name: "t",
    };
    let picked = group.pick(sender).unwrap();
    assert_eq!(picked.share().qos, QoS::ExactlyOnce);
    assert!(picked.share().via.is_shared());
    drop(group);
    assert!(
        picked.share().via.to_group().is_none(),
        "members do not keep their group"
    );
}
