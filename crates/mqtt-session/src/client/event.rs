//! What a packet from the server means for the application, and what the application gives for sending.

use mqtt_codec::{
    Ack, Auth, ConnAck, Delivery, Disconnect, Publish, QoS, ReasonCode, SubAck, UnsubAck,
};

use crate::{AckToken, MessageExpiry};

/// An Application Message as its owner keeps it until the last acknowledgement.
pub trait OutgoingMessage {
    /// The QoS to send it with.
    fn qos(&self) -> QoS;

    /// Shows the PUBLISH that carries this message with `dup` and `delivery`; none when its body is gone.
    ///
    /// A message without a body that is to be sent comes back with [`crate::SendRefusal::NoBody`].
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

    /// What PUBREC says, before [`OutgoingMessage::forget_body`]: PUBCOMP knows nothing of it any more.
    fn note_received(&mut self, _pubrec: &Ack<'_>) {}
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
        /// An Assigned Client Identifier in it names the session from now on: the next CONNECT has to carry it.
        /// Without Session Present `ClientConnection::poll_lost` has the messages that the server has forgotten. 3.1
        /// has no Session Present: there a session goes on unless Clean Session has ended it.
        connack: ConnAck<'a>,
    },
    /// CONNACK: the server refused; the connection is over.
    Refused(ConnAck<'a>),
    /// PUBLISH: a message for the application.
    Message {
        /// The message; its Topic Name is always there, Topic Aliases are resolved.
        publish: Publish<'a>,
        /// What to acknowledge it with once the application has it; none at QoS 0.
        ///
        /// To be kept at QoS 2 when the connection is lost: the message is not given again while the session goes on,
        /// and the server is not answered before this one is. At QoS 1 it comes again with another.
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
    /// AUTH 0x18: the server asks for more, before CONNACK or in a re-authentication: answer it with
    /// `ClientConnection::authenticate`.
    Authenticate(Auth<'a>),
    /// AUTH 0x00: a re-authentication has ended well.
    Authenticated(Auth<'a>),
    /// DISCONNECT: the server ends the connection.
    Disconnected(Disconnect<'a>),
}

/// Another server to use, as told by CONNACK or DISCONNECT.
///
/// How often a client follows is for its owner to bound: two servers may name each other.
/// Spec: v5 §4.13, §3.2.2.3.16, §3.14.2.2.5.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Redirect<'a> {
    /// Names of other servers, separated by spaces; none where the server leaves the choice to the client.
    pub server_reference: Option<&'a str>,
    /// Whether the client is to go there from now on (0x9D), not only this time (0x9C).
    pub is_permanent: bool,
}

impl<'a, M, R> ClientEvent<'a, M, R> {
    /// Where the server sends this client, if it does.
    pub fn redirect(&self) -> Option<Redirect<'a>> {
        let (reason, properties) = match self {
            Self::Refused(connack) => (connack.reason, connack.properties),
            Self::Disconnected(disconnect) => (disconnect.reason, disconnect.properties),
            _ => return None,
        };
        let is_permanent = match reason {
            ReasonCode::USE_ANOTHER_SERVER => false,
            ReasonCode::SERVER_MOVED => true,
            _ => return None,
        };
        Some(Redirect {
            server_reference: properties.server_reference(),
            is_permanent,
        })
    }
}
