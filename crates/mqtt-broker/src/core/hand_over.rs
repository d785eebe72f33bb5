//! Messages of Shared Subscriptions that wait for a member who is away go to members who are there.

use super::log::MessageId;
use super::router::shared_filter;
use super::session_cell::SessionCell;
use super::share_group::{Group, GroupKey, Room};
use super::{Batch, Core, Via};
use std::collections::HashMap;
use std::sync::Arc;

impl Core {
    /// What a member that is away has not begun to deliver goes to members that are connected, as far as they have
    /// room for it.
    ///
    /// What it has begun waits for its return; v5 [MQTT-4.8.2-4].
    pub(super) fn hand_over(&self, cell: &Arc<SessionCell>, batch: &mut Batch, now_ms: u64) {
        let mut rooms: HashMap<GroupKey, Room> = HashMap::new();
        for group in self.groups_of(cell) {
            let room = group.room(&self.limits);
            if !room.is_none() {
                rooms.insert(group.key, room);
            }
        }
        if rooms.is_empty() {
            return;
        }
        let mut state = cell.state.lock();
        if state.connected {
            return;
        }
        let moving = state.take_unsent_shared(batch, |via: &Via, size| {
            let room = via.to_group().and_then(|group| rooms.get_mut(&group.key));
            room.is_some_and(|room| room.take(size))
        });
        self.tell(cell, &state);
        drop(state);
        let moved = moving.iter().map(|taken| (cell.key, taken.id()));
        let moved: Vec<_> = moved.filter(|(_, id)| *id != MessageId::NONE).collect();
        self.reassign(cell.key, moving, batch, now_ms);
        batch.finished.extend(moved);
    }

    /// A session is connected again: it gets what waits for members of its groups that are still away.
    pub(super) fn relieve_groups_of(&self, cell: &SessionCell, batch: &mut Batch, now_ms: u64) {
        for group in self.groups_of(cell) {
            self.relieve_group(&group, batch, now_ms);
        }
    }

    /// The group of this Topic Filter has a new member.
    pub(super) fn relieve(&self, topic_filter: &str, batch: &mut Batch, now_ms: u64) {
        if let Some(group) = self.router.group(topic_filter) {
            self.relieve_group(&group, batch, now_ms);
        }
    }

    fn relieve_group(&self, group: &Group, batch: &mut Batch, now_ms: u64) {
        for away in group.laden() {
            self.hand_over(&away, batch, now_ms);
        }
    }

    fn groups_of(&self, cell: &SessionCell) -> Vec<Arc<Group>> {
        let state = cell.state.lock();
        let filters = state.subscriptions.iter();
        let filters = filters.map(|subscription| &subscription.topic_filter);
        let shared = filters.filter(|topic_filter| shared_filter(topic_filter).is_some());
        let shared: Vec<Box<str>> = shared.cloned().collect();
        drop(state);
        let groups = shared
            .iter()
            .filter_map(|topic_filter| self.router.group(topic_filter));
        groups.collect()
    }
}
