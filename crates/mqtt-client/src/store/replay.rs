//! Opening a store: what an earlier process has left.

use super::keeper::{KEPT_AS, Keeper};
use super::record::{StoreRecord, VERSION};
use super::state::{Placed, State};
use super::{Store, StoreError};
use crate::command::{Notes, Outgoing};
use crate::earlier::{Earlier, Leftover};
use crate::options::Options;
use crate::place::Spot;
use crate::receipts::Reply;
use crate::shared::Shared;
use crate::{ConnectError, MessageProperties};
use bytes::Bytes;
use mqtt_codec::{Delivery, PACKET_LEN_MAX, Packet, Publish, QoS, ReasonCode, frame};
use mqtt_log::{Log, Position, ReplayError};
use mqtt_session::{MessageExpiry, Record};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A share of a segment that is appended between two summaries.
const SUMMARIES_PER_SEGMENT: u64 = 2;

/// What a store had when it was opened.
#[derive(Debug)]
pub(crate) struct Found {
    established: Option<bool>,
    session: Vec<Record<u64>>,
    /// Messages that have not ended.
    bodies: BTreeMap<u64, Body>,
    /// Those of them without an open flow, in order.
    waiting: Vec<u64>,
    /// Those of them whose flow ended with its session.
    lost: Vec<u64>,
    /// When it was opened, in milliseconds of Unix time.
    unix_now_ms: u64,
}

#[derive(Debug)]
struct Body {
    expires_at_ms: Option<u64>,
    publish: Bytes,
}

/// Opens the store of a client, if it has one.
///
/// # Errors
/// It has no Client Identifier, or its store cannot be used.
pub(crate) fn open(options: &Options) -> Result<Option<(Arc<Keeper>, Found)>, ConnectError> {
    let Some(store) = &options.store else {
        return Ok(None);
    };
    let opened = open_at(store, &options.client_id, unix_now_ms());
    Ok(Some(opened.map_err(ConnectError::Store)?))
}

/// # Errors
/// As [`open`].
pub(super) fn open_at(
    store: &Store,
    client_id: &str,
    unix_now_ms: u64,
) -> Result<(Arc<Keeper>, Found), StoreError> {
    if client_id.is_empty() {
        return Err(StoreError::NoClientId);
    }
    let mut reading = Reading::default();
    let replayed = store
        .recover()?
        .replay(Position::ZERO, Position::ZERO, |record| {
            reading.take(&record)
        });
    let (log, _) = replayed.map_err(|error| match error {
        ReplayError::Open(error) => StoreError::open(error),
        ReplayError::Visitor(error) => error,
        _ => StoreError::Closed,
    })?;
    let Reading {
        mut state,
        mut bodies,
        summary_at,
    } = reading;
    bodies.retain(|serial, _| state.live.contains_key(serial));
    if bodies.len() != state.live.len() {
        let position = summary_at.number();
        return Err(StoreError::Damaged { position });
    }
    if state.client_id.is_empty() {
        client_id.clone_into(&mut state.client_id);
    }
    if state.client_id != client_id {
        let found = state.client_id;
        return Err(StoreError::OtherClient { found });
    }
    hold_all(&log, &state);
    let found = Found {
        established: state.established,
        session: state
            .session
            .records()
            .into_iter()
            .map(Record::cloned)
            .collect(),
        waiting: state.waiting().collect(),
        lost: state.lost.iter().copied().collect(),
        bodies,
        unix_now_ms,
    };
    let summarize_after = store.settings().segment_len / SUMMARIES_PER_SEGMENT;
    let summarize_after = usize::try_from(summarize_after).unwrap_or(usize::MAX);
    Ok((Arc::new(Keeper::new(log, state, summarize_after)), found))
}

/// Now, in milliseconds of Unix time as the system's clock has it.
pub(super) fn unix_now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    crate::time::millis(since.unwrap_or(Duration::ZERO))
}

fn read_publish(bytes: &[u8]) -> Option<Publish<'_>> {
    let frame = frame(bytes, PACKET_LEN_MAX).ok().flatten()?;
    match Packet::decode(frame, KEPT_AS) {
        Ok(Packet::Publish(publish)) => Some(publish),
        Ok(_) | Err(_) => None,
    }
}

fn hold_all(log: &Log, state: &State) {
    for placed in state.live.values() {
        log.hold(placed.position, placed.len);
    }
}

/// Records as they are read.
#[derive(Debug, Default)]
struct Reading {
    state: State,
    bodies: BTreeMap<u64, Body>,
    /// The last summary.
    summary_at: Position,
}

impl Reading {
    fn take(&mut self, record: &mqtt_log::Record<'_>) -> Result<(), StoreError> {
        if record.version != VERSION {
            return Err(StoreError::NewerRecord {
                found: record.version,
                known: VERSION,
            });
        }
        let position = record.position;
        let damaged = StoreError::Damaged {
            position: position.number(),
        };
        let read = StoreRecord::decode(record.kind, record.payload);
        let read = read.map_err(|_| damaged.clone())?;

        let placed = Placed {
            position,
            len: record.payload.len(),
        };
        match &read {
            StoreRecord::Message {
                serial,
                expires_at_ms,
                publish,
            } => {
                read_publish(publish).ok_or(damaged)?;
                let publish = Bytes::copy_from_slice(publish);
                let expires_at_ms = *expires_at_ms;
                self.bodies.insert(
                    *serial,
                    Body {
                        expires_at_ms,
                        publish,
                    },
                );
            }
            StoreRecord::Dropped { serial } => {
                self.bodies.remove(serial);
            }
            StoreRecord::Summary(_) => self.summary_at = position,
            StoreRecord::Begun { .. }
            | StoreRecord::Change(_)
            | StoreRecord::Established { .. } => {}
        }
        self.state.apply(read, placed);
        if self.bodies.len() > 2 * self.state.live.len() + 64 {
            let live = &self.state.live;
            self.bodies.retain(|serial, _| live.contains_key(serial));
        }
        Ok(())
    }
}

impl Found {
    /// Messages that have not ended.
    pub(crate) fn messages(&self) -> usize {
        self.bodies.len()
    }

    /// Bytes of them.
    pub(crate) fn len(&self) -> usize {
        let len = |body: &Body| body.publish.len();
        self.bodies.values().map(len).sum()
    }

    /// Makes of it what a client goes on with, and what the application gets to wait for.
    pub(crate) fn into_earlier(
        mut self,
        shared: &Arc<Shared>,
        options: &Options,
    ) -> (Earlier, Vec<Leftover>) {
        let mut leftovers = Vec::new();
        let mut earlier = Earlier {
            established: self.established,
            ..Earlier::default()
        };
        for record in std::mem::take(&mut self.session) {
            let taken = record.map(|message| self.take(message, shared, &mut leftovers));
            earlier.session.push(taken);
        }
        for serial in std::mem::take(&mut self.waiting) {
            let outgoing = self.take(serial, shared, &mut leftovers);
            let is_over = outgoing.qos == QoS::ExactlyOnce || options.fail_lost;
            match is_over && self.lost.contains(&serial) {
                true => earlier.failed.push(outgoing),
                false => earlier.waiting.push(outgoing),
            }
        }
        (earlier, leftovers)
    }

    /// The message `serial` again; without a body if it has ended already and only its flow is left.
    fn take(
        &mut self,
        serial: u64,
        shared: &Arc<Shared>,
        leftovers: &mut Vec<Leftover>,
    ) -> Outgoing {
        let husk = Outgoing {
            topic_name: "".into(),
            payload: Bytes::new(),
            qos: QoS::ExactlyOnce,
            retain: false,
            properties: None,
            reply: Reply::default(),
            expiry: None,
            spot: Spot::default(),
            received: ReasonCode::SUCCESS,
            notes: Some(Notes::kept(serial)),
        };
        let Some(body) = self.bodies.remove(&serial) else {
            return husk;
        };
        let (expires_at_ms, bytes) = (body.expires_at_ms, body.publish);
        // It was looked at when it was read.
        let Some(publish) = read_publish(&bytes) else {
            return husk;
        };
        let payload_at = bytes.len().saturating_sub(publish.payload.len());
        let properties = &publish.properties;
        let properties =
            (!properties.is_empty()).then(|| Box::new(MessageProperties::of(properties)));
        let expiry = expires_at_ms.map(|at_ms| {
            let interval_s = properties.as_ref().and_then(|set| set.message_expiry_s);
            let interval_ms = u64::from(interval_s.unwrap_or(u32::MAX)) * 1000;
            // A clock that was set back makes nothing live longer than it was to.
            let left_ms = at_ms.saturating_sub(self.unix_now_ms).min(interval_ms);
            MessageExpiry::at(shared.now_ms().saturating_add(left_ms))
        });
        let (reply, claim) = shared.receipts.begin().unzip();
        let reply = reply.unwrap_or_default();
        let topic_name = publish.topic_name.map(|name| name.as_str());
        let outgoing = Outgoing {
            topic_name: topic_name.unwrap_or_default().into(),
            payload: bytes.slice(payload_at..),
            qos: Delivery::qos(publish.delivery),
            retain: publish.retain,
            properties,
            expiry,
            reply,
            spot: Spot::restored(shared, bytes.len()),
            ..husk
        };
        leftovers.push(Leftover {
            topic_name: outgoing.topic_name.to_string(),
            payload: outgoing.payload.clone(),
            qos: outgoing.qos,
            claim,
        });
        outgoing
    }
}
