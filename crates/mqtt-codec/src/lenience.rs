//! Which habits of real peers a decoder forgives.

/// Rules that a decoder may be told not to insist on; all `false` means strict.
///
/// Each names a habit of devices in the field that breaks a rule and harms nobody.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Lenience {
    /// The top bit of the protocol level in a CONNECT of 3.1 or 3.1.1, set by bridges.
    pub bridge_bit: bool,
    /// A Client Identifier of more than 23 characters in MQTT 3.1.
    pub long_client_id: bool,
    /// The DUP flag on a PUBLISH at QoS 0; it is read as not set.
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
