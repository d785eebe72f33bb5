//! Clients that come and go, told below `$SYS/brokers/NODE/clients/` as EMQX does.

use super::time;
use crate::access::ClientInfo;
use crate::core::cause::EndCause;
use crate::core::{Batch, Core};
use mqtt_session::Negotiated;
use serde_json::json;

impl Core {
    /// A client's CONNECT was accepted.
    pub(crate) fn tell_sys_connected(
        &self,
        client: &ClientInfo,
        negotiated: &Negotiated,
        clean_start: bool,
        batch: &mut Batch,
        now_ms: u64,
    ) {
        if !self.sys.settings.tells_connected {
            return;
        }
        self.tell_sys(client, "connected", batch, now_ms, |now| {
            json!({
                "clientid": client.client_id,
                "username": client.username,
                "ipaddress": client.peer.ip(),
                "listener": &*client.listener,
                "proto_name": client.version.protocol_name(),
                "proto_ver": client.version.level(),
                "keepalive": negotiated.keep_alive_s,
                "expiry_interval": negotiated.session_expiry.0,
                "clean_start": clean_start,
                "connack": 0,
                "connected_at": now,
                "ts": now,
            })
        });
    }

    /// The connection of a client that was accepted is over.
    pub(crate) fn tell_sys_disconnected(
        &self,
        client: &ClientInfo,
        cause: EndCause,
        batch: &mut Batch,
        now_ms: u64,
    ) {
        if !self.sys.settings.tells_disconnected {
            return;
        }
        self.tell_sys(client, "disconnected", batch, now_ms, |now| {
            json!({
                "clientid": client.client_id,
                "username": client.username,
                "ipaddress": client.peer.ip(),
                "listener": &*client.listener,
                "proto_name": client.version.protocol_name(),
                "proto_ver": client.version.level(),
                "reason": cause.label(),
                "disconnected_at": now,
                "ts": now,
            })
        });
    }

    /// Publishes `what`, if anybody subscribed to it: `payload` is given the date in milliseconds since 1970.
    fn tell_sys(
        &self,
        client: &ClientInfo,
        what: &str,
        batch: &mut Batch,
        now_ms: u64,
        payload: impl FnOnce(u64) -> serde_json::Value,
    ) {
        // Nearly always so, and then a connection is not to be charged for its own event.
        if !self.router.has_special() {
            return;
        }
        let (node, client_id) = (&self.sys.node, &client.client_id);
        // A name with a wildcard in it is no topic; nobody could subscribe to it alone anyway.
        let topic_name = format!("$SYS/brokers/{node}/clients/{client_id}/{what}");
        if self.router.routes(&topic_name).is_empty() {
            return;
        }
        let now = time::unix_ms(self.sys.date(now_ms));
        let payload = payload(now).to_string();
        self.publish_text(&topic_name, payload.as_bytes(), batch, now_ms);
    }
}
