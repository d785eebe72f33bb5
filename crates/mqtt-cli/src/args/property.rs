//! `-D COMMAND NAME VALUE`: properties of MQTT 5 on the command line, as mosquitto has them.

mod parse;

#[cfg(test)]
pub(crate) use parse::names;

use std::num::{NonZeroU16, NonZeroU32};

use clap::builder::{OsStringValueParser, TypedValueParser};
use mqtt_client::{MessageProperties, PayloadFormat};
use mqtt_codec::PropertyId;
use parse::word;

/// Between the words of one `-D` once they are one argument; no argument has it.
pub(crate) const SEPARATOR: char = '\0';

/// The properties of all packets this command sends.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct PropertyArgs {
    /// A property of MQTT 5: `-D publish content-type text/plain`, `-D connect user-property KEY VALUE`; the commands are connect, publish, subscribe, unsubscribe, disconnect and will
    #[arg(
        short = 'D',
        long = "property",
        value_name = "COMMAND> <NAME> <VALUE",
        value_parser = OsStringValueParser::new().try_map(|words| PropertyArg::parse(&words))
    )]
    pub(crate) properties: Vec<PropertyArg>,
}

/// One `-D`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PropertyArg {
    /// Whose property it is.
    pub(crate) command: PropertyCommand,
    /// What it is.
    pub(crate) value: PropertyValue,
}

/// The packets that can be given properties.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PropertyCommand {
    /// CONNECT.
    Connect,
    /// The Will in CONNECT.
    Will,
    /// PUBLISH.
    Publish,
    /// SUBSCRIBE.
    Subscribe,
    /// UNSUBSCRIBE.
    Unsubscribe,
    /// DISCONNECT.
    Disconnect,
}

impl PropertyCommand {
    const ALL: [Self; 6] = [
        Self::Connect,
        Self::Will,
        Self::Publish,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Disconnect,
    ];

    /// Those that a program takes which sends `sends`; Mosquitto's take those of packets they never send, too.
    pub(crate) const fn sent(is_mosquitto: bool, sends: &'static [Self]) -> &'static [Self] {
        if is_mosquitto { &Self::ALL } else { sends }
    }
}

/// A property and its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PropertyValue {
    /// A flag, 0 or 1.
    Flag(PropertyId, bool),
    /// 1 to 65,535.
    U16(PropertyId, NonZeroU16),
    /// Topic Alias Maximum.
    TopicAliasMaximum(u16),
    /// Seconds, bytes, or a Subscription Identifier.
    U32(PropertyId, u32),
    /// Text.
    Text(PropertyId, String),
    /// Bytes, as they stood there.
    Bytes(PropertyId, Vec<u8>),
    /// Name and value of a User Property.
    User(String, String),
}

/// What CONNECT is given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ConnectProperties {
    pub(crate) session_expiry_s: Option<u32>,
    pub(crate) receive_maximum: Option<NonZeroU16>,
    pub(crate) packet_len_max: Option<NonZeroU32>,
    pub(crate) topic_alias_maximum: Option<u16>,
    pub(crate) request_problem_information: Option<bool>,
    pub(crate) request_response_information: Option<bool>,
    pub(crate) authentication_method: Option<String>,
    pub(crate) authentication_data: Option<Vec<u8>>,
    pub(crate) user_properties: Vec<(String, String)>,
}

/// What a Will is given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct WillProperties {
    pub(crate) delay_s: Option<u32>,
    pub(crate) properties: MessageProperties,
}

/// What SUBSCRIBE is given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct SubscribeProperties {
    pub(crate) subscription_identifier: Option<u32>,
    pub(crate) user_properties: Vec<(String, String)>,
}

/// What DISCONNECT is given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct DisconnectProperties {
    pub(crate) session_expiry_s: Option<u32>,
    pub(crate) reason_string: Option<String>,
    pub(crate) user_properties: Vec<(String, String)>,
}

impl PropertyArgs {
    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.properties.is_empty()
    }

    /// Fails if there is one that this program sends no packet for, or one twice that may stand once.
    pub(crate) fn check(&self, program: &str, sends: &[PropertyCommand]) -> Result<(), String> {
        for (at, given) in self.properties.iter().enumerate() {
            let command = given.command;
            if !sends.contains(&command) {
                let known: Vec<_> = sends.iter().map(|command| command.name()).collect();
                return Err(format!(
                    "-D {}: {program} sends none, only properties of {} go with it",
                    command.name(),
                    known.join(", ")
                ));
            }
            let id = given.value.id();
            let mut before = self.properties.iter().take(at);
            if id != PropertyId::UserProperty
                && before.any(|other| other.command == command && other.value.id() == id)
            {
                return Err(format!(
                    "-D {} {}: it may stand once only",
                    command.name(),
                    word(id)
                ));
            }
        }
        Ok(())
    }

    /// Those of CONNECT.
    pub(crate) fn connect(&self) -> ConnectProperties {
        let mut connect = ConnectProperties::default();
        for value in self.of(PropertyCommand::Connect) {
            match value {
                PropertyValue::U32(PropertyId::SessionExpiryInterval, seconds) => {
                    connect.session_expiry_s = Some(*seconds);
                }
                PropertyValue::U32(_, bytes) => connect.packet_len_max = NonZeroU32::new(*bytes),
                PropertyValue::U16(_, packets) => connect.receive_maximum = Some(*packets),
                PropertyValue::TopicAliasMaximum(max) => connect.topic_alias_maximum = Some(*max),
                PropertyValue::Flag(PropertyId::RequestProblemInformation, wanted) => {
                    connect.request_problem_information = Some(*wanted);
                }
                PropertyValue::Flag(_, wanted) => {
                    connect.request_response_information = Some(*wanted);
                }
                PropertyValue::Text(_, method) => {
                    connect.authentication_method = Some(method.clone());
                }
                PropertyValue::Bytes(_, bytes) => connect.authentication_data = Some(bytes.clone()),
                PropertyValue::User(name, value) => {
                    connect.user_properties.push((name.clone(), value.clone()));
                }
            }
        }
        connect
    }

    /// Those of PUBLISH.
    pub(crate) fn publish(&self) -> MessageProperties {
        let mut message = MessageProperties::new();
        for value in self.of(PropertyCommand::Publish) {
            value.put_into(&mut message);
        }
        message
    }

    /// Those of the Will.
    pub(crate) fn will(&self) -> WillProperties {
        let mut will = WillProperties::default();
        for value in self.of(PropertyCommand::Will) {
            match value {
                PropertyValue::U32(PropertyId::WillDelayInterval, seconds) => {
                    will.delay_s = Some(*seconds);
                }
                value => value.put_into(&mut will.properties),
            }
        }
        will
    }

    /// Those of SUBSCRIBE.
    pub(crate) fn subscribe(&self) -> SubscribeProperties {
        let mut subscribe = SubscribeProperties::default();
        for value in self.of(PropertyCommand::Subscribe) {
            match value {
                PropertyValue::U32(_, identifier) => {
                    subscribe.subscription_identifier = Some(*identifier);
                }
                PropertyValue::User(name, value) => {
                    let pair = (name.clone(), value.clone());
                    subscribe.user_properties.push(pair);
                }
                _ => {}
            }
        }
        subscribe
    }

    /// The User Properties of UNSUBSCRIBE, which has no others.
    pub(crate) fn unsubscribe(&self) -> Vec<(String, String)> {
        let values = self.of(PropertyCommand::Unsubscribe);
        values.filter_map(PropertyValue::as_pair).collect()
    }

    /// Those of DISCONNECT.
    pub(crate) fn disconnect(&self) -> DisconnectProperties {
        let mut disconnect = DisconnectProperties::default();
        for value in self.of(PropertyCommand::Disconnect) {
            match value {
                PropertyValue::U32(_, seconds) => disconnect.session_expiry_s = Some(*seconds),
                PropertyValue::Text(_, reason) => disconnect.reason_string = Some(reason.clone()),
                value => disconnect.user_properties.extend(value.as_pair()),
            }
        }
        disconnect
    }

    fn of(&self, command: PropertyCommand) -> impl Iterator<Item = &PropertyValue> {
        let of_command = self.properties.iter();
        let of_command = of_command.filter(move |given| given.command == command);
        of_command.map(|given| &given.value)
    }
}

impl PropertyValue {
    fn put_into(&self, message: &mut MessageProperties) {
        match self {
            Self::Flag(_, is_text) => {
                message.payload_format = Some(match is_text {
                    true => PayloadFormat::Utf8,
                    false => PayloadFormat::Bytes,
                });
            }
            Self::U32(_, seconds) => message.message_expiry_s = Some(*seconds),
            Self::Text(PropertyId::ContentType, text) => message.content_type = Some(text.clone()),
            Self::Text(_, topic_name) => message.response_topic = Some(topic_name.clone()),
            Self::Bytes(_, bytes) => message.correlation_data = Some(bytes.clone().into()),
            Self::User(name, value) => {
                message.user_properties.push((name.clone(), value.clone()));
            }
            // The client library sets aliases by itself.
            Self::U16(..) | Self::TopicAliasMaximum(_) => {}
        }
    }

    fn as_pair(&self) -> Option<(String, String)> {
        match self {
            Self::User(name, value) => Some((name.clone(), value.clone())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn args(lines: &[&str]) -> PropertyArgs {
        let properties = lines
            .iter()
            .map(|line| PropertyArg::parse(OsStr::new(line)).unwrap());
        PropertyArgs {
            properties: properties.collect(),
        }
    }

    #[test]
    fn each_packet_gets_its_properties() {
        let args = args(&[
            "connect session-expiry-interval 7",
            "CONNECT Receive-Maximum 3",
            "connect maximum-packet-size 99",
            "connect topic-alias-maximum 0",
            "connect request-problem-information 0",
            "connect request-response-information 1",
            "publish message-expiry-interval 5",
            "publish payload-format-indicator 1",
            "publish content-type text/plain; charset=utf-8",
            "publish\0correlation-data\0a b",
            "publish\0user-property\0the name\0the value",
        ]);
        let connect = args.connect();
        assert_eq!(connect.session_expiry_s, Some(7));
        assert_eq!(connect.receive_maximum, NonZeroU16::new(3));
        assert_eq!(connect.packet_len_max, NonZeroU32::new(99));
        assert_eq!(connect.topic_alias_maximum, Some(0));
        assert_eq!(connect.request_problem_information, Some(false));
        assert_eq!(connect.request_response_information, Some(true));
        let publish = args.publish();
        assert_eq!(publish.message_expiry_s, Some(5));
        assert_eq!(publish.payload_format, Some(PayloadFormat::Utf8));
        assert_eq!(publish.content_type.unwrap(), "text/plain; charset=utf-8");
        assert_eq!(publish.correlation_data.unwrap(), "a b");
        let pair = ("the name".to_owned(), "the value".to_owned());
        assert_eq!(publish.user_properties, [pair]);
    }

    #[test]
    fn wills_subscriptions_and_ends_get_theirs() {
        let args = args(&[
            "will will-delay-interval 9",
            "will response-topic r",
            "subscribe subscription-identifier 268435455",
            "subscribe user-property a b c",
            "disconnect session-expiry-interval 0",
            "disconnect reason-string why not",
        ]);
        let will = args.will();
        assert_eq!(
            (will.delay_s, will.properties.response_topic),
            (Some(9), Some("r".to_owned()))
        );
        let subscribe = args.subscribe();
        assert_eq!(subscribe.subscription_identifier, Some(268_435_455));
        assert_eq!(
            subscribe.user_properties,
            [("a".to_owned(), "b c".to_owned())]
        );
        let disconnect = args.disconnect();
        assert_eq!(disconnect.session_expiry_s, Some(0));
        assert_eq!(disconnect.reason_string.unwrap(), "why not");
    }

    #[test]
    fn a_program_takes_those_of_what_it_sends_and_each_once() {
        let sends = [PropertyCommand::Connect, PropertyCommand::Publish];
        let check = |lines| args(lines).check("mqtt pub", &sends);
        assert_eq!(
            check(&["connect user-property a b", "connect user-property a b"]),
            Ok(())
        );
        assert_eq!(
            check(&["subscribe user-property a b"]).unwrap_err(),
            "-D subscribe: mqtt pub sends none, only properties of connect, publish go with it"
        );
        assert_eq!(
            check(&["publish content-type a", "publish content-type b"]).unwrap_err(),
            "-D publish content-type: it may stand once only"
        );
    }
}
