//! Directives that are not carried over, and why.

use crate::remark::Class::{self, Differs, Ignored, Refused};

/// What is said about a directive that has no counterpart.
pub(super) fn note(directive: &str) -> Option<(Class, &'static str)> {
    let found = NOTES.iter().find(|(name, ..)| *name == directive);
    found.map(|(_, class, text)| (*class, *text))
}

/// Whether it belongs to a bridge.
pub(super) fn is_of_bridge(directive: &str) -> bool {
    directive.starts_with("bridge_") || BRIDGE.contains(&directive)
}

/// What is said about a bridge.
pub(super) const NO_BRIDGE: &str =
    "there are no bridges in the configuration: nothing is forwarded to or from this server";

/// Directives of a bridge, besides those that begin with `bridge_`.
pub(super) const BRIDGE: [&str; 33] = [
    "address",
    "addresses",
    "cleansession",
    "clientid",
    "connection",
    "idle_timeout",
    "keepalive_interval",
    "local_cleansession",
    "local_clientid",
    "local_password",
    "local_username",
    "notification_topic",
    "notifications",
    "notifications_local_only",
    "password",
    "remote_clientid",
    "remote_password",
    "remote_username",
    "restart_timeout",
    "round_robin",
    "session_expiry",
    "start_type",
    "threshold",
    "topic",
    "try_private",
    "username",
    "bridge_attempt_unsubscribe",
    "bridge_cafile",
    "bridge_capath",
    "bridge_certfile",
    "bridge_insecure",
    "bridge_keyfile",
    "bridge_protocol_version",
];

const OTHER_ADMISSION: &str = "clients it would turn away would be let in";
const BUILT_IN: &str = "what this setting tunes works otherwise here, and needs no setting";
const OBSOLETE: &str = "Mosquitto itself no longer does anything with it";
const PLUGIN: &str = "plugins are not loaded, and this one may decide who is let in and what they may do: \
    configure [[authentication]] and [authorization] in its place";

/// By name; those that are mapped are in `gather.rs`.
pub(super) const NOTES: &[(&str, Class, &str)] = &[
    (
        "accept_protocol_versions",
        Ignored,
        "all versions of MQTT are accepted",
    ),
    (
        "allow_duplicate_messages",
        Ignored,
        "a client with overlapping subscriptions gets a message as MQTT lets the server choose",
    ),
    (
        "allow_zero_length_clientid",
        Ignored,
        "a client without an identifier is given one",
    ),
    ("auth_plugin", Refused, PLUGIN),
    (
        "auth_plugin_deny_special_chars",
        Ignored,
        "it belongs to a plugin",
    ),
    (
        "auto_id_prefix",
        Ignored,
        "identifiers that the broker gives have a form of their own",
    ),
    (
        "autosave_interval",
        Ignored,
        "everything is kept as it is acknowledged, see `durability`",
    ),
    (
        "autosave_on_changes",
        Ignored,
        "everything is kept as it is acknowledged, see `durability`",
    ),
    (
        "bind_interface",
        Refused,
        "a listener cannot be bound to an interface, and without that it could be reached through others: give its address",
    ),
    (
        "check_retain_source",
        Ignored,
        "a retained message stays when its publisher loses the right to publish; delete it with `mqtt ctl`",
    ),
    ("clientid_prefixes", Refused, OTHER_ADMISSION),
    (
        "connection_messages",
        Ignored,
        "connections are logged at `debug`",
    ),
    (
        "dhparamfile",
        Ignored,
        "only elliptic curves are used for key exchange",
    ),
    (
        "disable_client_cert_date_checks",
        Differs,
        "certificates that are out of date are refused",
    ),
    (
        "enable_control_api",
        Ignored,
        "there is no `$CONTROL`: `mqtt ctl` does that",
    ),
    ("global_plugin", Refused, PLUGIN),
    ("http_dir", Ignored, "no files are served over HTTP"),
    (
        "listener_auto_id_prefix",
        Ignored,
        "identifiers that the broker gives have a form of their own",
    ),
    (
        "log_facility",
        Ignored,
        "the log goes to stderr, from where a service manager takes it",
    ),
    (
        "log_timestamp",
        Ignored,
        "lines of the log always have a time",
    ),
    (
        "log_timestamp_format",
        Ignored,
        "the time in the log has one form",
    ),
    (
        "max_inflight_bytes",
        Ignored,
        "messages under way are bounded by their number",
    ),
    (
        "mount_point",
        Refused,
        "topics of this listener would no longer be apart from those of the others: have its clients write the prefix themselves, and hold them to it by a rule with `listener` and `topics`",
    ),
    ("packet_buffer_size", Ignored, BUILT_IN),
    (
        "packet_max_auth",
        Ignored,
        "the first packet is bounded, and all by `mqtt.max_packet_size`",
    ),
    (
        "packet_max_connect",
        Ignored,
        "the first packet is bounded, and all by `mqtt.max_packet_size`",
    ),
    (
        "packet_max_simple",
        Ignored,
        "the first packet is bounded, and all by `mqtt.max_packet_size`",
    ),
    (
        "packet_max_sub",
        Ignored,
        "the first packet is bounded, and all by `mqtt.max_packet_size`",
    ),
    (
        "packet_max_un",
        Ignored,
        "the first packet is bounded, and all by `mqtt.max_packet_size`",
    ),
    (
        "persistence_file",
        Ignored,
        "the state is kept in a directory; the file is read by `mqtt import`",
    ),
    (
        "pid_file",
        Ignored,
        "it is written by `mqtt mosquitto`, and no part of a configuration",
    ),
    ("plugin", Refused, PLUGIN),
    ("plugin_load", Refused, PLUGIN),
    ("plugin_use", Refused, PLUGIN),
    (
        "proxy_protocol_v2_require_tls",
        Refused,
        "connections that came to the proxy without TLS would be let in",
    ),
    (
        "psk_file",
        Refused,
        "there is no TLS with pre-shared keys, and clients would be let in without them",
    ),
    (
        "psk_hint",
        Refused,
        "there is no TLS with pre-shared keys, and the listener would be a plain one",
    ),
    (
        "queue_qos0_messages",
        Differs,
        "QoS 0 messages do not wait for clients that are away",
    ),
    (
        "retain_expiry_interval",
        Ignored,
        "retained messages stay until they are replaced, or their own expiry has passed",
    ),
    ("retry_interval", Ignored, OBSOLETE),
    ("set_tcp_nodelay", Ignored, "it is always so"),
    ("store_clean_interval", Ignored, OBSOLETE),
    (
        "tls_engine",
        Refused,
        "keys cannot be used from an OpenSSL engine, so the listener cannot serve",
    ),
    (
        "tls_engine_kpass_sha1",
        Refused,
        "keys cannot be used from an OpenSSL engine, so the listener cannot serve",
    ),
    ("tls_keyform", Ignored, "keys are read as PEM"),
    (
        "upgrade_outgoing_qos",
        Differs,
        "a message is sent with the QoS it was published with, or the subscription's if that is lower",
    ),
    (
        "use_username_as_clientid",
        Refused,
        "clients could choose the identifier of another, and take over its session",
    ),
    (
        "user",
        Ignored,
        "the broker runs as the user who starts it: start it as that user, as a service manager does",
    ),
    ("websockets_headers_size", Ignored, BUILT_IN),
    ("websockets_log_level", Ignored, BUILT_IN),
];
