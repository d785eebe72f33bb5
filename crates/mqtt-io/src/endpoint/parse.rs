//! Reading the text of an address.

use super::{Endpoint, EndpointError, Scheme, WS_PATH};
use std::net::Ipv6Addr;

/// What stands before the `@`.
#[derive(Default)]
struct Credentials {
    username: Option<Box<str>>,
    password: Option<Box<[u8]>>,
}

/// Reads an address; one without a scheme has `scheme_unsaid`, or else `mqtt`.
pub(super) fn endpoint(
    text: &str,
    scheme_unsaid: Option<Scheme>,
) -> Result<Endpoint, EndpointError> {
    let (scheme, rest) = match text.split_once("://") {
        None => (scheme_unsaid.unwrap_or(Scheme::Mqtt), text),
        Some((name, rest)) => {
            let scheme = Scheme::from_name(name);
            let scheme = scheme.ok_or_else(|| EndpointError::Scheme {
                scheme: name.into(),
            })?;
            (scheme, rest)
        }
    };
    if scheme == Scheme::Unix {
        return unix(rest);
    }
    server(scheme, rest)
}

/// Reads the address of what is no MQTT server, which has another port.
#[cfg(feature = "proxy")]
pub(super) fn authority(text: &str, default_port: u16) -> Result<Endpoint, EndpointError> {
    let mut endpoint = server(Scheme::Mqtt, text)?;
    let (address, _) = text.split_once('/').unwrap_or((text, ""));
    let address = address
        .rsplit_once('@')
        .map_or(address, |(_, address)| address);
    if split_port(address)?.1.is_none() {
        endpoint.port = default_port;
    }
    Ok(endpoint)
}

fn server(scheme: Scheme, rest: &str) -> Result<Endpoint, EndpointError> {
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (credentials, address) = match authority.rsplit_once('@') {
        Some((text, address)) => (credentials(text)?, address),
        None => (Credentials::default(), authority),
    };
    let (host, port) = split_port(address)?;
    let port = port.map(read_port).transpose().map_err(|error| {
        // Then what looks like a port may be half a password.
        unescaped(path).unwrap_or(error)
    })?;
    if !scheme.is_websocket() && !matches!(path, "" | "/") {
        return Err(unescaped(path).unwrap_or_else(|| EndpointError::Rest {
            scheme,
            rest: path.into(),
        }));
    }
    let mut endpoint = parts(scheme, host, port)?;
    if scheme.is_websocket() {
        endpoint.path = request_target(path)?;
    }
    endpoint.username = credentials.username;
    endpoint.password = credentials.password;
    Ok(endpoint)
}

/// An endpoint without path and credentials.
pub(super) fn parts(
    scheme: Scheme,
    host: &str,
    port: Option<u16>,
) -> Result<Endpoint, EndpointError> {
    let is_unix = scheme == Scheme::Unix;
    if is_unix && host.is_empty() {
        return Err(EndpointError::PathMissing);
    }
    let host = if is_unix {
        host.into()
    } else {
        read_host(host)?
    };
    let path = if scheme.is_websocket() { WS_PATH } else { "" };
    let port = match scheme.default_port() {
        None => 0,
        Some(_) if port == Some(0) => {
            return Err(EndpointError::Port { port: "0".into() });
        }
        Some(default) => port.unwrap_or(default),
    };
    Ok(Endpoint {
        scheme,
        host,
        port,
        path: path.into(),
        username: None,
        password: None,
    })
}

fn unix(rest: &str) -> Result<Endpoint, EndpointError> {
    // Credentials can only be told from a relative path when an absolute one follows.
    let (credentials, path) = match rest.find("@/") {
        Some(at) if !rest.get(..at).is_some_and(|before| before.contains('/')) => {
            let (text, path) = rest.split_at(at);
            (
                credentials(text)?,
                path.strip_prefix('@').unwrap_or_default(),
            )
        }
        _ => (Credentials::default(), rest),
    };
    Ok(Endpoint {
        username: credentials.username,
        password: credentials.password,
        ..parts(Scheme::Unix, path, None)?
    })
}

fn split_port(address: &str) -> Result<(&str, Option<&str>), EndpointError> {
    if let Some(bracketed) = address.strip_prefix('[') {
        let (_, behind) = bracketed.split_once(']').ok_or(EndpointError::Brackets)?;
        let host = address.strip_suffix(behind).unwrap_or(address);
        return match behind.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if behind.is_empty() => Ok((host, None)),
            None => Err(EndpointError::Brackets),
        };
    }
    match address.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(EndpointError::Brackets),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((address, None)),
    }
}

fn read_port(text: &str) -> Result<u16, EndpointError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| is_number && *port != 0);
    port.ok_or_else(|| EndpointError::Port { port: text.into() })
}

/// A host without its brackets.
fn read_host(text: &str) -> Result<Box<str>, EndpointError> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let host = bracketed.strip_suffix(']').ok_or(EndpointError::Brackets)?;
        // In a URL the sign before the zone is itself encoded.
        let host = host.replacen("%25", "%", 1);
        return match is_ipv6(&host) {
            true => Ok(host.into()),
            false => Err(EndpointError::Ipv6 { host: host.into() }),
        };
    }
    if text.is_empty() {
        return Err(EndpointError::HostMissing);
    }
    let belongs = |found: char| found.is_ascii_alphanumeric() || matches!(found, '-' | '.' | '_');
    match text.chars().find(|found| !belongs(*found)) {
        Some(_) if is_ipv6(text) => Ok(text.into()),
        Some(found) => Err(EndpointError::Host {
            host: text.into(),
            found,
        }),
        None => Ok(text.into()),
    }
}

fn is_ipv6(host: &str) -> bool {
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

/// The target of an HTTP request: path and query, with a slash in front.
pub(crate) fn request_target(path: &str) -> Result<Box<str>, EndpointError> {
    let belongs = |found: char| found.is_ascii_graphic() && !matches!(found, '#' | '"' | '<' | '>');
    if let Some((at, found)) = path.char_indices().find(|(_, found)| !belongs(*found)) {
        return Err(EndpointError::Path { found, at });
    }
    Ok(match path {
        "" => WS_PATH.into(),
        _ if path.starts_with('/') => path.into(),
        _ if path.starts_with('?') => format!("{WS_PATH}{path}").into(),
        _ => format!("/{path}").into(),
    })
}

/// Whether what looks like a path is the end of a user name or password: by an `@` in it.
fn unescaped(path: &str) -> Option<EndpointError> {
    let found = path.chars().next().filter(|_| path.contains('@'))?;
    Some(EndpointError::Unescaped { found })
}

fn credentials(text: &str) -> Result<Credentials, EndpointError> {
    let (username, password) = match text.split_once(':') {
        Some((username, password)) => (username, Some(password)),
        None => (text, None),
    };
    let username = String::from_utf8(percent_decode(username, "user name")?)
        .map_err(|_| EndpointError::UsernameNotUtf8)?;
    let password = password.map(|text| percent_decode(text, "password"));
    Ok(Credentials {
        username: Some(username.into()),
        password: password.transpose()?.map(Into::into),
    })
}

fn percent_decode(text: &str, field: &'static str) -> Result<Vec<u8>, EndpointError> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = bytes.next().and_then(hex_digit);
        let low = bytes.next().and_then(hex_digit);
        match (high, low) {
            (Some(high), Some(low)) => decoded.push(high * 16 + low),
            _ => return Err(EndpointError::Percent { field }),
        }
    }
    Ok(decoded)
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same(
            scheme in "(mqtt|tcp|mqtts|wss?|unix)", rest in "[a-z0-9:/@%?\\[\\].\u{e9} ]{0,24}",
        ) {
            if let Ok(endpoint) = Endpoint::parse(&format!("{scheme}://{rest}")) {
                let again = Endpoint::parse(&endpoint.to_string());
                prop_assert_eq!(again, Ok(endpoint.without_credentials()));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = Endpoint::parse(&text);
        }
    }

    fn parsed(text: &str) -> (Scheme, String, u16, String) {
        let endpoint = Endpoint::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (
            endpoint.scheme(),
            endpoint.host().into(),
            endpoint.port(),
            endpoint.path().into(),
        )
    }

    #[test]
    fn all_forms_of_an_address_are_read() {
        use Scheme::{Mqtt, Mqtts, Quic, Unix, Ws, Wss};
        for (text, scheme, host, port, path) in [
            (
                "mqtt://broker.example:2883",
                Mqtt,
                "broker.example",
                2883,
                "",
            ),
            ("mqtt://broker.example/", Mqtt, "broker.example", 1883, ""),
            ("MQTT://Broker.example", Mqtt, "Broker.example", 1883, ""),
            (
                "tcp://broker.emqx.io:1883",
                Mqtt,
                "broker.emqx.io",
                1883,
                "",
            ),
            ("mqtts://h", Mqtts, "h", 8883, ""),
            ("ssl://h:443", Mqtts, "h", 443, ""),
            ("tls://h", Mqtts, "h", 8883, ""),
            ("quic://h", Quic, "h", 14567, ""),
            ("ws://h", Ws, "h", 80, "/mqtt"),
            ("ws://h:8083/mqtt", Ws, "h", 8083, "/mqtt"),
            ("ws://h/", Ws, "h", 80, "/"),
            ("wss://h?a=b", Wss, "h", 443, "/mqtt?a=b"),
            ("wss://h:8084/x/y?a=b&c=@", Wss, "h", 8084, "/x/y?a=b&c=@"),
            ("unix:///run/mqtt.sock", Unix, "/run/mqtt.sock", 0, ""),
            ("unix://mqtt.sock", Unix, "mqtt.sock", 0, ""),
            ("unix://u:p@/run/a@b", Unix, "/run/a@b", 0, ""),
            ("unix:///run/a@/b", Unix, "/run/a@/b", 0, ""),
            ("localhost", Mqtt, "localhost", 1883, ""),
            ("localhost:1884", Mqtt, "localhost", 1884, ""),
            ("my_broker:1", Mqtt, "my_broker", 1, ""),
            ("mqtt://[::1]:1884", Mqtt, "::1", 1884, ""),
            ("[fe80::1]", Mqtt, "fe80::1", 1883, ""),
            ("[fe80::1%25eth0]:1", Mqtt, "fe80::1%eth0", 1, ""),
            ("mqtt://user:p%40ss@[::1]", Mqtt, "::1", 1883, ""),
            ("mqtt://user:p@ss@h", Mqtt, "h", 1883, ""),
        ] {
            let expected = (scheme, host.into(), port, path.into());
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn credentials_are_percent_decoded() {
        for text in [
            "mqtt://us%C3%A9r:a%3Ab%00@h",
            "unix://us%C3%A9r:a%3Ab%00@/s",
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(endpoint.username(), Some("usér"), "{text}");
            assert_eq!(endpoint.password(), Some(&b"a:b\0"[..]), "{text}");
        }
        let endpoint = Endpoint::parse("mqtt://user@h").unwrap();
        assert_eq!(
            (endpoint.username(), endpoint.password()),
            (Some("user"), None)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("", "host missing"),
            ("mqtt://", "host missing"),
            ("mqtt://:1883", "host missing"),
            (
                "http://h",
                "scheme \"http\" is none of mqtt, tcp, mqtts, ssl, tls, ws, wss, unix, quic",
            ),
            ("h:0", "port \"0\" is no number from 1 to 65535"),
            ("h:65536", "port \"65536\" is no number from 1 to 65535"),
            ("h:+1", "port \"+1\" is no number from 1 to 65535"),
            ("h:", "port \"\" is no number from 1 to 65535"),
            (
                "::1",
                "an IPv6 address is written in brackets, as in [::1]:1883",
            ),
            (
                "[::1",
                "an IPv6 address is written in brackets, as in [::1]:1883",
            ),
            (
                "[::1]x",
                "an IPv6 address is written in brackets, as in [::1]:1883",
            ),
            ("[h]", "\"h\" in brackets is no IPv6 address"),
            ("h x", "host \"h x\" has a character no host name has: ' '"),
            (
                "münchen",
                "host \"münchen\" has a character no host name has: 'ü'",
            ),
            (
                "h/path",
                "nothing may follow host and port of mqtt, found \"/path\"",
            ),
            (
                "ws://h/a b",
                "the path has ' ' at byte 2, which is written percent-encoded",
            ),
            ("unix://", "path of the unix socket missing"),
            (
                "u:%zz@h",
                "password has a percent sign that no two hexadecimal digits follow; the sign itself is written %25",
            ),
            ("%ff@h", "the user name is not UTF-8"),
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn no_error_and_no_print_shows_a_password() {
        for text in [
            "mqtt://u:hush/hush@h",
            "ws://u:hush#hush@h",
            "mqtts://u:hush%zz@h",
            "mqtt://u:hush?@h",
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("hush"),
                "{text}: {error:?}"
            );
        }
        for text in ["mqtt://u:hush@h", "ws://u:hush@h/x", "unix://u:hush@/s"] {
            let endpoint = Endpoint::parse(text).unwrap();
            let shown = format!("{endpoint} {endpoint:?}");
            assert!(!shown.contains("hush") && !shown.contains("u:"), "{shown}");
        }
    }

    #[test]
    fn a_server_reference_keeps_the_transport() {
        let here = Endpoint::parse("wss://u:p@a:8084/x").unwrap();
        let there = here.redirected("b c:444 [::1]:5").unwrap();
        let shown: Vec<_> = there.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["wss://b:443/x", "wss://c:444/x", "wss://[::1]:5/x"]);
        assert!(there.iter().all(|endpoint| endpoint.username().is_none()));
    }

    #[test]
    fn a_server_reference_does_not_give_up_encryption() {
        let here = Endpoint::parse("mqtts://a").unwrap();
        let downgrade = here.redirected("mqtt://b");
        assert!(matches!(downgrade, Err(EndpointError::Downgrade { .. })));
        assert!(here.redirected("mqtts://b:8884").is_ok());
        assert_eq!(here.redirected(" "), Err(EndpointError::HostMissing));
    }
}
