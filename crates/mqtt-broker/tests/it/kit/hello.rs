//! CONNECT as a test wants it.

use super::client::Client;
use super::server::Server;
use mqtt_codec::{
    Connect, Packet, Properties, Property, PropertyList, ProtocolVersion, QoS, TopicName, Will,
};

/// A CONNECT to be; made with `Hello { will: .., ..Hello::new(V5, "id") }`.
#[derive(Clone, Copy)]
pub(crate) struct Hello<'a> {
    pub(crate) version: ProtocolVersion,
    pub(crate) client_id: &'a str,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive_s: u16,
    pub(crate) username: Option<&'a str>,
    pub(crate) password: Option<&'a [u8]>,
    pub(crate) properties: &'a [Property<'a>],
    pub(crate) will: Option<Last<'a>>,
}

/// A Will Message.
#[derive(Clone, Copy)]
pub(crate) struct Last<'a> {
    pub(crate) topic_name: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) properties: &'a [Property<'a>],
}

/// CONNACK.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Welcome {
    pub(crate) session_present: bool,
    pub(crate) reason: u8,
    /// Its properties as text, one each.
    pub(crate) properties: Vec<String>,
    pub(crate) assigned_client_id: Option<String>,
    pub(crate) bytes: Vec<u8>,
}

impl<'a> Last<'a> {
    pub(crate) fn new(topic_name: &'a str) -> Self {
        Self {
            topic_name,
            payload: b"gone",
            qos: QoS::AtMostOnce,
            retain: false,
            properties: &[],
        }
    }
}

impl<'a> Hello<'a> {
    /// A fresh session without Keep Alive.
    pub(crate) fn new(version: ProtocolVersion, client_id: &'a str) -> Self {
        Self {
            version,
            client_id,
            clean_start: true,
            keep_alive_s: 0,
            username: None,
            password: None,
            properties: &[],
            will: None,
        }
    }

    /// The session there is, or one that stays for an hour at least.
    pub(crate) fn lasting(version: ProtocolVersion, client_id: &'a str) -> Self {
        let properties: &[Property<'_>] = match version.has_properties() {
            true => &[Property::SessionExpiryInterval(3600)],
            false => &[],
        };
        Self {
            clean_start: false,
            properties,
            ..Self::new(version, client_id)
        }
    }

    /// The bytes of the CONNECT.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let list = PropertyList::new(self.properties);
        let will_list = self.will.map(|will| PropertyList::new(will.properties));
        let will = self.will.map(|will| Will {
            topic_name: TopicName::try_new(will.topic_name).unwrap(),
            payload: will.payload,
            qos: will.qos,
            retain: will.retain,
            properties: will_list.as_ref().map(Properties::from).unwrap_or_default(),
        });
        let connect = Packet::Connect(Connect {
            clean_start: self.clean_start,
            keep_alive_s: self.keep_alive_s,
            username: self.username,
            password: self.password,
            will,
            properties: Properties::from(&list),
            ..Connect::new(self.version, self.client_id)
        });
        let mut bytes = vec![0; connect.encoded_len(self.version).unwrap()];
        connect.encode(self.version, &mut bytes).unwrap();
        bytes
    }

    /// Sends it on a connection of its own, and does not wait for an answer.
    pub(crate) fn send(&self, server: &Server) -> Client {
        let mut client = Client::open(server, self.version);
        client.send_bytes(&self.bytes());
        client
    }

    /// Sends it and waits for CONNACK, whatever that says.
    pub(crate) fn ask(&self, server: &Server) -> (Client, Welcome) {
        let mut client = self.send(server);
        let welcome = client.welcome();
        (client, welcome)
    }

    /// Sends it, and must be accepted.
    pub(crate) fn connect(&self, server: &Server) -> Client {
        let (client, welcome) = self.ask(server);
        assert_eq!(welcome.reason, 0, "accepted");
        client
    }

    /// Sends it, and must be accepted with the Session Present flag given.
    pub(crate) fn attach(&self, server: &Server, session_present: bool) -> Client {
        let (client, welcome) = self.ask(server);
        assert_eq!(welcome.reason, 0, "accepted");
        assert_eq!(welcome.session_present, session_present, "Session Present");
        client
    }
}
