//! `ClientBuilder` without async.

use super::{Client, Thread};
use crate::{
    Attempt, ConnectError, Credentials, ProtocolVersion, Reconnect, Stream, TcpOptions, Will,
};
use mqtt_auth::ClientAuth;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// As [`crate::ClientBuilder`]; made by [`Client::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it connects"]
pub struct ClientBuilder(crate::ClientBuilder);

/// Methods that only pass their arguments on.
macro_rules! same {
    ($($(#[$attribute:meta])* $name:ident($($argument:ident: $type:ty),*);)*) => {
        $(
            #[doc = concat!("As [`crate::ClientBuilder::", stringify!($name), "`].")]
            $(#[$attribute])*
            pub fn $name(self, $($argument: $type),*) -> Self {
                Self(self.0.$name($($argument),*))
            }
        )*
    };
}

impl ClientBuilder {
    pub(super) fn new(address: &str) -> Self {
        Self(crate::Client::builder(address))
    }

    same! {
        fallback_server(address: impl AsRef<str>);
        reconnect(reconnect: Reconnect);
        client_id(client_id: impl Into<String>);
        version(version: ProtocolVersion);
        clean_start(clean_start: bool);
        session_expiry(session_expiry: Duration);
        strict_session();
        strict_receive_maximum();
        fail_lost();
        refuse_qos0_offline();
        #[cfg(feature = "store")]
        store(store: impl Into<crate::Store>);
        keep_alive(keep_alive: Duration);
        ping_timeout(ping_timeout: Duration);
        connect_timeout(connect_timeout: Duration);
        stall_timeout(stall_timeout: Duration);
        credentials(username: impl Into<String>, password: impl Into<Vec<u8>>);
        username(username: impl Into<String>);
        will(will: Will);
        user_property(name: impl Into<String>, value: impl Into<String>);
        problem_information(wanted: bool);
        response_information();
        topic_aliases(max: u16);
        own_subscription_identifiers();
        receive_maximum(receive_maximum: u16);
        max_packet_size(packet_len_max: u32);
        publish_capacity(messages: usize);
        publish_bytes(bytes: usize);
        tcp(options: TcpOptions);
        #[cfg(feature = "tls")]
        tls(tls: crate::TlsConfig);
        #[cfg(feature = "ws")]
        websocket(options: crate::WsOptions);
        #[cfg(feature = "srv")]
        srv(resolver: crate::SrvResolver);
        #[cfg(feature = "proxy")]
        proxy(proxy: crate::Proxy);
    }

    /// Asks `source` for the credentials of each attempt; it may block the client's own thread, not for long.
    ///
    /// An error of it is a failed attempt, and the next one asks again.
    pub fn credentials_with<E>(
        self,
        source: impl Fn(Attempt) -> Result<Credentials, E> + Send + Sync + 'static,
    ) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let source = move |attempt| std::future::ready(source(attempt));
        Self(self.0.credentials_with(source))
    }

    /// As [`crate::ClientBuilder::authentication`].
    pub fn authentication<A: ClientAuth + 'static>(
        self,
        method: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        Self(self.0.authentication(method))
    }

    /// As [`crate::ClientBuilder::connector`]; the streams have to be of tokio all the same.
    pub fn connector<F, A>(self, source: F) -> Self
    where
        F: Fn(Attempt) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<Stream>> + Send + 'static,
    {
        Self(self.0.connector(source))
    }

    /// Connects, and runs the client in a thread of its own.
    ///
    /// # Errors
    /// As [`crate::ClientBuilder::connect`]; or the thread cannot be started.
    pub fn connect(self) -> Result<Client, ConnectError> {
        let mut thread = started()?;
        let inner = thread.wait(self.0.connect())?;
        thread.state = Some(inner.state());
        let thread = Arc::new(thread);
        Ok(Client { inner, thread })
    }

    /// Runs the client in a thread of its own and does not wait for a connection, which is tried for from now on.
    ///
    /// # Errors
    /// As [`crate::ClientBuilder::start`]; or the thread cannot be started.
    pub fn start(self) -> Result<Client, ConnectError> {
        let mut thread = started()?;
        let inner = thread.wait(async { self.0.start() })?;
        thread.state = Some(inner.state());
        let thread = Arc::new(thread);
        Ok(Client { inner, thread })
    }
}

fn started() -> Result<Thread, ConnectError> {
    Thread::start().map_err(|source| ConnectError::Io {
        server: String::new(),
        source: Arc::new(source),
    })
}
