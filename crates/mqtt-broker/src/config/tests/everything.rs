//! A file with every key.

use super::*;
use crate::core::log::Durability;
use crate::{QueueFull, Rate, SharedStrategy};
use mqtt_io::{TlsCipher, TlsVersion};

pub(super) const EVERYTHING: &str = r#"
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
password = "sesame"
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
rotation_period = "day"
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
                        password: Some(Secret::new("sesame")),
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
                rotation_period: RotationPeriod::Day,
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
