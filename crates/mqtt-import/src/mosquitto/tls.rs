//! From settings to TOML: what a listener says about TLS.

use super::emit::{Emission, Named};
use super::lines::At;
use super::settings::Set;
use crate::remark::Class;
use crate::toml_text::{list, quoted};

impl Emission<'_> {
    pub(super) fn tls(&mut self, named: &Named<'_>) {
        let listener = named.listener;
        if !listener.is_tls() {
            return self.half_tls(named);
        }
        let table = format!("{}.ssl_options", named.header);
        for (key, set) in [
            ("certfile", &listener.certfile),
            ("keyfile", &listener.keyfile),
            ("cacertfile", &listener.cafile),
            ("crlfile", &listener.crlfile),
        ] {
            if let Some(Set { value, at }) = set {
                self.set(&table, key, &quoted(value), *at);
            }
        }
        let required = listener
            .require_certificate
            .as_ref()
            .filter(|set| set.value);
        let required = required.map(|set| set.at);
        let username = listener.certificate_username();
        if let Some((at, what)) = username {
            self.set(&named.header, "peer_cert_as_username", &quoted(what), at);
            if required.is_none() {
                let text =
                    "it needs a certificate, so one is required, as by `require_certificate`";
                self.say(at, "use_identity_as_username", Class::Differs, text);
            }
        }
        match required.or(username.map(|(at, _)| at)) {
            Some(at) => {
                self.set(&table, "verify", "\"verify_peer\"", at);
                self.set(&table, "fail_if_no_peer_cert", "true", at);
                if listener.cafile.is_none() {
                    let text = "authorities are read from a `cafile` only, and there is none: \
                        put the certificates of `capath` into one";
                    self.say(at, "require_certificate", Class::Refused, text);
                }
            }
            None => self.set(&table, "verify", "\"verify_none\"", At::default()),
        }
        if let Some(capath) = &listener.capath
            && listener.cafile.is_some()
        {
            let text = "authorities are read from `cafile` only: fewer certificates are accepted";
            self.say(capath.at, "capath", Class::Differs, text);
        }
        self.versions(&table, named);
        self.ciphers(&table, named);
    }

    /// Lines about TLS where there is none: Mosquitto asks for a certificate and its key.
    fn half_tls(&mut self, named: &Named<'_>) {
        let listener = named.listener;
        let on = |set: &Option<Set<bool>>| set.as_ref().filter(|set| set.value).map(|set| set.at);
        let text = |set: &Option<Set<String>>| set.as_ref().map(|set| set.at);
        for (directive, at) in [
            ("certfile", text(&listener.certfile)),
            ("keyfile", text(&listener.keyfile)),
            ("require_certificate", on(&listener.require_certificate)),
            (
                "use_identity_as_username",
                on(&listener.use_identity_as_username),
            ),
            (
                "use_subject_as_username",
                on(&listener.use_subject_as_username),
            ),
        ] {
            if let Some(at) = at {
                let text = "the listener has not both `certfile` and `keyfile`, so there is no TLS";
                self.say(at, directive, Class::Refused, text);
            }
        }
        for (directive, at) in [
            ("cafile", text(&listener.cafile)),
            ("capath", text(&listener.capath)),
            ("crlfile", text(&listener.crlfile)),
            ("ciphers", text(&listener.ciphers)),
            ("ciphers_tls1.3", text(&listener.ciphers_tls13)),
            ("tls_version", text(&listener.tls_version)),
        ] {
            if let Some(at) = at {
                let text = "the listener has no `certfile` and `keyfile`, so there is no TLS";
                self.say(at, directive, Class::Ignored, text);
            }
        }
    }

    fn versions(&mut self, table: &str, named: &Named<'_>) {
        let Some(Set { value, at }) = &named.listener.tls_version else {
            return;
        };
        let both = list(["tlsv1.2", "tlsv1.3"]);
        match value.as_str() {
            "tlsv1.3" => self.set(table, "versions", &list(["tlsv1.3"]), *at),
            "tlsv1.2" => self.set(table, "versions", &both, *at),
            "tlsv1.1" | "tlsv1" => {
                self.set(table, "versions", &both, *at);
                let text = "TLS before 1.2 is not there, as it is not safe";
                self.say(*at, "tls_version", Class::Differs, text);
            }
            _ => self.say(
                *at,
                "tls_version",
                Class::Refused,
                "it is no version of TLS",
            ),
        }
    }

    fn ciphers(&mut self, table: &str, named: &Named<'_>) {
        let listener = named.listener;
        let mut wanted = Vec::new();
        let mut first = None;
        for (directive, set) in [
            ("ciphers_tls1.3", &listener.ciphers_tls13),
            ("ciphers", &listener.ciphers),
        ] {
            let Some(Set { value, at }) = set else {
                continue;
            };
            let known: Vec<&str> = value
                .split(':')
                .filter(|name| KNOWN.contains(name))
                .collect();
            let unknown = value
                .split(':')
                .filter(|name| !KNOWN.contains(name))
                .count();
            if unknown > 0 {
                let text = match known.is_empty() {
                    true => {
                        "none of them is there by this name: all that are there are used, and all are strong"
                    }
                    false => "some of them are not there, and left out",
                };
                self.say(*at, directive, Class::Differs, text);
            }
            if !known.is_empty() {
                first.get_or_insert(*at);
            }
            wanted.extend(known);
        }
        let Some(at) = first else {
            return;
        };
        // A list for one version leaves the other as it is.
        for (set, prefix) in [(&listener.ciphers_tls13, true), (&listener.ciphers, false)] {
            let has = wanted.iter().any(|name| name.starts_with("TLS_") == prefix);
            if set.is_none() || !has {
                wanted.extend(
                    KNOWN
                        .iter()
                        .filter(|name| name.starts_with("TLS_") == prefix),
                );
            }
        }
        self.set(table, "ciphers", &list(wanted), at);
    }
}

/// Cipher suites that are there, as OpenSSL names them; those of TLS 1.3 first.
pub(crate) const KNOWN: [&str; 9] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
];
