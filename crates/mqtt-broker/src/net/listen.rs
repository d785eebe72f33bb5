//! Binds the addresses of a configuration.

use super::accept::{Bound, Ear};
use super::entrance::Entrance;
use crate::broker::StartError;
use crate::config::{Bind, BindAddress, Config, Listener as Settings, ListenerKind};
use mqtt_io::{Listener, QuicError, QuicListener};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One place to listen.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// An address of the network.
    Address(BindAddress),
    /// A socket of the file system.
    Path {
        /// Where.
        path: PathBuf,
        /// Who may connect: the access rights of the file.
        mode: u32,
    },
}

impl Place {
    /// Where a listener is to listen.
    pub(crate) fn all_of(settings: &Settings) -> Vec<Self> {
        match &settings.bind {
            Bind::Path(path) => vec![Self::Path {
                path: path.clone(),
                mode: settings.mode,
            }],
            bind => bind.addresses().map(Self::Address).collect(),
        }
    }

    /// Whether it is the same one, with whatever rights.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(one), Self::Address(other)) => one.addr == other.addr,
            (Self::Path { path: one, .. }, Self::Path { path: other, .. }) => one == other,
            _ => false,
        }
    }

    /// Gives a socket that is there the access rights it is to have.
    pub(crate) fn settle(&self) {
        #[cfg(unix)]
        if let Self::Path { path, mode } = self {
            use std::os::unix::fs::{FileTypeExt, PermissionsExt};
            let is_socket =
                std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
            let rights = std::fs::Permissions::from_mode(*mode);
            if is_socket && let Err(error) = std::fs::set_permissions(path, rights) {
                tracing::error!(path = %path.display(), %error, "the access rights of a socket stay as they were");
            }
        }
    }
}

/// Binds every address asked for; an optional one that the machine does not have is left out.
pub(crate) fn listen(config: &Config) -> Result<Vec<Bound>, StartError> {
    let mut listeners = Vec::new();
    for (name, settings) in &config.listeners {
        let entrance = Arc::new(Entrance::new(name, settings, config)?);
        for place in Place::all_of(settings) {
            listeners.extend(listen_at(&place, &entrance)?);
        }
    }
    Ok(listeners)
}

/// Binds one address; none where it is an optional one that the machine does not have.
pub(crate) fn listen_at(
    place: &Place,
    entrance: &Arc<Entrance>,
) -> Result<Option<Bound>, StartError> {
    let address = match place {
        Place::Address(address) => *address,
        Place::Path { path, mode } => {
            return Ok(Some(Bound {
                ear: Ear::Streams(listen_unix(path, *mode)?),
                entrance: Arc::clone(entrance),
                place: place.clone(),
            }));
        }
    };
    match listen_on(address.addr, entrance) {
        Ok(ear) => Ok(Some(Bound {
            ear,
            entrance: Arc::clone(entrance),
            place: place.clone(),
        })),
        Err(error) if !address.required && is_absent(&error) => {
            tracing::debug!(addr = %address.addr, %error, "address left out");
            Ok(None)
        }
        Err(source) => Err(StartError::Listen {
            addr: address.addr,
            source,
        }),
    }
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
