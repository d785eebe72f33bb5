//! `Listener`: where Network Connections come in.

#[cfg(unix)]
mod unix;

use crate::Stream;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::path::Path;
use std::task::{Context, Poll, ready};
use tokio::net::TcpListener;

/// Connections the system holds for us before we accept them; it may hold fewer.
const BACKLOG: i32 = 4096;

/// What stands for the address of a client that has none: of this machine, with a port nobody has.
pub const LOCAL_PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A listening socket.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(unix::UnixSocket),
}

impl Listener {
    /// Listens on `addr`; port 0 lets the system choose. Must be called within a tokio runtime.
    ///
    /// An IPv6 address takes IPv6 only, so that one port can be bound for both.
    ///
    /// # Errors
    /// The address is in use, is not of this machine, or needs a privilege.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Elsewhere the option would let a second process steal the port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        // Linux hands the option down to the sockets it accepts.
        #[cfg(target_os = "linux")]
        socket.set_tcp_nodelay(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self(Kind::Tcp(TcpListener::from_std(socket.into())?)))
    }

    /// Listens on a unix socket of the file system, with the access rights `mode` (`0o660`) from its first moment on.
    /// Must be called within a tokio runtime.
    ///
    /// A socket that nobody listens on any more is replaced. When the listener is dropped the file goes, too.
    ///
    /// # Errors
    /// Somebody listens there, there is something else than a socket, or the directory does not let us.
    #[cfg(unix)]
    pub fn bind_unix(path: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
        unix::UnixSocket::bind(path.as_ref(), mode, BACKLOG).map(|unix| Self(Kind::Unix(unix)))
    }

    /// The address in force, with the port the system chose.
    ///
    /// # Errors
    /// What the system reports; [`io::ErrorKind::Unsupported`] for a unix socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Tcp(tcp) => tcp.local_addr(),
            #[cfg(unix)]
            Kind::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The next connection and the address it came from; [`LOCAL_PEER`] for a unix socket.
    ///
    /// # Errors
    /// What the system reports, such as too many open files; the listener stays usable.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, SocketAddr)>> {
        let tcp = match &self.0 {
            Kind::Tcp(tcp) => tcp,
            #[cfg(unix)]
            Kind::Unix(unix) => {
                let accepted = ready!(unix.poll_accept(cx));
                return Poll::Ready(accepted.map(|unix| (Stream::Unix(unix), LOCAL_PEER)));
            }
        };
        let (tcp, addr) = ready!(tcp.poll_accept(cx))?;
        let stream = match cfg!(target_os = "linux") {
            true => Ok(Stream::Tcp(tcp)),
            false => Stream::from_tcp(tcp),
        };
        Poll::Ready(stream.map(|stream| (stream, addr)))
    }

    /// The next connection and the address it came from.
    ///
    /// Cancel safety: a dropped call loses no connection.
    ///
    /// # Errors
    /// As [`Listener::poll_accept`].
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }
}
