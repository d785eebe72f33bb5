//! Reading `-D`.

use std::ffi::{OsStr, OsString};

use mqtt_codec::{PacketType, PropertyId};

use super::{PropertyArg, PropertyCommand, PropertyValue, SEPARATOR};

impl PropertyArg {
    /// Reads the words of one `-D`: separated by [`SEPARATOR`], or in one piece by spaces.
    pub(crate) fn parse(words: &OsStr) -> Result<Self, String> {
        let text = words.to_str().ok_or("this is no text")?;
        let separator = match text.contains(SEPARATOR) {
            true => SEPARATOR,
            false => ' ',
        };
        let (command, rest) = split(text, separator).ok_or(SHAPE)?;
        let command = PropertyCommand::parse(command)?;
        let (name, value) = split(rest, separator).unwrap_or((rest, ""));
        let has_value = rest.contains(separator);
        let id = id_of(name, command)?;
        let value = match id {
            PropertyId::UserProperty => {
                let (name, value) = split(value, separator).ok_or(
                    "a user-property has a name and a value: -D publish user-property NAME VALUE",
                )?;
                PropertyValue::User(name.to_owned(), value.to_owned())
            }
            id => PropertyValue::parse(id, value)?,
        };
        // Most say more of what they take; text may be empty, but not left out.
        match has_value {
            true => Ok(Self { command, value }),
            false => Err(SHAPE.to_owned()),
        }
    }

    /// How many words follow `name` in a `-D`.
    pub(crate) fn words_after(name: &OsStr) -> usize {
        match name == "user-property" {
            true => 2,
            false => 1,
        }
    }

    /// The words of one `-D` as one argument.
    pub(crate) fn joined(words: &[OsString]) -> OsString {
        let mut joined = OsString::new();
        for word in words {
            if !joined.is_empty() {
                joined.push(SEPARATOR.to_string());
            }
            joined.push(word);
        }
        joined
    }
}

impl PropertyCommand {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Will => "will",
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Disconnect => "disconnect",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "connect" => Self::Connect,
            "will" => Self::Will,
            "publish" => Self::Publish,
            "subscribe" => Self::Subscribe,
            "unsubscribe" => Self::Unsubscribe,
            "disconnect" => Self::Disconnect,
            name @ ("puback" | "pubrec" | "pubrel" | "pubcomp" | "auth") => {
                return Err(format!("{name} is sent without properties of yours"));
            }
            _ => {
                return Err(format!(
                    "{text} is no packet with properties, say connect, publish, subscribe, unsubscribe, disconnect or will"
                ));
            }
        })
    }

    /// Whether the standard allows it there, and it is not for the server alone.
    fn allows(self, id: PropertyId) -> bool {
        let packet = match self {
            Self::Will => return id.allowed_in_will(),
            Self::Connect => PacketType::Connect,
            Self::Publish => PacketType::Publish,
            Self::Subscribe => PacketType::Subscribe,
            Self::Unsubscribe => PacketType::Unsubscribe,
            Self::Disconnect => PacketType::Disconnect,
        };
        let is_of_the_server = matches!(
            (self, id),
            (Self::Publish, PropertyId::SubscriptionIdentifier)
                | (Self::Disconnect, PropertyId::ServerReference)
        );
        id.allowed_in(packet) && !is_of_the_server
    }
}

/// Every property that some command takes.
#[cfg(test)]
pub(crate) fn names() -> Vec<String> {
    let can_be_set = |id: &PropertyId| {
        let mut commands = PropertyCommand::ALL.into_iter();
        commands.any(|command| command.allows(*id))
    };
    PropertyId::ALL
        .into_iter()
        .filter(can_be_set)
        .map(word)
        .collect()
}

impl PropertyValue {
    /// Which property it is.
    pub(crate) const fn id(&self) -> PropertyId {
        match self {
            Self::Flag(id, _)
            | Self::U16(id, _)
            | Self::U32(id, _)
            | Self::Text(id, _)
            | Self::Bytes(id, _) => *id,
            Self::TopicAliasMaximum(_) => PropertyId::TopicAliasMaximum,
            Self::User(..) => PropertyId::UserProperty,
        }
    }

    fn parse(id: PropertyId, text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{} takes {what}, not {text:?}", word(id));
        Ok(match id {
            PropertyId::PayloadFormatIndicator
            | PropertyId::RequestProblemInformation
            | PropertyId::RequestResponseInformation => match text {
                "0" => Self::Flag(id, false),
                "1" => Self::Flag(id, true),
                _ => return Err(wrong("0 or 1")),
            },
            PropertyId::TopicAliasMaximum => {
                let max = text.parse();
                Self::TopicAliasMaximum(max.map_err(|_| wrong("a number from 0 to 65535"))?)
            }
            PropertyId::TopicAlias if text != "1" => {
                return Err(wrong(
                    "1: aliases are given by number from 1, for each topic the next",
                ));
            }
            PropertyId::ReceiveMaximum | PropertyId::TopicAlias => {
                let number = text.parse();
                Self::U16(id, number.map_err(|_| wrong("a number from 1 to 65535"))?)
            }
            PropertyId::SubscriptionIdentifier => {
                let identifier = text
                    .parse()
                    .ok()
                    .filter(|id| (1..=268_435_455).contains(id));
                let identifier = identifier.ok_or_else(|| wrong("a number from 1 to 268435455"))?;
                Self::U32(id, identifier)
            }
            PropertyId::MaximumPacketSize => {
                let bytes = text.parse().ok().filter(|bytes| *bytes != 0);
                Self::U32(
                    id,
                    bytes.ok_or_else(|| wrong("bytes, from 1 to 4294967295"))?,
                )
            }
            PropertyId::MessageExpiryInterval
            | PropertyId::SessionExpiryInterval
            | PropertyId::WillDelayInterval => {
                let seconds = text.parse();
                Self::U32(
                    id,
                    seconds.map_err(|_| wrong("seconds, from 0 to 4294967295"))?,
                )
            }
            PropertyId::CorrelationData | PropertyId::AuthenticationData => {
                Self::Bytes(id, text.as_bytes().to_vec())
            }
            _ => Self::Text(id, text.to_owned()),
        })
    }
}

const SHAPE: &str =
    "say whose property it is, its name and its value: -D publish content-type text/plain";

/// The name as it is written: with hyphens.
pub(super) fn word(id: PropertyId) -> String {
    match id {
        // As mosquitto has it.
        PropertyId::SubscriptionIdentifiersAvailable => {
            "subscription-identifier-available".to_owned()
        }
        id => id.name().replace(' ', "-"),
    }
}

fn id_of(name: &str, command: PropertyCommand) -> Result<PropertyId, String> {
    let allowed = || {
        let allowed = PropertyId::ALL.into_iter().filter(|id| command.allows(*id));
        allowed.map(word).collect::<Vec<_>>().join(", ")
    };
    let mut known = PropertyId::ALL.into_iter();
    let Some(id) = known.find(|id| word(*id) == name.to_ascii_lowercase()) else {
        return Err(format!(
            "there is no property {name:?}, {} has {}",
            command.name(),
            allowed()
        ));
    };
    match command.allows(id) {
        true => Ok(id),
        false => Err(format!(
            "{name} is no property of {}, which has {}",
            command.name(),
            allowed()
        )),
    }
}

fn split(text: &str, separator: char) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once(separator)?;
    match separator {
        ' ' => Some((first, rest.trim_start_matches(' '))),
        _ => Some((first, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_property_is_refused_with_a_sentence() {
        for (line, says) in [
            ("", "say whose property it is"),
            ("publish", "say whose property it is"),
            (
                "pingreq content-type x",
                "pingreq is no packet with properties",
            ),
            (
                "pubrel reason-string x",
                "pubrel is sent without properties of yours",
            ),
            (
                "publish colour red",
                "there is no property \"colour\", publish has payload-format-indicator, ",
            ),
            (
                "connect content-type x",
                "content-type is no property of connect, which has session-expiry-interval, ",
            ),
            (
                "publish subscription-identifier 1",
                "subscription-identifier is no property of publish",
            ),
            ("will topic-alias 1", "topic-alias is no property of will"),
            (
                "publish message-expiry-interval 1h",
                "message-expiry-interval takes seconds, from 0 to 4294967295, not \"1h\"",
            ),
            (
                "publish message-expiry-interval",
                "message-expiry-interval takes seconds",
            ),
            (
                "connect receive-maximum 0",
                "receive-maximum takes a number from 1 to 65535",
            ),
            (
                "connect maximum-packet-size 0",
                "maximum-packet-size takes bytes",
            ),
            (
                "subscribe subscription-identifier 268435456",
                "subscription-identifier takes a number",
            ),
            (
                "publish payload-format-indicator 2",
                "payload-format-indicator takes 0 or 1",
            ),
            ("publish topic-alias 2", "topic-alias takes 1: "),
            ("publish content-type", "say whose property it is"),
            (
                "publish user-property a",
                "a user-property has a name and a value",
            ),
        ] {
            let error = PropertyArg::parse(OsStr::new(line)).unwrap_err();
            assert!(error.starts_with(says), "{line}: {error}");
        }
    }
}
