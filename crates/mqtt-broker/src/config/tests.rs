//! What the configuration accepts, and the exact line for what it refuses.

use super::*;

const EVERYTHING: &str = r#"
allow_anonymous = true

[listeners.tcp.inside]
bind = "127.0.0.1:1884"
max_connections = 50

[listeners.tcp.outside]
bind = 1883
max_connections = "infinity"

[node]
data_dir = "data"

[log.console]
level = "debug"

[mqtt]
max_packet_size = "2MB"
max_inflight = 32
receive_maximum = 33
max_topic_alias = 0
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

[retainer]
max_retained_messages = 8
max_retained_bytes = "9KB"
"#;

#[test]
fn every_key_reaches_its_field() {
    let config = Config::from_toml(EVERYTHING, "t").unwrap();
    let expected = Config {
        listeners: BTreeMap::from([
            (
                "inside".to_owned(),
                Listener {
                    bind: Bind::Address("127.0.0.1:1884".parse().unwrap()),
                    max_connections: Some(50),
                },
            ),
            (
                "outside".to_owned(),
                Listener {
                    bind: Bind::AllAddresses(1883),
                    max_connections: None,
                },
            ),
        ]),
        allow_anonymous: true,
        node: Node {
            data_dir: Some("data".into()),
        },
        log: Log {
            level: LogLevel::Debug,
        },
        mqtt: Mqtt {
            max_packet_size: ByteSize::from_mb(2),
            max_inflight: 32,
            receive_maximum: 33,
            max_topic_alias: 0,
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
        },
        retainer: Retainer {
            max_retained_messages: 8,
            max_retained_bytes: ByteSize::from_kb(9),
        },
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
            "listeners.ssl.x.bind = 1",
            "broker.toml:1: unknown key `listeners.ssl`, known here: tcp",
        ),
        (
            "\"mqtt.max_inflight\" = 1",
            "broker.toml:1: unknown key `\"mqtt.max_inflight\"`, known here: allow_anonymous, listeners, log, mqtt, node, retainer",
        ),
        (
            "[retainer]\nzzz = 1\naaa = 1",
            "broker.toml:2: unknown key `retainer.zzz`, known here: max_retained_bytes, max_retained_messages",
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
        "listener `lan` on 192.0.2.1:1883 can be reached from other machines and no users are \
         configured: say `--allow-anonymous` (or `allow_anonymous = true` in the file) to let \
         anyone in, or name users with `--password-file FILE`, which a later version brings"
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
            .starts_with("listener `listen-2` on all")
    );
}

/// Key and default of each row in the table of `docs/configuration.md`.
fn documented() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("\n## Keys\n").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().replace('`', "")));
    cells
        .map(|mut cells| (cells.nth(1).unwrap(), cells.nth(1).unwrap()))
        .collect()
}

#[test]
fn every_key_is_documented() {
    let mut config = Config::default();
    let keys = Reader::keys("listeners.tcp.name = {}", |root| config.read(root));
    let documented = documented()
        .into_iter()
        .map(|(key, _)| key.replace("<name>", "name"))
        .collect();
    assert_eq!(keys, documented);
}

#[test]
fn documented_defaults_are_the_defaults() {
    let rows = documented()
        .into_iter()
        .filter(|(_, default)| !default.is_empty());
    let lines = rows.map(|(key, default)| format!("{key} = {default}\n"));
    let text = lines.collect::<String>().replace("<name>", "default");
    assert_eq!(Config::from_toml(&text, "t").unwrap(), Config::default());
}
