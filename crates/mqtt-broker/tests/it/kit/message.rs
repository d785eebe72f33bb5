//! PUBLISH: as a test sends it and as it comes.

use mqtt_codec::{
    Delivery, Packet, PacketId, Properties, Property, PropertyList, ProtocolVersion, Publish, QoS,
    TopicName,
};

/// A PUBLISH to be; made with `Post { retain: true, ..Post::new("a", b"1") }`.
#[derive(Clone, Copy)]
pub(crate) struct Post<'a> {
    /// None when an alias says it all.
    pub(crate) topic_name: Option<&'a str>,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    /// Sent above QoS 0 only.
    pub(crate) packet_id: u16,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
    pub(crate) properties: &'a [Property<'a>],
}

impl<'a> Post<'a> {
    /// At QoS 0, without anything.
    pub(crate) fn new(topic_name: &'a str, payload: &'a [u8]) -> Self {
        Self {
            topic_name: Some(topic_name),
            payload,
            qos: QoS::AtMostOnce,
            packet_id: 1,
            dup: false,
            retain: false,
            properties: &[],
        }
    }

    pub(crate) fn bytes(&self, version: ProtocolVersion) -> Vec<u8> {
        let list = PropertyList::new(self.properties);
        let packet_id = PacketId::new(self.packet_id);
        let packet = Packet::Publish(Publish {
            dup: self.dup,
            retain: self.retain,
            delivery: match self.qos {
                QoS::AtMostOnce => Delivery::AtMostOnce,
                qos => Delivery::new(qos, packet_id).unwrap(),
            },
            topic_name: self
                .topic_name
                .map(|name| TopicName::try_new(name).unwrap()),
            properties: Properties::from(&list),
            payload: self.payload,
        });
        let mut bytes = vec![0; packet.encoded_len(version).unwrap()];
        packet.encode(version, &mut bytes).unwrap();
        bytes
    }
}

/// A PUBLISH that came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) topic_name: String,
    pub(crate) payload: String,
    pub(crate) qos: u8,
    pub(crate) packet_id: Option<u16>,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
    /// Subscription Identifiers, sorted.
    pub(crate) subscription_ids: Vec<u32>,
    pub(crate) expiry_s: Option<u32>,
    /// All properties as text, one each.
    pub(crate) properties: Vec<String>,
}

impl Message {
    pub(crate) fn of(publish: &Publish<'_>) -> Self {
        let mut subscription_ids: Vec<u32> = publish
            .properties
            .subscription_identifiers()
            .map(|id| id.get())
            .collect();
        subscription_ids.sort_unstable();
        Self {
            topic_name: publish
                .topic_name
                .map_or(String::new(), |name| name.as_str().to_owned()),
            payload: String::from_utf8_lossy(publish.payload).into_owned(),
            qos: publish.delivery.qos().get(),
            packet_id: publish.delivery.packet_id().map(PacketId::get),
            dup: publish.dup,
            retain: publish.retain,
            subscription_ids,
            expiry_s: publish.properties.message_expiry_interval_s(),
            properties: publish
                .properties
                .iter()
                .map(|property| format!("{property:?}"))
                .collect(),
        }
    }

    /// Topic Name and payload, which is mostly what matters.
    pub(crate) fn text(&self) -> (&str, &str) {
        (&self.topic_name, &self.payload)
    }
}
