//! What the configuration accepts, and the exact line for what it refuses.

use super::*;
use crate::core::log::Durability;
use crate::{QueueFull, Rate, SharedStrategy};
use mqtt_io::{TlsCipher, TlsVersion};

const EVERYTHING: &str = r#"
allow_anonymous = true
durability = "os"

[listeners.tcp.inside]
bind = "127.0.0.1:1884"
max_connections = 50
messages_rate = "1000/s"
bytes_rate = "18MB/10s"
durability = "memory"
enable_authn = false
authenticators = ["people"]
max_conn_rate = "500/s"
access_rules = ["allow 10.0.0.0/8", "deny all"]
proxy_protocol = true
proxy_protocol_timeout = "4s"
trusted_proxies = ["192.0.2.7", "10.0.0.0/8"]
peer_cert_as_username = "cn"
peer_cert_as_clientid = "san"

[listeners.tcp.outside]
bind = 1883
max_connections = "infinity"

[listeners.unix.here]
bind = "run/mqtt.sock"
mode = "0600"

[listeners.wss.pages]
bind = 8084

[listeners.wss.pages.ssl_options]
certfile = "a.pem"
keyfile = "a.key"
certificates = [{certfile = "b.pem", keyfile = "b.key"}]
cacertfile = "ca.pem"
crlfile = "ca.crl"
verify = "verify_peer"
fail_if_no_peer_cert = true
versions = ["tlsv1.3"]
ciphers = ["TLS_AES_128_GCM_SHA256"]
handshake_timeout = "5s"
max_handshakes = 6
session_cache = 0

[listeners.wss.pages.websocket]
mqtt_path = "/m"
fail_if_no_subprotocol = false
check_origin_enable = true
allow_origin_absent = false
check_origins = ["https://example.com"]
proxy_address_header = ""
max_frame_size = "64KB"
handshake_timeout = "7s"

[node]
name = "kitchen"
data_dir = "data"

[store]
max_log_bytes = "256MB"
max_queue_memory = "20MB"
max_group_records = 21
max_group_delay = "22ms"
behind_timeout = "24s"
checkpoint_interval = "23s"
checkpoint_bytes = "24MB"

[log.console]
enable = false
formatter = "json"
level = "debug"

[log.file]
enable = true
level = "error"
path = "x.log"
formatter = "json"
rotation_count = 3
rotation_size = "8KB"

[mqtt]
peer_cert_as_username = "dn"
peer_cert_as_clientid = "fingerprint"
max_packet_size = "2MB"
max_qos_allowed = 1
retain_available = false
wildcard_subscription = false
shared_subscription = false
exclusive_subscription.enable = true
response_information = "answers/"
max_inflight = 32
receive_maximum = 33
max_topic_alias = 0
max_topic_alias_broker = 20
max_topic_levels = 10
max_clientid_len = 23
idle_timeout = "500ms"
access_timeout = "1m"
max_keepalive = 600
max_session_expiry_interval = "2h"
max_mqueue_len = 1_000
max_mqueue_bytes = "3MB"
max_outbox_bytes = 4096
max_subscriptions = 5
max_connections = 6
max_sessions = 7
max_offline_sessions = 12
shared_subscription_strategy = "least_inflight"
mqueue_full = "reject"
mqueue_full_timeout = "3s"
max_total_mqueue_bytes = "13KB"
memory_high_watermark = "14KB"
max_topic_len = 15
max_will_size = "16KB"
max_connections_per_address = 19
max_conn_rate_per_address = "5/s"

[flapping_detect]
enable = true
max_count = 3
window_time = "10s"
ban_time = "1h"
[retainer]
max_payload_size = "17KB"
max_retained_messages = 8
max_retained_bytes = "9KB"

[sys_topics]
sys_msg_interval = "10s"
sys_heartbeat_interval = "disabled"
sys_event_messages.client_connected = false
sys_event_messages.client_disconnected = false

[delayed]
enable = false
max_delayed_messages = 10
max_delayed_bytes = "11KB"

[[authentication]]
name = "people"
enable = false
mechanism = "password_based"
backend = "file"
path = "users.txt"
user_id_type = "clientid"

[[authentication]]
mechanism = "password_based"
backend = "built_in_database"
bootstrap_file = "first.txt"

[authentication_settings]
password_threads = 3
max_password_queue = 25
proof_ttl = "26s"
max_proofs = 27
max_failures = "infinity"

[[rewrite]]
action = "publish"
source_topic = "x/#"
re = "^x/(.+)$"
dest_topic = "y/$1"

[[auto_subscribe.topics]]
topic = "c/${clientid}"
qos = 1
rh = 2
rap = 1
nl = 1
"#;

#[test]
fn every_key_reaches_its_field() {
    let config = Config::from_toml(EVERYTHING, "t").unwrap();
    let expected = Config {
        listeners: BTreeMap::from([
            (
                "tcp:inside".to_owned(),
                Listener {
                    bind: Bind::Address("127.0.0.1:1884".parse().unwrap()),
                    max_connections: Some(50),
                    max_conn_rate: Some(Rate {
                        count: 500,
                        per: std::time::Duration::from_secs(1),
                    }),
                    messages_rate: Some(Rate {
                        count: 1000,
                        per: std::time::Duration::from_secs(1),
                    }),
                    bytes_rate: Some(Rate {
                        count: 18 << 20,
                        per: std::time::Duration::from_secs(10),
                    }),
                    durability: Some(Durability::Memory),
                    enable_authn: false,
                    authenticators: Some(vec!["people".to_owned()]),
                    access_rules: vec![
                        "allow 10.0.0.0/8".parse().unwrap(),
                        "deny all".parse().unwrap(),
                    ],
                    proxy_protocol: true,
                    proxy_protocol_timeout: Duration::from_secs(4),
                    trusted_proxies: vec![
                        "192.0.2.7/32".parse().unwrap(),
                        "10.0.0.0/8".parse().unwrap(),
                    ],
                    peer_cert_as_username: Some(CertificateField::Cn),
                    peer_cert_as_clientid: Some(CertificateField::San),
                    ..Listener::default()
                },
            ),
            (
                "tcp:outside".to_owned(),
                Listener {
                    bind: Bind::AllAddresses(1883),
                    ..Listener::default()
                },
            ),
            (
                "unix:here".to_owned(),
                Listener {
                    bind: Bind::Path("run/mqtt.sock".into()),
                    mode: 0o600,
                    ..Listener::new(ListenerKind::Unix)
                },
            ),
            (
                "wss:pages".to_owned(),
                Listener {
                    bind: Bind::AllAddresses(8084),
                    tls: Tls {
                        certfile: Some("a.pem".into()),
                        keyfile: Some("a.key".into()),
                        certificates: vec![CertificateFiles {
                            certfile: "b.pem".into(),
                            keyfile: "b.key".into(),
                        }],
                        cacertfile: Some("ca.pem".into()),
                        crlfile: vec!["ca.crl".into()],
                        verify: Verify::Peer,
                        fail_if_no_peer_cert: true,
                        versions: vec![TlsVersion::Tls13],
                        ciphers: vec![TlsCipher::from_name("TLS_AES_128_GCM_SHA256").unwrap()],
                        handshake_timeout: Duration::from_secs(5),
                        max_handshakes: 6,
                        session_cache: 0,
                    },
                    websocket: WebSocket {
                        mqtt_path: "/m".to_owned(),
                        fail_if_no_subprotocol: false,
                        check_origin_enable: true,
                        allow_origin_absent: false,
                        check_origins: vec!["https://example.com".to_owned()],
                        proxy_address_header: String::new(),
                        max_frame_size: ByteSize::from_kb(64),
                        handshake_timeout: Duration::from_secs(7),
                        ..WebSocket::default()
                    },
                    ..Listener::new(ListenerKind::Wss)
                },
            ),
        ]),
        allow_anonymous: true,
        authentication: vec![
            Authenticator {
                name: "people".to_owned(),
                enable: false,
                kind: AuthenticatorKind::File {
                    path: "users.txt".into(),
                    user_id: UserId::ClientId,
                },
            },
            Authenticator {
                name: "password_based:built_in_database".to_owned(),
                enable: true,
                kind: AuthenticatorKind::BuiltInDatabase {
                    bootstrap_file: Some("first.txt".into()),
                    user_id: UserId::Username,
                },
            },
        ],
        authentication_settings: AuthenticationSettings {
            password_threads: Some(3),
            max_password_queue: 25,
            proof_ttl: Duration::from_secs(26),
            max_proofs: 27,
            max_failures: None,
        },
        durability: Durability::Os,
        store: Store {
            max_log_bytes: ByteSize::from_mb(256),
            max_queue_memory: ByteSize::from_mb(20),
            max_group_records: 21,
            max_group_delay: Duration::from_millis(22),
            behind_timeout: Duration::from_secs(24),
            checkpoint_interval: Duration::from_secs(23),
            checkpoint_bytes: ByteSize::from_mb(24),
        },
        node: Node {
            name: "kitchen".to_owned(),
            data_dir: Some("data".into()),
        },
        log: Log {
            level: LogLevel::Debug,
            console: LogConsole {
                enable: false,
                formatter: LogFormat::Json,
            },
            file: LogFile {
                enable: true,
                level: Some(LogLevel::Error),
                path: "x.log".into(),
                formatter: LogFormat::Json,
                rotation_count: 3,
                rotation_size: ByteSize::from_kb(8),
            },
        },
        mqtt: Mqtt {
            peer_cert_as_username: CertificateField::Dn,
            peer_cert_as_clientid: CertificateField::Fingerprint,
            max_packet_size: ByteSize::from_mb(2),
            max_qos_allowed: 1,
            retain_available: false,
            wildcard_subscription: false,
            shared_subscription: false,
            exclusive_subscription: true,
            response_information: "answers/".to_owned(),
            max_inflight: 32,
            receive_maximum: 33,
            max_topic_alias: 0,
            max_topic_alias_broker: 20,
            max_topic_levels: 10,
            max_clientid_len: 23,
            idle_timeout: Duration::from_millis(500),
            access_timeout: Duration::from_secs(60),
            max_keepalive: Some(Duration::from_secs(600)),
            max_session_expiry_interval: Some(Duration::from_secs(7200)),
            max_mqueue_len: 1000,
            max_mqueue_bytes: ByteSize::from_mb(3),
            max_outbox_bytes: ByteSize::from_kb(4),
            max_subscriptions: 5,
            max_connections: 6,
            max_sessions: 7,
            max_offline_sessions: 12,
            shared_subscription_strategy: SharedStrategy::LeastInflight,
            mqueue_full: QueueFull::Reject,
            mqueue_full_timeout: Duration::from_secs(3),
            max_total_mqueue_bytes: ByteSize::from_kb(13),
            memory_high_watermark: MemoryMark::Size(ByteSize::from_kb(14)),
            max_topic_len: 15,
            max_will_size: ByteSize::from_kb(16),
            max_connections_per_address: Some(19),
            max_conn_rate_per_address: Some(Rate {
                count: 5,
                per: std::time::Duration::from_secs(1),
            }),
        },
        authorization: Authorization::default(),
        flapping_detect: FlappingDetect {
            enable: true,
            max_count: 3,
            window_time: Duration::from_secs(10),
            ban_time: Duration::from_secs(3600),
        },
        retainer: Retainer {
            max_payload_size: ByteSize::from_kb(17),
            max_retained_messages: 8,
            max_retained_bytes: ByteSize::from_kb(9),
        },
        sys_topics: SysTopics {
            sys_msg_interval: Some(Duration::from_secs(10)),
            sys_heartbeat_interval: None,
            client_connected: false,
            client_disconnected: false,
        },
        delayed: Delayed {
            enable: false,
            max_delayed_messages: 10,
            max_delayed_bytes: ByteSize::from_kb(11),
        },
        rewrite: vec![Rewrite {
            action: RewriteAction::Publish,
            source_topic: "x/#".to_owned(),
            re: regex::Regex::new("^x/(.+)$").unwrap(),
            dest_topic: "y/$1".to_owned(),
        }],
        auto_subscribe: vec![AutoSubscription {
            topic: "c/${clientid}".to_owned(),
            options: AutoOptions {
                qos: 1,
                rh: 2,
                rap: 1,
                nl: 1,
            },
        }],
    };
    assert_eq!(config, expected);
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(Config::from_toml("", "t").unwrap(), Config::default());
    Config::default().check().unwrap();
}

#[test]
fn dotted_keys_and_tables_are_the_same() {
    let dotted = Config::from_toml("listeners.tcp.default.bind = \"[::1]:7\"", "t").unwrap();
    let tables = Config::from_toml("[listeners]\ntcp = {default = {bind = \"[::1]:7\"}}", "t");
    assert_eq!(dotted, tables.unwrap());
}

#[test]
fn log_level_has_a_short_form() {
    let level = |text| Config::from_toml(text, "t").unwrap().log.level;
    assert_eq!(level("log.level = \"trace\""), LogLevel::Trace);
    assert_eq!(level("log.console.level = \"warning\""), LogLevel::Warn);
    assert_eq!(
        level("log.level = \"trace\"\nlog.console.level = \"error\""),
        LogLevel::Error
    );
}

#[test]
fn infinity_is_told_as_the_protocol_does() {
    let text = "mqtt.max_keepalive = \"infinity\"\nmqtt.max_session_expiry_interval = \"infinity\"";
    let mqtt = Config::from_toml(text, "t").unwrap().mqtt;
    assert_eq!(
        (
            mqtt.keep_alive_max_s(),
            mqtt.session_expiry_interval_max_s()
        ),
        (None, u32::MAX)
    );
    let mqtt = Config::from_toml(EVERYTHING, "t").unwrap().mqtt;
    assert_eq!(
        (
            mqtt.keep_alive_max_s(),
            mqtt.session_expiry_interval_max_s()
        ),
        (Some(600), 7200)
    );
}

#[test]
fn numbers_may_have_any_toml_form() {
    let max_inflight = |text| Config::from_toml(text, "t").unwrap().mqtt.max_inflight;
    assert_eq!(max_inflight("mqtt.max_inflight = 1_000"), 1000);
    assert_eq!(max_inflight("mqtt.max_inflight = 0x10"), 16);
    assert_eq!(max_inflight("mqtt.max_inflight = +5"), 5);
}

/// The line that refuses `text`.
fn refusal(text: &str) -> String {
    Config::from_toml(text, "broker.toml")
        .unwrap_err()
        .to_string()
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    for (text, expected) in [
        (
            "\n\nmqtt.max_inflght = 1",
            "broker.toml:3: unknown key `mqtt.max_inflght`, did you mean `mqtt.max_inflight`?",
        ),
        (
            "[mqt]\nmax_inflight = 1",
            "broker.toml:1: unknown key `mqt`, did you mean `mqtt`?",
        ),
        (
            "max_inflight = 1",
            "broker.toml:1: unknown key `max_inflight`, did you mean `mqtt.max_inflight`?",
        ),
        (
            "mqtt.session_expiry_interval = \"1h\"",
            "broker.toml:1: unknown key `mqtt.session_expiry_interval`, did you mean `mqtt.max_session_expiry_interval`?",
        ),
        (
            "listeners.tcp.x.bnd = 1",
            "broker.toml:1: unknown key `listeners.tcp.x.bnd`, did you mean `listeners.tcp.x.bind`?",
        ),
        (
            "listeners.serial.x.bind = 1",
            "broker.toml:1: unknown key `listeners.serial`, known here: quic, ssl, tcp, unix, ws, wss",
        ),
        (
            "\"mqtt.max_inflight\" = 1",
            "broker.toml:1: unknown key `\"mqtt.max_inflight\"`, known here: allow_anonymous, authentication, authentication_settings, authorization, auto_subscribe, delayed, durability, flapping_detect, listeners, log, mqtt, node, retainer, rewrite, store, sys_topics",
        ),
        (
            "rewrite = [{sorce_topic = \"a\", source_topic = \"a\", re = \"a\", dest_topic = \"b\"}]",
            "broker.toml:1: unknown key `rewrite[0].sorce_topic`, did you mean `rewrite[0].source_topic`?",
        ),
        (
            "mqtt.exclusive_subscription.enabled = true",
            "broker.toml:1: unknown key `mqtt.exclusive_subscription.enabled`, did you mean `mqtt.exclusive_subscription.enable`?",
        ),
        (
            "[retainer]\nzzz = 1\naaa = 1",
            "broker.toml:2: unknown key `retainer.zzz`, known here: max_payload_size, max_retained_bytes, max_retained_messages",
        ),
    ] {
        assert_eq!(refusal(text), expected);
    }
}

#[test]
fn wrong_values_are_refused_with_what_is_allowed() {
    for (text, expected) in [
        (
            "mqtt.max_inflight = 0",
            "broker.toml:1: `mqtt.max_inflight` is `0`, it must be a whole number from 1 to 65535",
        ),
        (
            "\nmqtt.max_inflight = \"20\"",
            "broker.toml:2: `mqtt.max_inflight` is `\"20\"`, it must be a whole number from 1 to 65535",
        ),
        (
            "mqtt.idle_timeout = 15",
            "broker.toml:1: `mqtt.idle_timeout` is `15`, it must be a time from \"1ms\" to \"1h\"",
        ),
        (
            "mqtt.idle_timeout = \"infinity\"",
            "broker.toml:1: `mqtt.idle_timeout` is `\"infinity\"`, it must be a time from \"1ms\" to \"1h\"",
        ),
        (
            "mqtt.max_packet_size = \"1GB\"",
            "broker.toml:1: `mqtt.max_packet_size` is `\"1GB\"`, it must be a size from \"1KB\" to \"256MB\"",
        ),
        (
            "mqtt.max_keepalive = \"1500ms\"",
            "broker.toml:1: `mqtt.max_keepalive` is `\"1500ms\"`, it must be 1 to 65535 seconds, as a number or a time such as \"90s\" or \"5m\", or \"infinity\"",
        ),
        (
            "allow_anonymous = \"yes\"",
            "broker.toml:1: `allow_anonymous` is `\"yes\"`, it must be true or false",
        ),
        (
            "log.level = \"loud\"",
            "broker.toml:1: `log.level` is `\"loud\"`, it must be \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        ),
        (
            "listeners.tcp.x.bind = 65536",
            "broker.toml:1: `listeners.tcp.x.bind` is `65536`, it must be an IP address and port such as `127.0.0.1:1883` or `[::1]:1883`, `localhost:1883`, or a bare port for all addresses",
        ),
        (
            "node.data_dir = \"\"",
            "broker.toml:1: `node.data_dir` is `\"\"`, it must be the path of a directory, as a string",
        ),
        (
            "rewrite = 5",
            "broker.toml:1: `rewrite` is `5`, it must be a list of tables: `[[rewrite]]`",
        ),
        (
            "\n[[rewrite]]\nre = \"a\"\ndest_topic = \"b\"",
            "broker.toml:2: `rewrite[0].source_topic` is missing, it must be a Topic Filter",
        ),
        (
            "rewrite = [{source_topic = \"a\", dest_topic = \"b\", re = \"(\"}]",
            "broker.toml:1: `rewrite[0].re` is `\"(\"`, it must be a regular expression",
        ),
        (
            "auto_subscribe.topics = [{topic = \"a/#/b\"}]",
            "broker.toml:1: `auto_subscribe.topics[0].topic` is `\"a/#/b\"`, it must be a Topic Filter",
        ),
        (
            "sys_topics.sys_msg_interval = \"off\"",
            "broker.toml:1: `sys_topics.sys_msg_interval` is `\"off\"`, it must be a time from \"1s\" to \"1d\" or \"disabled\"",
        ),
        (
            "node.name = \"a/b\"",
            "broker.toml:1: `node.name` is `\"a/b\"`, it must be a name without `/`, `+` and `#`",
        ),
        (
            "mqtt = 5",
            "broker.toml:1: `mqtt` is `5`, it must be a table: `[mqtt]`",
        ),
        (
            "mqtt.max_sessions = [\n1,\n2]",
            "broker.toml:1: `mqtt.max_sessions` is of type array, it must be a whole number from 1 to 1000000000",
        ),
    ] {
        assert_eq!(refusal(text), expected);
    }
}

#[test]
fn broken_toml_is_refused_by_line() {
    let line = refusal("allow_anonymous = true\nmqtt.max_inflight = = 3\n");
    assert!(
        line.starts_with("broker.toml:2: not valid TOML: "),
        "{line}"
    );
    assert!(!line.contains('\n'), "{line}");
    let line = refusal("[mqtt]\nmax_inflight = 1\nmax_inflight = 2\n");
    assert!(
        line.starts_with("broker.toml:3: not valid TOML: "),
        "{line}"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let line = Config::load("no/such/broker.toml").unwrap_err().to_string();
    assert!(
        line.starts_with("cannot read the configuration no/such/broker.toml: "),
        "{line}"
    );
}

#[test]
fn open_listeners_need_leave() {
    let closed = "listeners.tcp.lan.bind = \"192.0.2.1:1883\"";
    let config = Config::from_toml(closed, "t").unwrap();
    assert_eq!(
        config.check().unwrap_err().to_string(),
        "listener `tcp:lan` on 192.0.2.1:1883 can be reached from other machines and no users are \
         configured: say `--allow-anonymous` (or `allow_anonymous = true` in the file) to let \
         anyone in, or name users with `--password-file FILE` (or `[[authentication]]` in the file)"
    );
    let open = format!("allow_anonymous = true\n{closed}");
    Config::from_toml(&open, "t").unwrap().check().unwrap();
    let mut config = Config::default();
    config.listen_only_on(["localhost:0".parse().unwrap(), "0".parse().unwrap()]);
    assert!(
        config
            .check()
            .unwrap_err()
            .to_string()
            .starts_with("listener `tcp:listen-2` on all")
    );
}

#[test]
fn described_defaults_are_the_defaults() {
    let rows = Config::keys().into_iter();
    let rows = rows.filter(|row| !row.default.is_empty() && !row.key.contains("[]"));
    let lines = rows.map(|row| format!("{} = {}\n", row.key, row.default));
    let text = lines.collect::<String>().replace("<name>", "default");
    let mut expected = Config::default();
    for kind in ListenerKind::ALL {
        let name = format!("{kind}:default");
        expected.listeners.insert(name, Listener::new(kind));
    }
    assert_eq!(Config::from_toml(&text, "t").unwrap(), expected);
}

#[test]
fn settings_of_a_listener_that_do_not_go_together_are_refused() {
    let tls = "certfile = \"a\"\nkeyfile = \"b\"\n";
    for (kind, options, expected) in [
        (
            "ssl",
            "",
            "listener `ssl:x`: `ssl_options.certfile` is missing",
        ),
        (
            "ssl",
            "ssl_options.certfile = \"a\"",
            "listener `ssl:x`: `ssl_options.keyfile` is missing",
        ),
        (
            "ssl",
            &format!("[listeners.ssl.x.ssl_options]\n{tls}fail_if_no_peer_cert = true"),
            "listener `ssl:x`: `ssl_options.fail_if_no_peer_cert` needs",
        ),
        (
            "quic",
            "proxy_protocol = true",
            "listener `quic:x`: `proxy_protocol` is for connections over TCP",
        ),
        (
            "quic",
            &format!("[listeners.quic.x.ssl_options]\n{tls}versions = [\"tlsv1.2\"]"),
            "listener `quic:x`: `ssl_options.versions` must have `tlsv1.3`",
        ),
        (
            "quic",
            &format!("[listeners.quic.x.ssl_options]\n{tls}ciphers = [\"TLS_AES_256_GCM_SHA384\"]"),
            "listener `quic:x`: `ssl_options.ciphers` must have",
        ),
        (
            "wss",
            &format!("[listeners.wss.x.ssl_options]\n{tls}crlfile = \"c\""),
            "listener `wss:x`: `ssl_options.crlfile` needs",
        ),
        (
            "ssl",
            &format!("[listeners.ssl.x.ssl_options]\n{tls}verify = \"verify_peer\""),
            "listener `ssl:x`: `ssl_options.cacertfile` is missing",
        ),
        (
            "ssl",
            &format!("peer_cert_as_username = \"cn\"\n[listeners.ssl.x.ssl_options]\n{tls}"),
            "listener `ssl:x`: `peer_cert_as_username` needs client certificates",
        ),
        (
            "tcp",
            "peer_cert_as_clientid = \"cn\"",
            "listener `tcp:x`: `peer_cert_as_clientid` needs client certificates",
        ),
        (
            "ws",
            "proxy_protocol = true",
            "listener `ws:x`: `proxy_protocol` needs `trusted_proxies`",
        ),
        ("unix", "", "listener `unix:x`: `bind` is missing"),
    ] {
        let text = format!("[listeners.{kind}.x]\n{options}");
        let error = Config::from_toml(&text, "t").unwrap().check().unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    for (line, expected) in [
        (
            "[listeners.tcp.x.ssl_options]\nverify = \"verify_none\"",
            "t:1: unknown key `listeners.tcp.x.ssl_options`",
        ),
        (
            "listeners.unix.x.mode = \"0999\"",
            "t:1: `listeners.unix.x.mode` is `\"0999\"`, it must be access rights in octal digits such as \"0660\"",
        ),
        (
            "listeners.ssl.x.ssl_options.versions = [\"tlsv1.1\"]",
            "t:1: `listeners.ssl.x.ssl_options.versions` is `[\"tlsv1.1\"]`, it must be a list, each of it \"tlsv1.2\" or \"tlsv1.3\", at least one",
        ),
        (
            "listeners.tcp.x.access_rules = [\"permit all\"]",
            "t:1: `listeners.tcp.x.access_rules` is `[\"permit all\"]`, it must be a list, each of it a rule such as",
        ),
        (
            "listeners.ws.x.websocket.mqtt_path = \"mqtt\"",
            "t:1: `listeners.ws.x.websocket.mqtt_path` is `\"mqtt\"`, it must be a path such as \"/mqtt\"",
        ),
    ] {
        let error = Config::from_toml(line, "t").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn the_first_rule_that_fits_an_address_decides() {
    let rules = ["deny 10.0.0.7", "allow 10.0.0.0/8", "allow ::1"];
    let rules: Vec<AccessRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    for (address, allowed) in [
        ("10.0.0.7", false),
        ("10.0.0.8", true),
        ("::ffff:10.0.0.8", true),
        ("::1", true),
        ("192.0.2.1", false),
    ] {
        let address = address.parse().unwrap();
        assert_eq!(AccessRule::allows(&rules, address), allowed, "{address}");
    }
    assert!(AccessRule::allows(&[], "192.0.2.1".parse().unwrap()));
}

#[test]
fn every_key_is_described_with_its_meaning() {
    let keys = Config::keys();
    for key in &keys {
        assert!(
            !key.meaning.is_empty() && !key.type_name.is_empty(),
            "{key:?}"
        );
    }
    let find = |name: &str| keys.iter().find(|key| key.key == name).unwrap();
    assert_eq!(
        find("listeners.tcp.<name>.bind").default,
        "\"localhost:1883\""
    );
    assert_eq!(find("mqtt.max_inflight").range, "1 to 65535");
    assert_eq!(find("mqtt.exclusive_subscription.enable").default, "false");
    assert_eq!(find("rewrite[].re").type_name, "text");
    assert_eq!(find("auto_subscribe.topics[].qos").range, "0 to 2");
}

/// A configuration with these variables over `text`.
fn with_environment(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut config = Config::from_toml(text, "broker.toml")?;
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    config.override_by(variables.iter().map(owned))?;
    Ok(config)
}

#[test]
fn the_environment_overrides_the_file() {
    let file = "listeners.tcp.lan.bind = 1\nlisteners.tcp.default.bind = 2\nmqtt.max_inflight = 3";
    let variables = [
        ("MQTT_LISTENERS__TCP__DEFAULT__BIND", "127.0.0.1:7"),
        ("MQTT_MQTT__MAX_INFLIGHT", "9"),
        ("MQTT_MQTT__IDLE_TIMEOUT", "3s"),
        ("MQTT_NODE__NAME", "\"a b\""),
        ("MQTT_ALLOW_ANONYMOUS", "true"),
        ("MQTT_DURABILITY", "os"),
        ("MQTT_AUTO_SUBSCRIBE__TOPICS", "[{topic = \"t\", qos = 1}]"),
        ("MQTT_HOST", "not ours"),
        ("OTHER__KEY", "not ours"),
    ];
    let config = with_environment(file, &variables).unwrap();
    let bind = |name: &str| config.listeners[&format!("tcp:{name}")].bind.to_string();
    assert_eq!(bind("default"), "127.0.0.1:7");
    assert_eq!(bind("lan"), "all addresses, port 1");
    assert_eq!(config.mqtt.max_inflight, 9);
    assert_eq!(config.mqtt.idle_timeout, Duration::from_secs(3));
    assert_eq!(config.node.name, "a b");
    assert!(config.allow_anonymous);
    assert_eq!(config.durability, Durability::Os);
    assert_eq!(config.auto_subscribe[0].options.qos, 1);
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value, expected) in [
        (
            "MQTT_MQTT__MAX_INFLGHT",
            "1",
            "MQTT_MQTT__MAX_INFLGHT: unknown key `mqtt.max_inflght`, did you mean `mqtt.max_inflight`?",
        ),
        (
            "MQTT_MQTT__MAX_INFLIGHT",
            "many",
            "MQTT_MQTT__MAX_INFLIGHT: `mqtt.max_inflight` is `\"many\"`, it must be a whole number from 1 to 65535",
        ),
        (
            "MQTT_MQTT__MAX_INFLIGHT",
            "1\nmqtt.max_sessions = 1",
            "MQTT_MQTT__MAX_INFLIGHT: `mqtt.max_inflight` is `\"1\\nmqtt.max_sessions = 1\"`, it must be a whole number from 1 to 65535",
        ),
    ] {
        let error = with_environment("", &[(name, value)]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn an_authenticator_is_named_once_and_needs_what_it_needs() {
    let file = "[[authentication]]\nmechanism = \"password_based\"\nbackend = \"file\"\n";
    let whole = format!("{file}path = \"users\"\n");
    let check = |text: &str| Config::from_toml(text, "t")?.check();
    check(&whole).unwrap();
    for (text, line) in [
        (
            file.to_owned(),
            "t:1: `authentication[0].path` is missing, it must be the path of a file, as a string",
        ),
        (
            "[[authentication]]\nmechanism = \"password\"".to_owned(),
            "t:2: `authentication[0].mechanism` is `\"password\"`, it must be \"password_based\" or \"jwt\" or \"scram\" or \"certificate\"",
        ),
        (
            whole.repeat(2),
            "two authenticators are called `password_based:file`: give each of `[[authentication]]` a `name` of its own",
        ),
        (
            format!("listeners.tcp.default.authenticators = [\"x\"]\n{whole}"),
            "listener `tcp:default` names `x` among its `authenticators`, and no `[[authentication]]` has that `name`",
        ),
    ] {
        assert_eq!(check(&text).unwrap_err().to_string(), line, "{text}");
    }
}

#[test]
fn a_listener_that_asks_who_clients_are_may_be_reached() {
    let file = "[[authentication]]\nmechanism = \"password_based\"\nbackend = \"file\"\npath = \"u\"\nname = \"u\"\n";
    for (listener, is_fine) in [
        ("", true),
        ("authenticators = [\"u\"]\n", true),
        ("authenticators = []\n", false),
        ("enable_authn = false\n", false),
        ("enable_authn = false\nallow_anonymous = true\n", true),
        ("authenticators = []\nallow_anonymous = false\n", false),
    ] {
        let text = format!("[listeners.tcp.default]\nbind = 1883\n{listener}{file}");
        let config = Config::from_toml(&text, "t").unwrap();
        assert_eq!(config.check().is_ok(), is_fine, "{text}");
        let is_open = listener.contains("allow_anonymous = true");
        let text = format!("{text}enable = false\n");
        let config = Config::from_toml(&text, "t").unwrap();
        assert_eq!(config.check().is_ok(), is_open, "{text}");
    }
}

#[test]
fn keys_of_services_and_tokens_reach_their_fields() {
    let text = r#"
[[authentication]]
mechanism = "password_based"
backend = "http"
method = "get"
url = "https://auth.example.com/${clientid}"
headers = { X-Key = "secret" }
body = { u = "${username}" }
request_timeout = "1s"
pool_size = 2
cache_ttl = "3s"
cacertfile = "ca.pem"

[[authentication]]
mechanism = "jwt"
secret = "c2VjcmV0"
secret_base64_encoded = true
public_key = "key.pem"
jwks_file = "keys.json"
endpoint = "http://localhost/keys"
cacertfile = "ca.pem"
refresh_interval = "20s"
from = "username"
verify_claims = { aud = "mqtt" }
username_claim = "who"
acl_claim_name = "rules"
leeway = "4s"
disconnect_after_expire = false

[[authentication]]
mechanism = "scram"
backend = "built_in_database"

[[authentication]]
mechanism = "certificate"
username = "san"
"#;
    let config = Config::from_toml(text, "t").unwrap();
    let one = |text: &str, value: &str| BTreeMap::from([(text.to_owned(), value.to_owned())]);
    let kinds: Vec<_> = config.authentication.iter().map(|one| &one.kind).collect();
    let expected = [
        &AuthenticatorKind::Http(Box::new(HttpService {
            method: HttpMethod::Get,
            url: Some("https://auth.example.com/${clientid}".to_owned()),
            headers: BTreeMap::from([("x-key".to_owned(), Secret::new("secret"))]),
            body: one("u", "${username}"),
            request_timeout: Duration::from_secs(1),
            pool_size: 2,
            cache_ttl: Duration::from_secs(3),
            cacertfile: Some("ca.pem".into()),
        })),
        &AuthenticatorKind::Jwt(Box::new(Jwt {
            secret: Some(Secret::new("c2VjcmV0")),
            secret_base64_encoded: true,
            public_key: Some("key.pem".into()),
            jwks_file: Some("keys.json".into()),
            endpoint: Some("http://localhost/keys".to_owned()),
            cacertfile: Some("ca.pem".into()),
            refresh_interval: Duration::from_secs(20),
            from: TokenFrom::Username,
            verify_claims: one("aud", "mqtt"),
            username_claim: "who".to_owned(),
            acl_claim_name: "rules".to_owned(),
            leeway: Duration::from_secs(4),
            disconnect_after_expire: false,
        })),
        &AuthenticatorKind::Scram,
        &AuthenticatorKind::Certificate {
            username: CertificateName::AlternativeName,
        },
    ];
    assert_eq!(kinds, expected);
    let names: Vec<_> = config.authentication.iter().map(|one| &*one.name).collect();
    assert_eq!(
        names,
        [
            "password_based:http",
            "jwt",
            "scram:built_in_database",
            "certificate"
        ]
    );
}

/// A secret is named by where it is, and never shown.
#[test]
fn secrets_are_found_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "from a file\r\n").unwrap();
    let secret = |written: &str| -> Result<_, ConfigError> {
        let text = format!("[[authentication]]\nmechanism = \"jwt\"\nsecret = {written}\n");
        let config = Config::from_toml(&text, "t")?;
        assert!(!format!("{config:?}").contains("written"));
        match config.authentication.into_iter().next().map(|one| one.kind) {
            Some(AuthenticatorKind::Jwt(jwt)) => Ok(jwt.secret),
            other => panic!("{other:?}"),
        }
    };
    let file = format!("\"file://{}\"", path.display());
    for (written, found) in [
        ("\"written\"", "written".to_owned()),
        (&file, "from a file".to_owned()),
        ("\"env:CARGO_PKG_NAME\"", env!("CARGO_PKG_NAME").to_owned()),
    ] {
        let is = secret(written)
            .unwrap()
            .map(|secret| secret.expose().to_owned());
        assert_eq!(is, Some(found), "{written}");
    }
    for written in [
        "\"\"",
        "\"env:NO_SUCH_VARIABLE_HERE\"",
        "\"file:///no/such/file/here\"",
        "77_777",
    ] {
        let error = secret(written).unwrap_err().to_string();
        assert!(
            error.starts_with("t:3: `authentication[0].secret` is of type "),
            "{error}"
        );
        assert!(!error.contains("77"), "{error}");
    }
}
