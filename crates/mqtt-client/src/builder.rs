//! `ClientBuilder`: everything that is decided before connecting.

use crate::driver::{Driver, DriverParts};
use crate::endpoint::Endpoint;
use crate::handshake::Dial;
use crate::options::Options;
use crate::{Client, ConnectError, EndpointError, Stream, Will, limits};
use mqtt_codec::ProtocolVersion;
use mqtt_io::Transport;
use std::num::{NonZeroU16, NonZeroU32};
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

    /// Sets User Name and Password.
    pub fn credentials(self, username: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        let (username, password) = (username.into(), password.into());
        self.with(|options| {
            options.username = Some(username);
            options.password = Some(password);
        })
    }

    /// Sets the User Name, without a Password.
    pub fn username(self, username: impl Into<String>) -> Self {
        let username = username.into();
        self.with(|options| {
            options.username = Some(username);
            options.password = None;
        })
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

    /// Sets how long connecting may take in all; 10 seconds when not set.
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        self.with(|options| options.connect_timeout = connect_timeout)
    }

    /// Sets how many messages of QoS 1 and 2 may be received and not yet taken, 1 to 65,535; 1,024 when not set.
    ///
    /// A server of v5 is told and stops there. Before v5 nothing more is read from it until one is taken.
    pub fn receive_maximum(self, receive_maximum: u16) -> Self {
        let receive_maximum = NonZeroU16::new(receive_maximum).unwrap_or(NonZeroU16::MIN);
        self.with(|options| options.receive_maximum = receive_maximum)
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

    /// Connects by TCP and runs the client in a task of its own.
    ///
    /// Cancel safety: dropping the future closes whatever was opened.
    ///
    /// # Errors
    /// The address is none, the transport failed, or the server refused.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        self.connect_with(Dial::Tcp).await
    }

    /// Connects over a stream of bytes that is there already, and runs the client in a task of its own.
    ///
    /// Only the version set, or else the newest, is tried, because there is only one stream to try on.
    /// Cancel safety and errors: as [`ClientBuilder::connect`].
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
        self.connect_with(Dial::Given(Stream::other(transport)))
            .await
    }

    /// A client that connects when its [`Driver`] is first polled, for those who run tasks themselves.
    ///
    /// # Errors
    /// The address is none.
    pub fn build(self) -> Result<(Client, Driver), ConnectError> {
        let (client, parts) = self.parts()?;
        Ok((client, Driver::new(parts, Dial::Tcp)))
    }

    async fn connect_with(self, dial: Dial) -> Result<Client, ConnectError> {
        let (client, parts) = self.parts()?;
        let established = parts.handshake(dial).await?;
        tokio::spawn(parts.run(established));
        Ok(client)
    }

    fn parts(self) -> Result<(Client, DriverParts), ConnectError> {
        let options = self.options?;
        Ok(Client::with_driver(options))
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        if let Ok(options) = &mut self.options {
            change(options);
        }
        self
    }
}
