//! The second reading: everything goes into a store of ours.

use super::chunk::Chunks;
use super::order::{Delivery, deliveries};
use super::survey::{Found, Progress, Survey};
use super::{DbReport, ImportError};
use mqtt_store::{MessageId, Recipient, Record, SessionId, Store, StoredMessage};
use std::collections::HashMap;
use std::io::{Read, Seek};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;

/// Stands for a publisher that has no session.
const NO_SESSION: u64 = u64::MAX;

/// Where it all goes.
pub(crate) struct Writer<'a, R> {
    chunks: &'a mut Chunks<R>,
    store: &'a Store,
    survey: &'a Survey,
    now_ms: u64,
    /// The names of sessions, by their places; none for those that are over.
    names: Vec<Option<SessionId>>,
    by_client_id: HashMap<&'a str, SessionId>,
    waker: Waker,
    report: DbReport,
    block: Vec<u8>,
}

impl<'a, R: Read + Seek> Writer<'a, R> {
    /// Writes what `survey` has found in `chunks` into `store`, which is empty.
    pub(crate) fn write(
        chunks: &'a mut Chunks<R>,
        survey: &'a Survey,
        store: &'a Store,
        now_ms: u64,
    ) -> Result<DbReport, ImportError> {
        let mut writer = Self {
            chunks,
            store,
            survey,
            now_ms,
            names: Vec::with_capacity(survey.sessions.len()),
            by_client_id: HashMap::new(),
            waker: Arc::new(Unpark(std::thread::current())).into(),
            report: DbReport {
                entries_lost: survey.lost,
                ..DbReport::default()
            },
            block: Vec::new(),
        };
        writer.sessions()?;
        writer.messages()?;
        writer.incoming()?;
        Ok(writer.report)
    }

    fn sessions(&mut self) -> Result<(), ImportError> {
        let mut name = 0;
        for found in &self.survey.sessions {
            let lost_ms = found
                .detached_s
                .map_or(self.now_ms, |at| at.saturating_mul(1000));
            let at_ms = lost_ms.min(self.now_ms);
            let ends_ms = at_ms.saturating_add(u64::from(found.expiry_s) * 1000);
            if found.client_id.is_empty() || found.expiry_s != u32::MAX && ends_ms <= self.now_ms {
                self.report.sessions_expired += 1;
                self.names.push(None);
                continue;
            }
            name += 1;
            let session = SessionId(name);
            self.names.push(Some(session));
            self.by_client_id.insert(&found.client_id, session);
            self.append(&Record::SessionStarted {
                session,
                client_id: found.client_id.as_str().into(),
                expiry_s: found.expiry_s,
                at_ms,
            })?;
            for subscription in &found.subscriptions {
                self.append(&Record::Subscribed {
                    session,
                    topic_filter: subscription.topic_filter.as_str().into(),
                    options: subscription.options,
                    subscription_id: subscription.subscription_id,
                })?;
                self.report.subscriptions += 1;
            }
            self.append(&Record::Detached {
                session,
                expiry_s: found.expiry_s,
                at_ms,
            })?;
            self.report.sessions += 1;
        }
        Ok(())
    }

    fn messages(&mut self) -> Result<(), ImportError> {
        let survey = self.survey;
        let queued = survey.sessions.iter().flat_map(|session| &session.entries);
        let at_most_once = queued.filter(|entry| entry.qos == 0).count();
        self.report.qos0_dropped = u64::try_from(at_most_once).unwrap_or(u64::MAX);
        let names = &self.names;
        let all = deliveries(&survey.sessions, |nth| {
            names.get(nth).is_some_and(Option::is_some)
        });
        let mut begun = Vec::new();
        let mut rest = all.as_slice();
        for (place, found) in survey.messages.iter().enumerate() {
            let len = rest.iter().take_while(|one| one.at == place).count();
            let (here, behind) = rest.split_at_checked(len).unwrap_or_default();
            rest = behind;
            let own = here.iter().take_while(|one| !one.is_copy).count();
            let (own, copies) = here.split_at_checked(own).unwrap_or_default();
            if found.is_retained || !own.is_empty() {
                self.message(found, own, found.is_retained, &mut begun)?;
            }
            for copy in copies {
                if let Some(found) = survey.messages.get(copy.message) {
                    self.message(found, std::slice::from_ref(copy), false, &mut begun)?;
                }
            }
        }
        self.begin(begun)
    }

    /// Writes a message for those who are to get it.
    fn message(
        &mut self,
        found: &Found,
        wanted: &[Delivery],
        is_retained: bool,
        begun: &mut Vec<(Delivery, MessageId)>,
    ) -> Result<(), ImportError> {
        let mut block = std::mem::take(&mut self.block);
        let head = self.chunks.read_message(found.at, found.len, &mut block)?;
        let expires_at_ms = head.expires_s.map(|at| at.saturating_mul(1000));
        if expires_at_ms.is_some_and(|at| at <= self.now_ms) {
            self.report.messages_expired += 1;
            self.block = block;
            return Ok(());
        }
        // The broker's own values are made anew, and nobody may publish there.
        let is_retained =
            is_retained && !head.topic_name.starts_with('$') && !block_is_empty(&block, &head);
        let publisher = self.by_client_id.get(head.publisher_id.as_str());
        let message = StoredMessage {
            qos: head.qos,
            retain: head.retain || is_retained,
            is_of_will: false,
            expires_at_ms,
            publisher: publisher.map_or(NO_SESSION, |session| session.0),
            publisher_tag: 0,
            topic_len: u32::try_from(head.topic_name.len()).unwrap_or(u32::MAX),
            properties_len: u32::try_from(head.properties.len()).unwrap_or(u32::MAX),
            block: block.as_slice().into(),
        };
        let recipients: Vec<Recipient<'_>> = wanted
            .iter()
            .filter_map(|one| {
                let entry = self
                    .survey
                    .sessions
                    .get(one.session)?
                    .entries
                    .get(one.entry)?;
                Some(Recipient {
                    session: (*self.names.get(one.session)?)?,
                    qos: entry.qos.min(2),
                    retain: entry.retain,
                    subscription_ids: entry.subscription_ids.to_vec(),
                    shared_filter: None,
                })
            })
            .collect();
        self.report.queued += u64::try_from(recipients.len()).unwrap_or(u64::MAX);
        self.report.retained += u64::from(is_retained);
        if !recipients.is_empty() || is_retained {
            self.wait_for_room();
            let appended = self
                .store
                .append_message(message, recipients, is_retained, None);
            let (_, id) = appended.map_err(|_| ImportError::Full)?;
            begun.extend(wanted.iter().map(|one| (*one, id)));
        }
        self.block = block;
        Ok(())
    }

    /// What was under way goes on under its identifier, in the order it was sent.
    fn begin(&mut self, mut begun: Vec<(Delivery, MessageId)>) -> Result<(), ImportError> {
        begun.sort_unstable_by_key(|(one, _)| (one.session, one.entry));
        for (one, id) in begun {
            let session = self.names.get(one.session).copied().flatten();
            let found = self.survey.sessions.get(one.session);
            let entry = found.and_then(|found| found.entries.get(one.entry));
            let (Some(session), Some(entry)) = (session, entry) else {
                continue;
            };
            let Some(packet_id) = NonZeroU16::new(entry.packet_id) else {
                continue;
            };
            if entry.progress == Progress::Waits {
                continue;
            }
            self.append(&Record::Begun {
                session,
                id,
                packet_id,
            })?;
            self.report.under_way += 1;
            if entry.progress == Progress::Confirmed && entry.qos == 2 {
                self.append(&Record::Confirmed { session, id })?;
            }
        }
        Ok(())
    }

    /// Mosquitto gives a QoS 2 message to its subscribers when PUBREL has come, this broker when it has the message:
    /// so it is published with the start, and its identifier is known until that PUBREL.
    fn incoming(&mut self) -> Result<(), ImportError> {
        for (nth, (session, entry)) in self.survey.incoming.iter().enumerate() {
            let place = usize::try_from(entry.message).unwrap_or(usize::MAX);
            let found = self.survey.messages.get(place);
            let session = self.names.get(*session).copied().flatten();
            let (Some(found), Some(session)) = (found, session) else {
                continue;
            };
            let mut block = std::mem::take(&mut self.block);
            let head = self.chunks.read_message(found.at, found.len, &mut block)?;
            let message = StoredMessage {
                qos: 2,
                retain: head.retain,
                is_of_will: false,
                expires_at_ms: head.expires_s.map(|at| at.saturating_mul(1000)),
                publisher: session.0,
                publisher_tag: 0,
                topic_len: u32::try_from(head.topic_name.len()).unwrap_or(u32::MAX),
                properties_len: u32::try_from(head.properties.len()).unwrap_or(u32::MAX),
                block: block.as_slice().into(),
            };
            self.wait_for_room();
            let appended = self.store.append(&Record::Delayed {
                id: u64::try_from(nth).unwrap_or(u64::MAX).saturating_add(1),
                due_ms: self.now_ms,
                publisher_id: head.publisher_id.as_str().into(),
                received: NonZeroU16::new(entry.packet_id),
                message,
            });
            appended.map_err(|_| ImportError::Full)?;
            self.block = block;
            self.report.incoming += 1;
        }
        Ok(())
    }

    fn append(&self, record: &Record<'_>) -> Result<(), ImportError> {
        self.wait_for_room();
        let appended = self.store.append(record);
        appended.map(drop).map_err(|_| ImportError::Full)
    }

    /// Until the disk is no longer behind.
    fn wait_for_room(&self) {
        while self.store.is_behind() {
            self.store.wake_when_room(&self.waker);
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
    }
}

/// A message without content removes a retained one, and is none.
fn block_is_empty(block: &[u8], head: &super::chunk::MessageHead) -> bool {
    block.len() == head.topic_name.len() + head.properties.len()
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
