//! UNSUBSCRIBE.

use crate::core::cause::EndCause;
use crate::core::connection::{Connection, HeldAnswer};
use crate::core::log::LogPosition;
use crate::core::push;
use crate::extensions::Subscribed;
use mqtt_codec::{Packet, Properties, ReasonCode, ReasonCodes, UnsubAck, Unsubscribe};

impl Connection {
    /// Ends subscriptions, one Reason Code each. Spec: v5 §3.10.4, v3.1.1 §3.10.4.
    pub(crate) fn handle_unsubscribe(
        &mut self,
        unsubscribe: &Unsubscribe<'_>,
    ) -> Result<(), EndCause> {
        self.check_answer_len(unsubscribe.filters.len())?;
        let Some(open) = &self.open else {
            return Ok(());
        };
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        let mut position = LogPosition::NONE;
        for topic_filter in unsubscribe.filters.iter() {
            let mut subscribed = Subscribed::of(topic_filter.as_str());
            // A filter that becomes none cannot have been subscribed to.
            let rewritten = self.core.rewrite_filter(&open.client, &mut subscribed);
            let (was_there, written) = match rewritten {
                Ok(()) => self.core.unsubscribe(&open.cell, &subscribed.topic_filter),
                Err(_) => (false, LogPosition::NONE),
            };
            position = position.max(written);
            reasons.push(match was_there {
                true => ReasonCode::SUCCESS,
                false => ReasonCode::NO_SUBSCRIPTION_EXISTED,
            });
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
