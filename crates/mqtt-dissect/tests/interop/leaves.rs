//! Our fields under tshark's names, with their values as tshark writes them.

use mqtt_codec::{PacketType, PropertyId};
use mqtt_dissect::{Dissection, Field, Note, Spoken, Value};

use crate::wireshark::Leaves;

/// Every field of a packet.
pub(crate) fn of(spoken: &Spoken) -> Leaves {
    let mut leaves = List(Leaves::default());
    for field in &spoken.packet.fields {
        leaves.field(&spoken.packet, field);
    }
    // tshark shows what a Topic Alias stands for as if it were there.
    for note in &spoken.notes {
        if let Note::Topic { topic_name } = note {
            leaves.add("mqtt.topic", topic_name);
        }
    }
    leaves.0
}

struct List(Leaves);

impl List {
    fn add(&mut self, name: &str, value: impl ToString) {
        self.0.add(name, value);
    }

    fn field(&mut self, packet: &Dissection, field: &Field) {
        let number = || number(field);
        match field.name {
            "fixed header" => {
                self.add("mqtt.hdrflags", format!("0x{:02x}", packet.bytes[0]));
                self.parts(packet, field);
            }
            "packet type" => self.add("mqtt.msgtype", number()),
            "dup" => self.add("mqtt.dupflag", number()),
            "qos" => self.add("mqtt.qos", number()),
            "retain" => self.add("mqtt.retain", number()),
            // In 3.1 these packets have a QoS of their own.
            "flags" if packet.find("dup").is_some() => {
                self.add("mqtt.qos", number() >> 1);
                self.add("mqtt.retain_reserved", number() & 1);
            }
            "flags" => self.add("mqtt.hdr_reserved", number()),
            "remaining length" => self.add("mqtt.len", number()),
            "protocol name" => self.counted(packet, field, "mqtt.proto_len", "mqtt.protoname"),
            "protocol version" => self.add("mqtt.ver", number()),
            "connect flags" => self.hex(packet, field, "mqtt.conflags"),
            "user name flag" => self.add("mqtt.conflag.uname", number()),
            "password flag" => self.add("mqtt.conflag.passwd", number()),
            "will retain" => self.add("mqtt.conflag.retain", number()),
            "will qos" => self.add("mqtt.conflag.qos", number()),
            "will flag" => self.add("mqtt.conflag.willflag", number()),
            "clean start" => self.add("mqtt.conflag.cleansess", number()),
            "keep alive" => self.add("mqtt.kalive", number()),
            "property length" => self.add("mqtt.property_len", number()),
            "properties" | "will properties" => {
                for property in &field.fields {
                    self.property(packet, property);
                }
            }
            "client identifier" => {
                self.counted(packet, field, "mqtt.clientid_len", "mqtt.clientid");
            }
            "will topic" => self.counted(packet, field, "mqtt.willtopic_len", "mqtt.willtopic"),
            "will payload" => self.payload(packet, field, Some("mqtt.willmsg_len"), "mqtt.willmsg"),
            "user name" => self.counted(packet, field, "mqtt.username_len", "mqtt.username"),
            "password" => self.counted(packet, field, "mqtt.passwd_len", "mqtt.passwd"),
            "connect acknowledge flags" if !packet.version.has_session_present() => {
                self.add("mqtt.conack.flags.reserved", number());
            }
            "connect acknowledge flags" => self.hex(packet, field, "mqtt.conack.flags"),
            "session present" => self.add("mqtt.conack.flags.sp", number()),
            "reason code" => self.add(reason_name(packet), number()),
            "packet identifier" => self.add("mqtt.msgid", number()),
            "topic name" | "topic filter" => {
                self.counted(packet, field, "mqtt.topic_len", "mqtt.topic");
            }
            "payload" => self.payload(packet, field, None, "mqtt.msg"),
            "subscription" => self.parts(packet, field),
            "subscription options" => self.hex(packet, field, "mqtt.subscription_options"),
            "requested qos" => self.add("mqtt.sub.qos", number()),
            "maximum qos" => self.add("mqtt.subscription_options_qos", number()),
            "retain handling" => self.add("mqtt.subscription_options_retain", number()),
            "retain as published" => self.add("mqtt.subscription_options_rap", number()),
            "no local" => self.add("mqtt.subscription_options_nl", number()),
            "reserved" => match packet.packet_type {
                Some(PacketType::Connect) => self.add("mqtt.conflag.reserved", number()),
                Some(PacketType::ConnAck) => self.add("mqtt.conack.flags.reserved", number()),
                _ => self.add(
                    "mqtt.subscription_options_reserved",
                    format!("0x{:02x}", number()),
                ),
            },
            name => panic!("{name} has no name there"),
        }
    }

    fn parts(&mut self, packet: &Dissection, field: &Field) {
        for part in &field.fields {
            self.field(packet, part);
        }
    }

    /// A byte in hexadecimal and its parts.
    fn hex(&mut self, packet: &Dissection, field: &Field, name: &str) {
        self.add(name, format!("0x{:02x}", number(field)));
        self.parts(packet, field);
    }

    /// A length and the text behind it, which is not said when it is empty.
    fn counted(&mut self, packet: &Dissection, field: &Field, len: &str, name: &str) {
        let text = packet.text(field).unwrap();
        self.add(len, text.len());
        if !text.is_empty() {
            self.add(name, text);
        }
    }

    /// Bytes in hexadecimal with colons between.
    fn payload(&mut self, packet: &Dissection, field: &Field, len: Option<&str>, name: &str) {
        let Value::Bytes(range) = &field.value else {
            panic!("a payload is bytes");
        };
        let bytes = packet.slice(range);
        if let Some(len) = len {
            self.add(len, bytes.len());
        }
        let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.add(name, bytes.join(":"));
    }

    fn property(&mut self, packet: &Dissection, field: &Field) {
        let id = packet.bytes[field.at];
        self.add("mqtt.property_id", format!("0x{id:02x}"));
        match PropertyId::from_u8(id).unwrap() {
            PropertyId::TopicAlias => self.add("mqtt.property.topic_alias", number(field)),
            PropertyId::MaximumQoS => self.add("mqtt.property.max_qos", number(field)),
            PropertyId::ContentType => {
                self.add("mqtt.property.content_type", packet.text(field).unwrap());
            }
            PropertyId::UserProperty => {
                let [key, value] = &field.fields[..] else {
                    panic!("a user property has two parts");
                };
                self.counted(packet, key, "mqtt.prop_key_len", "mqtt.prop_key");
                self.counted(packet, value, "mqtt.prop_value_len", "mqtt.prop_value");
            }
            _ => match &field.value {
                Value::Text(_) | Value::Bytes(_) => {
                    self.counted(packet, field, "mqtt.prop_string_len", "mqtt.prop_string");
                }
                _ => self.add("mqtt.prop_number", number(field)),
            },
        }
    }
}

fn number(field: &Field) -> u32 {
    match &field.value {
        Value::Flag(flag) => u32::from(*flag),
        Value::Number(number) => *number,
        other => panic!("{} is {other:?}, not a number", field.name),
    }
}

fn reason_name(packet: &Dissection) -> &'static str {
    match packet.packet_type.unwrap() {
        PacketType::ConnAck if packet.version.has_properties() => "mqtt.connack.reason_code",
        PacketType::ConnAck => "mqtt.conack.val",
        PacketType::SubAck if packet.version.has_properties() => "mqtt.suback.reason_code",
        PacketType::SubAck => "mqtt.suback.qos",
        PacketType::PubAck => "mqtt.puback.reason_code",
        PacketType::PubRec => "mqtt.pubrec.reason_code",
        PacketType::PubRel => "mqtt.pubrel.reason_code",
        PacketType::PubComp => "mqtt.pubcomp.reason_code",
        PacketType::UnsubAck => "mqtt.unsuback.reason_code",
        PacketType::Disconnect => "mqtt.disconnect.reason_code",
        PacketType::Auth => "mqtt.auth.reason_code",
        other => panic!("{other} has no reason code"),
    }
}
