//! `mqtt.*` and `retainer.*`: the limits of the protocol's machinery.

use super::{
    ByteSize, ConfigError, Duration,
    kind::{Number, OrInfinity, Seconds, Size, Time},
    reader::Section,
};

/// The most a count of things held in memory can be set to.
const COUNT_MAX: usize = 1_000_000_000;

/// The most a total of bytes held in memory can be set to: 1024 GB, or what the machine can
/// address.
const BYTES_MAX: ByteSize = ByteSize::from_mb(1024 * 1024);

/// `mqtt.*`: limits per packet, connection, session, and over all of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mqtt {
    /// `max_packet_size`: the largest packet a client may send, header included, 1KB to 256MB.
    /// Told to v5 clients as Maximum Packet Size. Default: 1MB.
    pub max_packet_size: ByteSize,
    /// `max_inflight`: QoS 1 and 2 messages sent to one client and not yet acknowledged, 1 to
    /// 65 535; a smaller Receive Maximum of the client wins. Default: 1024.
    pub max_inflight: u16,
    /// `receive_maximum`: QoS 1 and 2 messages one client may have sent without an
    /// acknowledgement, 1 to 65 535. Told to v5 clients as Receive Maximum. Default: 1024.
    pub receive_maximum: u16,
    /// `max_topic_alias`: Topic Aliases a v5 client may use, 0 (none) to 65 535. Default: 16.
    pub max_topic_alias: u16,
    /// `max_topic_levels`: levels of a Topic Name or Topic Filter, 1 to 65 535. Default: 128.
    pub max_topic_levels: u16,
    /// `max_clientid_len`: bytes of a Client Identifier, 23 to 65 535. Default: 1024.
    pub max_clientid_len: u16,
    /// `idle_timeout`: time a new connection has to send its CONNECT, 1ms to 1h. Default: 15s.
    pub idle_timeout: Duration,
    /// `access_timeout`: time a decision about access may take before it is a refusal, 1ms to
    /// 1h. Default: 5s.
    pub access_timeout: Duration,
    /// `max_keepalive`: the longest Keep Alive, 1 to 65 535 seconds; a v5 client that asks for
    /// more, or for none, is told this one. Default: `infinity` (`None`), as the client asks.
    pub max_keepalive: Option<Duration>,
    /// `max_session_expiry_interval`: how long a session outlives its connection at most, 0 to
    /// 4 294 967 294 seconds or `infinity` (`None`). Default: 7d.
    pub max_session_expiry_interval: Option<Duration>,
    /// `max_mqueue_len`: messages that wait in one session, 1 to 1 000 000 000.
    /// Default: 1 000 000.
    pub max_mqueue_len: usize,
    /// `max_mqueue_bytes`: bytes of messages that wait in one session, 1KB to 1024GB.
    /// Default: 1GB.
    pub max_mqueue_bytes: ByteSize,
    /// `max_outbox_bytes`: bytes that wait for one slow reader, 1KB to 1024GB. Default: 16MB.
    pub max_outbox_bytes: ByteSize,
    /// `max_subscriptions`: subscriptions of one client, 1 to 1 000 000 000. Default: 10 000.
    pub max_subscriptions: usize,
    /// `max_connections`: Network Connections over all listeners, 1 to 1 000 000 000.
    /// Default: 100 000.
    pub max_connections: usize,
    /// `max_sessions`: sessions, of connected clients and others, 1 to 1 000 000 000.
    /// Default: 1 000 000.
    pub max_sessions: usize,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            max_packet_size: ByteSize::from_mb(1),
            max_inflight: 1024,
            receive_maximum: 1024,
            max_topic_alias: 16,
            max_topic_levels: 128,
            max_clientid_len: 1024,
            idle_timeout: Duration::from_secs(15),
            access_timeout: Duration::from_secs(5),
            max_keepalive: None,
            max_session_expiry_interval: Some(Duration::from_secs(7 * 24 * 60 * 60)),
            max_mqueue_len: 1_000_000,
            max_mqueue_bytes: ByteSize::from_mb(1024),
            max_outbox_bytes: ByteSize::from_mb(16),
            max_subscriptions: 10_000,
            max_connections: 100_000,
            max_sessions: 1_000_000,
        }
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

    pub(super) fn read(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        let any_u16 = Number(1..=u16::MAX);
        let count = Number(1..=COUNT_MAX);
        let bytes = Size(ByteSize::from_kb(1)..=BYTES_MAX);
        let timeout = Time(Duration::from_millis(1)..=Duration::from_secs(60 * 60));
        let packet_size = Size(ByteSize::from_kb(1)..=ByteSize::from_mb(256));
        let keep_alive = OrInfinity(Seconds(1..=u16::MAX.into()));
        let expiry = OrInfinity(Seconds(0..=u64::from(u32::MAX) - 1));

        section.set("max_packet_size", &mut self.max_packet_size, &packet_size)?;
        section.set("max_inflight", &mut self.max_inflight, &any_u16)?;
        section.set("receive_maximum", &mut self.receive_maximum, &any_u16)?;
        section.set(
            "max_topic_alias",
            &mut self.max_topic_alias,
            &Number(0..=u16::MAX),
        )?;
        section.set("max_topic_levels", &mut self.max_topic_levels, &any_u16)?;
        section.set(
            "max_clientid_len",
            &mut self.max_clientid_len,
            &Number(23..=u16::MAX),
        )?;
        section.set("idle_timeout", &mut self.idle_timeout, &timeout)?;
        section.set("access_timeout", &mut self.access_timeout, &timeout)?;
        section.set("max_keepalive", &mut self.max_keepalive, &keep_alive)?;
        section.set(
            "max_session_expiry_interval",
            &mut self.max_session_expiry_interval,
            &expiry,
        )?;
        section.set("max_mqueue_len", &mut self.max_mqueue_len, &count)?;
        section.set("max_mqueue_bytes", &mut self.max_mqueue_bytes, &bytes)?;
        section.set("max_outbox_bytes", &mut self.max_outbox_bytes, &bytes)?;
        section.set("max_subscriptions", &mut self.max_subscriptions, &count)?;
        section.set("max_connections", &mut self.max_connections, &count)?;
        section.set("max_sessions", &mut self.max_sessions, &count)
    }
}

/// `retainer.*`: limits of the retained messages, over all topics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retainer {
    /// `max_retained_messages`: 1 to 1 000 000 000. Default: 1 000 000.
    pub max_retained_messages: usize,
    /// `max_retained_bytes`: topics and payloads together, 1KB to 1024GB. Default: 1GB.
    pub max_retained_bytes: ByteSize,
}

impl Default for Retainer {
    fn default() -> Self {
        Self {
            max_retained_messages: 1_000_000,
            max_retained_bytes: ByteSize::from_mb(1024),
        }
    }
}

impl Retainer {
    pub(super) fn read(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        let count = Number(1..=COUNT_MAX);
        let bytes = Size(ByteSize::from_kb(1)..=BYTES_MAX);
        section.set(
            "max_retained_messages",
            &mut self.max_retained_messages,
            &count,
        )?;
        section.set("max_retained_bytes", &mut self.max_retained_bytes, &bytes)
    }
}
