//! What a client was told before it connects, and the CONNECT packet that says it.

use crate::authenticate::AuthSource;
use crate::dial::{Credentials, CredentialsSource, Dial, WrapStream};
use crate::{Reconnect, Will, limits};
use mqtt_codec::{
    Connect, Properties, Property, PropertyList, ProtocolVersion, TopicError, TopicName,
};
use mqtt_io::Endpoint;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

/// What a client was told before it connects.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) endpoint: Endpoint,
    pub(crate) fallback_servers: Vec<Endpoint>,
    pub(crate) dial: Dial,
    pub(crate) wrap: Option<WrapStream>,
    #[cfg(feature = "srv")]
    pub(crate) srv: Option<crate::dial::SrvSource>,
    pub(crate) reconnect: Reconnect,
    /// None for the newest, with one step back when the server asks for it.
    pub(crate) version: Option<ProtocolVersion>,
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    pub(crate) session_expiry: Duration,
    pub(crate) keep_alive: Duration,
    /// None takes those of the server's address.
    pub(crate) credentials: Option<Credentials>,
    pub(crate) credentials_source: Option<CredentialsSource>,
    pub(crate) authentication: Option<AuthSource>,
    pub(crate) will: Option<Will>,
    pub(crate) user_properties: Vec<(String, String)>,
    pub(crate) request_problem_information: bool,
    pub(crate) request_response_information: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) receive_maximum: NonZeroU16,
    pub(crate) packet_len_max: NonZeroU32,
    pub(crate) topic_alias_max: u16,
    /// Whether the client gives its subscriptions identifiers of its own.
    pub(crate) identifies_subscriptions: bool,
    pub(crate) publish_capacity: usize,
    pub(crate) publish_bytes: usize,
    pub(crate) stall_timeout: Duration,
    pub(crate) fail_lost: bool,
    /// Whether messages of QoS 0 wait for a connection.
    pub(crate) queue_qos0: bool,
    #[cfg(feature = "store")]
    pub(crate) store: Option<crate::Store>,
    pub(crate) strict_session: bool,
    pub(crate) strict_receive_maximum: bool,
}

/// What differs from one CONNECT of a client to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectWords<'a> {
    pub(crate) version: ProtocolVersion,
    pub(crate) clean_start: bool,
    pub(crate) client_id: &'a str,
    pub(crate) credentials: &'a Credentials,
    /// Authentication Method and Authentication Data.
    pub(crate) authentication: Option<(&'a str, &'a [u8])>,
}

impl Options {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            fallback_servers: Vec::new(),
            dial: Dial::Net(Box::default()),
            wrap: None,
            #[cfg(feature = "srv")]
            srv: None,
            reconnect: Reconnect::new(),
            version: None,
            client_id: String::new(),
            clean_start: true,
            session_expiry: Duration::ZERO,
            keep_alive: limits::KEEP_ALIVE,
            credentials: None,
            credentials_source: None,
            authentication: None,
            will: None,
            user_properties: Vec::new(),
            request_problem_information: true,
            request_response_information: false,
            connect_timeout: limits::CONNECT_TIMEOUT,
            ping_timeout: limits::PING_TIMEOUT,
            receive_maximum: NonZeroU16::new(limits::RECEIVE_MAXIMUM).unwrap_or(NonZeroU16::MIN),
            packet_len_max: NonZeroU32::new(limits::PACKET_LEN_MAX).unwrap_or(NonZeroU32::MIN),
            topic_alias_max: limits::TOPIC_ALIAS_MAXIMUM,
            identifies_subscriptions: true,
            publish_capacity: limits::PUBLISH_CAPACITY,
            publish_bytes: limits::PUBLISH_BYTES,
            stall_timeout: limits::STALL_TIMEOUT,
            fail_lost: false,
            queue_qos0: true,
            #[cfg(feature = "store")]
            store: None,
            strict_session: false,
            strict_receive_maximum: false,
        }
    }

    /// Shows the CONNECT these options make with `words`.
    ///
    /// # Errors
    /// The Will's topics are none.
    pub(crate) fn with_connect<T>(
        &self,
        words: ConnectWords<'_>,
        use_connect: impl FnOnce(&Connect<'_>) -> T,
    ) -> Result<T, TopicError> {
        let mut will_list = Vec::new();
        if let Some(will) = &self.will {
            will.properties.check()?;
            let delay_s = whole_seconds(will.delay);
            will_list.extend((delay_s != 0).then_some(Property::WillDelayInterval(delay_s)));
            will_list.extend(will.properties.to_list());
        }
        let will_list = PropertyList::new(&will_list);
        let will = match &self.will {
            None => None,
            Some(will) => Some(mqtt_codec::Will {
                topic_name: TopicName::try_new(&will.topic_name)?,
                payload: &will.payload,
                qos: will.qos,
                retain: will.retain,
                properties: Properties::from(&will_list),
            }),
        };
        let mut list = self.properties();
        if let Some((method, data)) = words.authentication {
            list.push(Property::AuthenticationMethod(method));
            list.extend((!data.is_empty()).then_some(Property::AuthenticationData(data)));
        }
        let list = PropertyList::new(&list);
        Ok(use_connect(&Connect {
            version: words.version,
            bridge: false,
            clean_start: words.clean_start,
            keep_alive_s: keep_alive_s(self.keep_alive),
            client_id: words.client_id,
            will,
            username: words.credentials.username.as_deref(),
            password: words.credentials.password.as_deref(),
            properties: Properties::from(&list),
        }))
    }

    /// How long the server is asked to keep the session.
    fn session_expiry(&self) -> Duration {
        #[cfg(feature = "store")]
        if self.store.is_some() && self.session_expiry.is_zero() {
            return limits::STORE_SESSION_EXPIRY;
        }
        self.session_expiry
    }

    fn properties(&self) -> Vec<Property<'_>> {
        let mut list = vec![
            Property::ReceiveMaximum(self.receive_maximum),
            Property::MaximumPacketSize(self.packet_len_max),
        ];
        let alias_max = self.topic_alias_max;
        list.extend((alias_max != 0).then_some(Property::TopicAliasMaximum(alias_max)));
        if !self.request_problem_information {
            list.push(Property::RequestProblemInformation(false));
        }
        if self.request_response_information {
            list.push(Property::RequestResponseInformation(true));
        }
        let expiry_s = whole_seconds(self.session_expiry());
        list.extend((expiry_s != 0).then_some(Property::SessionExpiryInterval(expiry_s)));
        let user_properties = self.user_properties.iter();
        list.extend(user_properties.map(|(name, value)| Property::UserProperty(name, value)));
        list
    }
}

/// Whole seconds, rounded up; what does not fit is "for ever" (0xFFFF_FFFF).
pub(crate) fn whole_seconds(duration: Duration) -> u32 {
    let rounded_up = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() != 0));
    u32::try_from(rounded_up).unwrap_or(u32::MAX)
}

/// Whole seconds, rounded up, 18 hours 12 minutes 15 seconds at most; spec: v5 §3.1.2.10.
fn keep_alive_s(keep_alive: Duration) -> u16 {
    u16::try_from(whole_seconds(keep_alive)).unwrap_or(u16::MAX)
}
