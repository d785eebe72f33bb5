//! `TcpOptions`: what a socket is told before it connects.

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpSocket;

/// What a socket is told before it connects.
///
/// ```
/// use mqtt_io::TcpOptions;
/// use std::time::Duration;
///
/// let options = TcpOptions::new()
///     .keepalive(Duration::from_secs(60), Duration::from_secs(10), 3)
///     .bind("192.0.2.7".parse()?);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct TcpOptions {
    nodelay: bool,
    keepalive: Option<Keepalive>,
    bind: Option<IpAddr>,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    device: Option<Box<str>>,
    send_buffer_len: Option<usize>,
    receive_buffer_len: Option<usize>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Keepalive {
    idle: Duration,
    interval: Duration,
    probes: u32,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl TcpOptions {
    /// TCP_NODELAY, and otherwise what the system does.
    pub const fn new() -> Self {
        Self {
            nodelay: true,
            keepalive: None,
            bind: None,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            device: None,
            send_buffer_len: None,
            receive_buffer_len: None,
        }
    }

    /// Sets whether a packet leaves at once (TCP_NODELAY, as when not set) or may wait for one before to arrive.
    pub const fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Has the system probe a silent connection: after `idle`, then each `interval`, `probes` times in vain.
    ///
    /// MQTT's own Keep Alive does the same end to end; this one also works while that is off. Whole seconds; the last
    /// two have no effect where the system has no such setting.
    pub const fn keepalive(mut self, idle: Duration, interval: Duration, probes: u32) -> Self {
        self.keepalive = Some(Keepalive {
            idle,
            interval,
            probes,
        });
        self
    }

    /// Connects from this address of the machine; addresses of the other family are not tried then.
    pub const fn bind(mut self, address: IpAddr) -> Self {
        self.bind = Some(address);
        self
    }

    /// Connects through this network interface.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn bind_device(mut self, name: &str) -> Self {
        self.device = Some(name.into());
        self
    }

    /// Sets the system's buffer for what is sent, in bytes; the system may take it as a hint.
    pub const fn send_buffer_len(mut self, bytes: usize) -> Self {
        self.send_buffer_len = Some(bytes);
        self
    }

    /// Sets the system's buffer for what has come, in bytes; the system may take it as a hint.
    pub const fn receive_buffer_len(mut self, bytes: usize) -> Self {
        self.receive_buffer_len = Some(bytes);
        self
    }

    /// A socket with these options that can connect to `address`.
    pub(super) fn socket(&self, address: SocketAddr) -> io::Result<TcpSocket> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(self.nodelay)?;
        self.apply_before_connecting(&SockRef::from(&socket))?;
        if let Some(local) = self.bind {
            if local.is_ipv6() != address.is_ipv6() {
                let message = format!("{local}, which this connects from, is of the other family");
                return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, message));
            }
            socket
                .bind(&SocketAddr::new(local, 0).into())
                .map_err(|error| {
                    io::Error::new(error.kind(), format!("cannot use address {local}: {error}"))
                })?;
        }
        Ok(TcpSocket::from_std_stream(socket.into()))
    }

    fn apply_before_connecting(&self, socket: &SockRef<'_>) -> io::Result<()> {
        if let Some(keepalive) = &self.keepalive {
            let settings = TcpKeepalive::new().with_time(keepalive.idle);
            #[cfg(any(unix, windows))]
            let settings = settings.with_interval(keepalive.interval);
            #[cfg(unix)]
            let settings = settings.with_retries(keepalive.probes);
            socket.set_tcp_keepalive(&settings)?;
        }
        if let Some(bytes) = self.send_buffer_len {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.receive_buffer_len {
            socket.set_recv_buffer_size(bytes)?;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(device) = &self.device {
            socket
                .bind_device(Some(device.as_bytes()))
                .map_err(|error| {
                    io::Error::new(
                        error.kind(),
                        format!("cannot use interface {device}: {error}"),
                    )
                })?;
        }
        Ok(())
    }
}
