//! Configurations of Mosquitto, as this broker's, read by the real reader.

use mqtt_broker::config::Config;
use mqtt_import::{MosquittoConf, MosquittoOptions, Surroundings, mosquitto_conf};
use std::io;
use std::net::IpAddr;

/// No files, no names.
pub(crate) struct NoSurroundings;

impl Surroundings for NoSurroundings {
    fn conf_files_in(&self, _dir: &str) -> io::Result<Vec<(String, String)>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn addresses(&self, _host: &str) -> Vec<IpAddr> {
        Vec::new()
    }
}

fn converted(conf: &str) -> MosquittoConf {
    mosquitto_conf(
        "m.conf",
        conf,
        &MosquittoOptions::default(),
        &NoSurroundings,
    )
}

/// The lines of a configuration without comments and blank lines.
pub(crate) fn lines(toml: &str) -> Vec<&str> {
    let lines = toml
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| line.split("  # ").next().unwrap())
        .collect()
}

/// What is written where nothing is said.
const DEFAULTS: [&str; 7] = [
    "[mqtt]",
    "max_packet_size = \"256MB\"",
    "[retainer]",
    "max_payload_size = \"256MB\"",
    "max_session_expiry_interval = \"infinity\"",
    "[sys_topics]",
    "sys_msg_interval = \"10s\"",
];

/// The configuration without what is always there, once the reader has taken it.
fn own_lines(conf: &str) -> Vec<String> {
    let found = converted(conf);
    let refused: Vec<_> = found.imported.refused().map(ToString::to_string).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let toml = &found.imported.toml;
    let config = Config::from_toml(toml, "made").unwrap_or_else(|error| panic!("{error}\n{toml}"));
    // Files it names are not there.
    if let Err(error) = config.check() {
        let line = error.to_string();
        assert!(line.contains("No such file"), "{line}");
    }
    let own = lines(toml)
        .into_iter()
        .filter(|line| !DEFAULTS.contains(line));
    own.map(str::to_owned).collect()
}

#[test]
fn nothing_said_is_this_machine_only() {
    assert_eq!(
        own_lines(""),
        [
            "durability = \"memory\"",
            "[listeners.tcp.port-1883]",
            "bind = \"localhost:1883\"",
        ]
    );
    let options = MosquittoOptions {
        port: Some(1999),
        verbose: true,
        data_dir: Some("d".to_owned()),
    };
    let found = mosquitto_conf("m.conf", "", &options, &NoSurroundings);
    let found = lines(&found.imported.toml).join("\n");
    for line in [
        "bind = \"localhost:1999\"",
        "level = \"debug\"",
        "data_dir = \"d\"",
    ] {
        assert!(found.contains(line), "{found}");
    }
}

#[test]
fn a_home_with_users_and_rules() {
    let conf = "\
# as many have it
persistence true
persistence_location /var/lib/mosquitto/
log_dest file /var/log/mosquitto/mosquitto.log
listener 1883
password_file /etc/mosquitto/passwd
acl_file /etc/mosquitto/acl
max_queued_messages 5000
max_inflight_messages 40
persistent_client_expiration 2m
max_keepalive 600
";
    assert_eq!(
        own_lines(conf),
        [
            "[[authentication]]",
            "name = \"users\"",
            "mechanism = \"password_based\"",
            "backend = \"file\"",
            "path = \"/etc/mosquitto/passwd\"",
            "[authorization]",
            "no_match = \"deny\"",
            "[[authorization.sources]]",
            "type = \"file\"",
            "path = \"/etc/mosquitto/acl\"",
            "format = \"mosquitto\"",
            "[node]",
            "data_dir = \"/var/lib/mosquitto/mqtt\"",
            "[listeners.tcp.port-1883]",
            "bind = 1883",
            "max_inflight = 40",
            "receive_maximum = 40",
            "max_mqueue_len = 5000",
            "mqueue_full = \"drop_newest\"",
            "max_keepalive = 600",
            "max_session_expiry_interval = 5184000",
            "[log.file]",
            "enable = true",
            "path = \"/var/log/mosquitto/mosquitto.log\"",
        ]
    );
    assert_eq!(
        converted(conf).db.as_deref(),
        Some("/var/lib/mosquitto/mosquitto.db")
    );
}

#[test]
fn doors_of_every_kind() {
    let conf = "\
allow_anonymous true
listener 1883 192.0.2.1
socket_domain ipv4
max_connections 100
listener 1884
socket_domain ipv6
listener 0 /run/mqtt.sock
listener 8083
protocol websockets
listener 8883
cafile ca.crt
certfile server.crt
keyfile server.key
crlfile revoked.crl
require_certificate true
tls_version tlsv1.3
listener 8084 ::1
protocol websockets
certfile server.crt
keyfile server.key
";
    let own = own_lines(conf).join("\n");
    assert_eq!(
        own,
        "\
allow_anonymous = true
durability = \"memory\"
[listeners.tcp.port-1883]
bind = \"192.0.2.1:1883\"
max_connections = 100
[listeners.tcp.port-1884]
bind = \"[::]:1884\"
[listeners.unix.socket]
bind = \"/run/mqtt.sock\"
[listeners.ws.port-8083]
bind = 8083
[listeners.ssl.port-8883]
bind = 8883
[listeners.ssl.port-8883.ssl_options]
certfile = \"server.crt\"
keyfile = \"server.key\"
cacertfile = \"ca.crt\"
crlfile = \"revoked.crl\"
verify = \"verify_peer\"
fail_if_no_peer_cert = true
versions = [\"tlsv1.3\"]
[listeners.wss.port-8084]
bind = \"[::1]:8084\"
[listeners.wss.port-8084.ssl_options]
certfile = \"server.crt\"
keyfile = \"server.key\"
verify = \"verify_none\""
    );
}

#[test]
fn each_listener_has_its_own_users() {
    let conf = "\
per_listener_settings true
listener 1883 127.0.0.1
allow_anonymous true
listener 1884
password_file users
acl_file rules
";
    let own = own_lines(conf).join("\n");
    for part in [
        "[[authorization.rules]]\npermission = \"allow\"\nlistener = [\"tcp:port-1883\"]",
        "[listeners.tcp.port-1883]\nallow_anonymous = true\nenable_authn = false\nbind",
        "[listeners.tcp.port-1884]\nauthenticators = [\"users\"]\nbind",
    ] {
        assert!(own.contains(part), "{part}\nis not in\n{own}");
    }
    assert!(!own.starts_with("allow_anonymous"), "{own}");
    // With users at both, one lets clients without a name in, and the other does not.
    let conf = "\
per_listener_settings true
listener 1883
password_file a
allow_anonymous true
listener 1884
password_file b
allow_anonymous false
";
    let own = own_lines(conf).join("\n");
    for part in [
        "[listeners.tcp.port-1883]\nallow_anonymous = true\nauthenticators = [\"users\"]",
        "[listeners.tcp.port-1884]\nauthenticators = [\"users-2\"]",
    ] {
        assert!(own.contains(part), "{part}\nis not in\n{own}");
    }
}

#[test]
fn a_client_certificate_names_the_user() {
    let conf = "\
listener 8883
cafile ca.crt
certfile server.crt
keyfile server.key
require_certificate true
use_identity_as_username true
";
    let own = own_lines(conf).join("\n");
    for part in [
        "mechanism = \"certificate\"",
        "peer_cert_as_username = \"cn\"",
    ] {
        assert!(own.contains(part), "{own}");
    }
}

#[test]
fn options_before_the_first_listener_open_nothing() {
    let found = converted("max_connections 5\nlistener 1884 127.0.0.1\nallow_anonymous true\n");
    assert!(
        !found.imported.toml.contains("1883"),
        "{}",
        found.imported.toml
    );
    let said: Vec<_> = found
        .imported
        .remarks
        .iter()
        .map(|one| (one.line, &*one.directive))
        .collect();
    assert_eq!(said, [(1, "max_connections")]);
}

/// A directory with two files, in the order Mosquitto reads them.
struct Included;

impl Surroundings for Included {
    fn conf_files_in(&self, dir: &str) -> io::Result<Vec<(String, String)>> {
        assert_eq!(dir, "conf.d");
        Ok(vec![
            (
                "conf.d/a.conf".to_owned(),
                "listener 1884 127.0.0.1\n\nno_such 1\n".to_owned(),
            ),
            (
                "conf.d/b.conf".to_owned(),
                "allow_anonymous true\ninclude_dir x\n".to_owned(),
            ),
        ])
    }

    fn addresses(&self, host: &str) -> Vec<IpAddr> {
        assert_eq!(host, "broker.example");
        vec!["192.0.2.7".parse().unwrap()]
    }
}

#[test]
fn included_files_are_read_where_they_are_named() {
    let conf = "listener 1883 broker.example\ninclude_dir conf.d\nmax_connections 7\n";
    let found = mosquitto_conf("m.conf", conf, &MosquittoOptions::default(), &Included);
    let said: Vec<String> = found
        .imported
        .remarks
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "conf.d/a.conf:3: `no_such` refused: Mosquitto knows no such directive",
            "conf.d/b.conf:2: `include_dir` not honoured: Mosquitto, too, reads it in the main file only",
        ]
    );
    let toml = lines(&found.imported.toml).join("\n");
    // The line behind the included files is about the main file's listener.
    assert!(
        toml.contains("bind = \"192.0.2.7:1883\"\nmax_connections = 7"),
        "{toml}"
    );
    assert!(toml.contains("[listeners.tcp.port-1884]"), "{toml}");
}

#[test]
fn nothing_makes_the_reader_panic() {
    use proptest::prelude::*;
    let mut runner = proptest::test_runner::TestRunner::default();
    let words = "(listener|port|protocol|websockets|1883|0|/x|cafile|certfile|keyfile|allow_anonymous|true|password_file|acl_file|per_listener_settings|connection|plugin|plugin_opt_x|include_dir|log_dest|file|[ \n#\"\\\\é]){0,40}";
    runner
        .run(&words, |conf| {
            let found = converted(&conf);
            prop_assert!(toml_is_read(&found), "{}", found.imported.toml);
            Ok(())
        })
        .unwrap();
}

/// What is not refused is TOML at least.
fn toml_is_read(found: &MosquittoConf) -> bool {
    match Config::from_toml(&found.imported.toml, "made") {
        Ok(_) => true,
        Err(error) => !error.to_string().contains("TOML") || found.imported.refused().count() > 0,
    }
}
