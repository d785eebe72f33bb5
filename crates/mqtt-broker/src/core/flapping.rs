//! Clients that come and go: so many times in a time, and they are banned for a while.

use super::live::Live;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Clients watched at a time; more are not counted until some windows are over.
const WATCHED_MAX: usize = 10_000;

/// What counts as coming and going too often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FlappingSettings {
    pub(crate) is_enabled: bool,
    /// Times a client may go within the window.
    pub(crate) gone_max: u32,
    pub(crate) window_ms: u64,
    pub(crate) ban_ms: u64,
}

#[cfg(test)]
impl FlappingSettings {
    pub(crate) const OFF: Self = Self {
        is_enabled: false,
        gone_max: 1,
        window_ms: 1,
        ban_ms: 1,
    };
}

/// How often clients have gone lately.
#[derive(Debug)]
pub(super) struct Flapping {
    settings: Live<FlappingSettings>,
    /// Of each client how often it went since when, in milliseconds.
    gone: Mutex<HashMap<Box<str>, (u32, u64)>>,
}

impl Flapping {
    pub(super) fn new(settings: FlappingSettings) -> Self {
        Self {
            settings: Live::new(settings),
            gone: Mutex::default(),
        }
    }

    pub(super) const fn settings(&self) -> &Live<FlappingSettings> {
        &self.settings
    }

    /// A client has gone: for how long it is to be banned, in milliseconds, if that was too often.
    pub(super) fn note_gone(&self, client_id: &str, now_ms: u64) -> Option<u64> {
        let settings = *self.settings;
        if !settings.is_enabled {
            return None;
        }
        let is_new = |since_ms: u64| now_ms.saturating_sub(since_ms) < settings.window_ms;
        let mut gone = self.gone.lock();
        if let Some((times, since_ms)) = gone.get_mut(client_id) {
            if !is_new(*since_ms) {
                (*times, *since_ms) = (0, now_ms);
            }
            *times += 1;
            if *times <= settings.gone_max {
                return None;
            }
            gone.remove(client_id);
            return Some(settings.ban_ms);
        }
        if gone.len() >= WATCHED_MAX {
            gone.retain(|_, (_, since_ms)| is_new(*since_ms));
        }
        if gone.len() < WATCHED_MAX {
            gone.insert(client_id.into(), (1, now_ms));
        }
        None
    }
}
