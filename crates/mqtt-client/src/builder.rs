//! `ClientBuilder`: everything that is decided before connecting.

use crate::authenticate::AuthSource;
use crate::dial::{Credentials, CredentialsSource, Dial, WrapStream};
use crate::driver::Driver;
use crate::options::Options;
use crate::{
    Attempt, Client, CloseReason, ConnectError, EndpointError, Reconnect, Stream, TcpOptions, Will,
    limits,
};
use mqtt_auth::ClientAuth;
use mqtt_codec::ProtocolVersion;
use mqtt_io::{Connector, Endpoint, Transport};
use std::future::poll_fn;
use std::io;
use std::num::{NonZeroU16, NonZeroU32};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

/// Everything that is decided before connecting; made by [`Client::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it connects"]
pub struct ClientBuilder {
    options: Result<Options, EndpointError>,
}

impl ClientBuilder {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            options: Endpoint::parse(address).map(Options::new),
        }
    }

    /// Sets the Client Identifier; when none is set the server assigns one.
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        self.with(|options| options.client_id = client_id.into())
    }

    /// Speaks this version and no other.
    ///
    /// Without it MQTT 5 is tried first, and 3.1.1 when the server answers that it does not know version 5.
    /// A server that just closes the connection has said nothing, so nothing else is tried.
    pub fn version(self, version: ProtocolVersion) -> Self {
        self.with(|options| options.version = Some(version))
    }

    /// Sets whether a session the server may have kept is thrown away; `true` when not set.
    ///
    /// With `false`, messages for the kept session come before this client has subscribed to anything: see
    /// [`Client::unclaimed`]. Spec: v5 §3.1.2.4; before v5 this is Clean Session.
    pub fn clean_start(self, clean_start: bool) -> Self {
        self.with(|options| options.clean_start = clean_start)
    }

    /// Sets how long the server keeps the session after the connection, in whole seconds; zero when not set.
    ///
    /// [`Duration::MAX`] is for ever. Before v5 a session is kept for ever if `clean_start` is `false`.
    pub fn session_expiry(self, session_expiry: Duration) -> Self {
        self.with(|options| options.session_expiry = session_expiry)
    }

    /// Sets the silence of either side after which the connection is probed, in whole seconds; zero never does.
    ///
    /// 60 seconds when not set; the server may order another. Spec: v5 §3.1.2.10.
    pub fn keep_alive(self, keep_alive: Duration) -> Self {
        self.with(|options| options.keep_alive = keep_alive)
    }

    /// Sets User Name and Password; they go before those in the address.
    pub fn credentials(self, username: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        let credentials = Credentials::new(username, password);
        self.with(|options| options.credentials = Some(credentials))
    }

    /// Sets the User Name, without a Password.
    pub fn username(self, username: impl Into<String>) -> Self {
        let credentials = Credentials {
            username: Some(username.into()),
            password: None,
        };
        self.with(|options| options.credentials = Some(credentials))
    }

    /// Asks `source` for the credentials of each attempt, as for tokens that expire.
    ///
    /// An error of it is a failed attempt, and the next one asks again.
    pub fn credentials_with<F, A, E>(self, source: F) -> Self
    where
        F: Fn(Attempt) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Credentials, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let source = CredentialsSource(Arc::new(source));
        self.with(|options| options.credentials_source = Some(source))
    }

    /// Authenticates by AUTH packets with what `method` makes for each connection, from v5 on; for SCRAM-SHA-256 that is
    /// `ScramSha256Client`, with feature `scram`.
    ///
    /// A client that has to authenticate does not fall back to a version without that. Spec: v5 §4.12.
    pub fn authentication<A: ClientAuth + 'static>(
        self,
        method: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        let source = AuthSource(Arc::new(move || Box::new(method())));
        self.with(|options| options.authentication = Some(source))
    }

    /// Adds a server that is tried when those before it cannot be reached.
    pub fn fallback_server(mut self, address: impl AsRef<str>) -> Self {
        let endpoint = Endpoint::parse(address.as_ref());
        self.options = match (self.options, endpoint) {
            (Ok(mut options), Ok(endpoint)) => {
                options.fallback_servers.push(endpoint);
                Ok(options)
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        self
    }

    /// Sets when to connect again; [`Reconnect::new`] when not set.
    pub fn reconnect(self, reconnect: Reconnect) -> Self {
        self.with(|options| options.reconnect = reconnect)
    }

    /// Sets how the server's certificate is checked, and which one is shown to it; without it the system's root
    /// certificates decide. Feature `tls`.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: crate::TlsConfig) -> Self {
        self.net(|connector| connector.tls(tls))
    }

    /// Sets what a WebSocket is asked for: its path, more headers. Feature `ws`.
    #[cfg(feature = "ws")]
    pub fn websocket(self, options: crate::WsOptions) -> Self {
        self.net(|connector| connector.websocket(options))
    }

    /// Connects through a proxy. Feature `proxy`.
    #[cfg(feature = "proxy")]
    pub fn proxy(self, proxy: crate::Proxy) -> Self {
        self.net(|connector| connector.proxy(proxy))
    }

    /// Takes the host of each address for a domain whose SRV records name the servers, asked for on each attempt.
    ///
    /// Feature `srv`.
    #[cfg(feature = "srv")]
    pub fn srv(self, resolver: crate::SrvResolver) -> Self {
        self.with(|options| options.srv = Some(crate::dial::SrvSource(resolver)))
    }

    /// Sets the options of TCP sockets.
    pub fn tcp(self, options: TcpOptions) -> Self {
        self.net(|connector| connector.tcp(options))
    }

    /// Takes the streams of bytes from `source` instead of the network: a transport of one's own, or a test's.
    pub fn connector<F, A>(self, source: F) -> Self
    where
        F: Fn(Attempt) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<Stream>> + Send + 'static,
    {
        self.with(|options| options.dial = Dial::Custom(Arc::new(source)))
    }

    /// Has every stream of bytes go through `wrap` before the client uses it: to look at what passes, to slow it down.
    ///
    /// Above TLS and WebSocket, so that what passes are MQTT packets; one stream for each connection.
    pub fn wrap_stream(self, wrap: impl Fn(Stream) -> Stream + Send + Sync + 'static) -> Self {
        self.with(|options| options.wrap = Some(WrapStream(Arc::new(wrap))))
    }

    /// Leaves a Will Message with the server.
    pub fn will(self, will: Will) -> Self {
        self.with(|options| options.will = Some(will))
    }

    /// Adds a User Property to CONNECT; from v5 on.
    pub fn user_property(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let pair = (name.into(), value.into());
        self.with(|options| options.user_properties.push(pair))
    }

    /// Sets how long the server may take to answer PINGREQ; 10 seconds when not set.
    pub fn ping_timeout(self, ping_timeout: Duration) -> Self {
        self.with(|options| options.ping_timeout = ping_timeout)
    }

    /// Asks the server for words with its errors, or asks it not to give any; it gives them when not set.
    ///
    /// Spec: v5 §3.1.2.11.7.
    pub fn problem_information(self, wanted: bool) -> Self {
        self.with(|options| options.request_problem_information = wanted)
    }

    /// Asks the server where Response Topics should start; see [`ConnAckInfo`](crate::ConnAckInfo).
    ///
    /// Spec: v5 §3.1.2.11.6.
    pub fn response_information(self) -> Self {
        self.with(|options| options.request_response_information = true)
    }

    /// Sets how many Topic Aliases either side may use; 16 when not set, 0 for none.
    ///
    /// The client uses them by itself for topics that come often. Spec: v5 §3.3.2.3.4.
    pub fn topic_aliases(self, max: u16) -> Self {
        self.with(|options| options.topic_alias_max = max)
    }

    /// Leaves Subscription Identifiers to the application: [`Subscribe::subscription_identifier`].
    ///
    /// When not set the client gives one to each subscription and finds by it which messages are whose; without, it
    /// goes by the Topic Filters, as before v5. Spec: v5 §3.8.2.1.2.
    ///
    /// [`Subscribe::subscription_identifier`]: crate::Subscribe::subscription_identifier
    pub fn own_subscription_identifiers(self) -> Self {
        self.with(|options| options.identifies_subscriptions = false)
    }

    /// Ends messages of QoS 1 with [`PublishError::SessionLost`](crate::PublishError::SessionLost) when the server has
    /// lost the session with them; when not set they are published anew, and may arrive twice.
    pub fn fail_lost(self) -> Self {
        self.with(|options| options.fail_lost = true)
    }

    /// Refuses to continue a session that only the server knows of.
    ///
    /// When not set it is taken over, and its messages are [unclaimed](Client::unclaimed) until somebody subscribes.
    /// Spec: v5 [MQTT-3.2.2-4].
    pub fn strict_session(self) -> Self {
        self.with(|options| options.strict_session = true)
    }

    /// Sets how long everything may wait behind one message that is not acknowledged; 5 seconds when not set.
    ///
    /// What happens then is up to its subscription: see [`WhenStalled`](crate::WhenStalled).
    pub fn stall_timeout(self, stall_timeout: Duration) -> Self {
        self.with(|options| options.stall_timeout = stall_timeout)
    }

    /// Sets how long one attempt at connecting may take in all; 10 seconds when not set.
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        self.with(|options| options.connect_timeout = connect_timeout)
    }

    /// Sets how many messages of QoS 1 and 2 may be received and not yet taken, 1 to 65,535; 1,024 when not set.
    ///
    /// A server of v5 is told and stops there. Before v5, and from one that goes on, nothing more is read until one is
    /// taken; see [`ClientBuilder::strict_receive_maximum`].
    pub fn receive_maximum(self, receive_maximum: u16) -> Self {
        let receive_maximum = NonZeroU16::new(receive_maximum).unwrap_or(NonZeroU16::MIN);
        self.with(|options| options.receive_maximum = receive_maximum)
    }

    /// Disconnects from a server of v5 that sends more than the Receive Maximum it was told.
    ///
    /// When not set nothing more is read from it until the application has taken a message, as before v5: Mosquitto
    /// 2.0 sends more when many acknowledgements reach it at once. Spec: v5 §3.3.4, [MQTT-3.3.4-9].
    pub fn strict_receive_maximum(self) -> Self {
        self.with(|options| options.strict_receive_maximum = true)
    }

    /// Sets the longest packet accepted, in bytes; 1 MiB when not set.
    ///
    /// A server of v5 is told and leaves out what is longer. Before v5 a longer packet ends the connection.
    pub fn max_packet_size(self, packet_len_max: u32) -> Self {
        let packet_len_max = NonZeroU32::new(packet_len_max).unwrap_or(NonZeroU32::MIN);
        self.with(|options| options.packet_len_max = packet_len_max)
    }

    /// Sets how many messages may wait: so many at QoS 0 for the transport, and as many at QoS 1 and 2 for the
    /// transport or their acknowledgement. 1,024 when not set, 1 to 60,000; a publish above that waits.
    pub fn publish_capacity(self, messages: usize) -> Self {
        let messages = messages.clamp(1, limits::PUBLISH_CAPACITY_MAX);
        self.with(|options| options.publish_capacity = messages)
    }

    /// Sets how many bytes of topic names and payloads may wait, 1 to 1 GiB; 64 MiB when not set, and a publish above
    /// that waits.
    pub fn publish_bytes(self, bytes: usize) -> Self {
        self.with(|options| options.publish_bytes = bytes)
    }

    /// Refuses messages of QoS 0 while there is no connection, with
    /// [`PublishError::Offline`](crate::PublishError::Offline).
    ///
    /// When not set they wait for the next connection as the others do, within
    /// [`ClientBuilder::publish_capacity`] and [`ClientBuilder::publish_bytes`].
    pub fn refuse_qos0_offline(self) -> Self {
        self.with(|options| options.queue_qos0 = false)
    }

    /// Keeps what is accepted at QoS 1 and 2, and the session, in a directory: a path, or a [`Store`](crate::Store).
    /// Feature `store`.
    ///
    /// What was accepted and not finished when the process ended is published by the next one with the same directory
    /// and Client Identifier, which must be set: see [`Client::restored`]. The session goes on as after a lost
    /// connection: Clean Start counts for the first connection of a new directory only, before v5 Clean Session is 0,
    /// and the server is asked to keep the session for a week if [`ClientBuilder::session_expiry`] says nothing.
    /// A message that expires does so also while no process runs, by the clock of the system.
    ///
    /// Opening, by [`ClientBuilder::connect`], [`ClientBuilder::start`] or [`ClientBuilder::build`], reads the directory
    /// and fails where it is in use or damaged. All that waits is in memory as well, so the same bounds count.
    #[cfg(feature = "store")]
    pub fn store(self, store: impl Into<crate::Store>) -> Self {
        self.with(|options| options.store = Some(store.into()))
    }

    /// Connects, and runs the client in a task of its own.
    ///
    /// Every server is tried once; with [`Reconnect::from_start`] until one accepts.
    ///
    /// Cancel safety: dropping the future closes whatever was opened.
    ///
    /// # Errors
    /// The address is none, the transport failed, or the server refused.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let (client, mut driver) = self.build()?;
        let failed = poll_fn(|cx| match Pin::new(&mut driver).poll(cx) {
            Poll::Ready(reason) => Poll::Ready(Some(reason)),
            // Also if it was lost in the same turn: another one follows.
            Poll::Pending if client.handle.shared.was_connected() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match failed.await {
            None => {
                tokio::spawn(driver);
                Ok(client)
            }
            Some(CloseReason::ConnectFailed(error)) => Err(ConnectError::clone(&error)),
            // Accepted and ended in one turn.
            Some(_) => Ok(client),
        }
    }

    /// Runs the client in a task of its own and does not wait for a connection, which is tried for from now on.
    ///
    /// What is published meanwhile waits, within the bounds of [`ClientBuilder::publish_capacity`] and
    /// [`ClientBuilder::publish_bytes`].
    ///
    /// # Errors
    /// An address is none.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self) -> Result<Client, ConnectError> {
        let from_start = self.with(|options| options.reconnect.from_start = true);
        let (client, driver) = from_start.build()?;
        tokio::spawn(driver);
        Ok(client)
    }

    /// Connects over a stream of bytes that is there already, and runs the client in a task of its own.
    ///
    /// Only the version set, or else the newest, is tried, and nothing is connected again, because there is only one
    /// stream. Cancel safety and errors: as [`ClientBuilder::connect`].
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn connect_over(
        self,
        transport: impl Transport + 'static,
    ) -> Result<Client, ConnectError> {
        let given = Arc::new(Mutex::new(Some(Stream::other(transport))));
        let over = self.with(|options| options.dial = Dial::Given(given));
        over.connect().await
    }

    /// A client that connects when its [`Driver`] is first polled, for those who run tasks themselves.
    ///
    /// # Errors
    /// An address is none, or the store cannot be used.
    pub fn build(self) -> Result<(Client, Driver), ConnectError> {
        let (client, parts) = Client::with_driver(self.options?)?;
        Ok((client, Driver::new(parts)))
    }

    /// Changes how the network is used; that is without effect where streams come from elsewhere.
    fn net(self, change: impl FnOnce(Connector) -> Connector) -> Self {
        self.with(|options| {
            if let Dial::Net(connector) = &mut options.dial {
                **connector = change(std::mem::take(&mut **connector));
            }
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        if let Ok(options) = &mut self.options {
            change(options);
        }
        self
    }
}
