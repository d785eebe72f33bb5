//! The flags of every command that connects to a broker.

use std::hash::{BuildHasher, Hasher, RandomState};

use clap::ArgAction;
use mqtt_codec::{ProtocolVersion, QoS, TopicName};

use super::{
    property::{PropertyArgs, PropertyCommand},
    server::ServerArgs,
};
use crate::exit::Failure;

/// Session Expiry Interval of a session that never expires, in seconds.
const NEVER_S: u32 = u32::MAX;

/// Where to connect, and as whom. The letters are mosquitto's.
#[derive(clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// Where the broker is.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Client Identifier [default: the broker chooses]
    #[arg(short = 'i', long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Client Identifier made of this prefix and the process id
    #[arg(short = 'I', long, value_name = "PREFIX", conflicts_with = "id")]
    pub(crate) id_prefix: Option<String>,
    /// User name
    #[arg(short = 'u', long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Password
    #[arg(
        short = 'P',
        long = "pw",
        visible_alias = "password",
        value_name = "PASSWORD",
        requires = "username"
    )]
    pub(crate) password: Option<String>,
    /// Keep the session: resume the one under this client id, and leave it to the broker at the end
    #[arg(short = 'c', long, visible_alias = "no-clean", requires = "id")]
    pub(crate) disable_clean_session: bool,
    /// Seconds the session outlives the connection, or `infinity` [default: 0, with -c infinity]
    #[arg(
        short = 'x',
        long,
        value_name = "SECONDS",
        value_parser = session_expiry_s,
        allow_negative_numbers = true
    )]
    pub(crate) session_expiry_interval: Option<u32>,
    /// Keep Alive in seconds, 0 for none
    #[arg(short = 'k', long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) keepalive: u16,
    /// MQTT version: 3.1, 3.1.1 or 5 [default: 5, or 3.1.1 if the broker does not know 5]
    #[arg(short = 'V', long, value_name = "VERSION", value_parser = protocol_version)]
    pub(crate) protocol_version: Option<ProtocolVersion>,
    /// Topic of the Will Message, published by the broker if this command is cut off
    #[arg(long, value_name = "TOPIC", value_parser = topic_name)]
    pub(crate) will_topic: Option<String>,
    /// Payload of the Will Message [default: empty]
    #[arg(long, value_name = "PAYLOAD", requires = "will_topic")]
    pub(crate) will_payload: Option<std::ffi::OsString>,
    /// QoS of the Will Message
    #[arg(long, value_name = "QOS", requires = "will_topic", value_parser = qos)]
    pub(crate) will_qos: Option<QoS>,
    /// Retain the Will Message
    #[arg(long, requires = "will_topic")]
    pub(crate) will_retain: bool,
    /// Properties of MQTT 5.
    #[command(flatten)]
    pub(crate) properties: PropertyArgs,
    /// Log packets and connections to stderr; twice for everything
    #[arg(short = 'd', long, action = ArgAction::Count)]
    pub(crate) debug: u8,
    /// Print no errors; the exit code alone tells
    #[arg(long)]
    pub(crate) quiet: bool,
}

impl ConnectionArgs {
    /// What is not said is as Mosquitto's programs have it: MQTT 3.1.1, or 5 where there are properties.
    pub(crate) fn as_mosquitto(&mut self) {
        if !self.properties.is_empty() {
            self.protocol_version = None;
        } else {
            let unsaid = ProtocolVersion::V311; // version: what mosquitto begins with
            self.protocol_version.get_or_insert(unsaid);
        }
    }

    /// Fails if there is a property that this program sends no packet for, or that the version of `-V` has none of.
    /// With properties it is MQTT 5 and no other.
    pub(crate) fn check(
        &mut self,
        program: &str,
        sends: &[PropertyCommand],
        has_named: bool,
    ) -> Result<(), Failure> {
        let checked = self.properties.check(program, sends);
        checked.map_err(Failure::usage)?;
        if !has_named && self.properties.is_empty() {
            return Ok(());
        }
        let version = self.protocol_version;
        if version.is_some_and(|version| !version.has_properties()) {
            return Err(Failure::usage(
                "properties are for MQTT 5, and -V says an older version",
            ));
        }
        self.protocol_version = Some(ProtocolVersion::V5); // version: the one that has properties
        Ok(())
    }

    /// The Client Identifier asked for; `None` leaves it to the broker, where the version can.
    pub(crate) fn client_id(&self) -> Option<String> {
        if let Some(prefix) = &self.id_prefix {
            return Some(format!("{prefix}{}", std::process::id()));
        }
        let clean_start = !self.disable_clean_session;
        let broker_chooses = |version: ProtocolVersion| version.allows_empty_client_id(clean_start);
        match (&self.id, self.protocol_version) {
            (None, Some(version)) if !broker_chooses(version) => Some(random_client_id()),
            (id, _) => id.clone(),
        }
    }

    /// The Session Expiry Interval, in seconds: as mosquitto has it, `-c` alone keeps the session
    /// for ever.
    pub(crate) fn session_expiry_s(&self) -> u32 {
        let unsaid = if self.disable_clean_session {
            NEVER_S
        } else {
            0
        };
        let of_properties = self.properties.connect().session_expiry_s;
        self.session_expiry_interval
            .or(of_properties)
            .unwrap_or(unsaid)
    }
}

/// One that nobody else uses, short enough for every version.
fn random_client_id() -> String {
    format!("mqtt-{:016x}", RandomState::new().build_hasher().finish())
}

/// The spellings of mosquitto, mqttx and emqtt-bench, but for a bare `3`: the latter means 3.1 by
/// it and others 3.1.1.
/// A version in any of its spellings.
pub(super) fn protocol_version(text: &str) -> Result<ProtocolVersion, String> {
    let level = match text {
        "3.1" | "31" | "mqttv31" => 3,
        "3.1.1" | "311" | "4" | "mqttv311" => 4,
        "5" | "5.0" | "50" | "mqttv5" => 5,
        "3" => return Err("this may mean 3.1 or 3.1.1, say which".to_owned()),
        _ => return Err("say 3.1, 3.1.1 or 5".to_owned()),
    };
    ProtocolVersion::from_level(level).ok_or_else(|| "say 3.1, 3.1.1 or 5".to_owned())
}

fn session_expiry_s(text: &str) -> Result<u32, String> {
    match text {
        "-1" | "infinity" | "never" => Ok(NEVER_S),
        seconds => seconds
            .parse()
            .map_err(|_| format!("say a number of seconds from 0 to {NEVER_S}, or infinity")),
    }
}

/// A QoS as a digit.
pub(super) fn qos(text: &str) -> Result<QoS, String> {
    let level = text.parse().ok().and_then(QoS::from_u8);
    level.ok_or_else(|| "say 0, 1 or 2".to_owned())
}

/// A topic to publish to.
pub(super) fn topic_name(text: &str) -> Result<String, String> {
    TopicName::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_many_spellings() {
        for (level, spellings) in [
            (3, ["3.1", "31", "mqttv31"]),
            (4, ["3.1.1", "311", "mqttv311"]),
            (4, ["4", "4", "4"]),
            (5, ["5", "5.0", "mqttv5"]),
        ] {
            for text in spellings {
                assert_eq!(
                    protocol_version(text),
                    Ok(ProtocolVersion::from_level(level).unwrap())
                );
            }
        }
        for text in ["", "3", "6", "v5", "mqttv3"] {
            assert!(protocol_version(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_session_may_last_for_ever() {
        for (text, seconds) in [
            ("0", 0),
            ("3600", 3600),
            ("-1", NEVER_S),
            ("infinity", NEVER_S),
        ] {
            assert_eq!(session_expiry_s(text), Ok(seconds), "{text}");
        }
        for text in ["", "-2", "1h", "4294967296"] {
            assert!(session_expiry_s(text).is_err(), "{text}");
        }
    }

    #[test]
    fn wildcards_are_no_topic_to_publish_to() {
        assert_eq!(topic_name("a/b"), Ok("a/b".to_owned()));
        for text in ["", "a/#", "+"] {
            assert!(topic_name(text).is_err(), "{text}");
        }
    }
}
