//! `SrvResolver`: servers of a domain, from its DNS.

mod order;

use crate::{Endpoint, EndpointError, Scheme};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use order::Offer;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

/// Servers of a domain that are taken from an answer, at most.
const OFFERS_MAX: usize = 64;

/// Asks for the servers of a domain: the SRV records `_mqtt._tcp` and `_secure-mqtt._tcp`.
///
/// Answers are kept as long as they are good. Clones share them.
#[derive(Clone)]
pub struct SrvResolver {
    resolver: TokioResolver,
}

/// Why a domain gives no servers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SrvError {
    /// A scheme without a service of its own in DNS.
    #[error("there are no SRV records for {scheme}, only for mqtt and mqtts")]
    Scheme {
        /// What was asked for.
        scheme: Scheme,
    },
    /// The system's configuration of DNS cannot be read, or has no name server.
    #[error("DNS cannot be set up: {source}")]
    Configuration {
        /// What is wrong.
        source: Box<NetError>,
    },
    /// There are no such records, or the domain says that it has no such service.
    #[error("{name} has no servers")]
    None {
        /// What was asked for.
        name: Box<str>,
    },
    /// No answer, or none that is good.
    #[error("cannot look up {name}: {source}")]
    Lookup {
        /// What was asked for.
        name: Box<str>,
        /// What went wrong.
        source: Box<NetError>,
    },
    /// A record that names no host.
    #[error("{name} has a record that names no server: {source}")]
    Target {
        /// What was asked for.
        name: Box<str>,
        /// What is wrong with the record.
        source: EndpointError,
    },
}

impl SrvError {
    /// Whether the same may go well later, with nothing changed at this end.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Lookup { .. } | Self::None { .. })
    }
}

impl SrvResolver {
    /// Asks the name servers of the system.
    ///
    /// # Errors
    /// The system's configuration cannot be read.
    pub fn system() -> Result<Self, SrvError> {
        Self::built(TokioResolver::builder_tokio())
    }

    /// Asks these name servers, by UDP and TCP.
    ///
    /// # Errors
    /// There are none.
    pub fn with_name_servers(
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Self, SrvError> {
        let servers = addresses.into_iter().map(|address| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut connections {
                connection.port = address.port();
            }
            NameServerConfig::new(address.ip(), true, connections)
        });
        let servers = servers.collect::<Vec<_>>();
        if servers.is_empty() {
            return Err(SrvError::Configuration {
                source: Box::new(NetError::NoConnections),
            });
        }
        let config = ResolverConfig::from_name_servers(servers);
        let runtime = TokioRuntimeProvider::default();
        Self::built(Ok(TokioResolver::builder_with_config(config, runtime)))
    }

    /// The servers of `domain` for [`Scheme::Mqtt`] or [`Scheme::Mqtts`], in the order they are to be tried in.
    ///
    /// Among those of one priority it is drawn anew on each call, by their weights: ask for each attempt. The server's
    /// certificate has to be for the name in the record, so the answer is as trustworthy as the way it came.
    ///
    /// # Errors
    /// There are none, or no answer came.
    pub async fn lookup(&self, domain: &str, scheme: Scheme) -> Result<Vec<Endpoint>, SrvError> {
        let service = match scheme {
            Scheme::Mqtt => "_mqtt._tcp",
            Scheme::Mqtts => "_secure-mqtt._tcp",
            _ => return Err(SrvError::Scheme { scheme }),
        };
        // With its dot at the end the name is not tried within the system's own domain.
        let name: Box<str> = format!("{service}.{}.", domain.trim_end_matches('.')).into();
        let answer = match self.resolver.srv_lookup(&*name).await {
            Ok(answer) => answer,
            Err(error) if error.is_no_records_found() => return Err(SrvError::None { name }),
            Err(source) => {
                let source = Box::new(source);
                return Err(SrvError::Lookup { name, source });
            }
        };
        let offers = answer.answers().iter().filter_map(|record| {
            let RData::SRV(srv) = &record.data else {
                return None;
            };
            // A dot alone says that there is no such service.
            (!srv.target.is_root()).then(|| Offer {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                host: srv.target.to_ascii().trim_end_matches('.').into(),
            })
        });
        let offers: Vec<_> = offers.take(OFFERS_MAX).collect();
        if offers.is_empty() {
            return Err(SrvError::None { name });
        }
        let ordered = order::ordered(offers, || RandomState::new().hash_one(0));
        let endpoints = ordered.iter().map(|offer| {
            Endpoint::new(scheme, &offer.host, Some(offer.port)).map_err(|source| {
                SrvError::Target {
                    name: name.clone(),
                    source,
                }
            })
        });
        endpoints.collect()
    }

    fn built(
        builder: Result<ResolverBuilder<TokioRuntimeProvider>, NetError>,
    ) -> Result<Self, SrvError> {
        let built = builder.and_then(ResolverBuilder::build);
        let resolver = built.map_err(|source| SrvError::Configuration {
            source: Box::new(source),
        })?;
        Ok(Self { resolver })
    }
}

impl fmt::Debug for SrvResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SrvResolver")
    }
}
