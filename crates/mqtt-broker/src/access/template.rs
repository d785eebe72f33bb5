//! Texts with placeholders for what a client says of itself: `${clientid}` and the like.

use crate::authenticate::ConnectRequest;
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    ClientId,
    Username,
    Password,
    PeerHost,
    Listener,
    CertCommonName,
    CertSubject,
}

impl Field {
    const NAMES: [(&str, Self); 8] = [
        ("clientid", Self::ClientId),
        ("username", Self::Username),
        ("password", Self::Password),
        ("peerhost", Self::PeerHost),
        ("ipaddress", Self::PeerHost),
        ("listener", Self::Listener),
        ("cert_common_name", Self::CertCommonName),
        ("cert_subject", Self::CertSubject),
    ];

    /// What the client has there; empty where it has nothing, none where that is no text.
    fn of(self, request: &ConnectRequest<'_>) -> Option<Zeroizing<String>> {
        let certificate = request.certificate;
        let text = match self {
            Self::ClientId => request.client_id,
            Self::Username => request.username.unwrap_or_default(),
            Self::Password => std::str::from_utf8(request.password.unwrap_or_default()).ok()?,
            Self::PeerHost => {
                return Some(Zeroizing::new(request.peer.ip().to_canonical().to_string()));
            }
            Self::Listener => request.listener,
            Self::CertCommonName => certificate
                .and_then(|one| one.common_name.as_deref())
                .unwrap_or_default(),
            Self::CertSubject => certificate.map_or("", |one| &one.subject),
        };
        Some(Zeroizing::new(text.to_owned()))
    }

    /// What the client has there; none where it has nothing.
    #[cfg(any(feature = "postgresql", feature = "redis"))]
    pub(crate) fn given(self, request: &ConnectRequest<'_>) -> Option<Zeroizing<String>> {
        self.of(request).filter(|text| !text.is_empty())
    }
}

/// A text with placeholders.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Template(Vec<Part>);

/// A part of a [`Template`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// Text, as it is.
    Text(Box<str>),
    /// A placeholder.
    Field(Field),
}

/// How what is filled in is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Notation {
    /// As it is.
    Plain,
    /// So that it is one part of an address.
    #[cfg_attr(
        not(feature = "http"),
        expect(dead_code, reason = "only services over HTTP have addresses")
    )]
    Percent,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// A placeholder that is not closed, or not known.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let closed = after.split_once('}');
            let (name, after) = closed.ok_or("a placeholder has no closing brace")?;
            let known = Field::NAMES.iter().find(|(known, _)| *known == name);
            let (_, field) = known.ok_or_else(|| {
                let names = Field::NAMES.map(|(name, _)| format!("${{{name}}}"));
                format!("${{{name}}} is none of {}", names.join(", "))
            })?;
            parts.push(Part::Text(before.into()));
            parts.push(Part::Field(*field));
            rest = after;
        }
        parts.push(Part::Text(rest.into()));
        Ok(Self(parts))
    }

    /// Its text and its placeholders, in their order.
    #[cfg(any(feature = "postgresql", feature = "redis"))]
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.0.iter()
    }

    /// What it is about, in its order.
    #[cfg(feature = "redis")]
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field> {
        self.parts().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Field(field) => Some(*field),
        })
    }

    /// Whether it is about this field.
    pub(crate) fn has(&self, field: Field) -> bool {
        self.0.contains(&Part::Field(field))
    }

    /// The text for this client; none when what belongs into it is no text.
    pub(crate) fn fill(
        &self,
        request: &ConnectRequest<'_>,
        notation: Notation,
    ) -> Option<Zeroizing<String>> {
        let mut filled = Zeroizing::new(String::new());
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Field(field) => {
                    let value = field.of(request)?;
                    match notation {
                        Notation::Plain => filled.push_str(&value),
                        Notation::Percent => push_percent(&mut filled, &value),
                    }
                }
            }
        }
        Some(filled)
    }
}

/// Writes a text so that it is one part of an address: RFC 3986 §2.3.
pub(crate) fn push_percent(to: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                to.push(char::from(byte));
            }
            // Writing to a `String` cannot fail.
            _ => {
                let _ = write!(to, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_codec::ProtocolVersion;

    fn request<'a>(username: Option<&'a str>, password: &'a [u8]) -> ConnectRequest<'a> {
        ConnectRequest {
            client_id: "a/b?c",
            username,
            password: Some(password),
            version: ProtocolVersion::V5,
            peer: "[::ffff:192.0.2.1]:5".parse().unwrap(),
            listener: "default",
            method: None,
            certificate: None,
        }
    }

    #[test]
    fn what_is_filled_in_stays_in_its_place() {
        let template =
            Template::parse("/${clientid}/${username}?p=${peerhost}&x=${password}").unwrap();
        let request = request(Some("${clientid}&ü"), b"1 2");
        let plain = template.fill(&request, Notation::Plain).unwrap();
        assert_eq!(*plain, "/a/b?c/${clientid}&ü?p=192.0.2.1&x=1 2");
        let percent = template.fill(&request, Notation::Percent).unwrap();
        assert_eq!(
            *percent,
            "/a%2Fb%3Fc/%24%7Bclientid%7D%26%C3%BC?p=192.0.2.1&x=1%202"
        );
        assert!(template.has(Field::Password) && !template.has(Field::Listener));
    }

    #[test]
    fn what_cannot_be_filled_in_is_said() {
        for text in ["${", "${clientid", "${x}", "a${}b"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        let template = Template::parse("${username}${cert_common_name}${password}").unwrap();
        assert!(
            template
                .fill(&request(None, b"\xff"), Notation::Plain)
                .is_none()
        );
        let filled = template.fill(&request(None, b""), Notation::Plain);
        assert_eq!(*filled.unwrap(), "");
    }
}
