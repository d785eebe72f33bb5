//! `Listener`: where Network Connections come in.

use crate::Stream;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use tokio::net::TcpListener;

/// Connections the system holds for us before we accept them; it may hold fewer.
const BACKLOG: i32 = 4096;

/// A listening TCP socket.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
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
        Ok(Self {
            tcp: TcpListener::from_std(socket.into())?,
        })
    }

    /// The address in force, with the port the system chose.
    ///
    /// # Errors
    /// What the system reports.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// The next connection and the address it came from.
    ///
    /// # Errors
    /// What the system reports, such as too many open files; the listener stays usable.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, SocketAddr)>> {
        let (tcp, addr) = ready!(self.tcp.poll_accept(cx))?;
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
