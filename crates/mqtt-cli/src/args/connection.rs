//! The flags of every command that connects to a broker.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use clap::ArgAction;
use mqtt_client::{Reconnect, Will};
use mqtt_codec::{ProtocolVersion, QoS, TopicName};

use super::{
    message::pair,
    profile::ProfileArgs,
    property::{ConnectProperties, PropertyArgs, PropertyCommand},
    secret,
    server::ServerArgs,
    units,
    will::WillArgs,
};
use crate::exit::Failure;
use zeroize::Zeroizing;

/// Session Expiry Interval of a session that never expires, in seconds.
const NEVER_S: u32 = u32::MAX;

/// The heading of these flags: one that a group of others leaves behind goes on over them.
const HEADING: &str = "Connection";

/// Where to connect, and as whom. The letters are mosquitto's.
#[derive(clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// Where the broker is.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Client Identifier [default: the broker chooses]
    #[arg(help_heading = HEADING, short = 'i', long, visible_alias = "client-id", value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Client Identifier made of this prefix and the process id
    #[arg(help_heading = HEADING, short = 'I', long, value_name = "PREFIX", conflicts_with = "id")]
    pub(crate) id_prefix: Option<String>,
    /// User name
    #[arg(help_heading = HEADING, short = 'u', long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Password, or @FILE or env:NAME which have it; asked for when nothing follows
    #[arg(help_heading = HEADING,
        short = 'P',
        long = "pw",
        visible_alias = "password",
        value_name = "PASSWORD",
        num_args = 0..=1,
        requires = "username"
    )]
    pub(crate) password: Option<Option<String>>,
    /// Whether the password is what stands there.
    #[arg(skip)]
    pub(crate) is_password_plain: bool,
    /// Authentication Method of MQTT 5: SCRAM-SHA-256 is done with -u and -P, others send --auth-data
    #[arg(help_heading = HEADING, long, visible_alias = "authentication-method", value_name = "METHOD")]
    pub(crate) auth_method: Option<String>,
    /// Authentication Data of MQTT 5
    #[arg(help_heading = HEADING, long, visible_alias = "authentication-data", value_name = "DATA")]
    pub(crate) auth_data: Option<String>,
    /// Keep the session: resume the one under this client id, and leave it to the broker at the end
    #[arg(help_heading = HEADING, short = 'c', long, visible_alias = "no-clean", requires = "id")]
    pub(crate) disable_clean_session: bool,
    /// How long the session outlives the connection: seconds, as in 1h, or never (it expires) [default: 0, with -c never]
    #[arg(help_heading = HEADING,
        short = 'x',
        long,
        value_name = "TIME",
        value_parser = session_expiry_s,
        allow_negative_numbers = true
    )]
    pub(crate) session_expiry_interval: Option<u32>,
    /// Keep Alive in seconds, or as in 1m, 0 for none
    #[arg(help_heading = HEADING, short = 'k', long, value_name = "SECONDS", default_value = "60", value_parser = keep_alive_s)]
    pub(crate) keepalive: u16,
    /// MQTT version: 3.1, 3.1.1 or 5 [default: 5, or 3.1.1 if the broker does not know 5]
    #[arg(help_heading = HEADING, short = 'V', long, visible_alias = "mqtt-version", value_name = "VERSION", value_parser = protocol_version)]
    pub(crate) protocol_version: Option<ProtocolVersion>,
    /// Messages that may be under way to here, MQTT 5
    #[arg(help_heading = HEADING, long, visible_alias = "rcv-max", value_name = "COUNT")]
    pub(crate) receive_maximum: Option<NonZeroU16>,
    /// Longest packet that is taken, MQTT 5, as in 1MB
    #[arg(help_heading = HEADING, long, visible_alias = "max-packet-size", value_name = "SIZE", value_parser = packet_len)]
    pub(crate) maximum_packet_size: Option<NonZeroU32>,
    /// Topic Aliases the broker may set, and of its own the client sets, MQTT 5
    #[arg(help_heading = HEADING, long, value_name = "COUNT")]
    pub(crate) topic_alias_maximum: Option<u16>,
    /// Ask the broker where answers may be published, MQTT 5
    #[arg(help_heading = HEADING, long, visible_alias = "req-response-info")]
    pub(crate) request_response_information: bool,
    /// Ask the broker to leave out reasons in words, MQTT 5
    #[arg(help_heading = HEADING, long, visible_alias = "no-req-problem-info")]
    pub(crate) no_problem_information: bool,
    /// A user property of CONNECT; may be repeated
    #[arg(help_heading = HEADING, long, visible_alias = "conn-user-properties", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) connect_user_property: Vec<(String, String)>,
    /// Connect again so often when the connection fails or is lost
    #[arg(help_heading = HEADING, long, visible_alias = "maximum-reconnect-times", value_name = "COUNT")]
    pub(crate) retry: Option<u32>,
    /// Longest wait between two of them: seconds, or as in 20ms [default: 60]
    #[arg(help_heading = HEADING, long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) retry_max: Option<Duration>,
    /// How long connecting may take: seconds, or as in 20ms [default: 10]
    #[arg(help_heading = HEADING, long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) connect_timeout: Option<Duration>,
    /// The Will Message.
    #[command(flatten)]
    pub(crate) will: WillArgs,
    /// Properties of MQTT 5.
    #[command(flatten)]
    pub(crate) properties: PropertyArgs,
    /// Where flags come from.
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    /// Show each packet in a line, and the log, on stderr; twice for everything
    #[arg(help_heading = HEADING, short = 'd', long, action = ArgAction::Count)]
    pub(crate) debug: u8,
    /// Print no errors; the exit code alone tells
    #[arg(help_heading = HEADING, long)]
    pub(crate) quiet: bool,
}

impl ConnectionArgs {
    /// What is not said is as Mosquitto's programs have it: MQTT 3.1.1, or 5 where there are properties, which says
    /// more than `-V`; and a password is what stands there.
    pub(crate) fn as_mosquitto(&mut self) {
        if self.properties.is_empty() {
            let unsaid = ProtocolVersion::V311; // version: what mosquitto begins with
            self.protocol_version.get_or_insert(unsaid);
        } else {
            self.protocol_version = None;
        }
        self.server.as_mosquitto();
        self.is_password_plain = true;
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
        self.check_session()?;
        if !has_named && !self.has_properties() {
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

    /// Fails for a session to which nobody could come back, and for one that is to be kept only at its end.
    fn check_session(&self) -> Result<(), Failure> {
        let version = self.protocol_version;
        let has_expiry = version.is_none_or(ProtocolVersion::has_properties);
        if self.id.is_none() {
            if self.disable_clean_session {
                return Err(Failure::usage(
                    "-c keeps a session, which takes a client id to come back with: say -i",
                ));
            }
            if has_expiry && self.session_expiry_s() == NEVER_S {
                return Err(Failure::usage(
                    "a session that never expires takes a client id to come back with: say -i",
                ));
            }
        }
        let at_end = self.properties.disconnect().session_expiry_s;
        if at_end.is_some_and(|seconds| seconds > 0) && self.session_expiry_s() == 0 {
            return Err(Failure::usage(
                "-D disconnect session-expiry-interval: a session that ends with its connection cannot be kept at \
                 the end, say -x too",
            ));
        }
        Ok(())
    }

    /// Whether there is anything that MQTT 5 alone has.
    fn has_properties(&self) -> bool {
        !self.properties.is_empty()
            || self.will.has_properties()
            || self.auth_method.is_some()
            || self.receive_maximum.is_some()
            || self.maximum_packet_size.is_some()
            || self.topic_alias_maximum.is_some()
            || self.request_response_information
            || self.no_problem_information
            || !self.connect_user_property.is_empty()
    }

    /// The properties of CONNECT: by name, and those of `-D connect` besides.
    pub(crate) fn connect_properties(&self) -> ConnectProperties {
        let mut connect = self.properties.connect();
        connect.receive_maximum = self.receive_maximum.or(connect.receive_maximum);
        connect.packet_len_max = self.maximum_packet_size.or(connect.packet_len_max);
        connect.topic_alias_maximum = self.topic_alias_maximum.or(connect.topic_alias_maximum);
        if self.request_response_information {
            connect.request_response_information = Some(true);
        }
        if self.no_problem_information {
            connect.request_problem_information = Some(false);
        }
        let method = self.auth_method.clone();
        connect.authentication_method = method.or(connect.authentication_method);
        let data = self.auth_data.clone().map(String::into_bytes);
        connect.authentication_data = data.or(connect.authentication_data);
        let pairs = &self.connect_user_property;
        connect.user_properties.extend_from_slice(pairs);
        connect
    }

    /// The password, from where it is.
    pub(crate) fn password(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        match &self.password {
            None => Ok(None),
            Some(Some(text)) if self.is_password_plain => Ok(Some(Zeroizing::new(text.clone()))),
            Some(Some(text)) => secret::read(text).map(Some).map_err(Failure::usage),
            Some(None) => {
                let asked = rpassword::prompt_password("Password: ");
                let asked = asked.map(|password| Some(Zeroizing::new(password)));
                asked.map_err(|error| {
                    Failure::run_time(format_args!("cannot ask for the password: {error}"))
                })
            }
        }
    }

    /// When to connect again: as the flags say, and otherwise as `unsaid`.
    pub(crate) fn reconnect(&self, unsaid: Reconnect) -> Reconnect {
        let reconnect = match self.retry {
            None => unsaid,
            Some(0) => Reconnect::never(),
            Some(rounds) => Reconnect::new().max_rounds(rounds).from_start(),
        };
        match self.retry_max {
            Some(delay) => reconnect.max_delay(delay),
            None => reconnect,
        }
    }

    /// The Will Message, if there is one.
    pub(crate) fn will(&self) -> Option<Will> {
        self.will.will(self.properties.will())
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
        "-1" | "infinity" | "never" | "\u{221e}" => Ok(NEVER_S),
        text => units::seconds(text).map_err(|wrong| format!("{wrong}, or never")),
    }
}

fn keep_alive_s(text: &str) -> Result<u16, String> {
    let seconds = units::seconds(text).ok();
    let seconds = seconds.and_then(|seconds| seconds.try_into().ok());
    seconds.ok_or_else(|| "say seconds from 0 to 65535, or as in 1m".to_owned())
}

fn packet_len(text: &str) -> Result<NonZeroU32, String> {
    let len = u32::try_from(units::size(text)?).ok();
    let len = len.and_then(NonZeroU32::new);
    len.ok_or_else(|| "a packet has at least two bytes".to_owned())
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
            ("1h", 3600),
            ("-1", NEVER_S),
            ("infinity", NEVER_S),
            ("never", NEVER_S),
            ("\u{221e}", NEVER_S),
        ] {
            assert_eq!(session_expiry_s(text), Ok(seconds), "{text}");
        }
        for text in ["", "-2", "1y", "4294967296"] {
            assert!(session_expiry_s(text).is_err(), "{text}");
        }
    }

    #[test]
    fn to_the_programs_of_mosquitto_a_password_is_what_stands_there() {
        for text in ["plain", "@file", "env:HOME", "@@x"] {
            let words = ["mosquitto_pub", "-t", "a", "-n", "-u", "me", "-P", text];
            let words = words.map(std::ffi::OsString::from).to_vec();
            let parsed = crate::args::parse_as::<crate::args::PublishArgs>("mosquitto_pub", words);
            let mut connection = parsed.ok().map(|args| args.connection).unwrap();
            connection.as_mosquitto();
            let password = connection.password().unwrap().unwrap();
            assert_eq!(password.as_str(), text);
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
