//! `mqtt.*` and `retainer.*`: what the protocol's machinery does and where its limits are.

use super::{
    ByteSize, Duration, MemoryMark,
    kind::{Choice, Flag, Frequency, Mark, Number, OrInfinity, Seconds, Size, Text, Time},
    settings::settings,
    tls::{CERTIFICATE_FIELD, CertificateField},
};
use crate::core::flapping::FlappingSettings;
use crate::core::pace::Rate;
use crate::core::queue::QueueFull;
use crate::core::share_group::SharedStrategy;
use mqtt_session::OUTBOUND_ALIASES_DEFAULT;
use std::ops::RangeInclusive;

/// The most a count of things held in memory can be set to.
const COUNT_MAX: usize = 1_000_000_000;

/// A count of things held in memory.
const COUNT: Number<usize> = Number(1..=COUNT_MAX);

/// Any number above 0 that the protocol writes in two bytes.
const ANY_U16: Number<u16> = Number(1..=u16::MAX);

/// A total of bytes held in memory: up to 1024 GB, or what the machine can address.
const BYTES: Size = Size(ByteSize::from_kb(1)..=ByteSize::from_mb(1024 * 1024));

/// Times somebody waits for something.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60 * 60);

/// Times over which clients are watched.
const LONG: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 60 * 60);

settings! {
    /// `mqtt.*`: what is offered, and limits per packet, connection, session, and over all of them.
    pub struct Mqtt {
        /// what of a client's certificate is its user name, at listeners that ask for one and say nothing else
        peer_cert_as_username: CertificateField = CertificateField::Disabled, CERTIFICATE_FIELD;
        /// what of a client's certificate is its Client Identifier, at listeners that ask for one and say nothing else
        peer_cert_as_clientid: CertificateField = CertificateField::Disabled, CERTIFICATE_FIELD;
        /// the largest packet a client may send, header included; told to v5 clients
        max_packet_size: ByteSize = ByteSize::from_mb(1),
            Size(ByteSize::from_kb(1)..=ByteSize::from_mb(256));
        /// the highest QoS a client may publish at, its Will Message included; told to v5 clients
        max_qos_allowed: u8 = 2, Number(0..=2);
        /// whether clients may publish retained messages; told to v5 clients
        retain_available: bool = true, Flag;
        /// whether Topic Filters may have wildcards; told to v5 clients
        wildcard_subscription: bool = true, Flag;
        /// whether clients may subscribe to `$share/NAME/FILTER` and `$queue/FILTER`; told to v5 clients
        shared_subscription: bool = true, Flag;
        /// which member of a shared subscription gets a message; connected ones come first
        shared_subscription_strategy: SharedStrategy = SharedStrategy::RoundRobin, Choice(&[
            ("round_robin", SharedStrategy::RoundRobin),
            ("random", SharedStrategy::Random),
            ("sticky", SharedStrategy::Sticky),
            ("hash_clientid", SharedStrategy::HashClientId),
            ("hash_topic", SharedStrategy::HashTopic),
            ("least_inflight", SharedStrategy::LeastInflight),
        ]);
        /// whether clients may subscribe to `$exclusive/FILTER`, one client at a time
        exclusive_subscription as "exclusive_subscription.enable": bool = false, Flag;
        /// the Response Information for v5 clients that ask for it; none when empty
        response_information: String = String::new(), Text;
        /// QoS 1 and 2 messages sent to one client and not yet acknowledged; a smaller Receive Maximum of the client wins
        max_inflight: u16 = 1024, ANY_U16;
        /// QoS 1 and 2 messages one client may have sent without an acknowledgement; told to v5 clients
        receive_maximum: u16 = 1024, ANY_U16;
        /// Topic Aliases a v5 client may use
        max_topic_alias: u16 = 16, Number(0..=u16::MAX);
        /// Topic Aliases the broker sets towards a v5 client, if the client takes as many
        max_topic_alias_broker: u16 = OUTBOUND_ALIASES_DEFAULT, Number(0..=256);
        /// levels of a Topic Name or Topic Filter
        max_topic_levels: u16 = 128, ANY_U16;
        /// bytes of a Topic Name or Topic Filter
        max_topic_len: u16 = 65_535, ANY_U16;
        /// bytes of the payload of a Will Message
        max_will_size: ByteSize = ByteSize::from_kb(64), Size(ByteSize::from_kb(1)..=ByteSize::from_kb(64));
        /// bytes of a Client Identifier
        max_clientid_len: u16 = 1024, Number(23..=u16::MAX);
        /// time a new connection has to send its CONNECT and to authenticate
        idle_timeout: Duration = Duration::from_secs(15), Time(TIMEOUT);
        /// time a decision about access may take before it counts as a refusal
        access_timeout: Duration = Duration::from_secs(5), Time(TIMEOUT);
        /// the longest Keep Alive; a v5 client that asks for more, or for none, is told this one
        max_keepalive: Option<Duration> = None, OrInfinity(Seconds(1..=u16::MAX as u64));
        /// how long a session outlives its connection at most
        max_session_expiry_interval: Option<Duration> = Some(Duration::from_secs(7 * 24 * 60 * 60)),
            OrInfinity(Seconds(0..=u32::MAX as u64 - 1));
        /// messages that wait in one session
        max_mqueue_len: usize = 1_000_000, COUNT;
        /// bytes of messages that wait in one session
        max_mqueue_bytes: ByteSize = ByteSize::from_mb(1024), BYTES;
        /// what happens to a message above QoS 0 whose session has reached one of these two: the session ends
        /// and its client finds Session Present 0; the oldest or the newest message is dropped; the publisher is
        /// refused; or the publisher waits while the subscriber is connected
        mqueue_full: QueueFull = QueueFull::EndSession, Choice(&[
            ("end_session", QueueFull::EndSession),
            ("drop_oldest", QueueFull::DropOldest),
            ("drop_newest", QueueFull::DropNewest),
            ("reject", QueueFull::Reject),
            ("backpressure", QueueFull::Backpressure),
        ]);
        /// time publishers wait under `backpressure` before the session of the slow subscriber ends
        mqueue_full_timeout: Duration = Duration::from_secs(10), Time(TIMEOUT);
        /// bytes that wait for one slow reader
        max_outbox_bytes: ByteSize = ByteSize::from_mb(16), BYTES;
        /// bytes that wait in all sessions together, a message that waits in many counted once; from here on
        /// messages above QoS 0 that would have to wait are refused
        max_total_mqueue_bytes: ByteSize = ByteSize::from_mb(4096), BYTES;
        /// memory of the process, as a size or as a part of what the machine or its container has, from which on new
        /// sessions, retained messages and messages that would have to wait are refused; on Linux
        memory_high_watermark: MemoryMark = MemoryMark::Percent(80), Mark(BYTES);
        /// subscriptions of one client
        max_subscriptions: usize = 10_000, COUNT;
        /// connections over all listeners
        max_connections: usize = 100_000, COUNT;
        /// connections from one address
        max_connections_per_address: Option<usize> = None, OrInfinity(COUNT);
        /// connections from one address (one /64 of IPv6) in a time; one more is closed
        max_conn_rate_per_address: Option<Rate> = None, OrInfinity(Frequency);
        /// sessions, of connected clients and others
        max_sessions: usize = 1_000_000, COUNT;
        /// sessions without a connection; from here on no client gets a new session that outlives its connection
        max_offline_sessions: usize = 500_000, COUNT;
    }
}

impl Mqtt {
    /// [`max_packet_size`](Self::max_packet_size) in bytes, as a packet's length is counted.
    pub fn packet_len_max(&self) -> u32 {
        u32::try_from(self.max_packet_size.get()).unwrap_or(u32::MAX)
    }

    /// [`max_keepalive`](Self::max_keepalive) in seconds; `None` for no bound.
    pub fn keep_alive_max_s(&self) -> Option<u16> {
        self.max_keepalive
            .map(|time| u16::try_from(time.get().as_secs()).unwrap_or(u16::MAX))
    }

    /// [`max_session_expiry_interval`](Self::max_session_expiry_interval) in seconds, as the
    /// protocol writes it: 0xFFFF_FFFF is no end.
    pub fn session_expiry_interval_max_s(&self) -> u32 {
        let time = self.max_session_expiry_interval;
        time.and_then(|time| u32::try_from(time.get().as_secs()).ok())
            .unwrap_or(u32::MAX)
    }
}

settings! {
    /// `flapping_detect.*`: clients that come and go.
    pub struct FlappingDetect {
        /// whether a client that comes and goes too often is banned for a while
        enable: bool = false, Flag;
        /// times a client may go within the window
        max_count: u32 = 15, Number(1..=1_000_000);
        /// the time in which these are counted
        window_time: Duration = Duration::from_secs(60), Time(LONG);
        /// how long the client is banned then
        ban_time: Duration = Duration::from_secs(5 * 60), Time(LONG);
    }
}

impl FlappingDetect {
    pub(crate) fn settings(&self) -> FlappingSettings {
        let millis = |time: Duration| u64::try_from(time.get().as_millis()).unwrap_or(u64::MAX);
        FlappingSettings {
            is_enabled: self.enable,
            gone_max: self.max_count,
            window_ms: millis(self.window_time),
            ban_ms: millis(self.ban_time),
        }
    }
}

settings! {
    /// `retainer.*`: limits of the retained messages, over all topics.
    pub struct Retainer {
        /// bytes of the payload of a retained message
        max_payload_size: ByteSize = ByteSize::from_mb(1), Size(ByteSize::from_kb(1)..=ByteSize::from_mb(256));
        /// retained messages
        max_retained_messages: usize = 1_000_000, COUNT;
        /// bytes of retained messages, topics and payloads
        max_retained_bytes: ByteSize = ByteSize::from_mb(1024), BYTES;
    }
}
