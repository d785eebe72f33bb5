//! The packets everyone works on.

use mqtt_codec::{
    Ack, Connect, Delivery, Packet, PacketId, PayloadFormat, Properties, Property, PropertyList,
    ProtocolVersion, Publish, QoS, Subscribe, SubscribeFilters, SubscriptionOptions, TopicFilter,
    TopicName, Will,
};

/// MQTT 3.1.1.
pub const V311: ProtocolVersion = ProtocolVersion::V311;
/// MQTT 5.0.
pub const V5: ProtocolVersion = ProtocolVersion::V5;

/// How many bytes a read buffer holds at most; about what fits the second level cache.
const BUFFER_LEN: usize = 256 * 1024;
/// How many packets it holds at most.
const PACKETS: usize = 256;

/// The case with packets of several types, which are passed on as they have been read.
const MIXED: &str = "mixed stream";

/// A read buffer full of packets.
pub struct Case {
    /// Its name in the results.
    pub name: String,
    /// The version all packets are of.
    pub version: ProtocolVersion,
    /// The packets in our types, in order, as an application builds them.
    pub packets: Vec<Packet<'static>>,
    /// Whether our codec is to send them as built rather than as it has read them; the others
    /// have one form for both.
    pub built: bool,
    /// The same packets on the wire, one behind the other.
    pub bytes: Vec<u8>,
}

impl Case {
    fn new(
        name: impl Into<String>,
        version: ProtocolVersion,
        packets: Vec<Packet<'static>>,
    ) -> Self {
        let mut bytes = Vec::new();
        for packet in &packets {
            let at = bytes.len();
            let len = packet.encoded_len(version).unwrap();
            bytes.resize(at + len, 0);
            packet.encode(version, &mut bytes[at..]).unwrap();
        }
        Self {
            name: name.into(),
            version,
            packets,
            built: false,
            bytes,
        }
    }

    /// A read buffer full of one packet.
    #[must_use]
    pub fn repeat(
        name: impl Into<String>,
        version: ProtocolVersion,
        packet: Packet<'static>,
    ) -> Self {
        let len = packet.encoded_len(version).unwrap();
        let count = (BUFFER_LEN / len).clamp(1, PACKETS);
        Self::new(name, version, vec![packet; count])
    }
}

/// All cases of a version, in the order of the results.
#[must_use]
pub fn all(version: ProtocolVersion) -> Vec<Case> {
    let mut cases = vec![Case::repeat("CONNECT", version, connect(version))];
    let with: &[bool] = if version == V5 {
        &[false, true]
    } else {
        &[false]
    };
    for &properties in with {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            for len in [16, 256, 4096] {
                let suffix = if properties { ", 6 properties" } else { "" };
                let name = format!("PUBLISH QoS {}, {len} B{suffix}", qos.get());
                cases.push(Case::repeat(name, version, publish(qos, len, properties)));
            }
        }
    }
    cases.push(Case::repeat("PUBACK", version, puback(7)));
    cases.push(Case::repeat("SUBSCRIBE, 8 filters", version, subscribe()));
    cases.push(Case::new(MIXED, version, mixed(version)));
    cases
}

/// All cases of a version for encoding: properties also as an application builds them.
#[must_use]
pub fn all_to_send(version: ProtocolVersion) -> Vec<Case> {
    let mut cases = Vec::new();
    for case in all(version) {
        let publish = match case.packets.first() {
            Some(Packet::Publish(publish)) => Some(*publish),
            _ => None,
        };
        let has_properties = publish.is_some_and(|publish| !publish.properties.is_empty());
        let name = if has_properties {
            format!("{}, built", case.name)
        } else {
            case.name.clone()
        };
        let built = Case {
            name,
            built: case.name != MIXED,
            ..Case::new("", version, case.packets.clone())
        };
        if has_properties {
            cases.push(case);
        }
        cases.push(built);
    }
    cases
}

/// A PUBLISH at `qos` with a payload of `len` bytes.
#[must_use]
pub fn publish(qos: QoS, len: usize, properties: bool) -> Packet<'static> {
    let packet_id = (qos != QoS::AtMostOnce).then_some(PacketId::MAX);
    Packet::Publish(Publish {
        delivery: Delivery::new(qos, packet_id).unwrap(),
        topic_name: Some(TopicName::try_new("site/7/line/3/machine/21/temperature").unwrap()),
        properties: if properties {
            request_properties()
        } else {
            Properties::EMPTY
        },
        payload: Box::leak(vec![b'x'; len].into_boxed_slice()),
        ..Publish::default()
    })
}

/// What a request has that waits for a response.
fn request_properties() -> Properties<'static> {
    list(vec![
        Property::PayloadFormatIndicator(PayloadFormat::Utf8),
        Property::MessageExpiryInterval(60),
        Property::ContentType("application/json"),
        Property::ResponseTopic(TopicName::try_new("clients/0000007/responses").unwrap()),
        Property::CorrelationData(b"0123456789abcdef"),
        Property::UserProperty("trace", "0af7651916cd43dd8448eb211c80319c"),
    ])
}

fn list(properties: Vec<Property<'static>>) -> Properties<'static> {
    Properties::from(&*Box::leak(Box::new(PropertyList::new(Vec::leak(
        properties,
    )))))
}

fn puback(packet_id: u16) -> Packet<'static> {
    Packet::PubAck(Ack::new(PacketId::new(packet_id).unwrap()))
}

fn subscribe() -> Packet<'static> {
    let filters = [
        "site/7/line/3/machine/21/temperature",
        "site/7/line/+/machine/+/alarm",
        "site/7/#",
        "clients/0000007/responses",
        "clients/0000007/commands/+",
        "firmware/stable/announcements",
        "+/+/status",
        "time",
    ];
    let filters: Vec<_> = filters
        .into_iter()
        .zip([0, 1, 2].into_iter().cycle())
        .map(|(text, qos)| {
            let options = SubscriptionOptions::new(QoS::from_u8(qos).unwrap());
            (TopicFilter::try_new(text).unwrap(), options)
        })
        .collect();
    Packet::Subscribe(Subscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: SubscribeFilters::from(&*Vec::leak(filters)),
    })
}

fn connect(version: ProtocolVersion) -> Packet<'static> {
    let properties = if version == V5 {
        list(vec![
            Property::SessionExpiryInterval(3600),
            Property::ReceiveMaximum(100.try_into().unwrap()),
        ])
    } else {
        Properties::EMPTY
    };
    Packet::Connect(Connect {
        will: Some(Will {
            topic_name: TopicName::try_new("clients/0000007/gone").unwrap(),
            payload: b"gone",
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: Properties::EMPTY,
        }),
        username: Some("user"),
        password: Some(b"password"),
        keep_alive_s: 60,
        properties,
        ..Connect::new(version, "client-0000007")
    })
}

/// What a broker reads: mostly PUBLISH, some of it acknowledged, rarely anything else.
fn mixed(version: ProtocolVersion) -> Vec<Packet<'static>> {
    (0..PACKETS)
        .map(|index| match index % 32 {
            0 if index == 0 => connect(version),
            1 if index == 1 => subscribe(),
            7 | 15 | 23 | 31 => puback(u16::try_from(index).unwrap()),
            3 | 12 | 20 | 28 => publish(QoS::AtLeastOnce, 256, version == V5 && index % 2 == 0),
            9 | 19 => publish(QoS::AtMostOnce, 1024, false),
            30 => Packet::PingReq,
            _ => publish(QoS::AtMostOnce, 16 + index % 64, false),
        })
        .collect()
}
