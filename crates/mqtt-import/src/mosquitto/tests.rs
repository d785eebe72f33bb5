//! Every directive there is, is mapped or named.

use super::notes::{BRIDGE, NOTES};
use super::{MosquittoOptions, Surroundings, mosquitto_conf};
use crate::remark::Class;
use std::io;
use std::net::IpAddr;

/// Directives that are carried over.
const MAPPED: [&str; 55] = [
    "acl_file",
    "allow_anonymous",
    "bind_address",
    "cafile",
    "capath",
    "certfile",
    "ciphers",
    "ciphers_tls1.3",
    "crlfile",
    "enable_proxy_protocol",
    "global_max_clients",
    "global_max_connections",
    "include_dir",
    "keyfile",
    "listener",
    "listener_allow_anonymous",
    "log_dest",
    "log_type",
    "max_connections",
    "max_inflight_messages",
    "max_keepalive",
    "max_packet_size",
    "max_qos",
    "max_queued_bytes",
    "max_queued_messages",
    "max_topic_alias",
    "max_topic_alias_broker",
    "maximum_qos",
    "memory_limit",
    "message_size_limit",
    "password_file",
    "per_listener_settings",
    "persistence",
    "persistence_location",
    "persistent_client_expiration",
    "port",
    "protocol",
    "require_certificate",
    "retain_available",
    "retained_persistence",
    "socket_domain",
    "sys_interval",
    "tls_version",
    "use_identity_as_username",
    "use_subject_as_username",
    "websockets_origin",
    // Carried over by `mosquitto` and `mqtt import`, besides what is said about them.
    "persistence_file",
    "pid_file",
    // Those of plugins, by their beginnings.
    "auth_opt_",
    "plugin_opt_",
    // Those that are there only with the value that changes nothing.
    "use_username_as_clientid",
    "proxy_protocol_v2_require_tls",
    "queue_qos0_messages",
    "upgrade_outgoing_qos",
    "disable_client_cert_date_checks",
];

/// Directives of a bridge that begin so.
const OTHER_BRIDGE: [&str; 14] = [
    "bridge_alpn",
    "bridge_bind_address",
    "bridge_ciphers",
    "bridge_ciphers_tls1.3",
    "bridge_clean_start",
    "bridge_identity",
    "bridge_max_packet_size",
    "bridge_max_topic_alias",
    "bridge_outgoing_retain",
    "bridge_psk",
    "bridge_receive_maximum",
    "bridge_require_ocsp",
    "bridge_tls_use_os_certs",
    "bridge_tls_version",
];

struct Nowhere;

impl Surroundings for Nowhere {
    fn conf_files_in(&self, _dir: &str) -> io::Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    fn addresses(&self, _host: &str) -> Vec<IpAddr> {
        Vec::new()
    }
}

/// A value that the directive takes.
fn value_of(directive: &str) -> &'static str {
    match directive {
        "protocol" => "mqtt",
        "socket_domain" => "ipv4",
        "persistent_client_expiration" => "1d",
        "log_type" => "all",
        "log_dest" => "stderr",
        "tls_version" => "tlsv1.2",
        "bind_address" => "127.0.0.1",
        "listener" => "1885 127.0.0.1",
        "max_packet_size" => "2000",
        _ => "1",
    }
}

#[test]
fn every_directive_is_mapped_or_named_with_its_line() {
    let noted = NOTES.iter().map(|(name, ..)| *name);
    let all = MAPPED
        .into_iter()
        .chain(noted)
        .chain(BRIDGE)
        .chain(OTHER_BRIDGE);
    let mut count = 0;
    for directive in all {
        count += 1;
        let start = match directive {
            "per_listener_settings" => "",
            "auth_opt_" | "plugin_opt_" => "plugin x\nlistener 1884\nallow_anonymous true\n",
            _ if super::notes::is_of_bridge(directive) => "connection a\n",
            "bind_address" | "port" => "allow_anonymous true\n",
            "allow_anonymous" => "listener 1884\n",
            _ => "listener 1884\nallow_anonymous true\n",
        };
        let conf = format!("{start}{directive} {}\n", value_of(directive));
        let found = mosquitto_conf("m.conf", &conf, &MosquittoOptions::default(), &Nowhere);
        let line = u32::try_from(conf.lines().count()).unwrap();
        let said = found.imported.remarks.iter().find(|one| one.line == line);
        let is_known = said.is_none_or(|one| !one.text.contains("knows no such"));
        assert!(is_known, "{directive}: {said:?}");
        let is_noted = NOTES.iter().any(|(name, ..)| *name == directive);
        let is_bridge = super::notes::is_of_bridge(directive);
        assert!(
            !(is_noted || is_bridge) || said.is_some(),
            "{directive} is passed over"
        );
    }
    assert!(count > 140, "{count} directives");
}

#[test]
fn notes_are_there_once_and_say_why() {
    let mut names: Vec<_> = NOTES.iter().map(|(name, ..)| *name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(NOTES.iter().all(|(.., text)| text.len() > 10));
    assert!(NOTES.iter().any(|(_, class, _)| *class == Class::Refused));
}
