//! Configurations of EMQX, as this broker's, read by the real reader.

use crate::conversion::lines;
use mqtt_broker::config::Config;
use mqtt_import::{Imported, emqx_conf};

fn converted(text: &str) -> Imported {
    emqx_conf("emqx.conf", text, None)
}

fn own_lines(text: &str) -> String {
    let found = converted(text);
    let refused: Vec<_> = found.refused().map(ToString::to_string).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let config = Config::from_toml(&found.toml, "made");
    let config = config.unwrap_or_else(|error| panic!("{error}\n{}", found.toml));
    // Files it names are not there.
    if let Err(error) = config.check() {
        let line = error.to_string();
        assert!(line.contains("No such file"), "{line}");
    }
    lines(&found.toml).join("\n")
}

#[test]
fn listeners_limits_and_rules() {
    let text = r#"
# as EMQX writes it
node { name = "emqx@127.0.0.1", cookie = secret, data_dir = "data" }
cluster.name = emqxcl
listeners.tcp.default {
  bind = "0.0.0.0:1883"
  max_connections = 1024000
  messages_rate = "1000/s"
  acceptors = 16
}
listeners.tcp.off { bind = 1999, enable = false }
mqtt {
  max_packet_size = 2MB
  session_expiry_interval = 2h
  max_mqueue_len = infinity   // none
  idle_timeout = 1m
}
mqtt.max_inflight = 64
retainer { enable = true, max_payload_size = 1MB, backend { type = built_in_database, max_retained_messages = 0 } }
sys_topics { sys_msg_interval = 1m, sys_event_messages { client_connected = false } }
authentication = [
  { mechanism = password_based, backend = built_in_database, user_id_type = username
    password_hash_algorithm { name = sha256, salt_position = suffix } }
]
authorization {
  sources = [ { type = file, enable = true, path = "etc/acl.conf" } ]
  no_match = deny
  deny_action = disconnect
  cache { enable = true, max_size = 32, ttl = 1m }
}
rewrite = [ { action = publish, source_topic = "x/#", dest_topic = "z/$1", re = "^x/(.+)$" } ]
auto_subscribe.topics = [ { topic = "c/${clientid}", qos = 1 } ]
log.console { level = warning }
log.file { enable = true, path = "log/emqx.log", formatter = json, rotation_count = 5, rotation_size = 10MB }
"#;
    assert_eq!(
        own_lines(text),
        r#"[[authentication]]
mechanism = "password_based"
backend = "built_in_database"
user_id_type = "username"
[[authorization.sources]]
type = "file"
path = "etc/acl.conf"
format = "emqx"
[listeners.tcp.default]
bind = "0.0.0.0:1883"
max_connections = 1024000
messages_rate = "1000/s"
[node]
name = "emqx@127.0.0.1"
[mqtt]
max_packet_size = "2MB"
max_session_expiry_interval = 7200
max_mqueue_len = 1000000000
idle_timeout = "1m"
max_inflight = 64
retain_available = true
[retainer]
max_payload_size = "1MB"
max_retained_messages = 1000000000
[sys_topics]
sys_msg_interval = "1m"
[sys_topics.sys_event_messages]
client_connected = false
[authorization]
no_match = "deny"
deny_action = "disconnect"
[authorization.cache]
enable = true
ttl = "1m"
[log.console]
level = "warn"
[log.file]
enable = true
path = "log/emqx.log"
formatter = "json"
rotation_count = 5
rotation_size = "10MB"
[[rewrite]]
action = "publish"
source_topic = "x/#"
dest_topic = "z/$1"
re = "^x/(.+)$"
[[auto_subscribe.topics]]
topic = "c/${clientid}"
qos = 1"#
    );
    let found = converted(text);
    let said: Vec<_> = found
        .remarks
        .iter()
        .map(|one| (one.line, &*one.directive))
        .collect();
    for known in [
        (3, "node.cookie"),
        (3, "node.data_dir"),
        (4, "cluster.name"),
        (9, "listeners.tcp.default.acceptors"),
        (22, "authentication"),
        (23, "authentication.password_hash_algorithm.name"),
        (29, "authorization.cache.max_size"),
    ] {
        assert!(said.contains(&known), "{known:?} is not in {said:?}");
    }
}

#[test]
fn doors_with_tls_and_websocket() {
    let text = r#"
listeners.ssl.default {
  bind = "[::]:8883"
  ssl_options {
    cacertfile = "ca.pem", certfile = "cert.pem", keyfile = "key.pem"
    verify = verify_peer, fail_if_no_peer_cert = true
    versions = ["tlsv1.3", "tlsv1.2", "tlsv1.1"]
  }
}
listeners.ws.default { bind = 8083, websocket.mqtt_path = "/mqtt" }
authentication = []
authorization.sources = []
"#;
    let own = own_lines(text);
    for part in [
        "[listeners.ssl.default.ssl_options]\ncacertfile = \"ca.pem\"",
        "versions = [\"tlsv1.2\", \"tlsv1.3\"]",
        "[listeners.ws.default.websocket]\nmqtt_path = \"/mqtt\"",
        "allow_anonymous = true",
        "no_match = \"allow\"",
    ] {
        assert!(own.contains(part), "{part}\nis not in\n{own}");
    }
}

#[test]
fn tokens_and_services() {
    let text = r#"
listeners.tcp.default.bind = 1883
authorization.sources = []
authentication = [
  { mechanism = jwt, algorithm = "hmac-based", use_jwks = false, from = password
    secret = "0123456789abcdef0123456789abcdef", verify_claims { username = "${username}" } }
  { mechanism = password_based, backend = http, method = post, url = "http://127.0.0.1:8080/auth"
    headers { content-type = "application/json" }, body { username = "${username}" }
    request_timeout = 5s, connect_timeout = 15s }
  { mechanism = scram, backend = built_in_database, algorithm = sha256 }
]
"#;
    assert_eq!(
        own_lines(text),
        r#"[[authentication]]
mechanism = "jwt"
from = "password"
secret = "0123456789abcdef0123456789abcdef"
verify_claims = { "username" = "${username}" }
[[authentication]]
mechanism = "password_based"
backend = "http"
method = "post"
url = "http://127.0.0.1:8080/auth"
headers = { "content-type" = "application/json" }
body = { "username" = "${username}" }
request_timeout = "5s"
[[authentication]]
mechanism = "scram"
backend = "built_in_database"
[authorization]
no_match = "allow"
[listeners.tcp.default]
bind = 1883"#
    );
    for (text, directive) in [
        (
            "verify_claims = { a = { b = c } }",
            "authentication.verify_claims",
        ),
        (
            "public_key = \"-----BEGIN PUBLIC KEY-----\"",
            "authentication.public_key",
        ),
        ("precondition = \"x\"", "authentication.precondition"),
    ] {
        let found = converted(&format!("authentication = {{ mechanism = jwt, {text} }}"));
        let refused: Vec<_> = found.refused().map(|one| &*one.directive).collect();
        assert_eq!(refused, [directive], "{text}");
    }
}

#[test]
fn databases_and_how_they_have_passwords() {
    let text = r#"
listeners.tcp.default.bind = 1883
authorization.sources = []
authentication = [
  { mechanism = password_based, backend = postgresql, server = "127.0.0.1:5432", database = mqtt
    username = root, password = public, pool_size = 4, auto_reconnect = true
    query = "SELECT password_hash, salt FROM mqtt_user where username = ${username} LIMIT 1"
    password_hash_algorithm { name = pbkdf2, mac_fun = sha256, iterations = 4096, dk_length = 32 } }
  { mechanism = password_based, backend = redis, redis_type = single, server = "db:6379", database = 1
    cmd = "HMGET mqtt_user:${username} password_hash salt"
    ssl { enable = true, cacertfile = "ca.pem" }
    password_hash_algorithm { name = bcrypt, salt_rounds = 10 } }
]
"#;
    assert_eq!(
        own_lines(text),
        r#"[[authentication]]
mechanism = "password_based"
backend = "postgresql"
database = "mqtt"
query = "SELECT password_hash, salt FROM mqtt_user where username = ${username} LIMIT 1"
server = "127.0.0.1:5432"
username = "root"
password = "public"
pool_size = 4
password_hash_algorithm.name = "pbkdf2"
password_hash_algorithm.mac_fun = "sha256"
password_hash_algorithm.iterations = 4096
[[authentication]]
mechanism = "password_based"
backend = "redis"
database = 1
cmd = "HMGET mqtt_user:${username} password_hash salt"
server = "db:6379"
ssl.enable = true
ssl.cacertfile = "ca.pem"
password_hash_algorithm.name = "bcrypt"
[authorization]
no_match = "allow"
[listeners.tcp.default]
bind = 1883"#
    );
    let found = converted(text);
    let directives: Vec<_> = found.remarks.iter().map(|one| &*one.directive).collect();
    for said in ["authentication.backend", "authentication.auto_reconnect"] {
        assert!(
            directives.contains(&said),
            "{said} is not in {directives:?}"
        );
    }
    let cluster = text.replace("redis_type = single", "redis_type = cluster");
    let refused = converted(&cluster);
    let refused: Vec<_> = refused.refused().map(|one| &*one.directive).collect();
    assert_eq!(refused, ["authentication.redis_type"]);
}

#[test]
fn where_no_source_is_named_the_rules_are_those_emqx_comes_with() {
    let own = own_lines("listeners.tcp.default.bind = 1883");
    assert!(
        own.contains("topics = [\"$SYS/#\", \"eq #\", \"eq +/#\"]"),
        "{own}"
    );
}

#[test]
fn hocon_is_read_as_others_read_it() {
    for (text, expected) in [
        (
            "mqtt.max_inflight = 1\nmqtt.max_inflight = 2",
            "max_inflight = 2",
        ),
        ("mqtt { max_inflight: 3, }", "max_inflight = 3"),
        ("{ mqtt { max_inflight = 4 } }", "max_inflight = 4"),
        ("n = 5\nmqtt.max_inflight = ${n}", "max_inflight = 5"),
        (
            "mqtt { max_inflight = 1 } mqtt { max_inflight = ${?none} }",
            "receive",
        ),
        (
            "mqtt.response_information = a \"b c\" d",
            "response_information = \"a b c d\"",
        ),
        (
            "mqtt.response_information = \"\"\"x\"y\"\"\"",
            "response_information = \"x\\\"y\"",
        ),
        (
            "mqtt.response_information = \"\\u0041#\" # comment",
            "response_information = \"A#\"",
        ),
        (
            "base { max_inflight = 6 }\nmqtt = ${base} { max_topic_levels = 7 }",
            "max_topic_levels = 7",
        ),
    ] {
        let toml = converted(text).toml;
        assert!(
            toml.contains(expected) || expected == "receive",
            "{text}: {toml}"
        );
    }
}

#[test]
fn nothing_makes_the_reader_panic() {
    let mut runner = proptest::test_runner::TestRunner::default();
    let words = "(listeners|tcp|default|bind|mqtt|authentication|authorization|sources|1883|\\$\\{a\\}|[={}\\[\\]:,.\"\n #+$é\\\\a-c]){0,60}";
    runner
        .run(&words, |text| {
            let _ = converted(&text);
            Ok(())
        })
        .unwrap();
}
