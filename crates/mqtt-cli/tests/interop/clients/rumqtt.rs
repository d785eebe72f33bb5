//! The Rust client rumqttc, which has no MQTT 3.1.

use super::{Client, Connection, Login, Message, SESSION_EXPIRY_S};
use crate::process::PATIENCE;
use mqtt_codec::{ProtocolVersion, QoS};
use std::collections::VecDeque;
use std::time::Instant;

/// rumqttc, in whose own words each version has a module.
pub(crate) struct RumqttClient;

impl Client for RumqttClient {
    fn connect(&self, login: &Login, topic_filter: Option<(&str, QoS)>) -> Box<dyn Connection> {
        match login.version {
            ProtocolVersion::V5 => Box::new(since_5::Connected::new(login, topic_filter)),
            _ => Box::new(before_5::Connected::new(login, topic_filter)),
        }
    }

    fn publish(&self, login: &Login, message: &Message) {
        match login.version {
            ProtocolVersion::V5 => since_5::Connected::new(login, None).publish(message),
            _ => before_5::Connected::new(login, None).publish(message),
        }
    }
}

/// A client of one version: the types have the same names in both modules of the library.
macro_rules! connected {
    ($options:ident, $library:path, $packets:path, $qos:path, $topic_text:expr) => {
        use $library as library;
        use $packets as packets;
        use $qos as TheirQoS;

        use super::*;
        use library::{Event, MqttOptions};
        use packets::{LastWill, Packet, SubscribeReasonCode};

        pub(super) struct Connected {
            client: library::Client,
            connection: library::Connection,
            session_present: bool,
            granted: Option<u8>,
            /// Came while something else was waited for.
            messages: VecDeque<Message>,
        }

        impl Connected {
            pub(super) fn new(login: &Login, topic_filter: Option<(&str, QoS)>) -> Self {
                let host = login.way.addr.ip().to_string();
                let mut options = MqttOptions::new(login.client_id, host, login.way.addr.port());
                super::$options(&mut options, login);
                if let Some(will) = &login.will {
                    options.set_last_will(last_will(will));
                }
                let (client, connection) = library::Client::new(options, 16);
                let mut connected = Self {
                    client,
                    connection,
                    session_present: false,
                    granted: None,
                    messages: VecDeque::new(),
                };
                connected.session_present = connected.wait("CONNACK", |event| match event {
                    Event::Incoming(Packet::ConnAck(connack)) => Some(connack.session_present),
                    _ => None,
                });
                if let Some((topic_filter, qos)) = topic_filter {
                    connected
                        .client
                        .subscribe(topic_filter, their_qos(qos.get()))
                        .unwrap();
                    connected.granted = Some(connected.wait("SUBACK", |event| match event {
                        Event::Incoming(Packet::SubAck(suback)) => match suback.return_codes[..] {
                            [SubscribeReasonCode::Success(qos)] => Some(qos as u8),
                            _ => panic!("refused: {suback:?}"),
                        },
                        _ => None,
                    }));
                }
                connected
            }

            pub(super) fn publish(mut self, message: &Message) {
                let qos = their_qos(message.qos);
                let (topic_name, payload) = (message.topic_name.clone(), message.payload.clone());
                self.client
                    .publish(topic_name, qos, message.retain, payload)
                    .unwrap();
                self.wait("the end of a publish", |event| {
                    let is_end = match message.qos {
                        0 => matches!(event, Event::Outgoing(rumqttc::Outgoing::Publish(_))),
                        1 => matches!(event, Event::Incoming(Packet::PubAck(_))),
                        _ => matches!(event, Event::Incoming(Packet::PubComp(_))),
                    };
                    is_end.then_some(())
                });
                self.leave();
            }

            fn leave(&mut self) {
                self.client.disconnect().unwrap();
                self.wait("the end of the connection", |event| {
                    let is_end = matches!(event, Event::Outgoing(rumqttc::Outgoing::Disconnect));
                    is_end.then_some(())
                });
            }

            /// Lets the client work until `wanted` has found what it looks for; messages are kept.
            fn wait<T>(&mut self, awaited: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
                let deadline = Instant::now() + PATIENCE;
                loop {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let event = match self.connection.recv_timeout(left) {
                        Ok(Ok(event)) => event,
                        Ok(Err(error)) => panic!("{error}, before {awaited}"),
                        Err(_) => panic!("not in time: {awaited}"),
                    };
                    if let Event::Incoming(Packet::Publish(publish)) = &event {
                        self.messages.push_back(Message {
                            topic_name: $topic_text(&publish.topic),
                            payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
                            qos: publish.qos as u8,
                            retain: publish.retain,
                        });
                    }
                    if let Some(found) = wanted(&event) {
                        return found;
                    }
                }
            }
        }

        impl Connection for Connected {
            fn session_present(&self) -> Option<bool> {
                Some(self.session_present)
            }

            fn granted(&self) -> Option<u8> {
                self.granted
            }

            fn next(&mut self) -> Message {
                if self.messages.is_empty() {
                    self.wait("a message", |event| {
                        matches!(event, Event::Incoming(Packet::Publish(_))).then_some(())
                    });
                }
                self.messages.pop_front().unwrap()
            }

            fn disconnect(mut self: Box<Self>) {
                self.leave();
            }

            fn cut(self: Box<Self>) {
                // The socket closes with it, and nothing is said.
                drop(self);
            }
        }

        fn their_qos(qos: u8) -> TheirQoS {
            match qos {
                0 => TheirQoS::AtMostOnce,
                1 => TheirQoS::AtLeastOnce,
                _ => TheirQoS::ExactlyOnce,
            }
        }
    };
}

mod before_5 {
    connected!(
        set_before_5,
        rumqttc,
        rumqttc,
        rumqttc::QoS,
        |topic: &String| topic.clone()
    );

    fn last_will(will: &Message) -> LastWill {
        let (topic_name, payload) = (will.topic_name.as_str(), will.payload.as_bytes());
        LastWill::new(topic_name, payload, their_qos(will.qos), will.retain)
    }
}

mod since_5 {
    connected!(
        set_since_5,
        rumqttc::v5,
        rumqttc::v5::mqttbytes::v5,
        rumqttc::v5::mqttbytes::QoS,
        |topic: &[u8]| String::from_utf8(topic.to_vec()).unwrap()
    );

    fn last_will(will: &Message) -> LastWill {
        let (topic_name, payload) = (will.topic_name.as_str(), will.payload.as_bytes());
        LastWill::new(topic_name, payload, their_qos(will.qos), will.retain, None)
    }
}

/// Bytes of the largest packet, above what the scenarios send.
const PACKET_LEN_MAX: u32 = 100_000;

fn set_before_5(options: &mut rumqttc::MqttOptions, login: &Login) {
    let len_max = usize::try_from(PACKET_LEN_MAX).unwrap();
    options.set_max_packet_size(len_max, len_max);
    options.set_clean_session(!login.keeps_session);
}

fn set_since_5(options: &mut rumqttc::v5::MqttOptions, login: &Login) {
    let expiry_s = if login.keeps_session {
        SESSION_EXPIRY_S
    } else {
        0
    };
    options.set_max_packet_size(Some(PACKET_LEN_MAX));
    options.set_session_expiry_interval(Some(expiry_s));
    options.set_clean_start(!login.keeps_session);
}
