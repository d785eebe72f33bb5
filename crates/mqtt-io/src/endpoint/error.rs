//! Why a text names no server.

use super::Scheme;

/// Why a text names no server. It never holds a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// A scheme nothing is known of.
    #[error("scheme {scheme:?} is none of mqtt, tcp, mqtts, ssl, tls, ws, wss, unix, quic")]
    Scheme {
        /// What stands before `://`.
        scheme: Box<str>,
    },
    /// No host.
    #[error("host missing")]
    HostMissing,
    /// A character no host name has.
    #[error("host {host:?} has a character no host name has: {found:?}")]
    Host {
        /// What stands where a host is expected.
        host: Box<str>,
        /// The first character that does not belong there.
        found: char,
    },
    /// A port that is no number from 1 to 65,535.
    #[error("port {port:?} is no number from 1 to 65535")]
    Port {
        /// What stands behind the host.
        port: Box<str>,
    },
    /// Something in brackets that is no IPv6 address.
    #[error("{host:?} in brackets is no IPv6 address")]
    Ipv6 {
        /// What stands in the brackets.
        host: Box<str>,
    },
    /// An IPv6 address that is not in brackets, or brackets without end.
    #[error("an IPv6 address is written in brackets, as in [::1]:1883")]
    Brackets,
    /// Something behind host and port.
    #[error("nothing may follow host and port of {scheme}, found {rest:?}")]
    Rest {
        /// The address's scheme.
        scheme: Scheme,
        /// What was found.
        rest: Box<str>,
    },
    /// A character that cannot be sent as part of an HTTP request.
    #[error("the path has {found:?} at byte {at}, which is written percent-encoded")]
    Path {
        /// The first such character.
        found: char,
        /// Its place in the path, in bytes from 0.
        at: usize,
    },
    /// No path of a unix socket.
    #[error("path of the unix socket missing")]
    PathMissing,
    /// A user name or password with a character that ends it, such as a slash.
    #[error("{found:?} in a user name or password is written %{:02X}", u32::from(*.found))]
    Unescaped {
        /// The character.
        found: char,
    },
    /// A percent sign that does not start an encoded byte.
    #[error(
        "{field} has a percent sign that no two hexadecimal digits follow; the sign itself is written %25"
    )]
    Percent {
        /// `user name` or `password`.
        field: &'static str,
    },
    /// A user name that is not UTF-8.
    #[error("the user name is not UTF-8")]
    UsernameNotUtf8,
    /// A Server Reference that would have the rest sent in the clear.
    #[error("a server reached by {from} refers to {to}, which is not encrypted")]
    Downgrade {
        /// The scheme in use.
        from: Scheme,
        /// The scheme referred to.
        to: Scheme,
    },
}
