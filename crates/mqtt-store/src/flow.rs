//! What one session has to be given still: where its messages lie, and how far those under way have come.

use crate::record::MessageId;
use crate::wire::{BadRecord, Fields, put_number};
use std::collections::VecDeque;
use std::num::NonZeroU16;

/// Where a message lies, for one of its recipients.
///
/// Halves of numbers, so that there are no gaps in an array of them: 20 bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    id: [u32; 2],
    /// The position of its record; 0 once the session is through with it.
    at: [u32; 2],
    len: u32,
}

/// A record in the log, and the bytes it holds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Place {
    pub(crate) at: u64,
    pub(crate) len: u32,
}

/// Messages of one session, all of them in the log.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Ascending by name; the first one is not done.
    entries: VecDeque<Entry>,
    /// Under way, in the order they were first sent.
    begun: VecDeque<(MessageId, NonZeroU16)>,
    /// At QoS 2, arrived and not released, in the order of PUBREC.
    confirmed: VecDeque<(MessageId, NonZeroU16)>,
    /// Done, and the record of it not written: from one name to another.
    finished: Option<(MessageId, MessageId)>,
}

const fn halves(number: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}

const fn whole([low, high]: [u32; 2]) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (low.to_le_bytes(), high.to_le_bytes());
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Entry {
    fn id(&self) -> MessageId {
        MessageId(whole(self.id))
    }

    fn is_done(&self) -> bool {
        self.at == [0, 0]
    }

    fn place(&self) -> Place {
        Place {
            at: whole(self.at),
            len: self.len,
        }
    }
}

impl Flow {
    /// A message for the session; later ones have higher names.
    pub(crate) fn push(&mut self, id: MessageId, place: Place) {
        let len = self.entries.len();
        if len == self.entries.capacity() {
            // Twice as many places would be more memory than the entries may take.
            self.entries.reserve_exact(len / 4 + 4);
        }
        self.entries.push_back(Entry {
            id: halves(id.0),
            at: halves(place.at),
            len: place.len,
        });
    }

    /// A message the session is through with, behind one that it is not.
    pub(crate) fn push_done(&mut self, id: MessageId) {
        if !self.entries.is_empty() {
            self.push(id, Place { at: 0, len: 0 });
        }
    }

    /// Whether nothing has to be remembered of it.
    pub(crate) fn is_idle(&self) -> bool {
        self.entries.is_empty()
            && self.begun.is_empty()
            && self.confirmed.is_empty()
            && self.finished.is_none()
    }

    /// Messages not done.
    pub(crate) fn len(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.is_done()).count()
    }

    /// Where the messages lie that are not done.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        let left = self.entries.iter().filter(|entry| !entry.is_done());
        left.map(Entry::place)
    }

    /// Where a message lies that is not done.
    pub(crate) fn place(&self, id: MessageId) -> Option<Place> {
        let entry = self.entries.get(self.find(id)?)?;
        (!entry.is_done()).then(|| entry.place())
    }

    /// A message was copied; `false` when it is done or lies elsewhere.
    pub(crate) fn relocate(&mut self, id: MessageId, from: u64, to: u64) -> bool {
        let Some(entry) = self.find(id).and_then(|at| self.entries.get_mut(at)) else {
            return false;
        };
        let is_there = whole(entry.at) == from;
        if is_there {
            entry.at = halves(to);
        }
        is_there
    }

    pub(crate) fn begin(&mut self, id: MessageId, packet_id: NonZeroU16) {
        take(&mut self.begun, id);
        self.begun.push_back((id, packet_id));
    }

    /// Its message is needed no more: where it lay.
    pub(crate) fn confirm(&mut self, id: MessageId) -> Option<Place> {
        if let Some(packet_id) = take(&mut self.begun, id) {
            self.confirmed.push_back((id, packet_id));
        }
        self.done(id)
    }

    /// The session is through with it: where it lay, and the record that can be extended no further.
    pub(crate) fn finish(
        &mut self,
        id: MessageId,
    ) -> (Option<Place>, Option<(MessageId, MessageId)>) {
        if take(&mut self.begun, id).is_none() {
            take(&mut self.confirmed, id);
        }
        let extends = self
            .finished
            .is_some_and(|(_, last)| last < id && self.is_all_done(last, id));
        let place = self.done(id);
        let full = match (&mut self.finished, extends) {
            (Some((_, last)), true) => {
                *last = id;
                None
            }
            (finished, _) => finished.replace((id, id)),
        };
        (place, full)
    }

    /// What is done and has not been written.
    pub(crate) const fn finished(&self) -> Option<(MessageId, MessageId)> {
        self.finished
    }

    /// Takes what is done and has not been written.
    pub(crate) fn take_finished(&mut self) -> Option<(MessageId, MessageId)> {
        self.finished.take()
    }

    /// Whether all is done between two messages, and nothing there is still under way.
    fn is_all_done(&self, after: MessageId, before: MessageId) -> bool {
        let between = |id: &MessageId| *id > after && *id < before;
        let at = self.entries.partition_point(|entry| entry.id() <= after);
        let mut entries = self.entries.range(at..);
        let none_left = entries
            .by_ref()
            .take_while(|entry| entry.id() < before)
            .all(Entry::is_done);
        none_left && !self.confirmed.iter().any(|(id, _)| between(id))
    }

    fn done(&mut self, id: MessageId) -> Option<Place> {
        let entry = self.find(id).and_then(|at| self.entries.get_mut(at))?;
        if entry.is_done() {
            return None;
        }
        let place = entry.place();
        entry.at = [0, 0];
        while self.entries.front().is_some_and(Entry::is_done) {
            self.entries.pop_front();
        }
        let len = self.entries.len();
        if self.entries.capacity() > 2 * len + 64 {
            self.entries.shrink_to(len + len / 4);
        }
        Some(place)
    }

    fn find(&self, id: MessageId) -> Option<usize> {
        match self.entries.front() {
            Some(first) if first.id() == id => Some(0),
            _ => self.entries.binary_search_by_key(&id, Entry::id).ok(),
        }
    }

    /// As a checkpoint keeps it: no entry, but which ones are done. `next` is the name of the next message.
    pub(crate) fn row(&self, next: MessageId) -> Vec<u8> {
        let mut out = Vec::new();
        let floor = self.entries.front().map_or(next, Entry::id);
        put_number(&mut out, floor.0);
        let done: Vec<u64> = self
            .entries
            .iter()
            .filter(|entry| entry.is_done())
            .map(|entry| entry.id().0)
            .collect();
        put_number(&mut out, number(done.len()));
        let mut before = floor.0;
        for id in done {
            put_number(&mut out, id - before);
            before = id;
        }
        for list in [&self.begun, &self.confirmed] {
            put_number(&mut out, number(list.len()));
            for (id, packet_id) in list {
                put_number(&mut out, id.0);
                put_number(&mut out, u64::from(packet_id.get()));
            }
        }
        out
    }
}

/// The row of a session with nothing to be given.
pub(crate) fn idle_row(next: MessageId) -> Vec<u8> {
    Flow::default().row(next)
}

/// A flow as a checkpoint kept it.
#[derive(Debug, Default)]
pub(crate) struct FlowRow {
    /// All before it is done.
    pub(crate) floor: MessageId,
    /// Done behind `floor`.
    pub(crate) done: Vec<MessageId>,
    pub(crate) begun: Vec<(MessageId, NonZeroU16)>,
    pub(crate) confirmed: Vec<(MessageId, NonZeroU16)>,
}

impl FlowRow {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let mut fields = Fields::new(bytes);
        let floor = fields.number()?;
        let mut done = Vec::new();
        let mut before = floor;
        for _ in 0..fields.count()? {
            before = before.checked_add(fields.number()?).ok_or(BadRecord)?;
            done.push(MessageId(before));
        }
        let [begun, confirmed] = [pairs(&mut fields)?, pairs(&mut fields)?];
        fields.end()?;
        Ok(Self {
            floor: MessageId(floor),
            done,
            begun,
            confirmed,
        })
    }
}

fn pairs(fields: &mut Fields<'_>) -> Result<Vec<(MessageId, NonZeroU16)>, BadRecord> {
    let mut pairs = Vec::new();
    for _ in 0..fields.count()? {
        let id = MessageId(fields.number()?);
        let packet_id = u16::try_from(fields.number()?).map_err(|_| BadRecord)?;
        pairs.push((id, NonZeroU16::new(packet_id).ok_or(BadRecord)?));
    }
    Ok(pairs)
}

fn take(list: &mut VecDeque<(MessageId, NonZeroU16)>, id: MessageId) -> Option<NonZeroU16> {
    let at = list.iter().position(|(known, _)| *known == id)?;
    list.remove(at).map(|(_, packet_id)| packet_id)
}

fn number(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
