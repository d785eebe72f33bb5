//! What time brings: keep alive, session expiry, delayed wills, expired retained messages.

use super::cause::{EndCause, SessionEnd};
use super::session_cell::{NEVER, SessionCell, SessionKey, SessionState};
use super::{Batch, Core, TICK_MS};
use mqtt_session::ServerKeepAlive;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Timers per session above which idle ones are looked for.
const TIMERS_PER_SESSION: usize = 4;
/// Timers that are not worth looking through.
const TIMERS_MIN: usize = 1024;

/// Sessions whose turn has come; those not looked at when a panic ends the round stay due.
struct Due<'a> {
    core: &'a Core,
    keys: std::vec::IntoIter<SessionKey>,
    now_ms: u64,
}

impl Drop for Due<'_> {
    fn drop(&mut self) {
        if self.keys.len() == 0 {
            return;
        }
        let mut timers = self.core.timers.lock();
        for key in self.keys.by_ref() {
            timers.insert(self.now_ms, key);
        }
    }
}

impl Core {
    /// Does what is due at `now_ms`; to be called every [`super::TICK_MS`].
    pub(crate) fn tick(&self, batch: &mut Batch, now_ms: u64) {
        self.ticked_ms.store(now_ms, Ordering::Relaxed);
        self.begin(batch);
        let mut keys = Vec::new();
        self.timers.lock().advance(now_ms, &mut keys);
        let mut due = Due {
            core: self,
            keys: keys.into_iter(),
            now_ms,
        };
        self.forget_idle_timers();
        for key in due.keys.by_ref() {
            let cell = self.sessions.lock().find_key(key).cloned();
            if let Some(cell) = cell {
                self.look_at(&cell, batch, now_ms);
            }
        }
        self.retained.sweep(now_ms);
        self.publish_due(batch, now_ms);
        self.tick_sys(batch, now_ms);
        self.finish(batch, now_ms);
    }

    /// Timers whose session has ended, or has another one that counts, must not add up until they come due.
    fn forget_idle_timers(&self) {
        let sessions = self.sessions.lock();
        let mut timers = self.timers.lock();
        if timers.len() <= TIMERS_PER_SESSION * sessions.len() + TIMERS_MIN {
            return;
        }
        timers.retain(|key, at_ms| {
            let cell = sessions.find_key(*key);
            let armed_ms = cell.map_or(NEVER, |cell| cell.state.lock().armed_ms);
            armed_ms.checked_next_multiple_of(TICK_MS) == Some(at_ms)
        });
    }

    /// Makes sure that `tick` looks at the session when its next deadline has come.
    pub(crate) fn arm(&self, cell: &SessionCell, now_ms: u64) {
        let mut state = cell.state.lock();
        let Some(deadline_ms) = next_deadline_ms(cell, &state, now_ms) else {
            return;
        };
        if state.armed_ms > deadline_ms {
            state.armed_ms = deadline_ms;
            drop(state);
            self.timers.lock().insert(deadline_ms, cell.key);
        }
    }

    fn look_at(&self, cell: &Arc<SessionCell>, batch: &mut Batch, now_ms: u64) {
        let mut state = cell.state.lock();
        if state.armed_ms > now_ms {
            return;
        }
        state.armed_ms = NEVER;
        let mut due_will = None;
        let mut session_ends = false;
        if state.connected {
            let is_over =
                next_deadline_ms(cell, &state, now_ms).is_some_and(|at_ms| at_ms <= now_ms);
            if is_over && state.end.is_none() {
                state.end_connection(EndCause::KeepAliveTimeout, batch);
            }
        } else {
            if will_at_ms(&state).is_some_and(|at_ms| at_ms <= now_ms) {
                due_will = state.will.take();
            }
            session_ends = expires_at_ms(&state).is_some_and(|at_ms| at_ms <= now_ms);
        }
        let ending = state.end.is_some();
        drop(state);
        if let Some(will) = due_will {
            self.publish_will(&will, batch, now_ms);
            self.note_will_gone(cell);
        }
        if session_ends {
            self.end_session(cell, SessionEnd::Expired, batch, now_ms);
        } else if !ending {
            self.arm(cell, now_ms);
        }
    }
}

/// When something has to be done about the session; none when nothing ever has.
fn next_deadline_ms(cell: &SessionCell, state: &SessionState, now_ms: u64) -> Option<u64> {
    if !state.connected {
        return match (will_at_ms(state), expires_at_ms(state)) {
            (Some(will_ms), Some(end_ms)) => Some(will_ms.min(end_ms)),
            (will_ms, end_ms) => will_ms.or(end_ms),
        };
    }
    let last_alive_ms = match cell.paused.load(Ordering::Relaxed) {
        true => now_ms,
        false => cell.last_alive_ms.load(Ordering::Relaxed),
    };
    ServerKeepAlive::new(state.negotiated.keep_alive_s).deadline_ms(last_alive_ms)
}

fn will_at_ms(state: &SessionState) -> Option<u64> {
    let will = state.will.as_ref()?;
    Some(
        state
            .lost_at_ms
            .saturating_add(u64::from(will.delay_s) * 1000),
    )
}

fn expires_at_ms(state: &SessionState) -> Option<u64> {
    state
        .negotiated
        .session_expiry
        .deadline_ms(state.lost_at_ms)
}
