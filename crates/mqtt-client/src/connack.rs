//! What the server said when it accepted the connection.

use crate::properties::owned_pairs;
use mqtt_codec::{ConnAck, ProtocolVersion};
use mqtt_session::{Negotiated, ServerGrants, SessionExpiry};
use std::time::Duration;

/// What the server said when it accepted the connection, and what is in force since.
///
/// Spec: v5 §3.2.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConnAckInfo {
    /// The version in use.
    pub version: ProtocolVersion,
    /// Whether the server continues a session.
    pub session_present: bool,
    /// The Client Identifier in use: the one asked for, or the one the server assigned.
    pub client_id: String,
    /// The Keep Alive in force; zero is off.
    pub keep_alive: Duration,
    /// How long the session outlives the connection; none for ever.
    pub session_expiry: Option<Duration>,
    /// Messages of QoS 1 and 2 the server takes unacknowledged.
    pub receive_maximum: u16,
    /// The longest packet the server takes, in bytes.
    pub packet_len_max: u32,
    /// Topic Aliases the server takes; 0 for none. Spec: v5 §3.2.2.3.8.
    pub topic_alias_maximum: u16,
    /// What the server offers.
    pub grants: ServerGrants,
    /// Where the server wants Response Topics to start.
    pub response_information: Option<String>,
    /// Words for people.
    pub reason_string: Option<String>,
    /// Names and values of the server's own.
    pub user_properties: Vec<(String, String)>,
}

/// The part of a CONNACK that is taken as it is.
#[derive(Debug)]
pub(crate) struct ConnAckWords {
    session_present: bool,
    assigned_client_id: Option<String>,
    response_information: Option<String>,
    reason_string: Option<String>,
    user_properties: Vec<(String, String)>,
}

impl ConnAckWords {
    pub(crate) fn of(connack: &ConnAck<'_>) -> Self {
        let properties = &connack.properties;
        Self {
            session_present: connack.session_present,
            assigned_client_id: properties.assigned_client_identifier().map(Into::into),
            response_information: properties.response_information().map(Into::into),
            reason_string: properties.reason_string().map(Into::into),
            user_properties: owned_pairs(properties),
        }
    }

    pub(crate) fn into_info(
        self,
        client_id: &str,
        negotiated: &Negotiated,
        grants: ServerGrants,
    ) -> ConnAckInfo {
        let SessionExpiry(expiry_s) = negotiated.session_expiry;
        ConnAckInfo {
            version: negotiated.version,
            session_present: self.session_present,
            client_id: self.assigned_client_id.unwrap_or_else(|| client_id.into()),
            keep_alive: Duration::from_secs(negotiated.keep_alive_s.into()),
            session_expiry: (negotiated.session_expiry != SessionExpiry::NEVER)
                .then(|| Duration::from_secs(expiry_s.into())),
            receive_maximum: negotiated.peer_receive_maximum,
            packet_len_max: negotiated.peer_packet_len_max,
            topic_alias_maximum: negotiated.peer_topic_alias_maximum,
            grants,
            response_information: self.response_information,
            reason_string: self.reason_string,
            user_properties: self.user_properties,
        }
    }
}
