//! What is most worth knowing of a packet, in a few words.

use std::fmt::Write;

use mqtt_codec::PacketType;

use crate::text::{bytes_text, quoted, version_name};
use crate::{Dissection, Field, Value};

/// The longest payload that is shown. Unit: bytes.
const PAYLOAD_LEN_MAX: usize = 80;

/// The words of a line behind the name of the packet.
pub(crate) fn summary(packet: &Dissection) -> String {
    let mut words = Words {
        packet,
        text: String::new(),
    };
    match packet.packet_type {
        Some(PacketType::Connect) => words.connect(),
        Some(PacketType::ConnAck) => {
            words.meaning("reason code");
            words.flag("session present", "session present");
        }
        Some(PacketType::Publish) => words.publish(),
        Some(PacketType::Subscribe | PacketType::Unsubscribe) => {
            words.packet_id();
            words.filters();
        }
        Some(PacketType::SubAck | PacketType::UnsubAck) => {
            words.packet_id();
            words.reasons();
        }
        Some(PacketType::PingReq | PacketType::PingResp) | None => {}
        Some(_) => {
            words.packet_id();
            words.meaning("reason code");
            words.value("reason string", "");
        }
    }
    words.text
}

struct Words<'a> {
    packet: &'a Dissection,
    text: String,
}

impl Words<'_> {
    fn say(&mut self, words: &str) {
        if !self.text.is_empty() {
            self.text.push_str(", ");
        }
        self.text.push_str(words);
    }

    fn connect(&mut self) {
        self.say(version_name(self.packet));
        self.value("client identifier", "client ");
        self.flag("clean start", "clean start");
        self.value("keep alive", "keep alive ");
        self.value("will topic", "will on ");
        self.value("user name", "user ");
    }

    fn publish(&mut self) {
        let alias = self.packet.find("topic alias").and_then(Field::number);
        let topic_name = self.packet.find("topic name");
        match (topic_name.and_then(|field| self.packet.text(field)), alias) {
            (Some(topic_name), Some(alias)) if topic_name.is_empty() => {
                self.say(&format!("topic alias {alias}"));
            }
            (Some(topic_name), Some(alias)) => {
                self.say(&format!("{} = topic alias {alias}", quoted(&topic_name)));
            }
            (Some(topic_name), None) => self.say(&quoted(&topic_name)),
            (None, _) => {}
        }
        self.value("qos", "qos ");
        self.flag("dup", "dup");
        self.flag("retain", "retain");
        self.packet_id();
        let payload = self.packet.find("payload");
        if let Some(Value::Bytes(range)) = payload.map(|field| &field.value) {
            let payload = self.packet.slice(range);
            match payload.len() {
                0 => self.say("no payload"),
                len if len > PAYLOAD_LEN_MAX => self.say(&format!("{len} bytes")),
                _ => self.say(&bytes_text(payload)),
            }
        }
    }

    fn packet_id(&mut self) {
        self.value("packet identifier", "id ");
    }

    fn filters(&mut self) {
        for field in &self.packet.fields {
            let Some(filter) = field.find("topic filter") else {
                continue;
            };
            let mut words = self.packet.value_text(filter);
            if let Some(qos) = field.find("maximum qos").and_then(Field::number) {
                let _ = write!(words, " qos {qos}");
            }
            self.say(&words);
        }
    }

    fn reasons(&mut self) {
        for field in &self.packet.fields {
            if let (Some(meaning), "reason code") = (&field.meaning, field.name) {
                self.say(meaning);
            }
        }
    }

    fn value(&mut self, name: &str, before: &str) {
        if let Some(field) = self.packet.find(name) {
            self.say(&format!("{before}{}", self.packet.value_text(field)));
        }
    }

    fn meaning(&mut self, name: &str) {
        if let Some(meaning) = self
            .packet
            .find(name)
            .and_then(|field| field.meaning.as_ref())
        {
            self.say(meaning);
        }
    }

    fn flag(&mut self, name: &str, words: &str) {
        if self.packet.find(name).and_then(Field::flag) == Some(true) {
            self.say(words);
        }
    }
}
