//! `listeners.*.websocket.*`: which requests become a connection.

use super::kind::{Each, Flag, NotEmpty, Size, Text};
use super::listener_kind::UrlPath;
use super::reader::Section;
use super::tls::{HANDSHAKE_COUNT, HANDSHAKE_TIME, HANDSHAKES};
use super::{ByteSize, ConfigError, Duration};

/// `websocket.*` of a listener.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct WebSocket {
    /// `mqtt_path`: the path that is served. Default: `/mqtt`.
    pub mqtt_path: String,
    /// `fail_if_no_subprotocol`: whether a client that offers no subprotocol is refused. Default: true.
    pub fail_if_no_subprotocol: bool,
    /// `check_origin_enable`: whether pages of a browser are served only if their origin is in `check_origins`.
    /// Default: false.
    pub check_origin_enable: bool,
    /// `allow_origin_absent`: whether clients without an origin are served then. Default: true.
    pub allow_origin_absent: bool,
    /// `check_origins`: the origins that are served then. Default: this machine's.
    pub check_origins: Vec<String>,
    /// `proxy_address_header`: where a trusted proxy says whom it forwards for; empty for nowhere. Default:
    /// `x-forwarded-for`.
    pub proxy_address_header: String,
    /// `max_frame_size`: bytes of one frame a client may send; never less than
    /// [`Mqtt::max_packet_size`](super::Mqtt::max_packet_size). Default: 1 MB.
    pub max_frame_size: ByteSize,
    /// `handshake_timeout`: time the request may take. Default: 15s.
    pub handshake_timeout: Duration,
    /// `max_handshakes`: handshakes under way at once; at `wss` that of `ssl_options` counts. Default: 1,024.
    pub max_handshakes: usize,
}

impl Default for WebSocket {
    fn default() -> Self {
        let origins = ["http://localhost:18083", "http://127.0.0.1:18083"];
        Self {
            mqtt_path: "/mqtt".to_owned(),
            fail_if_no_subprotocol: true,
            check_origin_enable: false,
            allow_origin_absent: true,
            check_origins: origins.map(str::to_owned).to_vec(),
            proxy_address_header: "x-forwarded-for".to_owned(),
            max_frame_size: ByteSize::from_mb(1),
            handshake_timeout: Duration::from_secs(15),
            max_handshakes: HANDSHAKES,
        }
    }
}

impl WebSocket {
    pub(super) fn read(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.set(
            "mqtt_path",
            "the path that is served; any other is answered with 404",
            &mut self.mqtt_path,
            &UrlPath,
        )?;
        section.set(
            "fail_if_no_subprotocol",
            "whether a client that offers no subprotocol is refused, as the standard has it; one that offers others than `mqtt` and `mqttv3.1` always is",
            &mut self.fail_if_no_subprotocol,
            &Flag,
        )?;
        section.set(
            "check_origin_enable",
            "whether pages in a browser are served only if their origin is in `check_origins`",
            &mut self.check_origin_enable,
            &Flag,
        )?;
        section.set(
            "allow_origin_absent",
            "whether clients without an origin, which are not pages, are served while origins are checked",
            &mut self.allow_origin_absent,
            &Flag,
        )?;
        section.set(
            "check_origins",
            "the origins that are served while they are checked",
            &mut self.check_origins,
            &NotEmpty(Each(Text)),
        )?;
        section.set(
            "proxy_address_header",
            "the header in which one of `trusted_proxies` says whom it forwards for; empty for none",
            &mut self.proxy_address_header,
            &Text,
        )?;
        section.set(
            "max_frame_size",
            "bytes of one frame a client may send, never less than `mqtt.max_packet_size`; a packet may be in any number of frames",
            &mut self.max_frame_size,
            &Size(ByteSize::from_kb(1)..=ByteSize::from_mb(256)),
        )?;
        section.set(
            "handshake_timeout",
            "time the request may take",
            &mut self.handshake_timeout,
            &HANDSHAKE_TIME,
        )
    }

    /// What `wss` has in `ssl_options`.
    pub(super) fn read_bound(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.set(
            "max_handshakes",
            "handshakes under way at once; at the limit the oldest that has had 2 seconds goes, else the next has to wait",
            &mut self.max_handshakes,
            &HANDSHAKE_COUNT,
        )
    }
}
