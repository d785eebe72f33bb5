//! Messages of Shared Subscriptions that a session gives away.

use super::batch::Batch;
use super::entries::Stored;
use super::queue::{Queued, Taken};
use super::session_cell::{NEVER, SessionState};
use super::subscription::Via;
use mqtt_codec::QoS;

impl SessionState {
    /// Takes the messages that came by a Shared Subscription and were never sent, as `is_wanted` says of each in order,
    /// given how it came and its size in bytes.
    pub(crate) fn take_unsent_shared(
        &mut self,
        batch: &mut Batch,
        is_wanted: impl FnMut(&Via, usize) -> bool,
    ) -> Vec<Taken> {
        let Some(queue) = &mut self.queue else {
            return Vec::new();
        };
        let taken = queue.take_shared(batch, is_wanted);
        queue.wake_waiters(batch);
        if queue.is_empty() {
            self.queue = None;
        }
        taken
    }

    /// Empties it, as its session has ended: the messages another member of a group is to get, in order.
    ///
    /// Spec: v5 §4.8.2: at QoS 1 what is not acknowledged, never what was begun at QoS 2.
    pub(crate) fn clear_flows(&mut self, batch: &mut Batch) -> Vec<Taken> {
        let begun = self.send.clear().filter_map(|sent| {
            let is_moved = sent.via.is_shared() && sent.qos == QoS::AtLeastOnce;
            let (qos, retain, via, id) = (sent.qos, sent.retain, sent.via, sent.id);
            let taken = match sent.message {
                Some(message) => Taken::Here(Queued {
                    message,
                    qos,
                    retain,
                    via,
                    id,
                }),
                None if sent.is_stored => Taken::Stored(Stored {
                    id,
                    qos,
                    retain,
                    via,
                    size: 0,
                    expires_at_ms: NEVER,
                }),
                None => return None,
            };
            is_moved.then_some(taken)
        });
        let mut moving: Vec<Taken> = begun.collect();
        if let Some(queue) = self.queue.take() {
            moving.extend(queue.into_shared(batch));
        }
        moving
    }
}
