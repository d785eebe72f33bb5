//! What a scenario asks of a client, and the clients.

mod mosquitto;
mod own;
mod rumqtt;
mod scripted;

pub(crate) use mosquitto::MosquittoPrograms;
pub(crate) use own::OwnClient;
pub(crate) use rumqtt::RumqttClient;
pub(crate) use scripted::ScriptedClient;

use crate::doors::Way;
use mqtt_codec::{ProtocolVersion, QoS};
use serde::{Deserialize, Serialize};

/// An Application Message as a user of a client sees it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Message {
    pub(crate) topic_name: String,
    pub(crate) payload: String,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
}

/// How to connect.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) way: Way,
    pub(crate) version: ProtocolVersion,
    /// At most 23 characters, for MQTT 3.1.
    pub(crate) client_id: &'static str,
    /// Whether the broker keeps the session after the connection, and continues one it has kept.
    pub(crate) keeps_session: bool,
    pub(crate) will: Option<Message>,
}

/// How long a kept session outlives its connection.
const SESSION_EXPIRY_S: u32 = 3600;

/// An implementation.
pub(crate) trait Client {
    /// Connects, and subscribes to `topic_filter` if there is one; returns once the broker has
    /// acknowledged both.
    fn connect(&self, login: &Login, topic_filter: Option<(&str, QoS)>) -> Box<dyn Connection>;

    /// Connects, publishes, waits for the acknowledgements of the QoS, disconnects.
    fn publish(&self, login: &Login, message: &Message);

    /// Whether its DISCONNECT asks for the Will Message, which MQTT 5 allows.
    fn asks_for_will(&self, _version: ProtocolVersion) -> bool {
        false
    }
}

/// A connected client.
pub(crate) trait Connection {
    /// Session Present of the CONNACK, if the client shows it.
    fn session_present(&self) -> Option<bool>;

    /// The QoS the broker has granted to the subscription; none without one.
    fn granted(&self) -> Option<u8>;

    /// Waits for the next message.
    fn next(&mut self) -> Message;

    /// Ends the connection with a DISCONNECT.
    fn disconnect(self: Box<Self>);

    /// Ends the connection without one.
    fn cut(self: Box<Self>);
}

/// The number of a version on the wire.
const fn level(version: ProtocolVersion) -> u8 {
    match version {
        ProtocolVersion::V31 => 3,
        ProtocolVersion::V311 => 4,
        ProtocolVersion::V5 => 5,
    }
}
