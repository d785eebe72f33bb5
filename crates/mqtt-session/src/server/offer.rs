//! What a server offers its clients.

use crate::{OUTBOUND_ALIASES_DEFAULT, ServerGrants, ServerLimits};
use mqtt_codec::QoS;

/// What a server offers a client that connects, and how long it waits for it.
///
/// Spec: v5 §3.2.2.3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServerOffer {
    /// The most it grants.
    pub limits: ServerLimits,
    /// What it has.
    pub grants: ServerGrants,
    /// Topic Aliases it sets towards a client that takes them, 0 for none.
    pub outbound_aliases_max: u16,
    /// Time for CONNECT, in milliseconds from the opening of the connection.
    pub connect_within_ms: u64,
    /// Time for each answer to AUTH, in milliseconds.
    pub authenticate_within_ms: u64,
}

impl ServerOffer {
    /// Everything the standard has, within `limits`; ten seconds for each step of the client.
    pub const fn new(limits: ServerLimits) -> Self {
        Self {
            limits,
            grants: ServerGrants::ALL,
            outbound_aliases_max: OUTBOUND_ALIASES_DEFAULT,
            connect_within_ms: 10_000,
            authenticate_within_ms: 10_000,
        }
    }
}

impl ServerGrants {
    /// Everything the standard has.
    pub const ALL: Self = Self {
        maximum_qos: QoS::ExactlyOnce,
        retain: true,
        wildcards: true,
        subscription_identifiers: true,
        shared_subscriptions: true,
    };
}
