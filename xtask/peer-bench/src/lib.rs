//! Our codec and other people's behind one trait, on the same packets.

pub mod cases;
pub mod check;
pub mod codec;
pub mod mqtt_protocol_core;
pub mod mqttbytes;
pub mod mqttrs;
pub mod ours;
pub mod report;
pub mod rmqtt;
pub mod rumqttc;
pub mod seen;
