//! What a client was told before it connects, and the CONNECT packet that says it.

use crate::endpoint::Endpoint;
use crate::{Will, limits};
use mqtt_codec::{
    Connect, Properties, Property, PropertyList, ProtocolVersion, TopicError, TopicName,
};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

/// What a client was told before it connects.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) endpoint: Endpoint,
    /// None for the newest, with one step back when the server asks for it.
    pub(crate) version: Option<ProtocolVersion>,
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    pub(crate) session_expiry: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) will: Option<Will>,
    pub(crate) user_properties: Vec<(String, String)>,
    pub(crate) connect_timeout: Duration,
    pub(crate) receive_maximum: NonZeroU16,
    pub(crate) packet_len_max: NonZeroU32,
    pub(crate) publish_capacity: usize,
}

impl Options {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let Endpoint {
            username, password, ..
        } = endpoint.clone();
        Self {
            endpoint,
            version: None,
            client_id: String::new(),
            clean_start: true,
            session_expiry: Duration::ZERO,
            keep_alive: limits::KEEP_ALIVE,
            username,
            password,
            will: None,
            user_properties: Vec::new(),
            connect_timeout: limits::CONNECT_TIMEOUT,
            receive_maximum: NonZeroU16::new(limits::RECEIVE_MAXIMUM).unwrap_or(NonZeroU16::MIN),
            packet_len_max: NonZeroU32::new(limits::PACKET_LEN_MAX).unwrap_or(NonZeroU32::MIN),
            publish_capacity: limits::PUBLISH_CAPACITY,
        }
    }

    /// Shows the CONNECT these options make in `version`.
    ///
    /// # Errors
    /// The Will's topics are none.
    pub(crate) fn with_connect<T>(
        &self,
        version: ProtocolVersion,
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
        let list = self.properties();
        let list = PropertyList::new(&list);
        Ok(use_connect(&Connect {
            version,
            bridge: false,
            clean_start: self.clean_start,
            keep_alive_s: keep_alive_s(self.keep_alive),
            client_id: &self.client_id,
            will,
            username: self.username.as_deref(),
            password: self.password.as_deref(),
            properties: Properties::from(&list),
        }))
    }

    fn properties(&self) -> Vec<Property<'_>> {
        let mut list = vec![
            Property::ReceiveMaximum(self.receive_maximum),
            Property::MaximumPacketSize(self.packet_len_max),
            Property::TopicAliasMaximum(limits::TOPIC_ALIAS_MAXIMUM),
        ];
        let expiry_s = whole_seconds(self.session_expiry);
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
