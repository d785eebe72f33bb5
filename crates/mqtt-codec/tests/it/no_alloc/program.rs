//! Reads and writes every packet without an allocator; exits with 0, or with the number of the
//! step that failed.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use mqtt_codec::{
    Ack, Auth, ConnAck, Connect, Delivery, Disconnect, PACKET_LEN_MAX, Packet, PacketId,
    Properties, Property, PropertyList, ProtocolVersion, Publish, QoS, ReasonCode, ReasonCodes,
    SubAck, Subscribe, SubscribeFilters, SubscriptionOptions, TopicFilter, TopicName, UnsubAck,
    Unsubscribe, UnsubscribeFilters, Will, frame,
};

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    // SAFETY: `abort` may be called at any time.
    unsafe { abort() }
}

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    for version in ProtocolVersion::ALL {
        if let Err(step) = all_packets(version) {
            return step;
        }
    }
    0
}

fn all_packets(version: ProtocolVersion) -> Result<(), i32> {
    let packet_id = PacketId::MAX;
    let topic_name = TopicName::try_new("a/b").map_err(|_| 90)?;
    let topic_filter = TopicFilter::try_new("a/+/#").map_err(|_| 91)?;
    let set = [Property::UserProperty("name", "value")];
    let list = PropertyList::new(&set);
    let properties = match version.has_properties() {
        true => Properties::from(&list),
        false => Properties::EMPTY,
    };
    let ack = Ack {
        properties,
        ..Ack::new(packet_id)
    };
    let publish = |delivery| {
        let payload = b"payload";
        let topic_name = Some(topic_name);
        Packet::Publish(Publish {
            delivery,
            topic_name,
            properties,
            payload,
            ..Publish::default()
        })
    };
    let will = Will {
        topic_name,
        payload: b"w",
        qos: QoS::AtLeastOnce,
        retain: true,
        properties,
    };
    let connect = Connect {
        will: Some(will),
        username: Some("u"),
        password: Some(b"p"),
        properties,
        ..Connect::new(version, "client")
    };
    let filters = [(topic_filter, SubscriptionOptions::new(QoS::ExactlyOnce))];
    let names = [topic_filter];
    let reasons = [ReasonCode::GRANTED_QOS_0];
    let unsuback: &[ReasonCode] = if version.has_unsuback_reasons() {
        &reasons
    } else {
        &[]
    };
    let packets = [
        Packet::Connect(connect),
        Packet::ConnAck(ConnAck {
            properties,
            ..ConnAck::default()
        }),
        publish(Delivery::AtMostOnce),
        publish(Delivery::AtLeastOnce(packet_id)),
        publish(Delivery::ExactlyOnce(packet_id)),
        Packet::PubAck(ack),
        Packet::PubRec(ack),
        Packet::PubRel(ack),
        Packet::PubComp(ack),
        Packet::Subscribe(Subscribe {
            packet_id,
            properties,
            filters: SubscribeFilters::from(&filters[..]),
        }),
        Packet::SubAck(SubAck {
            packet_id,
            properties,
            reasons: ReasonCodes::from(&reasons[..]),
        }),
        Packet::Unsubscribe(Unsubscribe {
            packet_id,
            properties,
            filters: UnsubscribeFilters::from(&names[..]),
        }),
        Packet::UnsubAck(UnsubAck {
            packet_id,
            properties,
            reasons: ReasonCodes::from(unsuback),
        }),
        Packet::PingReq,
        Packet::PingResp,
        Packet::Disconnect(Disconnect {
            properties,
            ..Disconnect::default()
        }),
    ];
    for (step, packet) in (1..).zip(&packets) {
        there_and_back(packet, version, step)?;
    }
    if version.has_auth() {
        let set = [
            Property::AuthenticationMethod("m"),
            Property::AuthenticationData(b"d"),
        ];
        let list = PropertyList::new(&set);
        let reason = ReasonCode::CONTINUE_AUTHENTICATION;
        let auth = Auth {
            reason,
            properties: Properties::from(&list),
        };
        there_and_back(&Packet::Auth(auth), version, 50)?;
    }
    Ok(())
}

fn there_and_back(packet: &Packet<'_>, version: ProtocolVersion, step: i32) -> Result<(), i32> {
    let mut out = [0; 256];
    let len = packet.encode(version, &mut out).map_err(|_| step)?;
    let found = frame(&out[..len], PACKET_LEN_MAX)
        .map_err(|_| step)?
        .ok_or(step)?;
    let read = Packet::decode(found, version).map_err(|_| step)?;
    if read == *packet { Ok(()) } else { Err(step) }
}
