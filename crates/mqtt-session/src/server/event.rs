//! What a packet from the client means for the server's owner.

use crate::AliasTopic;
use crate::held_acks::AckToken;
use mqtt_codec::{Ack, Auth, Disconnect, PacketId, Publish, QoS, Subscribe, Unsubscribe};

/// What one packet from the client brought about.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerEvent<'a, M> {
    /// Nothing the owner has to know.
    Handled,
    /// PUBLISH, new: its Topic Name is always there, Topic Aliases are resolved.
    Message {
        /// As received.
        publish: Publish<'a>,
        /// What to acknowledge it with once the message is the server's own; none at QoS 0.
        ack: Option<AckToken>,
    },
    /// PUBLISH of QoS 2 that came before and has not been released: it is not to be handed on again.
    ///
    /// It is acknowledged as the first one was, once that message is the server's own.
    /// Spec: v5 [MQTT-4.3.3-10], v3.1.1 [MQTT-4.3.3-2].
    Repeated {
        /// What to acknowledge it with.
        ack: AckToken,
    },
    /// PUBACK, PUBCOMP or a PUBREC that refuses: the flow of `message` has ended.
    Acknowledged {
        /// The message as it was given.
        message: M,
        /// The acknowledgement; before v5 its reason is always success.
        ack: Ack<'a>,
    },
    /// SUBSCRIBE, which asks for nothing that CONNACK said is not there.
    Subscribe {
        /// As received.
        subscribe: Subscribe<'a>,
        /// What to answer it with.
        answer: RequestToken,
    },
    /// UNSUBSCRIBE.
    Unsubscribe {
        /// As received.
        unsubscribe: Unsubscribe<'a>,
        /// What to answer it with.
        answer: RequestToken,
    },
    /// AUTH: a step of a re-authentication, 0x19 being the first; traffic goes on meanwhile.
    Authenticate(Auth<'a>),
    /// DISCONNECT: the client ends the connection. Its Session Expiry Interval and Reason Code are noted.
    Disconnected(Disconnect<'a>),
}

/// The right to answer one SUBSCRIBE or UNSUBSCRIBE, on the Network Connection it came on.
#[derive(Debug, Eq, PartialEq)]
pub struct RequestToken {
    /// Which Network Connection of the session.
    pub(super) connection: u32,
    pub(super) packet_id: PacketId,
    /// Topic Filters in the request.
    pub(super) filters: usize,
}

/// A PUBLISH that somebody has encoded for many receivers, as far as a session has to know it.
#[derive(Clone, Copy, Debug)]
pub struct EncodedPublish<'a> {
    /// The whole packet, its payload included, with a Packet Identifier if `qos` has one. Unit: bytes.
    pub packet_len: usize,
    /// The QoS of this receiver's copy.
    pub qos: QoS,
    /// Its Topic Name.
    pub topic: AliasTopic<'a>,
}
