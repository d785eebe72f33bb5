//! What the configuration accepts, and the exact line for what it refuses.

use super::*;

mod access;
mod everything;
mod listeners;

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
    let mqtt = Config::from_toml(everything::EVERYTHING, "t").unwrap().mqtt;
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
