//! The timer wheel against a list of deadlines.

use proptest::prelude::*;

use super::TimerWheel;

#[test]
fn a_timer_far_away_wakes_seldom() {
    let mut wheel = TimerWheel::new(100);
    let deadline_ms = 30 * 86_400_000 + 1;
    wheel.insert(deadline_ms, ());
    let mut due = Vec::new();
    let mut wakes = 0;
    let mut now_ms = 0;
    while let Some(next_ms) = wheel.next_deadline() {
        now_ms = next_ms;
        wheel.advance(now_ms, &mut due);
        wakes += 1;
    }
    assert_eq!(due, [()]);
    assert_eq!(now_ms, 30 * 86_400_000 + 100);
    assert!(
        wakes <= 25,
        "{wakes} wakes for a delay of less than 2^25 ticks"
    );
}

#[test]
fn a_timer_that_is_past_comes_due_at_once() {
    let mut wheel = TimerWheel::new(100);
    let mut due = Vec::new();
    wheel.advance(10_000, &mut due);
    for deadline_ms in [10_000, 9_901, 0] {
        wheel.insert(deadline_ms, deadline_ms);
    }
    assert_eq!(wheel.next_deadline(), Some(10_000));
    // The clock standing still, or going back, changes nothing about that.
    wheel.advance(9_000, &mut due);
    assert_eq!(due, [0, 10_000, 9_901]);
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn what_is_not_retained_never_comes_due() {
    let mut wheel = TimerWheel::new(100);
    for deadline_ms in [50, 150, 5_000, 80_000] {
        wheel.insert(deadline_ms, deadline_ms);
    }
    // A key that waits twice keeps the deadline asked for.
    wheel.insert(70_000, 150);
    wheel.retain(|key, at_ms| *key != 5_000 && at_ms == key.next_multiple_of(100));
    assert_eq!(wheel.len(), 3);
    let mut due = Vec::new();
    wheel.advance(1_000_000, &mut due);
    assert_eq!(due, [50, 150, 80_000]);
    assert_eq!(wheel.len(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn timer_wheel_equals_sorted_list(
        tick_ms in prop::sample::select(vec![0, 1, 7, 100, 1_000]),
        steps in prop::collection::vec((prop::collection::vec(delay(), 0..6), delay()), 1..40),
    ) {
        let mut wheel = TimerWheel::new(tick_ms);
        let tick_ms = tick_ms.max(1);
        let mut waiting: Vec<u64> = Vec::new();
        let mut now_ms: u64 = 0;
        for (delays, step) in steps {
            for delay in delays {
                let deadline_ms = now_ms.saturating_add(delay).saturating_sub(500);
                wheel.insert(deadline_ms, deadline_ms);
                waiting.push(deadline_ms);
            }
            prop_assert_eq!(wheel.len(), waiting.len());

            let first_ms = waiting.iter().min().copied();
            let next_ms = wheel.next_deadline();
            prop_assert_eq!(next_ms.is_none(), first_ms.is_none());
            if let (Some(next_ms), Some(first_ms)) = (next_ms, first_ms) {
                let first_tick = first_ms.div_ceil(tick_ms).max(now_ms / tick_ms);
                prop_assert!(next_ms <= first_tick.saturating_mul(tick_ms));
                prop_assert!(next_ms >= now_ms / tick_ms * tick_ms);
            }

            // Half of the steps as an owner goes, who sleeps until it is told to.
            now_ms = match next_ms {
                Some(next_ms) if step % 2 == 0 => next_ms.max(now_ms),
                _ => now_ms.saturating_add(step),
            };
            let mut due = Vec::new();
            wheel.advance(now_ms, &mut due);
            let is_due = |deadline_ms: &u64| deadline_ms.div_ceil(tick_ms) <= now_ms / tick_ms;
            let mut expected: Vec<u64> = waiting.iter().copied().filter(is_due).collect();
            waiting.retain(|deadline_ms| !is_due(deadline_ms));
            prop_assert!(due.iter().all(|deadline_ms| *deadline_ms <= now_ms), "early");
            prop_assert!(due.is_sorted_by_key(|deadline_ms| deadline_ms.div_ceil(tick_ms)));
            due.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(due, expected);
            prop_assert_eq!(wheel.len(), waiting.len());
        }
    }
}

/// Delays of all orders of magnitude, in milliseconds.
fn delay() -> impl Strategy<Value = u64> {
    (0..64_u32, any::<u64>()).prop_map(|(bits, delay)| delay >> bits)
}
