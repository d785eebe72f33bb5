//! Which key of EMQX is which key here, and what is said about those that have none.

use crate::remark::Class::{self, Differs, Ignored, Refused};

/// How a value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A whole number; `infinity` is as many as there can be.
    Count,
    /// A whole number, or `infinity`.
    NumberOrInfinity,
    /// A time.
    Time,
    /// A time in whole seconds, or `infinity`.
    Seconds,
    /// Bytes.
    Size,
    /// So many in a time, or `infinity`.
    Rate,
    /// A text as it stands.
    Text,
    /// The path of a file, and not what would be in it.
    File,
    /// A time, where a bare number is in seconds.
    SecondsTime,
    /// Texts by name.
    Table,
    /// A list of texts, or one text with commas.
    Texts,
    /// A level of the log.
    Level,
    /// A way of choosing a member of a shared subscription.
    Strategy,
    /// What of a client certificate stands for the user name or the client identifier.
    CertificateField,
}

/// Keys outside of listeners, authentication and authorization.
pub(super) const KEYS: &[(&str, &str, &str, Form)] = &[
    ("node.name", "node", "name", Form::Text),
    ("log.console.level", "log.console", "level", Form::Level),
    ("log.console.enable", "log.console", "enable", Form::Flag),
    (
        "log.console.formatter",
        "log.console",
        "formatter",
        Form::Text,
    ),
    ("log.file.level", "log.file", "level", Form::Level),
    ("log.file.enable", "log.file", "enable", Form::Flag),
    ("log.file.path", "log.file", "path", Form::Text),
    ("log.file.formatter", "log.file", "formatter", Form::Text),
    (
        "log.file.rotation_count",
        "log.file",
        "rotation_count",
        Form::Number,
    ),
    (
        "log.file.rotation_size",
        "log.file",
        "rotation_size",
        Form::Size,
    ),
    (
        "mqtt.max_packet_size",
        "mqtt",
        "max_packet_size",
        Form::Size,
    ),
    (
        "mqtt.max_clientid_len",
        "mqtt",
        "max_clientid_len",
        Form::Number,
    ),
    (
        "mqtt.max_topic_levels",
        "mqtt",
        "max_topic_levels",
        Form::Number,
    ),
    (
        "mqtt.max_qos_allowed",
        "mqtt",
        "max_qos_allowed",
        Form::Number,
    ),
    (
        "mqtt.max_topic_alias",
        "mqtt",
        "max_topic_alias",
        Form::Number,
    ),
    (
        "mqtt.retain_available",
        "mqtt",
        "retain_available",
        Form::Flag,
    ),
    (
        "mqtt.wildcard_subscription",
        "mqtt",
        "wildcard_subscription",
        Form::Flag,
    ),
    (
        "mqtt.shared_subscription",
        "mqtt",
        "shared_subscription",
        Form::Flag,
    ),
    (
        "mqtt.shared_subscription_strategy",
        "mqtt",
        "shared_subscription_strategy",
        Form::Strategy,
    ),
    (
        "mqtt.exclusive_subscription",
        "mqtt.exclusive_subscription",
        "enable",
        Form::Flag,
    ),
    (
        "mqtt.exclusive_subscription.enable",
        "mqtt.exclusive_subscription",
        "enable",
        Form::Flag,
    ),
    (
        "mqtt.response_information",
        "mqtt",
        "response_information",
        Form::Text,
    ),
    ("mqtt.max_inflight", "mqtt", "max_inflight", Form::Number),
    ("mqtt.idle_timeout", "mqtt", "idle_timeout", Form::Time),
    (
        "mqtt.max_subscriptions",
        "mqtt",
        "max_subscriptions",
        Form::Count,
    ),
    ("mqtt.max_mqueue_len", "mqtt", "max_mqueue_len", Form::Count),
    (
        "mqtt.session_expiry_interval",
        "mqtt",
        "max_session_expiry_interval",
        Form::Seconds,
    ),
    (
        "mqtt.max_session_expiry_interval",
        "mqtt",
        "max_session_expiry_interval",
        Form::Seconds,
    ),
    (
        "mqtt.server_keepalive",
        "mqtt",
        "max_keepalive",
        Form::Seconds,
    ),
    (
        "mqtt.peer_cert_as_username",
        "mqtt",
        "peer_cert_as_username",
        Form::CertificateField,
    ),
    (
        "mqtt.peer_cert_as_clientid",
        "mqtt",
        "peer_cert_as_clientid",
        Form::CertificateField,
    ),
    (
        "retainer.max_payload_size",
        "retainer",
        "max_payload_size",
        Form::Size,
    ),
    (
        "retainer.backend.max_retained_messages",
        "retainer",
        "max_retained_messages",
        Form::Count,
    ),
    ("retainer.enable", "mqtt", "retain_available", Form::Flag),
    (
        "sys_topics.sys_msg_interval",
        "sys_topics",
        "sys_msg_interval",
        Form::Time,
    ),
    (
        "sys_topics.sys_heartbeat_interval",
        "sys_topics",
        "sys_heartbeat_interval",
        Form::Time,
    ),
    (
        "sys_topics.sys_event_messages.client_connected",
        "sys_topics.sys_event_messages",
        "client_connected",
        Form::Flag,
    ),
    (
        "sys_topics.sys_event_messages.client_disconnected",
        "sys_topics.sys_event_messages",
        "client_disconnected",
        Form::Flag,
    ),
    ("delayed.enable", "delayed", "enable", Form::Flag),
    (
        "delayed.max_delayed_messages",
        "delayed",
        "max_delayed_messages",
        Form::Count,
    ),
    (
        "flapping_detect.enable",
        "flapping_detect",
        "enable",
        Form::Flag,
    ),
    (
        "flapping_detect.max_count",
        "flapping_detect",
        "max_count",
        Form::Number,
    ),
    (
        "flapping_detect.window_time",
        "flapping_detect",
        "window_time",
        Form::Time,
    ),
    (
        "flapping_detect.ban_time",
        "flapping_detect",
        "ban_time",
        Form::Time,
    ),
    (
        "authorization.deny_action",
        "authorization",
        "deny_action",
        Form::Text,
    ),
    (
        "authorization.no_match",
        "authorization",
        "no_match",
        Form::Text,
    ),
    (
        "authorization.cache.enable",
        "authorization.cache",
        "enable",
        Form::Flag,
    ),
    (
        "authorization.cache.ttl",
        "authorization.cache",
        "ttl",
        Form::Time,
    ),
];

/// Keys of a listener, below its name.
pub(super) const LISTENER: &[(&str, &str, &str, Form)] = &[
    (
        "max_connections",
        "",
        "max_connections",
        Form::NumberOrInfinity,
    ),
    ("max_conn_rate", "", "max_conn_rate", Form::Rate),
    ("messages_rate", "", "messages_rate", Form::Rate),
    ("bytes_rate", "", "bytes_rate", Form::Rate),
    ("proxy_protocol", "", "proxy_protocol", Form::Flag),
    (
        "proxy_protocol_timeout",
        "",
        "proxy_protocol_timeout",
        Form::Time,
    ),
    ("access_rules", "", "access_rules", Form::Texts),
];

/// The same of those with TLS.
pub(super) const TLS: &[(&str, &str, &str, Form)] = &[
    (
        "ssl_options.cacertfile",
        "ssl_options",
        "cacertfile",
        Form::Text,
    ),
    (
        "ssl_options.certfile",
        "ssl_options",
        "certfile",
        Form::Text,
    ),
    ("ssl_options.keyfile", "ssl_options", "keyfile", Form::Text),
    (
        "ssl_options.password",
        "ssl_options",
        "password",
        Form::Text,
    ),
    ("ssl_options.verify", "ssl_options", "verify", Form::Text),
    (
        "ssl_options.fail_if_no_peer_cert",
        "ssl_options",
        "fail_if_no_peer_cert",
        Form::Flag,
    ),
    (
        "ssl_options.handshake_timeout",
        "ssl_options",
        "handshake_timeout",
        Form::Time,
    ),
];

/// The same of those for WebSocket.
pub(super) const WEBSOCKET: &[(&str, &str, &str, Form)] = &[
    ("websocket.mqtt_path", "websocket", "mqtt_path", Form::Text),
    (
        "websocket.check_origin_enable",
        "websocket",
        "check_origin_enable",
        Form::Flag,
    ),
    (
        "websocket.check_origins",
        "websocket",
        "check_origins",
        Form::Texts,
    ),
    (
        "websocket.proxy_address_header",
        "websocket",
        "proxy_address_header",
        Form::Text,
    ),
];

const HERE: &str = "there is no such setting here";
const ONE_NODE: &str = "this broker is one node";
const NO_RULES: &str = "there are no rules, connectors and bridges: nothing is forwarded";
const NO_DASHBOARD: &str = "there is no dashboard: `mqtt ctl` looks into the broker";

/// What is said about keys that begin so; the first that fits counts. `*` stands for one part.
pub(super) const NOTES: &[(&str, Class, &str)] = &[
    (
        "mqtt.use_username_as_clientid",
        Refused,
        "a client could choose the identifier of another, and take over its session",
    ),
    (
        "mqtt.clientid_override",
        Refused,
        "a client could choose the identifier of another, and take over its session",
    ),
    (
        "mqtt.client_attrs_init",
        Refused,
        "rules may ask for attributes that clients would not have",
    ),
    (
        "mqtt.max_awaiting_rel",
        Differs,
        "QoS 2 messages of a client are bounded with those of QoS 1 by `mqtt.receive_maximum`",
    ),
    (
        "mqtt.await_rel_timeout",
        Ignored,
        "an exchange of QoS 2 ends with its session",
    ),
    (
        "mqtt.mqueue_store_qos0",
        Differs,
        "QoS 0 messages do not wait for clients that are away",
    ),
    (
        "mqtt.mqueue_priorities",
        Differs,
        "messages come in the order they were published",
    ),
    (
        "mqtt.mqueue_default_priority",
        Ignored,
        "messages come in the order they were published",
    ),
    (
        "mqtt.keepalive_multiplier",
        Ignored,
        "it is 1.5, as MQTT has it",
    ),
    ("mqtt.keepalive_check_interval", Ignored, HERE),
    (
        "mqtt.ignore_loop_deliver",
        Differs,
        "clients ask for it themselves, by No Local",
    ),
    (
        "mqtt.strict_mode",
        Ignored,
        "what MQTT does not allow is always refused",
    ),
    (
        "mqtt.retry_interval",
        Ignored,
        "messages are sent again on a new connection only, as MQTT has it",
    ),
    (
        "mqtt.upgrade_qos",
        Differs,
        "a message is sent with the QoS it was published with, or the subscription's if that is lower",
    ),
    (
        "mqtt.subscription_max_qos_rules",
        Refused,
        "clients could subscribe with a higher QoS than they may",
    ),
    ("mqtt", Ignored, HERE),
    (
        "node.data_dir",
        Ignored,
        "EMQX's directory is not read: name one for this broker with --data-dir",
    ),
    ("node", Ignored, ONE_NODE),
    ("cluster", Ignored, ONE_NODE),
    ("rpc", Ignored, ONE_NODE),
    ("dashboard", Ignored, NO_DASHBOARD),
    ("api_key", Ignored, NO_DASHBOARD),
    ("rule_engine", Ignored, NO_RULES),
    ("connectors", Ignored, NO_RULES),
    ("actions", Ignored, NO_RULES),
    ("sources", Ignored, NO_RULES),
    ("bridges", Ignored, NO_RULES),
    ("schema_registry", Ignored, NO_RULES),
    (
        "schema_validation",
        Refused,
        "messages that it refuses would be let through",
    ),
    ("message_transformation", Ignored, NO_RULES),
    (
        "exhook",
        Refused,
        "clients and messages that its servers refuse would be let through",
    ),
    ("gateway", Ignored, "only MQTT is spoken here"),
    (
        "plugins",
        Refused,
        "plugins are not loaded, and one may decide who is let in and what they may do",
    ),
    (
        "psk_authentication.enable",
        Refused,
        "there is no TLS with pre-shared keys",
    ),
    (
        "psk_authentication",
        Ignored,
        "there is no TLS with pre-shared keys",
    ),
    (
        "zones",
        Differs,
        "what is set for a zone is not set here: all listeners have the same `mqtt` settings",
    ),
    (
        "authorization.cache.max_size",
        Differs,
        "EMQX counts for each client, this broker for all: `authorization.cache.max_size`",
    ),
    ("authorization.cache", Ignored, HERE),
    ("authorization", Ignored, HERE),
    ("authentication_settings", Ignored, HERE),
    ("retainer", Ignored, HERE),
    ("delayed", Ignored, HERE),
    ("sys_topics", Ignored, HERE),
    ("log", Ignored, HERE),
    (
        "limiter",
        Differs,
        "rates are those of a listener: `messages_rate`, `bytes_rate`",
    ),
    (
        "force_shutdown",
        Ignored,
        "queues are bounded by `mqtt.max_mqueue_len` and `mqtt.max_mqueue_bytes`",
    ),
];

/// The same below a listener's name.
pub(super) const LISTENER_NOTES: &[(&str, Class, &str)] = &[
    (
        "mountpoint",
        Refused,
        "topics of this listener would no longer be apart from those of the others: have its clients write the prefix themselves, and hold them to it by a rule with `listener` and `topics`",
    ),
    (
        "zone",
        Differs,
        "all listeners have the same `mqtt` settings",
    ),
    (
        "limiter",
        Differs,
        "rates are `max_conn_rate`, `messages_rate` and `bytes_rate`",
    ),
    (
        "authentication",
        Refused,
        "it holds for this listener alone: put it into the list at the top, and name it in `authenticators` of the listener",
    ),
    (
        "ssl_options.enable_crl_check",
        Refused,
        "certificates that were revoked would be let in: name their lists with `crlfile`",
    ),
    (
        "ssl_options.partial_chain",
        Refused,
        "certificates that it refuses would be let in",
    ),
    (
        "ssl_options.verify_peer_ext_key_usage",
        Refused,
        "certificates that it refuses would be let in",
    ),
    ("ssl_options.ocsp", Ignored, "there is no OCSP stapling"),
    (
        "ssl_options",
        Ignored,
        "the TLS library needs no such setting",
    ),
    ("websocket", Ignored, HERE),
    ("tcp_options", Ignored, HERE),
    ("acceptors", Ignored, HERE),
    ("tcp_backend", Ignored, HERE),
    (
        "idle_timeout",
        Ignored,
        "`mqtt.idle_timeout` holds for all listeners",
    ),
];

/// The note for a path in `notes`.
pub(super) fn note(
    notes: &'static [(&'static str, Class, &'static str)],
    path: &str,
) -> Option<(Class, &'static str)> {
    let fits = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let found = notes.iter().find(|(prefix, ..)| fits(prefix));
    found.map(|(_, class, text)| (*class, *text))
}
