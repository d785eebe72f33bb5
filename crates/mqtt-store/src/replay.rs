//! From a checkpoint and the log behind it to the state as it was.

use crate::flow::{Flow, FlowRow, Place};
use crate::message::StoredMessage;
use crate::number_map::Numbers;
use crate::record::{MessageId, Record, SessionId};
use crate::recovered::{
    Recovered, RecoveredDelayed, RecoveredEntry, RecoveredSession, RecoveredSubscription,
    RecoveredWill,
};
use crate::rows::{Row, Rows, session_of};
use crate::wire::BadRecord;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU16;

/// What is known of a session's queue while the log is read.
#[derive(Debug, Default)]
struct Queue {
    floor: MessageId,
    entries: Vec<(RecoveredEntry, Place)>,
    /// From one message to another, both included.
    done: Vec<(MessageId, MessageId)>,
    begun: Vec<(MessageId, NonZeroU16)>,
    confirmed: Vec<(MessageId, NonZeroU16)>,
    /// Whether it is another one than the checkpoint's.
    has_changed: bool,
}

/// The queue of a session, as it was found.
#[derive(Debug)]
pub(crate) struct FoundFlow {
    pub(crate) session: SessionId,
    pub(crate) flow: Flow,
    /// Whether it is another one than the checkpoint's.
    pub(crate) has_changed: bool,
}

/// Takes rows of the checkpoint, then all records of the log, then the rows again.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// Records up to this position are in the checkpoint.
    pub(crate) applied: u64,
    queues: HashMap<SessionId, Queue, Numbers>,
    pub(crate) rows: Rows,
    pub(crate) next_id: MessageId,
    pub(crate) last_session: SessionId,
    /// The latest time a record tells.
    pub(crate) latest_ms: u64,
    building: Building,
}

impl Replay {
    /// A row of the checkpoint, before the log is read.
    pub(crate) fn begin_row(&mut self, key: &[u8], row: &[u8]) -> Result<(), BadRecord> {
        let Some(session) = session_of(key) else {
            return Ok(());
        };
        let queue = self.queues.entry(session).or_default();
        self.last_session = self.last_session.max(session);
        if let Row::Flow(_, bytes) = Row::decode(key, row)? {
            let row = FlowRow::decode(bytes)?;
            queue.floor = row.floor;
            queue.done = row.done.into_iter().map(|id| (id, id)).collect();
            queue.begun = row.begun;
            queue.confirmed = row.confirmed;
        }
        Ok(())
    }

    /// A record of the log, in the order of positions.
    pub(crate) fn record(&mut self, record: &Record<'_>, place: Place) -> Result<(), BadRecord> {
        let mut is_copy = false;
        if let Record::Message {
            id,
            recipients,
            message,
            ..
        } = record
        {
            // A copy made to give a segment free stands behind younger messages.
            is_copy = *id < self.next_id;
            self.next_id = self.next_id.max(MessageId(id.0 + 1));
            let len = u32::try_from(message.block.len()).map_err(|_| BadRecord)?;
            for recipient in recipients.iter() {
                let Some(queue) = self.queues.get_mut(&recipient.session) else {
                    continue;
                };
                if *id < queue.floor {
                    continue;
                }
                let entry = RecoveredEntry {
                    id: *id,
                    qos: recipient.qos,
                    retain: recipient.retain,
                    len,
                    expires_at_ms: message.expires_at_ms,
                    subscription_ids: recipient.subscription_ids.clone(),
                    shared_filter: recipient.shared_filter.as_deref().map(Into::into),
                };
                queue.entries.push((entry, place));
                queue.has_changed |= place.at > self.applied;
            }
        }
        if place.at <= self.applied || is_copy {
            return Ok(());
        }
        self.rows.apply(record);
        match record {
            Record::SessionStarted { session, at_ms, .. } => {
                self.queues.insert(*session, Queue::default());
                self.last_session = self.last_session.max(*session);
                self.latest_ms = self.latest_ms.max(*at_ms);
            }
            Record::Attached { at_ms, .. } | Record::Detached { at_ms, .. } => {
                self.latest_ms = self.latest_ms.max(*at_ms);
            }
            Record::SessionEnded { session } => {
                self.queues.remove(session);
            }
            Record::Begun {
                session,
                id,
                packet_id,
            } => {
                if let Some(queue) = self.changed(*session) {
                    queue.begin(*id, *packet_id);
                }
            }
            Record::Confirmed { session, id } => {
                if let Some(queue) = self.changed(*session) {
                    if let Some(packet_id) = take(&mut queue.begun, *id) {
                        queue.confirmed.push((*id, packet_id));
                    }
                    queue.done.push((*id, *id));
                }
            }
            Record::Finished {
                session,
                first,
                last,
            } => {
                if let Some(queue) = self.changed(*session) {
                    let is_other = |(id, _): &(MessageId, _)| id < first || id > last;
                    queue.begun.retain(is_other);
                    queue.confirmed.retain(is_other);
                    queue.done.push((*first, *last));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn changed(&mut self, session: SessionId) -> Option<&mut Queue> {
        let queue = self.queues.get_mut(&session)?;
        queue.has_changed = true;
        Some(queue)
    }

    /// A row of the checkpoint, after the log was read.
    pub(crate) fn end_row(&mut self, key: &[u8], row: &[u8]) -> Result<(), BadRecord> {
        let is_ended = session_of(key).is_some_and(|id| self.rows.ended.contains(&id));
        match is_ended || self.rows.changed.contains_key(key) {
            true => Ok(()),
            false => self.building.row(key, row),
        }
    }

    /// What there is, and each session's queue for the ledger.
    pub(crate) fn end(&mut self) -> Result<(Recovered, Vec<FoundFlow>), BadRecord> {
        let mut building = std::mem::take(&mut self.building);
        for (key, row) in &self.rows.changed {
            if let Some(row) = row {
                building.row(key, row)?;
            }
        }
        let mut recovered = building.recovered;
        let mut flows = Vec::new();
        for (session, mut found) in building.sessions {
            let Some(queue) = self.queues.remove(&session) else {
                continue;
            };
            flows.push(FoundFlow {
                session,
                has_changed: queue.has_changed,
                flow: queue.end(&mut found),
            });
            recovered.sessions.push(found);
        }
        recovered.last_session = self.last_session;
        Ok((recovered, flows))
    }
}

impl Queue {
    /// A message is under way: whatever had its identifier before was through, even if no record says so.
    fn begin(&mut self, id: MessageId, packet_id: NonZeroU16) {
        take(&mut self.begun, id);
        let is_its = |(_, used): &(MessageId, NonZeroU16)| *used == packet_id;
        for list in [&mut self.begun, &mut self.confirmed] {
            if let Some(at) = list.iter().position(is_its) {
                let (before, _) = list.remove(at);
                self.done.push((before, before));
            }
        }
        self.begun.push((id, packet_id));
    }

    /// Sorts out what is left.
    fn end(mut self, found: &mut RecoveredSession) -> Flow {
        self.done.sort_unstable();
        let mut ranges: Vec<(MessageId, MessageId)> = Vec::new();
        for (first, last) in self.done {
            match ranges.last_mut() {
                Some((_, end)) if first <= *end => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        let is_done = |id: MessageId| {
            let after = ranges.partition_point(|(first, _)| *first <= id);
            let range = after.checked_sub(1).and_then(|at| ranges.get(at));
            range.is_some_and(|(_, last)| id <= *last)
        };
        // Of two copies of a message the later one stays: the other's segment may go.
        self.entries
            .sort_by_key(|(entry, place)| (entry.id, std::cmp::Reverse(place.at)));
        self.entries.dedup_by_key(|(entry, _)| entry.id);
        let mut flow = Flow::default();
        for (entry, place) in self.entries {
            match is_done(entry.id) {
                false => {
                    flow.push(entry.id, place);
                    found.queued.push(entry);
                }
                // The log may still hold it, and the next checkpoint must know that it is done.
                true => flow.push_done(entry.id),
            }
        }
        let has = |id: MessageId| flow.place(id).is_some();
        self.begun.retain(|(id, _)| has(*id));
        for (id, packet_id) in &self.begun {
            flow.begin(*id, *packet_id);
        }
        for (id, packet_id) in &self.confirmed {
            flow.begin(*id, *packet_id);
            flow.confirm(*id);
        }
        found.begun = self.begun;
        found.confirmed = self.confirmed;
        flow
    }
}

#[derive(Debug, Default)]
struct Building {
    recovered: Recovered,
    sessions: BTreeMap<SessionId, RecoveredSession>,
}

impl Building {
    fn row(&mut self, key: &[u8], row: &[u8]) -> Result<(), BadRecord> {
        match Row::decode(key, row)? {
            Row::ClientId(session, client_id) => {
                self.session(session).client_id = client_id.to_owned();
            }
            Row::Life {
                session,
                is_connected,
                expiry_s,
                at_ms,
            } => {
                let found = self.session(session);
                found.was_connected = is_connected;
                found.expiry_s = expiry_s;
                found.at_ms = at_ms;
            }
            Row::Will {
                session,
                delay_s,
                expiry_s,
                message,
            } => {
                self.session(session).will = Some(RecoveredWill {
                    message: StoredMessage::into_owned(message),
                    delay_s,
                    expiry_s,
                });
            }
            Row::Flow(session, _) => {
                self.session(session);
            }
            Row::Subscription {
                session,
                topic_filter,
                options,
                subscription_id,
            } => self
                .session(session)
                .subscriptions
                .push(RecoveredSubscription {
                    topic_filter: topic_filter.to_owned(),
                    options,
                    subscription_id,
                }),
            Row::Received(session, packet_id) => {
                let packet_id = NonZeroU16::new(packet_id).ok_or(BadRecord)?;
                self.session(session).received.push(packet_id);
            }
            Row::Retained(message) => self.recovered.retained.push(message.into_owned()),
            Row::Delayed {
                id,
                due_ms,
                publisher_id,
                message,
            } => self.recovered.delayed.push(RecoveredDelayed {
                id,
                due_ms,
                publisher_id: publisher_id.to_owned(),
                message: message.into_owned(),
            }),
        }
        Ok(())
    }

    fn session(&mut self, session: SessionId) -> &mut RecoveredSession {
        self.sessions
            .entry(session)
            .or_insert_with(|| RecoveredSession {
                session,
                client_id: String::new(),
                expiry_s: 0,
                was_connected: false,
                at_ms: 0,
                will: None,
                subscriptions: Vec::new(),
                received: Vec::new(),
                queued: Vec::new(),
                begun: Vec::new(),
                confirmed: Vec::new(),
            })
    }
}

fn take(list: &mut Vec<(MessageId, NonZeroU16)>, id: MessageId) -> Option<NonZeroU16> {
    let at = list.iter().position(|(known, _)| *known == id)?;
    Some(list.remove(at).1)
}
