//! From settings to TOML: who is let in, and what they may do.

use super::emit::{Emission, Named};
use super::lines::At;
use super::settings::{Listener, Set};
use crate::remark::Class;
use crate::toml_text::{list, quoted};
use std::collections::BTreeMap;

/// Who is let in at a listener.
struct Admission<'a> {
    /// Clients without a user name are.
    is_anonymous: bool,
    /// The line that says so, or says that they are not.
    at: Option<At>,
    password_file: Option<&'a Set<String>>,
    /// A client certificate is enough: the line that says so, and what of it is the user name.
    by_certificate: Option<(At, &'static str)>,
    acl_file: Option<&'a Set<String>>,
}

impl<'a> Emission<'a> {
    pub(super) fn access(&mut self, listeners: &[Named<'a>]) {
        let all: Vec<Admission<'a>> = listeners
            .iter()
            .map(|one| self.admission(one.listener))
            .collect();
        self.who_is_let_in(listeners, &all);
        self.what_they_may_do(listeners, &all);
    }

    fn admission(&self, listener: &'a Listener) -> Admission<'a> {
        let settings = self.settings;
        let security = settings.security_of(listener);
        let own = listener.listener_allow_anonymous.as_ref();
        let said = own.or(security.allow_anonymous.as_ref());
        let by_certificate = listener
            .certificate_username()
            .filter(|_| listener.is_tls());
        Admission {
            is_anonymous: said.map_or(settings.is_local_only, |set| set.value),
            at: said.map(|set| set.at),
            password_file: security
                .password_file
                .as_ref()
                .filter(|_| by_certificate.is_none()),
            by_certificate,
            acl_file: security.acl_file.as_ref(),
        }
    }

    fn who_is_let_in(&mut self, listeners: &[Named<'a>], all: &[Admission<'a>]) {
        // Each password file once, by the name of its authenticator.
        let mut names: BTreeMap<&str, String> = BTreeMap::new();
        for file in all.iter().filter_map(|one| one.password_file) {
            let count = names.len();
            let name = match count {
                0 => "users".to_owned(),
                count => format!("users-{}", count + 1),
            };
            names.entry(&file.value).or_insert(name);
        }
        let mut written = Vec::new();
        for file in all.iter().filter_map(|one| one.password_file) {
            let Some(name) = names
                .get(file.value.as_str())
                .filter(|name| !written.contains(*name))
            else {
                continue;
            };
            written.push(name.clone());
            let source = self.source(file.at);
            self.toml.push("authentication");
            self.toml.set_last("name", &quoted(name), "");
            self.toml.set_last("mechanism", "\"password_based\"", "");
            self.toml.set_last("backend", "\"file\"", "");
            self.toml.set_last("path", &quoted(&file.value), &source);
        }
        for field in ["cn", "dn"] {
            let by_field = |one: &Admission<'_>| one.by_certificate.filter(|(_, of)| *of == field);
            if let Some((at, _)) = all.iter().find_map(by_field) {
                let source = self.source(at);
                self.toml.push("authentication");
                self.toml
                    .set_last("name", &quoted(certificate_name(field)), "");
                self.toml.set_last("mechanism", "\"certificate\"", &source);
                self.toml.set_last("username", &quoted(field), "");
            }
        }
        let asks_somewhere = all.iter().any(Admission::asks);
        let agree = |same: &dyn Fn(&Admission<'_>, &Admission<'_>) -> bool| {
            let mut rest = all.iter().skip(1);
            all.first()
                .is_none_or(|first| rest.all(|other| same(first, other)))
        };
        let asked_alike = agree(&|one, other| one.asked(&names) == other.asked(&names));
        let open_alike = agree(&|one, other| one.is_anonymous == other.is_anonymous);
        for (named, admission) in listeners.iter().zip(all) {
            if !admission.asks() && !admission.is_anonymous {
                let at = admission.at.unwrap_or(named.listener.at);
                let text = "nobody could connect here: name a `password_file`, or say `allow_anonymous true`";
                self.say(at, "allow_anonymous", Class::Refused, text);
            }
            let at = admission.at.unwrap_or_default();
            if !open_alike && admission.is_anonymous {
                self.set(&named.header, "allow_anonymous", "true", at);
            }
            match admission.asked(&names) {
                None if asks_somewhere => self.set(&named.header, "enable_authn", "false", at),
                Some(name) if !asked_alike => {
                    let names = list([name]);
                    self.set(&named.header, "authenticators", &names, At::default());
                }
                _ => {}
            }
        }
        // On the loopback nobody need say so where nobody is asked.
        let is_needed = asks_somewhere || !self.settings.is_local_only;
        if let Some(first) = all
            .first()
            .filter(|one| one.is_anonymous && open_alike && is_needed)
        {
            self.set("", "allow_anonymous", "true", first.at.unwrap_or_default());
        }
    }

    fn what_they_may_do(&mut self, listeners: &[Named<'a>], all: &[Admission<'a>]) {
        let mut files = all.iter().filter_map(|one| one.acl_file);
        let Some(first) = files.next() else {
            return;
        };
        if let Some(other) = files.find(|file| file.value != first.value) {
            let text = "rules hold for all listeners, and another listener has other ones: \
                put them into one file with the condition `listener`";
            self.say(other.at, "acl_file", Class::Refused, text);
        }
        self.toml.set(
            "authorization",
            "no_match",
            "\"deny\"",
            "as soon as there is an `acl_file`",
        );
        let free = listeners
            .iter()
            .zip(all)
            .filter(|(_, one)| one.acl_file.is_none());
        let free: Vec<&str> = free.map(|(named, _)| named.id.as_str()).collect();
        if !free.is_empty() {
            self.toml.push("authorization.rules");
            self.toml
                .set_last("permission", "\"allow\"", "no `acl_file` there");
            self.toml.set_last("listener", &list(free), "");
        }
        let source = self.source(first.at);
        self.toml.push("authorization.sources");
        self.toml.set_last("type", "\"file\"", "");
        self.toml.set_last("path", &quoted(&first.value), &source);
        self.toml.set_last("format", "\"mosquitto\"", "");
    }
}

impl Admission<'_> {
    /// Whether anybody is asked who clients are.
    const fn asks(&self) -> bool {
        self.password_file.is_some() || self.by_certificate.is_some()
    }

    /// Who is asked.
    fn asked<'a>(&self, names: &'a BTreeMap<&str, String>) -> Option<&'a str> {
        match (self.by_certificate, self.password_file) {
            (Some((_, field)), _) => Some(certificate_name(field)),
            (None, Some(file)) => names.get(file.value.as_str()).map(String::as_str),
            (None, None) => None,
        }
    }
}

/// What the authenticator is called that takes this of a certificate for the user name.
fn certificate_name(field: &str) -> &'static str {
    match field {
        "cn" => "certificate",
        _ => "certificate-dn",
    }
}
