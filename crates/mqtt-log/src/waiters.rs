//! Who is woken when a position is reached.

use crate::Position;
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
};

/// Who waits for something that comes and goes; one entry per waker.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Mutex<HashMap<(usize, usize), Waker>>);

impl Crowd {
    pub(crate) fn join(&self, waker: &Waker) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(key(waker)).or_insert_with(|| waker.clone());
    }

    /// Takes all.
    pub(crate) fn leave(&self, woken: &mut Vec<Waker>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        woken.extend(waiting.drain().map(|(_, waker)| waker));
    }
}

fn key(waker: &Waker) -> (usize, usize) {
    let vtable = std::ptr::from_ref(waker.vtable());
    (waker.data().addr(), vtable.addr())
}

/// A position that grows, and who waits for it.
///
/// One entry per waker however often it waits, so there are as many as there are tasks.
#[derive(Debug)]
pub(crate) struct Milestone {
    reached: AtomicU64,
    waiting: Mutex<HashMap<(usize, usize), (Position, Waker)>>,
}

impl Milestone {
    pub(crate) fn new(reached: Position) -> Self {
        Self {
            reached: AtomicU64::new(reached.number()),
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn position(&self) -> Position {
        Position::new(self.reached.load(Ordering::Acquire))
    }

    /// Wakes once `position` is reached, at once if it is.
    pub(crate) fn wake_at(&self, position: Position, waker: &Waker) {
        let mut waiting = self.lock();
        if self.position() >= position {
            drop(waiting);
            waker.wake_by_ref();
            return;
        }
        waiting
            .entry(key(waker))
            .and_modify(|(first, _)| *first = position.min(*first))
            .or_insert_with(|| (position, waker.clone()));
    }

    /// Takes who waits for anything up to `position`.
    pub(crate) fn reach(&self, position: Position, woken: &mut Vec<Waker>) {
        self.reached.store(position.number(), Ordering::Release);
        let mut waiting = self.lock();
        let reached = waiting.extract_if(|_, (awaited, _)| *awaited <= position);
        woken.extend(reached.map(|(_, (_, waker))| waker));
    }

    /// Takes all: what they wait for will not happen.
    pub(crate) fn give_up(&self, woken: &mut Vec<Waker>) {
        let mut waiting = self.lock();
        woken.extend(waiting.drain().map(|(_, (_, waker))| waker));
    }

    pub(crate) fn waiting(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(usize, usize), (Position, Waker)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
