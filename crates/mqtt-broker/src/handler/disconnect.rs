//! DISCONNECT from the client.

use crate::core::cause::EndCause;
use crate::core::connection::Connection;
use mqtt_codec::{Disconnect, PacketType, ReasonCode};
use mqtt_session::{ProtocolError, SessionExpiry};

impl Connection {
    /// The client leaves; its will is discarded unless it says 0x04. Spec: v5 §3.14.4, v3.1.1 §3.14.4.
    pub(crate) fn handle_disconnect(
        &mut self,
        disconnect: &Disconnect<'_>,
    ) -> Result<(), EndCause> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if let Some(expiry_s) = disconnect.properties.session_expiry_interval_s() {
            let max = self.core.limits.session_expiry_max;
            if !open
                .negotiated
                .override_session_expiry(SessionExpiry(expiry_s), max)
            {
                let packet_type = PacketType::Disconnect;
                return Err(EndCause::Protocol(ProtocolError::Unexpected {
                    packet_type,
                }));
            }
            let mut state = open.cell.state.lock();
            if state.epoch == open.epoch {
                state.negotiated.session_expiry = open.negotiated.session_expiry;
            }
        }
        // Every reason but "normal" publishes the will as a lost connection would; v5 [MQTT-3.14.4-3].
        Err(match disconnect.reason {
            ReasonCode::NORMAL_DISCONNECTION => EndCause::ClientDisconnect,
            _ => EndCause::ClientDisconnectWithWill,
        })
    }
}
