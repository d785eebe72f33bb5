//! The few packets that crowd and pair need.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// A password that all have; each user is checked all the same.
pub(super) const PASSWORD: &str = "a password as good as any";

/// How long a client waits before it tries again, when the broker is busy.
pub(super) const RETRY: Duration = Duration::from_millis(200);

/// Why a client is not in.
pub(super) enum Refused {
    /// Busy, or the connection was closed.
    ForNow,
    /// For good.
    For(String),
}

/// A connection that has sent its CONNECT, of the user with this number.
pub(super) fn begin(address: SocketAddr, nth: usize) -> Result<TcpStream, Refused> {
    let passing = |_| Refused::ForNow;
    let mut stream = TcpStream::connect(address).map_err(passing)?;
    let name = format!("u{nth}");
    // 3.1.1, Clean Session, User Name and Password.
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0xC2, 0, 0];
    for text in [name.as_str(), name.as_str(), PASSWORD] {
        let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
        body.extend(len.to_be_bytes());
        body.extend(text.as_bytes());
    }
    send(&mut stream, 0x10, &body).map_err(passing)?;
    Ok(stream)
}

/// The same connection once it is accepted.
pub(super) fn finish(mut stream: TcpStream) -> Result<TcpStream, Refused> {
    let mut answer = [0; 4];
    stream
        .read_exact(&mut answer)
        .map_err(|_| Refused::ForNow)?;
    match answer {
        [0x20, 2, _, 0] => Ok(stream),
        [0x20, 2, _, 3] => Err(Refused::ForNow),
        other => Err(Refused::For(format!("refused: {other:?}"))),
    }
}

/// Tries until it is in, as clients do; a refusal that is no passing one ends the measurement.
pub(super) fn until_in(address: SocketAddr, nth: usize) -> Result<TcpStream, String> {
    loop {
        match begin(address, nth).and_then(finish) {
            Ok(stream) => return Ok(stream),
            Err(Refused::ForNow) => thread::sleep(RETRY),
            Err(Refused::For(cause)) => return Err(format!("client {nth}: {cause}")),
        }
    }
}

/// A packet of less than 128 bytes.
pub(super) fn send(stream: &mut TcpStream, first: u8, body: &[u8]) -> std::io::Result<()> {
    let len = u8::try_from(body.len()).unwrap_or(u8::MAX);
    let mut packet = vec![first, len];
    packet.extend_from_slice(body);
    stream.write_all(&packet)
}
