//! The broker's state on a disk: `mqtt-store` behind the broker's own seam.

use crate::config::Config;
use crate::core::log::{
    Appended, CommitLog, Durability, FoundMessage, LogFull, LogPosition, LogRecord, LogStats,
    MessageId, Recipient,
};
use crate::core::message::Message;
use crate::core::restore::options_byte;
use crate::core::session_cell::SessionKey;
use mqtt_codec::PacketId;
use mqtt_store::{
    Event, OpenError, Position, ReadError, Record, Recovered, Report, SessionId, Settings, Store,
};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;
use std::task::Waker;

/// What a broker has kept, and where it goes on keeping.
///
/// To be handed to [`crate::Builder::durable`].
#[derive(Debug)]
pub struct Durable {
    pub(crate) store: Arc<Store>,
    pub(crate) recovered: Recovered,
    /// What was found, in words.
    summary: String,
}

impl Durable {
    /// Opens the store in `dir`, or makes one. `on_event` is called from a thread of the store and must not block:
    /// after [`Event::Failed`] nothing is acknowledged any more, and the process should end.
    ///
    /// # Errors
    /// [`OpenError`]: it is in use, of another version, damaged where it was acknowledged, or cannot be read.
    pub fn open(
        dir: impl AsRef<Path>,
        config: &Config,
        on_event: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let store = &config.store;
        let mut settings = Settings::default();
        let bytes = |size: crate::config::ByteSize| u64::try_from(size.get()).unwrap_or(u64::MAX);
        settings.log_len_max = bytes(store.max_log_bytes);
        settings.group_records_max = store.max_group_records;
        settings.group_delay_max = store.max_group_delay.get();
        settings.checkpoint_every = store.checkpoint_interval.get();
        settings.checkpoint_after = bytes(store.checkpoint_bytes);
        settings.on_event = Some(Arc::new(on_event));
        settings.durability = match config.asks_for(Durability::Fsync) {
            true => mqtt_store::Durability::Fsync,
            // Nobody is promised more than that the system has it.
            false => mqtt_store::Durability::Os,
        };
        Ok(Self::of(Store::open(dir, settings)?))
    }

    /// A store that was opened elsewhere, on a disk of another kind.
    pub fn of((store, recovered, report): (Store, Recovered, Report)) -> Self {
        if let Some(cut) = &report.log.cut {
            tracing::warn!(
                file = cut.file,
                offset = cut.offset,
                "the end of the log was not whole: nothing acknowledged was in it, and it was cut off"
            );
        }
        let waiting: usize = recovered.sessions.iter().map(|one| one.queued.len()).sum();
        let summary = format!(
            "{} sessions, {waiting} waiting and {} retained messages",
            recovered.sessions.len(),
            recovered.retained.len()
        );
        Self {
            store: Arc::new(store),
            recovered,
            summary,
        }
    }

    /// What was found, in words.
    pub fn summary(&self) -> &str {
        &self.summary
    }
}

/// The store as a log of the broker.
#[derive(Debug)]
pub(crate) struct DurableLog(pub(crate) Arc<Store>);

impl CommitLog for DurableLog {
    fn keeps_records(&self) -> bool {
        true
    }

    fn append(&self, record: LogRecord<'_>) -> Result<LogPosition, LogFull> {
        if let LogRecord::Finished { session, id } = record {
            self.0.finish(name(session), mqtt_store::MessageId(id.0));
            return Ok(LogPosition::NONE);
        }
        let is_known = matches!(record, LogRecord::Subscribed { is_known: true, .. });
        let appended = match is_known {
            true => self.0.append_from_reserve(&stored(&record)),
            false => self.0.append(&stored(&record)),
        };
        let position = appended.map_err(|_| LogFull)?;
        Ok(LogPosition(position.number()))
    }

    fn append_message(
        &self,
        message: &Arc<Message>,
        recipients: &[Recipient<'_>],
        is_retained: bool,
        received: Option<PacketId>,
    ) -> Result<Appended, LogFull> {
        let recipients = recipients.iter().map(|one| mqtt_store::Recipient {
            session: name(one.session),
            qos: one.qos.get(),
            retain: one.retain,
            subscription_ids: one.subscription_ids.iter().map(|id| id.get()).collect(),
            shared_filter: one.shared_filter.map(Into::into),
        });
        let (recipients, received) = (recipients.collect(), received.map(stored_id));
        let message = message.stored();
        let appended = self
            .0
            .append_message(message, recipients, is_retained, received);
        let (position, id) = appended.map_err(|_| LogFull)?;
        Ok(Appended {
            position: LogPosition(position.number()),
            id: MessageId(id.0),
        })
    }

    fn gives_messages(&self) -> bool {
        true
    }

    fn read_messages(
        &self,
        wanted: &[(SessionKey, MessageId)],
        found: &mut dyn FnMut(FoundMessage<'_>),
    ) {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(session, id)| (name(*session), mqtt_store::MessageId(id.0)))
            .collect();
        self.0.read_batch(&wanted, |places, read| {
            let message = match read {
                Ok(stored) => Message::of_stored(&stored).map(Arc::new),
                // Its session has ended, or is through with it.
                Err(ReadError::Gone) => None,
                Err(error) => {
                    tracing::error!(%error, "a message that waits is lost");
                    None
                }
            };
            found(FoundMessage { places, message });
        });
    }

    fn appended(&self) -> LogPosition {
        LogPosition(self.0.appended().number())
    }

    fn durable(&self) -> LogPosition {
        LogPosition(self.0.durable().number())
    }

    fn written(&self) -> LogPosition {
        LogPosition(self.0.written().number())
    }

    fn wake_when_durable(&self, position: LogPosition, waker: &Waker) {
        self.0.wake_when_durable(Position::new(position.0), waker);
    }

    fn wake_when_written(&self, position: LogPosition, waker: &Waker) {
        self.0.wake_when_written(Position::new(position.0), waker);
    }

    fn is_behind(&self) -> bool {
        self.0.is_behind()
    }

    fn wake_when_room(&self, waker: &Waker) {
        self.0.wake_when_room(waker);
    }

    fn stats(&self) -> Option<LogStats> {
        let (space, stats) = (self.0.log_space(), self.0.log_stats());
        Some(LogStats {
            groups: stats.groups,
            syncs: stats.syncs,
            written: stats.written_len,
            used: space.on_disk,
            max: space.len_max,
            is_alarmed: space.is_alarmed,
            is_full: space.is_full,
        })
    }

    fn close(&self) {
        if let Err(error) = self.0.close() {
            tracing::error!(%error, "the last checkpoint was not written");
        }
    }
}

const fn name(session: SessionKey) -> SessionId {
    SessionId(session.0)
}

fn stored_id(packet_id: PacketId) -> NonZeroU16 {
    NonZeroU16::new(packet_id.get()).unwrap_or(NonZeroU16::MIN)
}

fn stored<'a>(record: &LogRecord<'a>) -> Record<'a> {
    match *record {
        LogRecord::Delayed {
            id,
            message,
            due_ms,
            publisher_id,
            received,
        } => Record::Delayed {
            id,
            due_ms,
            received: received.map(stored_id),
            publisher_id: publisher_id.into(),
            message: message.stored(),
        },
        LogRecord::DelayedDone { id } => Record::DelayedDone { id },
        LogRecord::RetainedRemoved { topic_name } => Record::RetainedRemoved {
            topic_name: topic_name.into(),
        },
        LogRecord::Received { session, packet_id } => Record::Received {
            session: name(session),
            packet_id: stored_id(packet_id),
        },
        LogRecord::Released { session, packet_id } => Record::Released {
            session: name(session),
            packet_id: stored_id(packet_id),
        },
        LogRecord::Begun {
            session,
            id,
            packet_id,
        } => Record::Begun {
            session: name(session),
            id: mqtt_store::MessageId(id.0),
            packet_id: stored_id(packet_id),
        },
        LogRecord::Confirmed { session, id } => Record::Confirmed {
            session: name(session),
            id: mqtt_store::MessageId(id.0),
        },
        LogRecord::Finished { session, id } => Record::Finished {
            session: name(session),
            first: mqtt_store::MessageId(id.0),
            last: mqtt_store::MessageId(id.0),
        },
        LogRecord::SessionStarted {
            session,
            client_id,
            session_expiry,
            at_ms,
        } => Record::SessionStarted {
            session: name(session),
            client_id: client_id.into(),
            expiry_s: session_expiry.0,
            at_ms,
        },
        LogRecord::Attached {
            session,
            session_expiry,
            at_ms,
        } => Record::Attached {
            session: name(session),
            expiry_s: session_expiry.0,
            at_ms,
        },
        LogRecord::Detached {
            session,
            session_expiry,
            at_ms,
        } => Record::Detached {
            session: name(session),
            expiry_s: session_expiry.0,
            at_ms,
        },
        LogRecord::Will {
            session,
            message,
            delay_s,
            expiry_s,
        } => Record::Will {
            session: name(session),
            message: message.stored(),
            delay_s,
            expiry_s,
        },
        LogRecord::WillGone { session } => Record::WillGone {
            session: name(session),
        },
        LogRecord::SessionEnded { session } => Record::SessionEnded {
            session: name(session),
        },
        LogRecord::Subscribed {
            session,
            topic_filter,
            options,
            subscription_id,
            is_exclusive,
            is_known: _,
        } => Record::Subscribed {
            session: name(session),
            topic_filter: topic_filter.into(),
            options: options_byte(options, is_exclusive),
            subscription_id: subscription_id.map(|id| id.get()),
        },
        LogRecord::Unsubscribed {
            session,
            topic_filter,
        } => Record::Unsubscribed {
            session: name(session),
            topic_filter: topic_filter.into(),
        },
    }
}
