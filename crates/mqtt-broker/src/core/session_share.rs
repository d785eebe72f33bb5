//! Messages of Shared Subscriptions that a session gives away.

use super::batch::Batch;
use super::queue::Queued;
use super::session_cell::SessionState;
use super::subscription::Via;
use mqtt_codec::QoS;

impl SessionState {
    /// Takes the messages that came by a Shared Subscription and were never sent, as `is_wanted` says of each in order,
    /// given how it came and its size in bytes.
    pub(crate) fn take_unsent_shared(
        &mut self,
        batch: &mut Batch,
        mut is_wanted: impl FnMut(&Via, usize) -> bool,
    ) -> Vec<Queued> {
        let Some(queue) = &mut self.queue else {
            return Vec::new();
        };
        let taken = queue.take_shared(batch, |queued| {
            is_wanted(&queued.via, queued.message.size())
        });
        queue.wake_waiters(batch);
        if queue.is_empty() {
            self.queue = None;
        }
        taken
    }

    /// Empties it, as its session has ended: the messages another member of a group is to get, in order.
    ///
    /// Spec: v5 §4.8.2: at QoS 1 what is not acknowledged, never what was begun at QoS 2.
    pub(crate) fn clear_flows(&mut self, batch: &mut Batch) -> Vec<Queued> {
        let begun = self.send.clear().filter_map(|sent| {
            let is_moved = sent.via.is_shared() && sent.qos == QoS::AtLeastOnce;
            Some(Queued {
                message: sent.message.filter(|_| is_moved)?,
                qos: sent.qos,
                retain: sent.retain,
                via: sent.via,
                id: sent.id,
            })
        });
        let mut moving: Vec<Queued> = begun.collect();
        if let Some(queue) = self.queue.take() {
            let unsent = queue.take_all(batch).into_iter();
            moving.extend(unsent.filter(|queued| queued.via.is_shared()));
        }
        moving
    }
}
