//! UNSUBSCRIBE.

use crate::core::cause::EndCause;
use crate::core::connection::{Connection, HeldAnswer};
use crate::core::log::{LogPosition, LogRecord};
use crate::core::push;
use mqtt_codec::{Packet, Properties, ReasonCode, ReasonCodes, UnsubAck, Unsubscribe};

impl Connection {
    /// Ends subscriptions, one Reason Code each. Spec: v5 §3.10.4, v3.1.1 §3.10.4.
    pub(crate) fn handle_unsubscribe(
        &mut self,
        unsubscribe: &Unsubscribe<'_>,
    ) -> Result<(), EndCause> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        let mut position = LogPosition::NONE;
        for topic_filter in unsubscribe.filters.iter() {
            let topic_filter = topic_filter.as_str();
            let mut state = open.cell.state.lock();
            state
                .subscriptions
                .retain(|held| *held.topic_filter != *topic_filter);
            let is_durable = state.is_durable();
            drop(state);
            if !self.core.router.unsubscribe(topic_filter, open.cell.key) {
                reasons.push(ReasonCode::NO_SUBSCRIPTION_EXISTED);
                continue;
            }
            reasons.push(ReasonCode::SUCCESS);
            if is_durable && self.core.log.keeps_records() {
                let record = LogRecord::Unsubscribed {
                    session: open.cell.key,
                    topic_filter,
                };
                position = self.core.log.append(record).unwrap_or(position);
            }
        }
        let unsuback = Packet::UnsubAck(UnsubAck {
            packet_id: unsubscribe.packet_id,
            properties: Properties::EMPTY,
            reasons: ReasonCodes::from(reasons.as_slice()),
        });
        let mut bytes = Vec::new();
        push(&mut bytes, open.negotiated.version, &unsuback);
        self.answer(position, HeldAnswer::Bytes(bytes.into()));
        Ok(())
    }
}
