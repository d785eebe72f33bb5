//! Which habits of real peers a decoder forgives.

/// Rules that a decoder may be told not to insist on; all `false` means strict.
///
/// Each names a habit of devices in the field that breaks a rule and harms nobody. None changes
/// what is written.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Lenience {
    /// The top bit of the protocol level in a CONNECT of 3.1 or 3.1.1, by which the bridge of one
    /// broker tells another that it is none of its clients; it is read into
    /// [`Connect::bridge`](crate::Connect::bridge). When `false`, such a level is refused as one
    /// that is not supported.
    ///
    /// Rule: v3.1.1 [MQTT-3.1.2-2].
    pub bridge_bit: bool,
    /// A Client Identifier of more than 23 characters in MQTT 3.1, whose other limit is that of
    /// every string: 65 535 bytes. Clients made for later versions send them when they fall back
    /// to 3.1. When `false`, such a CONNECT is refused for its identifier.
    ///
    /// Rule: MQTT 3.1, CONNECT; lifted by v3.1.1 §3.1.3.1.
    pub long_client_id: bool,
    /// The DUP flag on a PUBLISH at QoS 0, from clients that set it on whatever they send again
    /// after a reconnect; it is read as not set. When `false`, such a PUBLISH is malformed.
    ///
    /// Rule: v5 [MQTT-3.3.1-2], v3.1.1 [MQTT-3.3.1-2].
    pub dup_at_qos_0: bool,
}

impl Lenience {
    /// Insist on every rule; the same as the default.
    pub const STRICT: Self = Self {
        bridge_bit: false,
        long_client_id: false,
        dup_at_qos_0: false,
    };
}
