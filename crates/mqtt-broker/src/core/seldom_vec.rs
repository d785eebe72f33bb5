//! `SeldomVec`: a list that most of its owners never need.

use std::ops::{Deref, DerefMut};

/// A list that takes 8 bytes as long as nothing was put in it.
#[derive(Debug)]
#[expect(
    clippy::box_collection,
    reason = "an empty vector takes 24 bytes where nearly all are empty"
)]
pub(crate) struct SeldomVec<T>(Option<Box<Vec<T>>>);

impl<T> SeldomVec<T> {
    pub(crate) fn push(&mut self, item: T) {
        self.0.get_or_insert_default().push(item);
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.0.as_mut()?.pop()
    }

    /// Takes out what is at `at`, if that is in the list.
    pub(crate) fn remove(&mut self, at: usize) -> Option<T> {
        let list = self.0.as_mut().filter(|list| at < list.len())?;
        Some(list.remove(at))
    }

    pub(crate) fn clear(&mut self) {
        if let Some(list) = &mut self.0 {
            list.clear();
        }
    }

    pub(crate) fn retain(&mut self, is_kept: impl FnMut(&T) -> bool) {
        if let Some(list) = &mut self.0 {
            list.retain(is_kept);
        }
    }

    /// Everything in it; it owns no memory any more.
    pub(crate) fn take(&mut self) -> Vec<T> {
        self.0.take().map(|list| *list).unwrap_or_default()
    }
}

impl<T> Default for SeldomVec<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Deref for SeldomVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |list| list)
    }
}

impl<T> DerefMut for SeldomVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Some(list) => list,
            None => &mut [],
        }
    }
}
