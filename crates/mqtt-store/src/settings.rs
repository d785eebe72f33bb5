//! How a store behaves.

use mqtt_log::Durability;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How a store behaves. `Settings::default()` is what the broker uses.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// What the store calls durable; default: what is synced.
    pub durability: Durability,
    /// All files of the log together; unit: bytes, default 16 GiB.
    pub log_len_max: u64,
    /// The length of a segment of the log; unit: bytes, default 64 MiB.
    pub segment_len: u64,
    /// Records after which a group waits no longer; default 1,000.
    pub group_records_max: u32,
    /// Time after which a group waits no longer; default 2 ms.
    pub group_delay_max: Duration,
    /// Time after which a checkpoint is written if anything has changed; default 10 s.
    pub checkpoint_every: Duration,
    /// Bytes of log after which a checkpoint is written at once; default 64 MiB.
    pub checkpoint_after: u64,
    /// Time between two looks for retained messages of the checkpoint that have expired; default 1 h.
    pub purge_every: Duration,
    /// Called for what the owner must know at once, from a thread of the store; must not block, nor call the store.
    pub on_event: Option<Arc<dyn Fn(Event) + Send + Sync>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            durability: Durability::Fsync,
            log_len_max: 16 << 30,
            segment_len: 64 << 20,
            group_records_max: 1000,
            group_delay_max: Duration::from_millis(2),
            checkpoint_every: Duration::from_secs(10),
            checkpoint_after: 64 << 20,
            purge_every: Duration::from_secs(3600),
            on_event: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("durability", &self.durability)
            .field("log_len_max", &self.log_len_max)
            .field("segment_len", &self.segment_len)
            .field("checkpoint_every", &self.checkpoint_every)
            .field("checkpoint_after", &self.checkpoint_after)
            .finish_non_exhaustive()
    }
}

/// What the owner of a store must know at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Nothing becomes durable any more: the process should end. In words, what failed.
    Failed(String),
    /// There is no room: what would have to be kept is refused.
    Full,
    /// There is room again.
    Room,
    /// The log takes 80 % of what it may; unit: bytes.
    AlarmOn {
        /// What it takes.
        on_disk: u64,
        /// What it may take.
        len_max: u64,
    },
    /// It takes less than 80 % again.
    AlarmOff,
}

impl Settings {
    pub(crate) fn tell(&self, event: Event) {
        if let Some(on_event) = &self.on_event {
            on_event(event);
        }
    }

    pub(crate) fn of_log(&self) -> mqtt_log::Settings {
        let mut settings = mqtt_log::Settings::default();
        let on_event = self.on_event.clone();
        settings.durability = self.durability;
        settings.segment_len = self.segment_len;
        settings.buffer_len_max = usize::try_from(self.segment_len / 4).unwrap_or(usize::MAX);
        settings.total_len_max = self.log_len_max;
        settings.group_records_max = self.group_records_max;
        settings.group_delay_max = self.group_delay_max;
        settings.on_event = Some(Arc::new(move |event| {
            if let Some((on_event, event)) = on_event.as_ref().zip(of_log(event)) {
                on_event(event);
            }
        }));
        settings
    }
}

fn of_log(event: mqtt_log::Event) -> Option<Event> {
    Some(match event {
        mqtt_log::Event::Failed(failure) => Event::Failed(failure.to_string()),
        mqtt_log::Event::Full => Event::Full,
        mqtt_log::Event::Room => Event::Room,
        mqtt_log::Event::AlarmOn { on_disk, len_max } => Event::AlarmOn { on_disk, len_max },
        mqtt_log::Event::AlarmOff => Event::AlarmOff,
        _ => return None,
    })
}
