//! Keys of listeners that go together, or not.

use super::*;

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
