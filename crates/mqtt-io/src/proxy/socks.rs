//! SOCKS5, RFC 1928 and 1929.

use super::ProxyError;
use crate::Endpoint;
use std::io;
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;
use tokio_socks::{Error, IntoTargetAddr};

/// Asks for a name, which the proxy looks up.
pub(super) async fn tunnel_to_name(
    tcp: TcpStream,
    proxy: &Endpoint,
    endpoint: &Endpoint,
) -> Result<TcpStream, ProxyError> {
    tunnel(tcp, proxy, (endpoint.host(), endpoint.port()))
        .await
        .map_err(|error| explain(error, endpoint))
}

/// Asks for the first address of a name.
pub(super) async fn tunnel_to_address(
    tcp: TcpStream,
    proxy: &Endpoint,
    endpoint: &Endpoint,
) -> Result<TcpStream, ProxyError> {
    let resolved = tokio::net::lookup_host((endpoint.host(), endpoint.port())).await;
    let first = resolved.and_then(|mut addresses| {
        let none = || io::Error::new(io::ErrorKind::NotFound, "no address");
        addresses.next().ok_or_else(none)
    });
    let address = first.map_err(|source| ProxyError::Resolve {
        host: endpoint.host().into(),
        source,
    })?;
    tunnel(tcp, proxy, address)
        .await
        .map_err(|error| explain(error, endpoint))
}

async fn tunnel(
    tcp: TcpStream,
    proxy: &Endpoint,
    target: impl IntoTargetAddr<'_>,
) -> Result<TcpStream, Error> {
    let tunnel = match proxy.username() {
        None => Socks5Stream::connect_with_socket(tcp, target).await?,
        Some(username) => {
            // The library takes text; a password that is none cannot be sent unchanged.
            let password = std::str::from_utf8(proxy.password().unwrap_or_default())
                .map_err(|_| Error::InvalidAuthValues("the password is not UTF-8"))?;
            Socks5Stream::connect_with_password_and_socket(tcp, target, username, password).await?
        }
    };
    Ok(tunnel.into_inner())
}

fn explain(error: Error, endpoint: &Endpoint) -> ProxyError {
    let is_retryable = match &error {
        Error::Io(_) => {
            let Error::Io(error) = error else {
                return ProxyError::Ended;
            };
            return error.into();
        }
        Error::NoAcceptableAuthMethods
        | Error::UnknownAuthMethod
        | Error::InvalidAuthValues(_)
        | Error::PasswordAuthFailure(_)
        | Error::AuthorizationRequired => return ProxyError::Credentials,
        Error::GeneralSocksServerFailure
        | Error::NetworkUnreachable
        | Error::HostUnreachable
        | Error::ConnectionRefused
        | Error::TtlExpired => true,
        Error::ConnectionNotAllowedByRuleset
        | Error::CommandNotSupported
        | Error::AddressTypeNotSupported
        | Error::InvalidTargetAddress(_) => false,
        other => {
            return ProxyError::Protocol {
                protocol: "SOCKS5",
                problem: other.to_string().into(),
            };
        }
    };
    ProxyError::Refused {
        target: endpoint.authority().into(),
        reason: error.to_string().into(),
        is_retryable,
    }
}
