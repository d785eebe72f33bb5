//! What a packet from the server means for the application, and what the application gives for sending.

use mqtt_codec::{Ack, ConnAck, Delivery, Disconnect, Publish, QoS, SubAck, UnsubAck};

use crate::{AckToken, MessageExpiry};

/// An Application Message as its owner keeps it until the last acknowledgement.
pub trait OutgoingMessage {
    /// The QoS to send it with.
    fn qos(&self) -> QoS;

    /// Shows the PUBLISH that carries this message with `dup` and `delivery`; none when its body is gone.
    fn with_publish<T>(
        &self,
        dup: bool,
        delivery: Delivery,
        use_publish: impl FnOnce(&Publish<'_>) -> T,
    ) -> Option<T>;

    /// When it is of no more use: then it is not sent any more, and until then PUBLISH says how long it is.
    fn expiry(&self) -> Option<MessageExpiry> {
        None
    }

    /// PUBREC came: the body will not be sent again and may be forgotten.
    fn forget_body(&mut self) {}
}

/// What one packet from the server brought about.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent<'a, M, R> {
    /// Nothing the application has to know.
    Handled,
    /// CONNACK: the server accepted the connection.
    Connected {
        /// The answer; [`crate::Negotiated`] and [`super::ServerGrants`] are read from it already.
        ///
        /// Without Session Present `ClientConnection::poll_lost` has the messages that the server has forgotten.
        connack: ConnAck<'a>,
    },
    /// CONNACK: the server refused; the connection is over.
    Refused(ConnAck<'a>),
    /// PUBLISH: a message for the application.
    Message {
        /// The message; its Topic Name is always there, Topic Aliases are resolved.
        publish: Publish<'a>,
        /// What to acknowledge it with once the application has it; none at QoS 0.
        ack: Option<AckToken>,
    },
    /// PUBACK, PUBCOMP or a PUBREC that refuses: the flow of `message` has ended.
    Acknowledged {
        /// The message as it was given.
        message: M,
        /// The acknowledgement; before v5 its reason is always success.
        ack: Ack<'a>,
    },
    /// SUBACK.
    Subscribed {
        /// The request as it was given.
        request: R,
        /// The answer, with a Reason Code for each Topic Filter.
        suback: SubAck<'a>,
    },
    /// UNSUBACK.
    Unsubscribed {
        /// The request as it was given.
        request: R,
        /// The answer; before v5 without Reason Codes.
        unsuback: UnsubAck<'a>,
    },
    /// DISCONNECT: the server ends the connection.
    Disconnected(Disconnect<'a>),
}
