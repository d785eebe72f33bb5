//! What a fleet of clients looks like and does.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::scenario::{QoS, Version};

/// Clients a fleet may have at most.
pub const CLIENTS_MAX: u32 = 1_000_000;
/// Threads a fleet may have at most.
pub const THREADS_MAX: u16 = 64;
/// Bytes of a payload at most.
pub const PAYLOAD_MAX: usize = 16 << 20;

/// A fleet of clients: who they are, where they connect, what they do.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Clients that publish. 0 to [`CLIENTS_MAX`].
    pub publishers: u32,
    /// Clients that subscribe. 0 to [`CLIENTS_MAX`].
    pub subscribers: u32,
    /// Clients that only connect. 0 to [`CLIENTS_MAX`].
    pub idle: u32,
    /// Where the clients connect, in turn.
    pub hosts: Vec<String>,
    /// The port of all of them.
    pub port: u16,
    /// What MQTT goes over.
    pub over: Over,
    /// The version of MQTT.
    pub protocol: Protocol,
    /// Client Identifiers, and what else names a client.
    pub identity: Identity,
    /// Keep Alive in seconds; 0 for none.
    pub keep_alive_s: u16,
    /// Whether sessions begin new.
    pub clean_start: bool,
    /// Session Expiry Interval in seconds; a 3.1.1 session that is not clean never expires.
    pub session_expiry_s: u32,
    /// Connections begun per 1,000 seconds; `None` for as many as go.
    pub connects_per_1000_s: Option<u64>,
    /// Addresses of this machine the connections come from, in turn. Empty for what the system chooses.
    pub sources: Vec<IpAddr>,
    /// How often a client that could not connect tries again.
    pub connect_retries: u32,
    /// How often a client that lost its connection connects again.
    pub reconnects: u32,
    /// What publishers do.
    pub publishing: Publishing,
    /// What subscribers do.
    pub subscribing: Subscribing,
    /// What stands in front of payloads.
    pub header: HeaderFields,
    /// Threads that share the clients. 1 to [`THREADS_MAX`].
    pub threads: u16,
    /// How long messages do not count, before those that do.
    pub warm_up: Duration,
    /// How long the fleet works after that; `None` until it is stopped or its messages are sent.
    pub duration: Option<Duration>,
    /// How long nothing may move: while connecting, and at the end while waiting for what is under way.
    pub patience: Duration,
    /// How long a thread lets messages gather before it looks again: fewer and larger reads and writes, and times that
    /// are longer by as much. Zero for at once; a closed loop with room in its window then finds its own.
    pub tick: Duration,
    /// When what is timed counts as having come.
    pub arrival: Arrival,
    /// Small buffers, given back when they are empty: less memory per client, more work per message.
    pub low_memory: bool,
}

/// When a message or an answer counts as having come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Arrival {
    /// When the system noted it: what the broker took, without the time in which this program did something else. Where
    /// the system notes nothing (anything but Linux, anything over TCP), this is `Read`.
    #[default]
    Noted,
    /// When this program read it.
    Read,
}

/// What MQTT goes over.
#[derive(Clone, Debug, Default)]
pub struct Over {
    /// TLS, if at all.
    pub tls: Option<TlsFiles>,
    /// WebSocket on this path, if at all.
    pub ws_path: Option<String>,
}

/// Files in PEM for TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Whom to believe; `None` takes whatever certificate is shown.
    pub authorities: Option<PathBuf>,
    /// The clients' certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// The version of MQTT a fleet speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// MQTT 3.1.
    V31,
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.0.
    V5,
}

impl Protocol {
    /// How packets look: those of 3.1 as in 3.1.1, but for CONNECT.
    pub(crate) fn version(self) -> Version {
        match self {
            Self::V31 | Self::V311 => Version::V311,
            Self::V5 => Version::V5,
        }
    }
}

/// How clients are named. Texts may have `%i`, `%c`, `%u` and `%h`.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The Client Identifier; `None` for one of host, what the client does, and its number.
    pub client_id: Option<String>,
    /// What Client Identifiers begin with, in place of the host's name.
    pub prefix: Option<String>,
    /// Only prefix and number.
    pub short: bool,
    /// The first client has one more than this as its number.
    pub start_number: u32,
    /// User name.
    pub user_name: Option<String>,
    /// Password.
    pub password: Option<String>,
}

/// What publishers do.
#[derive(Clone, Debug)]
pub struct Publishing {
    /// Topic Names, which each publisher uses in turn; may have all of `%i %c %u %h %s %r`. With each its own payload.
    pub topics: Vec<Topic>,
    /// The QoS.
    pub qos: QoS,
    /// Whether messages are retained.
    pub retain: bool,
    /// When messages are due.
    pub pace: Pace,
    /// Messages above QoS 0 of one publisher that are not acknowledged, at most; 0 for as many as there are Packet
    /// Identifiers. With [`Pace::Unlimited`] at QoS 0, messages per publisher not delivered yet.
    pub inflight: u16,
    /// Messages of all publishers together; `None` for no end.
    pub limit: Option<u64>,
    /// Whether no publisher begins before all are connected. A fleet with subscribers, and one with a common rate,
    /// always waits.
    pub waits_for_all: bool,
    /// A publisher waits so long before it begins, at random.
    pub random_wait: [Duration; 2],
}

/// Where messages go and what they say.
#[derive(Clone, Debug)]
pub struct Topic {
    /// The Topic Name, with places.
    pub name: String,
    /// The payload behind the header.
    pub payload: Payload,
    /// The QoS, where it is another than that of the others.
    pub qos: Option<QoS>,
    /// Whether retained, where that differs.
    pub retain: Option<bool>,
}

/// The payload behind the header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Payload {
    /// Filler, so that the whole payload with its header has so many bytes.
    Size(usize),
    /// These bytes.
    Bytes(Vec<u8>),
    /// A text with places.
    Text(String),
}

/// When messages are due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// Each publisher one in this time.
    Every(Duration),
    /// All publishers together so many in 1,000 seconds.
    Rate {
        /// At least 1.
        per_1000_s: u64,
    },
    /// Whenever there is room.
    Unlimited,
}

/// What subscribers do.
#[derive(Clone, Debug)]
pub struct Subscribing {
    /// Topic Filters of each subscriber; may have `%i %c %u %h`.
    pub topic_filters: Vec<String>,
    /// The QoS asked for.
    pub qos: QoS,
}

/// What stands in front of payloads.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HeaderFields {
    /// How it looks.
    pub form: HeaderForm,
    /// Which stream and which number in it: shows loss, repetition, order.
    pub number: bool,
    /// When the message was due: shows latency.
    pub time: bool,
}

/// How a header looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HeaderForm {
    /// Ours, which tells its fields itself.
    #[default]
    Own,
    /// Fields of emqtt-bench: eight bytes each, milliseconds.
    EmqttBench,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            publishers: 0,
            subscribers: 0,
            idle: 0,
            hosts: vec!["localhost".to_owned()],
            port: 1883,
            over: Over::default(),
            protocol: Protocol::V5,
            identity: Identity::default(),
            keep_alive_s: 300,
            clean_start: true,
            session_expiry_s: 0,
            connects_per_1000_s: None,
            sources: Vec::new(),
            connect_retries: 0,
            reconnects: 0,
            publishing: Publishing::default(),
            subscribing: Subscribing {
                topic_filters: Vec::new(),
                qos: QoS::AtMostOnce,
            },
            header: HeaderFields::default(),
            threads: 1,
            warm_up: Duration::ZERO,
            duration: None,
            patience: Duration::from_secs(10),
            tick: Duration::ZERO,
            arrival: Arrival::default(),
            low_memory: false,
        }
    }
}

impl Default for Publishing {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            qos: QoS::AtMostOnce,
            retain: false,
            pace: Pace::Every(Duration::from_secs(1)),
            inflight: 1,
            limit: None,
            waits_for_all: false,
            random_wait: [Duration::ZERO; 2],
        }
    }
}

impl Fleet {
    /// All its clients.
    #[must_use]
    pub fn clients(&self) -> u64 {
        u64::from(self.publishers) + u64::from(self.subscribers) + u64::from(self.idle)
    }

    /// Whether publishing begins when all are ready.
    pub(crate) fn starts_together(&self) -> bool {
        let publishing = &self.publishing;
        let is_common = !matches!(publishing.pace, Pace::Every(_));
        publishing.waits_for_all || is_common || (self.subscribers > 0 && self.publishers > 0)
    }

    /// Whether messages may gather as it suits: their times say nothing but how large the window is.
    pub(crate) fn may_gather(&self) -> bool {
        let publishing = &self.publishing;
        let window = match (publishing.qos, publishing.inflight) {
            (QoS::AtMostOnce, 0 | 1) | (_, 0) => u16::MAX,
            (_, window) => window,
        };
        publishing.pace == Pace::Unlimited && window >= 32
    }

    /// What is wrong with it, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        let publishing = &self.publishing;
        if self.clients() == 0 || self.clients() > u64::from(CLIENTS_MAX) {
            return Some(format!("a fleet has 1 to {CLIENTS_MAX} clients"));
        }
        if self.threads == 0 || self.threads > THREADS_MAX {
            return Some(format!("a fleet has 1 to {THREADS_MAX} threads"));
        }
        if self.hosts.is_empty() {
            return Some("no host to connect to".to_owned());
        }
        if self.publishers > 0 && publishing.topics.is_empty() {
            return Some("no topic to publish to".to_owned());
        }
        if self.subscribers > 0 && self.subscribing.topic_filters.is_empty() {
            return Some("no topic to subscribe to".to_owned());
        }
        let [least, most] = publishing.random_wait;
        if least > most {
            return Some("the least random wait is longer than the longest".to_owned());
        }
        publishing
            .topics
            .iter()
            .find_map(|topic| self.topic_fault(topic))
    }

    fn topic_fault(&self, topic: &Topic) -> Option<String> {
        let header = self.header.len();
        let len = match &topic.payload {
            Payload::Size(size) if *size < header => {
                return Some(format!(
                    "a payload of {size} bytes has no room for the header of {header}"
                ));
            }
            Payload::Size(size) => *size,
            Payload::Bytes(bytes) => bytes.len() + header,
            Payload::Text(text) => text.len() + header,
        };
        if topic.name.is_empty() || topic.name.contains(['+', '#']) {
            return Some(format!("{:?} is no topic to publish to", topic.name));
        }
        (len > PAYLOAD_MAX).then(|| format!("a payload has {PAYLOAD_MAX} bytes at most"))
    }
}
