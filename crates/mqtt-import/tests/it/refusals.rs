//! What must not be ignored is refused, by its line.

use crate::conversion::NoSurroundings;
use mqtt_import::{Class, MosquittoOptions, emqx_conf, mosquitto_conf};

fn class_of(conf: &str, directive: &str) -> Option<Class> {
    let found = mosquitto_conf(
        "m.conf",
        conf,
        &MosquittoOptions::default(),
        &NoSurroundings,
    );
    let remark = found
        .imported
        .remarks
        .into_iter()
        .find(|one| one.directive == directive)?;
    Some(remark.class)
}

#[test]
fn lines_of_mosquitto_that_restrict_somebody_are_refused() {
    for line in [
        "auth_plugin /usr/lib/auth.so",
        "plugin /usr/lib/mosquitto_dynamic_security.so",
        "global_plugin /usr/lib/x.so",
        "plugin_load x /usr/lib/x.so",
        "psk_file /etc/psk",
        "psk_hint hint",
        "clientid_prefixes secure-",
        "mount_point customer/",
        "bind_interface eth0",
        "use_username_as_clientid true",
        "proxy_protocol_v2_require_tls true",
        "require_certificate true",
        "use_identity_as_username true",
        "tls_engine pkcs11",
        "certfile only-half.pem",
        "no_such_directive 1",
        "max_connections many",
        "allow_anonymous perhaps",
    ] {
        let conf = format!("listener 1883\nallow_anonymous true\n{line}\n");
        let directive = line.split(' ').next().unwrap();
        assert_eq!(class_of(&conf, directive), Some(Class::Refused), "{line}");
    }
}

#[test]
fn a_listener_that_nobody_may_use_is_refused_and_not_opened_to_all() {
    for conf in [
        "listener 1883\n",
        "listener 1883 127.0.0.1\n",
        "listener 1883\nallow_anonymous false\n",
        "per_listener_settings true\nlistener 1883\nallow_anonymous true\nlistener 1884\n",
    ] {
        assert_eq!(
            class_of(conf, "allow_anonymous"),
            Some(Class::Refused),
            "{conf}"
        );
    }
}

#[test]
fn two_rules_files_are_refused() {
    let conf = "per_listener_settings true\n\
        listener 1883\nallow_anonymous true\nacl_file a\n\
        listener 1884\nallow_anonymous true\nacl_file b\n";
    assert_eq!(class_of(conf, "acl_file"), Some(Class::Refused));
}

#[test]
fn a_certificate_that_cannot_be_verified_is_refused() {
    let conf = "listener 8883\nallow_anonymous true\ncertfile c\nkeyfile k\ncapath /etc/ssl\nrequire_certificate true\n";
    assert_eq!(class_of(conf, "require_certificate"), Some(Class::Refused));
}

#[test]
fn keys_of_emqx_that_restrict_somebody_are_refused() {
    for (text, directive) in [
        (
            "listeners.tcp.a.mountpoint = \"x/\"",
            "listeners.tcp.a.mountpoint",
        ),
        (
            "listeners.ssl.a.ssl_options.enable_crl_check = true",
            "listeners.ssl.a.ssl_options.enable_crl_check",
        ),
        (
            "mqtt.use_username_as_clientid = true",
            "mqtt.use_username_as_clientid",
        ),
        (
            "mqtt.peer_cert_as_username = md5",
            "mqtt.peer_cert_as_username",
        ),
        (
            "psk_authentication.enable = true",
            "psk_authentication.enable",
        ),
        ("exhook.servers = [{name = a}]", "exhook.servers"),
        (
            "authentication = [{mechanism = password_based, backend = ldap}]",
            "authentication: password_based ldap",
        ),
        (
            "authorization.sources = [{type = mongodb}]",
            "authorization.sources: mongodb",
        ),
        ("include \"other.conf\"", "include"),
        ("a = ${no.such}", "${no.such}"),
        ("listeners.tcp.a {", "HOCON"),
    ] {
        let found = emqx_conf("emqx.conf", text, None);
        let remark = found.remarks.iter().find(|one| one.directive == directive);
        let remark = remark.unwrap_or_else(|| panic!("{text}: {:?}", found.remarks));
        assert_eq!(remark.class, Class::Refused, "{text}");
        assert!(remark.line > 0, "{text}");
    }
    // What is switched off restricts nobody.
    for text in [
        "listeners.tcp.a.mountpoint = \"\"",
        "listeners.ssl.a.ssl_options.enable_crl_check = false",
        "mqtt.use_username_as_clientid = false",
        "psk_authentication.enable = false",
        "authentication = [{mechanism = password_based, backend = ldap, enable = false}]",
    ] {
        let found = emqx_conf("emqx.conf", text, None);
        assert_eq!(found.refused().count(), 0, "{text}: {:?}", found.remarks);
    }
}
