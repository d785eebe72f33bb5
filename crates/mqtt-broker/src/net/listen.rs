//! Binds the addresses of a configuration.

use super::accept::{Bound, Ear};
use super::entrance::Entrance;
use crate::broker::StartError;
use crate::config::{Bind, Config, ListenerKind};
use mqtt_io::{Listener, QuicError, QuicListener};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Binds every address asked for; an optional one that the machine does not have is left out.
pub(crate) fn listen(config: &Config) -> Result<Vec<Bound>, StartError> {
    let mut listeners = Vec::new();
    for (name, settings) in &config.listeners {
        let entrance = Arc::new(Entrance::new(name, settings, config)?);
        if let Bind::Path(path) = &settings.bind {
            let ear = Ear::Streams(listen_unix(path, settings.mode)?);
            listeners.push(Bound { ear, entrance });
            continue;
        }
        for address in settings.bind.addresses() {
            match listen_on(address.addr, &entrance) {
                Ok(ear) => listeners.push(Bound {
                    ear,
                    entrance: Arc::clone(&entrance),
                }),
                Err(error) if !address.required && is_absent(&error) => {
                    tracing::debug!(addr = %address.addr, %error, "address left out");
                }
                Err(source) => {
                    return Err(StartError::Listen {
                        addr: address.addr,
                        source,
                    });
                }
            }
        }
    }
    Ok(listeners)
}

/// By UDP for QUIC, else by TCP.
fn listen_on(addr: SocketAddr, entrance: &Entrance) -> io::Result<Ear> {
    let tls = entrance
        .tls
        .as_ref()
        .filter(|_| entrance.kind == ListenerKind::Quic);
    let Some(tls) = tls else {
        return Listener::bind(addr).map(Ear::Streams);
    };
    let tls = tls.acceptor().config().as_ref().clone();
    match QuicListener::bind(addr, tls) {
        Ok(listener) => Ok(Ear::Quic(listener)),
        Err(QuicError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidInput, error)),
    }
}

fn listen_unix(path: &Path, mode: u32) -> Result<Listener, StartError> {
    #[cfg(unix)]
    let bound = Listener::bind_unix(path, mode);
    #[cfg(not(unix))]
    let bound = {
        let _ = mode;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    };
    bound.map_err(|source| StartError::ListenUnix {
        path: path.to_owned(),
        source,
    })
}

/// Whether the machine has no such address or no such address family.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    )
}
