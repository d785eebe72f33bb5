//! Which of several certificates a client is shown.

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

use super::PeerCertificate;

/// Certificates by the names in them.
#[derive(Debug)]
pub(super) struct ByName(Vec<Named>);

#[derive(Debug)]
struct Named {
    names: Box<[Box<str>]>,
    identity: Arc<CertifiedKey>,
}

impl ByName {
    pub(super) fn new(identities: Vec<Arc<CertifiedKey>>) -> Self {
        let named = identities.into_iter().map(|identity| {
            let own = identity.end_entity_cert().ok();
            let read = own.and_then(|own| PeerCertificate::from_der(own));
            let names = read.map(|read| read.subject_alt_names).unwrap_or_default();
            Named { names, identity }
        });
        Self(named.collect())
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let usable = |named: &&Named| named.identity.key.choose_scheme(schemes).is_some();
        let named = hello.server_name().and_then(|asked| {
            let mut usable = self.0.iter().filter(usable);
            usable.find(|named| named.names.iter().any(|name| is_for(name, asked)))
        });
        let named = named.or_else(|| self.0.iter().find(usable));
        let named = named.or_else(|| self.0.first())?;
        Some(Arc::clone(&named.identity))
    }
}

/// Whether a name in a certificate, perhaps with `*` as its first label, is for the one asked for.
fn is_for(name: &str, asked: &str) -> bool {
    let asked = asked.trim_end_matches('.');
    match name.strip_prefix("*.") {
        None => name.eq_ignore_ascii_case(asked),
        Some(domain) => asked
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        for (name, asked, expected) in [
            ("broker.example", "broker.example", true),
            ("broker.example", "BROKER.example.", true),
            ("broker.example", "other.example", false),
            ("*.example", "broker.example", true),
            ("*.example", "a.broker.example", false),
            ("*.example", "example", false),
            ("*.example", ".example", false),
        ] {
            assert_eq!(is_for(name, asked), expected, "{name} {asked}");
        }
    }
}
