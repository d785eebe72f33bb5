//! Which records of the log somebody still needs: the queues of all sessions, and how often a record is shared.

use crate::flow::{Flow, Place, idle_row};
use crate::number_map::Numbers;
use crate::record::{MessageId, Record, SessionId};
use crate::replay::FoundFlow;
use crate::rows::Rows;
use std::collections::{HashMap, HashSet};

/// What a change of the ledger leaves to be done.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Records nobody needs any more.
    pub(crate) freed: Vec<Place>,
    /// A record to be written: what a session is through with, from one message to another.
    pub(crate) finished: Option<(SessionId, MessageId, MessageId)>,
}

/// Queues of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// None: nothing waits, and nothing is under way.
    flows: HashMap<SessionId, Option<Box<Flow>>, Numbers>,
    /// How many need a record, for records that more than one needs.
    shared: HashMap<u64, u32, Numbers>,
    /// Sessions whose row has changed since the last checkpoint.
    changed: HashSet<SessionId, Numbers>,
    /// Sessions with something finished and not written down.
    unwritten: Vec<SessionId>,
    /// The name of the next message.
    pub(crate) next_id: MessageId,
}

impl Ledger {
    /// An empty one that calls the next message `next_id`.
    pub(crate) fn from_next(next_id: MessageId) -> Self {
        Self {
            next_id,
            ..Self::default()
        }
    }

    /// A session with what it is still to be given, as a recovery has found it.
    pub(crate) fn restore(&mut self, found: FoundFlow) {
        let FoundFlow {
            session,
            flow,
            has_changed,
        } = found;
        if has_changed {
            self.changed.insert(session);
        }
        let flow = (!flow.is_idle()).then(|| Box::new(flow));
        self.flows.insert(session, flow);
    }

    /// After all sessions were restored: the records that are needed.
    pub(crate) fn held(&mut self) -> Vec<Place> {
        let flows = self.flows.values().flatten();
        let mut places: Vec<Place> = flows.flat_map(|flow| flow.places()).collect();
        places.sort_unstable();
        for same in places.chunk_by(|one, next| one.at == next.at) {
            if let [first, _, ..] = same {
                let count = u32::try_from(same.len()).unwrap_or(u32::MAX);
                self.shared.insert(first.at, count);
            }
        }
        places.dedup();
        places
    }

    /// Sessions, queued messages of all of them.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        let flows = self.flows.values().flatten();
        (self.flows.len(), flows.map(|flow| flow.len()).sum())
    }

    /// Sessions with something finished and not written down.
    pub(crate) const fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    /// Where a message lies for a session.
    pub(crate) fn place(&self, session: SessionId, id: MessageId) -> Option<Place> {
        self.flows.get(&session)?.as_ref()?.place(id)
    }

    /// Which of the recipients there are.
    pub(crate) fn knows(&self, session: SessionId) -> bool {
        self.flows.contains_key(&session)
    }

    /// Takes up what `record` at `place` changes.
    pub(crate) fn apply(&mut self, record: &Record<'_>, place: Place) -> Effects {
        let mut effects = Effects::default();
        match record {
            Record::SessionStarted { session, .. } => {
                self.flows.insert(*session, None);
            }
            Record::SessionEnded { session } => {
                self.changed.remove(session);
                let flow = self.flows.remove(session).flatten();
                for place in flow.iter().flat_map(|flow| flow.places()) {
                    if self.release(place) {
                        effects.freed.push(place);
                    }
                }
            }
            Record::Message { id, recipients, .. } => {
                let mut count = 0;
                for recipient in recipients.iter() {
                    if let Some(flow) = self.flows.get_mut(&recipient.session) {
                        flow.get_or_insert_default().push(*id, place);
                        self.changed.insert(recipient.session);
                        count += 1;
                    }
                }
                match count {
                    0 if !recipients.is_empty() => effects.freed.push(place),
                    0 | 1 => {}
                    _ => {
                        self.shared.insert(place.at, count);
                    }
                }
            }
            Record::Begun {
                session,
                id,
                packet_id,
            } => {
                if let Some(flow) = self.flow(*session) {
                    flow.begin(*id, *packet_id);
                }
            }
            Record::Confirmed { session, id } => {
                let place = self.flow(*session).and_then(|flow| flow.confirm(*id));
                effects
                    .freed
                    .extend(place.filter(|place| self.release(*place)));
            }
            _ => {}
        }
        effects
    }

    /// A session is through with a message; the record of it is written later, with those of its neighbours.
    pub(crate) fn finish(&mut self, session: SessionId, id: MessageId) -> Effects {
        let Some(flow) = self.flow(session) else {
            return Effects::default();
        };
        let was_written = flow.finished().is_none();
        let (place, full) = flow.finish(id);
        if was_written {
            self.unwritten.push(session);
        }
        Effects {
            freed: place
                .filter(|place| self.release(*place))
                .into_iter()
                .collect(),
            finished: full.map(|(first, last)| (session, first, last)),
        }
    }

    /// The next record of what is finished.
    pub(crate) fn take_finished(&mut self) -> Option<(SessionId, MessageId, MessageId)> {
        while let Some(session) = self.unwritten.pop() {
            let Some(slot) = self.flows.get_mut(&session) else {
                continue;
            };
            let Some(flow) = slot else { continue };
            let finished = flow.take_finished();
            if flow.is_idle() {
                *slot = None;
            }
            if let Some((first, last)) = finished {
                return Some((session, first, last));
            }
        }
        None
    }

    /// Adds the rows of changed sessions to a checkpoint.
    pub(crate) fn take_rows(&mut self, rows: &mut Rows) {
        for session in self.changed.drain() {
            let row = match self.flows.get(&session) {
                Some(Some(flow)) => flow.row(self.next_id),
                Some(None) => idle_row(self.next_id),
                None => continue,
            };
            rows.put_flow(session, row);
        }
    }

    /// Whether one of `recipients` needs the copy of message `id` at `at`.
    pub(crate) fn needs(&self, recipients: &[SessionId], id: MessageId, at: u64) -> bool {
        let found = recipients
            .iter()
            .filter_map(|session| self.place(*session, id));
        found.into_iter().any(|place| place.at == at)
    }

    /// Message `id` was copied; `false` when nobody needs it any more.
    pub(crate) fn relocate(
        &mut self,
        recipients: &[SessionId],
        id: MessageId,
        from: u64,
        to: u64,
    ) -> bool {
        let mut count = 0;
        for session in recipients {
            if let Some(Some(flow)) = self.flows.get_mut(session) {
                count += u32::from(flow.relocate(id, from, to));
            }
        }
        self.shared.remove(&from);
        if count > 1 {
            self.shared.insert(to, count);
        }
        count > 0
    }

    fn flow(&mut self, session: SessionId) -> Option<&mut Flow> {
        let flow = self.flows.get_mut(&session)?;
        self.changed.insert(session);
        Some(flow.get_or_insert_default())
    }

    /// One session less needs the record there; `true` when none does.
    fn release(&mut self, place: Place) -> bool {
        let Some(count) = self.shared.get_mut(&place.at) else {
            return true;
        };
        *count -= 1;
        if *count == 1 {
            self.shared.remove(&place.at);
        }
        false
    }
}
