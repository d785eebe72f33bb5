//! Enhanced authentication: whose turn it is, from either side, on CONNECT and again later.

use crate::fitting::append_fitting;
use crate::{Negotiated, Output, ProtocolError, SendRefusal};
#[cfg(feature = "alloc")]
use alloc::boxed::Box;
use mqtt_codec::{
    Auth, ConnAck, Packet, PacketType, Properties, Property, PropertyList, ReasonCode,
};

/// Which end of the connection keeps the exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    Client,
    Server,
}

/// Who owes the next step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    Own,
    Peer,
    /// The client is authenticated and may begin again.
    Nobody,
}

/// The exchange of one Network Connection whose CONNECT named an Authentication Method.
///
/// `T` is how the owner keeps the method. Spec: v5 §4.12; there is none before v5.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthExchange<T> {
    method: T,
    side: Side,
    turn: Turn,
    /// Whether CONNACK has been and what is under way is a re-authentication.
    is_connected: bool,
}

impl<T: AsRef<str>> AuthExchange<T> {
    /// The client's side: CONNECT with `method` has left.
    pub const fn client(method: T) -> Self {
        Self {
            method,
            side: Side::Client,
            turn: Turn::Peer,
            is_connected: false,
        }
    }

    /// The server's side: CONNECT with `method` has come.
    pub const fn server(method: T) -> Self {
        Self {
            method,
            side: Side::Server,
            turn: Turn::Own,
            is_connected: false,
        }
    }

    /// The Authentication Method of CONNECT, which never changes; v5 [MQTT-4.12.0-5], [MQTT-4.12.1-1].
    pub fn method(&self) -> &str {
        self.method.as_ref()
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.turn == Turn::Nobody
    }

    /// Whether this side owes the next step.
    pub fn is_due(&self) -> bool {
        self.turn == Turn::Own
    }

    /// Whether the peer owes the next step, so that its time may be limited.
    pub fn is_waiting(&self) -> bool {
        self.turn == Turn::Peer
    }

    /// Takes AUTH from the peer.
    ///
    /// Continue (0x18) makes it this side's turn. From a client Re-authenticate (0x19) does too, from a server
    /// Success (0x00) ends a re-authentication. Spec: v5 §3.15.2.1, §4.12.1.
    ///
    /// # Errors
    /// Another method, or a Reason Code that is not the next step.
    pub fn handle_auth(&mut self, auth: &Auth<'_>) -> Result<(), ProtocolError> {
        // A success without any property has no method either; v5 §3.15.2.1.
        let is_shortest = auth.reason == ReasonCode::SUCCESS && auth.properties.is_empty();
        if !is_shortest {
            self.check_method(&auth.properties)?;
        }
        self.turn = match (self.side, self.turn, auth.reason) {
            (_, Turn::Peer, ReasonCode::CONTINUE_AUTHENTICATION) => Turn::Own,
            (Side::Server, Turn::Nobody, ReasonCode::RE_AUTHENTICATE) => Turn::Own,
            (Side::Client, Turn::Peer, ReasonCode::SUCCESS) if self.is_connected => Turn::Nobody,
            (_, _, reason) => return Err(ProtocolError::AuthenticationOutOfTurn { reason }),
        };
        Ok(())
    }

    /// Takes the CONNACK that accepts (client only): the exchange is over.
    ///
    /// # Errors
    /// Another method or none; v5 [MQTT-4.12.0-5]. A server that accepts without hearing the answer it asked for.
    pub fn handle_connack(&mut self, connack: &ConnAck<'_>) -> Result<(), ProtocolError> {
        self.check_method(&connack.properties)?;
        if self.turn != Turn::Peer {
            let packet_type = PacketType::ConnAck;
            return Err(ProtocolError::Unexpected { packet_type });
        }
        self.turn = Turn::Nobody;
        self.is_connected = true;
        Ok(())
    }

    /// The Reason Code of an AUTH that leaves now and asks the peer for more: always 0x18.
    ///
    /// None while it is not this side's turn. Spec: v5 [MQTT-4.12.0-2], [MQTT-4.12.0-3].
    pub fn proceed(&mut self) -> Option<ReasonCode> {
        (self.turn == Turn::Own).then(|| {
            self.turn = Turn::Peer;
            ReasonCode::CONTINUE_AUTHENTICATION
        })
    }

    /// The server is satisfied: the Reason Code of CONNACK, or of the AUTH that ends a re-authentication.
    ///
    /// None while it is not its turn, and for a client, which never says so.
    pub fn succeed(&mut self) -> Option<ReasonCode> {
        (self.side == Side::Server && self.turn == Turn::Own).then(|| {
            self.turn = Turn::Nobody;
            self.is_connected = true;
            ReasonCode::SUCCESS
        })
    }

    /// The client begins again: the Reason Code of its AUTH.
    ///
    /// None while an exchange is under way, and for a server, which never begins. Spec: v5 §4.12.1.
    pub fn begin_again(&mut self) -> Option<ReasonCode> {
        (self.side == Side::Client && self.turn == Turn::Nobody).then(|| {
            self.turn = Turn::Peer;
            ReasonCode::RE_AUTHENTICATE
        })
    }

    /// Encodes AUTH to the end of `out` with the Reason Code of `step` and the method; `properties` has the rest.
    ///
    /// # Errors
    /// It is not this side's turn, or the packet cannot be sent; the exchange and `out` are as they were.
    pub(crate) fn send(
        &mut self,
        step: impl FnOnce(&mut Self) -> Option<ReasonCode>,
        properties: Properties<'_>,
        negotiated: &Negotiated,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        let before = (self.turn, self.is_connected);
        let reason = step(self).ok_or(SendRefusal::AuthenticationNotDue)?;
        let set = [Property::AuthenticationMethod(self.method.as_ref())];
        let list = PropertyList {
            base: properties,
            set: &set,
            ..PropertyList::default()
        };
        let auth = Auth {
            reason,
            properties: Properties::from(&list),
        };
        let written = append_fitting(&Packet::Auth(auth), negotiated, out);
        if written.is_err() {
            (self.turn, self.is_connected) = before;
        }
        written
    }

    fn check_method(&self, properties: &Properties<'_>) -> Result<(), ProtocolError> {
        match properties.authentication_method() {
            Some(method) if method == self.method() => Ok(()),
            _ => Err(ProtocolError::AuthenticationMethodChanged),
        }
    }
}

/// An Authentication Method as a connection keeps it.
///
/// Without `alloc` it has up to 32 bytes, which the names of SASL mechanisms do not exceed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthMethod {
    #[cfg(feature = "alloc")]
    text: Box<str>,
    #[cfg(not(feature = "alloc"))]
    bytes: [u8; 32],
    /// INVARIANT: the first `len` bytes are UTF-8.
    #[cfg(not(feature = "alloc"))]
    len: usize,
}

#[cfg(feature = "alloc")]
impl AuthMethod {
    /// The longest there is room for, in bytes.
    pub const LEN_MAX: usize = 65_535;

    /// A copy of `method`; none when there is no room for it, which there always is here.
    pub fn try_new(method: &str) -> Option<Self> {
        let text = method.into();
        Some(Self { text })
    }
}

#[cfg(feature = "alloc")]
impl AsRef<str> for AuthMethod {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

#[cfg(not(feature = "alloc"))]
impl AuthMethod {
    /// The longest there is room for, in bytes.
    pub const LEN_MAX: usize = 32;

    /// A copy of `method`; none when it has more than 32 bytes.
    pub fn try_new(method: &str) -> Option<Self> {
        let mut bytes = [0; Self::LEN_MAX];
        bytes
            .get_mut(..method.len())?
            .copy_from_slice(method.as_bytes());
        let len = method.len();
        Some(Self { bytes, len })
    }
}

#[cfg(not(feature = "alloc"))]
impl AsRef<str> for AuthMethod {
    fn as_ref(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}
