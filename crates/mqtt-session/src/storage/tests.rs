//! Tables of fixed size against those on the heap.

use super::fixed::{FixedPacketIds, FixedQueue, FixedTopicNames};
use super::{PacketIds, Queue, TopicNameAt, TopicNames};
use crate::PacketIdSet;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use mqtt_codec::PacketId;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(u8),
    Pop,
    PopIfBelow(u8),
    Change(usize, u8),
    RetainAbove(u8),
    Sort,
    Find(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u8>().prop_map(Step::Push),
        3 => Just(Step::Pop),
        1 => any::<u8>().prop_map(Step::PopIfBelow),
        1 => (0usize..8, any::<u8>()).prop_map(|(at, value)| Step::Change(at, value)),
        1 => (0u8..64).prop_map(Step::RetainAbove),
        1 => Just(Step::Sort),
        1 => any::<u8>().prop_map(Step::Find),
    ]
}

/// A ring of fixed size and what the standard library has.
struct Rings<const N: usize, const K: usize> {
    fixed: FixedQueue<u8, N, K>,
    heap: VecDeque<u8>,
}

impl<const N: usize, const K: usize> Rings<N, K> {
    fn take(&mut self, step: Step) {
        let Self { fixed, heap } = self;
        match step {
            Step::Push(value) if heap.len() == N * K => {
                assert!(fixed.is_full());
                assert_eq!(fixed.push_back(value), Err(value));
            }
            Step::Push(value) => {
                assert_eq!(fixed.push_back(value), Ok(()));
                heap.push_back(value);
            }
            Step::Pop => assert_eq!(fixed.pop_front(), heap.pop_front()),
            Step::PopIfBelow(limit) => {
                let popped = heap.pop_front_if(|value| *value < limit);
                assert_eq!(fixed.pop_front_if(|value| *value < limit), popped);
            }
            Step::Change(at, value) => {
                assert_eq!(fixed.get_mut(at), heap.get_mut(at));
                if let (Some(one), Some(other)) = (fixed.get_mut(at), heap.get_mut(at)) {
                    (*one, *other) = (value, value);
                }
                for (one, other) in fixed.iter_mut().zip(heap.iter_mut()) {
                    (*one, *other) = (one.wrapping_add(1), other.wrapping_add(1));
                }
            }
            Step::RetainAbove(limit) => {
                fixed.retain(|value| *value > limit);
                heap.retain(|value| *value > limit);
            }
            Step::Sort => {
                fixed.sort_by_key(|value| *value);
                heap.make_contiguous().sort_unstable();
            }
            Step::Find(value) => {
                let mut sorted = fixed.duplicate();
                sorted.sort_by_key(|value| *value);
                let found = sorted.binary_search_by_key(&value, |value| *value);
                assert_eq!(found.is_some(), heap.contains(&value));
                assert!(found.is_none_or(|at| sorted.get(at) == Some(&value)));
            }
        }
        assert!(fixed.iter().eq(heap.iter()));
        assert_eq!(
            (fixed.len(), fixed.is_empty()),
            (heap.len(), heap.is_empty())
        );
        assert_eq!((fixed.front(), fixed.back()), (heap.front(), heap.back()));
        for at in 0..=heap.len() {
            assert_eq!(fixed.get(at), heap.get(at));
        }
    }
}

fn same_as_a_deque<const N: usize, const K: usize>(steps: &[Step]) {
    let mut rings = Rings::<N, K> {
        fixed: FixedQueue::EMPTY,
        heap: VecDeque::new(),
    };
    for step in steps {
        rings.take(*step);
    }
}

proptest! {
    #[test]
    fn a_ring_is_a_deque_of_bounded_length(steps in proptest::collection::vec(step(), 0..200)) {
        same_as_a_deque::<0, 1>(&steps);
        same_as_a_deque::<1, 1>(&steps);
        same_as_a_deque::<3, 1>(&steps);
        same_as_a_deque::<4, 2>(&steps);
    }

    #[test]
    fn identifiers_are_a_set_of_bounded_size(
        steps in proptest::collection::vec((any::<bool>(), 1u16..30), 0..200),
        from in prop_oneof![1u16..30, 65_530u16..=65_535],
    ) {
        let mut fixed = FixedPacketIds::<5, 2>::EMPTY;
        let mut heap = PacketIdSet::new();
        for (add, number) in steps {
            let packet_id = PacketId::new(number).unwrap();
            if !add {
                prop_assert_eq!(fixed.remove(packet_id), heap.remove(packet_id));
            } else if heap.len() == fixed.capacity() && !heap.contains(packet_id) {
                prop_assert_eq!(fixed.insert(packet_id), None);
            } else {
                prop_assert_eq!(fixed.insert(packet_id), Some(heap.insert(packet_id)));
            }
            prop_assert!(fixed.iter().eq(heap.iter()));
            prop_assert_eq!((fixed.len(), fixed.is_empty()), (heap.len(), heap.is_empty()));
            let from = PacketId::new(from).unwrap();
            prop_assert_eq!(fixed.free_from(from), heap.free_from(from));
        }
    }
}

#[test]
fn a_ring_drops_what_it_holds_and_what_it_lets_go_once() {
    use alloc::rc::Rc;
    let counted = Rc::new(());
    let mut ring = FixedQueue::<_, 2, 1>::EMPTY;
    for _ in 0..2 {
        ring.push_back(Rc::clone(&counted)).unwrap();
    }
    assert!(ring.push_back(Rc::clone(&counted)).is_err());
    drop(ring.pop_front());
    ring.push_back(Rc::clone(&counted)).unwrap();
    assert_eq!(Rc::strong_count(&counted), 3);
    ring.retain(|_| false);
    assert_eq!(Rc::strong_count(&counted), 1);
}

#[test]
fn a_name_is_kept_whole_or_known_to_be_too_long() {
    let mut names = FixedTopicNames::<2, 4>::EMPTY;
    assert_eq!(names.get(0), TopicNameAt::Nothing);
    let kept: Vec<(&str, TopicNameAt<'_>)> = [
        ("abcd", TopicNameAt::Name("abcd")),
        ("\u{e4}\u{f6}", TopicNameAt::Name("\u{e4}\u{f6}")),
        ("abc\u{e4}", TopicNameAt::TooLong),
        ("a", TopicNameAt::Name("a")),
    ]
    .into();
    for (name, found) in kept {
        names.set(1, name);
        assert_eq!(names.get(1), found);
    }
    names.set(2, "a");
    assert_eq!(names.get(2), TopicNameAt::Nothing);
    assert_eq!(names.get(0), TopicNameAt::Nothing);
}
