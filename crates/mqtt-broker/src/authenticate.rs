//! Who a client is: at CONNECT, in an exchange of AUTH packets, and again later.

use crate::access::{ClientInfo, Identity};
use mqtt_access::Rules;
use mqtt_codec::{ProtocolVersion, ReasonCode};
use mqtt_io::PeerCertificate;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

/// What a CONNECT says about who it comes from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectRequest<'a> {
    /// As sent; empty when the broker is to assign one.
    pub client_id: &'a str,
    /// As sent.
    pub username: Option<&'a str>,
    /// As sent.
    pub password: Option<&'a [u8]>,
    /// The version it speaks.
    pub version: ProtocolVersion,
    /// The address the connection comes from.
    pub peer: SocketAddr,
    /// The name of the listener it came through.
    pub listener: &'a str,
    /// The Authentication Method, when there is one; v5 §3.1.2.11.9.
    pub method: Option<&'a str>,
    /// The certificate it showed and the listener accepted, or the name a trusted proxy took from one.
    pub certificate: Option<&'a PeerCertificate>,
}

impl<'a> ConnectRequest<'a> {
    /// One that says nothing but a Client Identifier.
    #[must_use]
    pub const fn new(
        client_id: &'a str,
        version: ProtocolVersion,
        peer: SocketAddr,
        listener: &'a str,
    ) -> Self {
        Self {
            client_id,
            username: None,
            password: None,
            version,
            peer,
            listener,
            method: None,
            certificate: None,
        }
    }
}

/// What an accepted client gets besides its connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grant {
    /// The name it is known by from here on, instead of the User Name it sent.
    pub username: Option<Box<str>>,
    /// Whether it is known by no name, whatever it sent.
    pub anonymous: bool,
    /// Whether it may do everything: [`crate::Access`] is not asked then.
    pub superuser: bool,
    /// What is known about it, for rules of access.
    pub attributes: BTreeMap<Box<str>, Box<str>>,
    /// Rules of its own, asked before all others.
    pub rules: Option<Arc<Rules>>,
    /// How it proved who it is, where that can cease to hold.
    pub identity: Option<Arc<Identity>>,
    /// Response Information for a v5 client that asked for it, instead of the configured one; v5 §3.2.2.3.15.
    pub response_information: Option<Box<str>>,
    /// The last Authentication Data of an exchange; v5 §3.2.2.3.18.
    pub authentication_data: Option<Box<[u8]>>,
}

/// Why a client is turned away, and where it may go instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The Reason Code of CONNACK, or of DISCONNECT after a re-authentication that failed.
    pub reason: ReasonCode,
    /// What a v5 client is told in words, if it fits into what it takes.
    pub reason_string: Option<Box<str>>,
    /// Another server, with 0x9C or 0x9D; v5 §4.13.
    pub server_reference: Option<Box<str>>,
}

impl Refusal {
    /// A refusal with nothing but its Reason Code.
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            reason_string: None,
            server_reference: None,
        }
    }

    /// "Use another server" (0x9C), for the time being.
    pub fn use_another_server(server_reference: impl Into<Box<str>>) -> Self {
        Self {
            server_reference: Some(server_reference.into()),
            ..Self::new(ReasonCode::USE_ANOTHER_SERVER)
        }
    }

    /// "Server moved" (0x9D), for good.
    pub fn server_moved(server_reference: impl Into<Box<str>>) -> Self {
        Self {
            server_reference: Some(server_reference.into()),
            ..Self::new(ReasonCode::SERVER_MOVED)
        }
    }
}

/// What comes of a step of authentication.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuthStep {
    /// The client is who it says.
    Accept(Box<Grant>),
    /// It is not, or may not connect.
    Refuse(Box<Refusal>),
    /// It has to answer this Authentication Data first; only in an exchange.
    Continue(Box<[u8]>),
}

impl AuthStep {
    /// Accepts with nothing besides the connection.
    pub fn accept() -> Self {
        Self::Accept(Box::default())
    }

    /// Refuses with a Reason Code.
    pub fn refuse(reason: ReasonCode) -> Self {
        Self::Refuse(Box::new(Refusal::new(reason)))
    }
}

/// A step, or the promise of one.
pub enum AuthAnswer {
    /// Known now.
    Ready(AuthStep),
    /// Known later: only this client waits.
    Pending(Pin<Box<dyn Future<Output = AuthStep> + Send>>),
}

impl fmt::Debug for AuthAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(step) => f.debug_tuple("Ready").field(step).finish(),
            Self::Pending(_) => f.write_str("Pending"),
        }
    }
}

/// Finds out who clients are; called on the connection's task, so it must not block.
pub trait Authenticate: Send + Sync + 'static {
    /// A CONNECT without an Authentication Method.
    fn connect(&self, request: &ConnectRequest<'_>) -> AuthAnswer;

    /// A CONNECT or a re-authentication with `request.method`: the exchange that follows its rules.
    ///
    /// None for a method that is not known: refused with Bad authentication method (0x8C). Spec: v5 [MQTT-4.12.0-1].
    fn exchange(&self, _request: &ConnectRequest<'_>) -> Option<Box<dyn Exchange>> {
        None
    }

    /// Whether a client that was let in would be let in again, as far as that can be said without asking it.
    ///
    /// `false` ends its connection; asked by [`Manager::recheck`](crate::Manager::recheck).
    fn still_valid(&self, _client: &ClientInfo) -> bool {
        true
    }
}

/// One exchange of AUTH packets. Spec: v5 §4.12.
pub trait Exchange: Send {
    /// The client's Authentication Data: of CONNECT first, then of each AUTH; none where it sent none.
    ///
    /// A step that was promised is not asked for again.
    fn step(&mut self, authentication_data: Option<&[u8]>) -> AuthAnswer;
}

impl<A: Authenticate> Authenticate for Arc<A> {
    fn connect(&self, request: &ConnectRequest<'_>) -> AuthAnswer {
        (**self).connect(request)
    }

    fn exchange(&self, request: &ConnectRequest<'_>) -> Option<Box<dyn Exchange>> {
        (**self).exchange(request)
    }

    fn still_valid(&self, client: &ClientInfo) -> bool {
        (**self).still_valid(client)
    }
}
