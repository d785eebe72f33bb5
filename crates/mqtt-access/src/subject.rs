//! Who asks for something.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Who asks, as far as rules want to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// The Client Identifier.
    pub client_id: &'a str,
    /// The User Name; none for an anonymous client.
    pub username: Option<&'a str>,
    /// The Common Name of the client's certificate, if it showed one.
    pub cert_common_name: Option<&'a str>,
    /// Where the client comes from, if that is known.
    pub address: Option<IpAddr>,
    /// The name of the listener it came through, with its kind in front where there are several kinds: `tcp:default`.
    pub listener: Option<&'a str>,
    /// What authentication knows about it besides.
    pub attributes: Option<&'a BTreeMap<Box<str>, Box<str>>>,
}

impl<'a> Subject<'a> {
    /// One of its attributes.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes?.get(name).map(|value| &**value)
    }
}
