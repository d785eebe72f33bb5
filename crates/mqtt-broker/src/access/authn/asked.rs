//! What an authenticator is asked, and what it says.

use crate::authenticate::{ConnectRequest, Grant};
use mqtt_codec::ProtocolVersion;
use mqtt_io::PeerCertificate;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A CONNECT that can be kept while an answer is fetched.
#[derive(Clone)]
pub(in crate::access) struct Asked {
    pub(in crate::access) client_id: Box<str>,
    pub(in crate::access) username: Option<Box<str>>,
    pub(in crate::access) password: Option<Arc<Zeroizing<Vec<u8>>>>,
    pub(in crate::access) version: ProtocolVersion,
    pub(in crate::access) peer: SocketAddr,
    pub(in crate::access) listener: Box<str>,
    pub(in crate::access) certificate: Option<Box<PeerCertificate>>,
}

impl Asked {
    pub(in crate::access) fn of(request: &ConnectRequest<'_>) -> Self {
        let password = request.password.map(|bytes| Zeroizing::new(bytes.to_vec()));
        Self {
            client_id: request.client_id.into(),
            username: request.username.map(Into::into),
            password: password.map(Arc::new),
            version: request.version,
            peer: request.peer,
            listener: request.listener.into(),
            certificate: request.certificate.cloned().map(Box::new),
        }
    }

    /// As it was asked.
    pub(in crate::access) fn request(&self) -> ConnectRequest<'_> {
        ConnectRequest {
            client_id: &self.client_id,
            username: self.username.as_deref(),
            password: self.password.as_ref().map(|password| password.as_slice()),
            version: self.version,
            peer: self.peer,
            listener: &self.listener,
            method: None,
            certificate: self.certificate.as_deref(),
        }
    }
}

impl fmt::Debug for Asked {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .field("peer", &self.peer)
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// What came of an authenticator that was to be asked by somebody who wants to know why.
#[derive(Debug)]
pub(in crate::access) enum Heard {
    /// It has said this.
    Said(Verdict),
    /// It cannot be asked without a password.
    NeedsPassword,
    /// It is for clients with an Authentication Method.
    NotForConnect,
}

/// What an authenticator says.
#[derive(Debug)]
pub(in crate::access) enum Verdict {
    /// The client is who it says.
    Allow(Box<Grant>),
    /// It is not.
    Deny(&'static str),
    /// Somebody else may know.
    Ignore,
    /// Too many wait to be checked.
    Busy,
    /// Whoever had to be asked gave no answer.
    Unavailable,
}
