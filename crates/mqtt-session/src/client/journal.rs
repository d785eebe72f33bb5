//! What a client's journal is told: its flows of messages, and none of its requests.

use super::Flow;
use crate::{Change, Journal, JournalFull};
use mqtt_codec::{PacketId, QoS};

/// A journal of messages as one of flows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlowJournal<J>(pub(super) J);

impl<M, R, J: Journal<M>> Journal<Flow<M, R>> for FlowJournal<J> {
    type Barrier = J::Barrier;

    const KEEPS: bool = J::KEEPS;

    fn begin(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        flow: &Flow<M, R>,
    ) -> Result<(), JournalFull> {
        match flow {
            Flow::Publish(message) => self.0.begin(packet_id, qos, message),
            // They end with their connection.
            Flow::Subscribe { .. } | Flow::Unsubscribe { .. } | Flow::GivenUp => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        self.0.change(change);
    }

    fn barrier(&self) -> J::Barrier {
        self.0.barrier()
    }
}
