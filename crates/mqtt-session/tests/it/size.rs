//! What a session costs while nothing happens, in bytes.

use mqtt_session::{
    AckQueue, InboundAliases, Negotiated, OutboundAliases, ReceiveFlows, ReceiveQuota, SendFlows,
    SendQuota, ServerConnection, ServerKeepAlive, ServerSession,
};
use std::sync::Arc;

/// What a connected server session without messages in flight may take besides its strings.
const IDLE_MAX: usize = 192;

#[test]
fn a_connected_server_session_is_small_while_idle() {
    let size = size_of::<ServerConnection<Arc<[u8]>, Box<[u8]>>>();
    assert!(size <= IDLE_MAX, "{size} bytes");
    let offline = size_of::<ServerSession<Arc<[u8]>, Box<[u8]>>>();
    assert!(offline < size, "{offline} bytes without a connection");
}

#[test]
fn the_parts_of_a_server_session_are_small_while_idle() {
    let sizes = [
        size_of::<SendFlows<Arc<[u8]>>>(),
        size_of::<ReceiveFlows>(),
        size_of::<SendQuota>(),
        size_of::<ReceiveQuota>(),
        size_of::<Negotiated>(),
        size_of::<ServerKeepAlive>(),
        size_of::<AckQueue<u64>>(),
        size_of::<InboundAliases>(),
        size_of::<OutboundAliases>(),
    ];
    let sum: usize = sizes.iter().sum();
    assert!(sum <= IDLE_MAX, "{sum} bytes: {sizes:?}");
}
