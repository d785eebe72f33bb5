//! `Link`: the non-blocking socket below a connection, with TLS or WebSocket over it where that is measured.

use std::io::{self, IoSlice, Read, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ServerConfig, ServerConnection,
    SignatureScheme,
};

use crate::arrival;
use crate::error::BenchError;

/// Bytes of plaintext that one call hands to TLS, at most.
const TLS_WRITE_MAX: usize = 256 * 1024;
/// What a client of WebSocket begins with; the first frames follow at once.
const UPGRADE: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
/// The end of a head in HTTP.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// With this mask a payload stays as it is; servers cannot tell.
const MASK: [u8; 4] = [0; 4];

/// What MQTT goes over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Transport {
    /// TCP alone.
    #[default]
    Tcp,
    /// TLS, whatever certificate the broker shows.
    Tls,
    /// WebSocket, on the path `/mqtt`.
    Ws,
}

/// A non-blocking connection with what is over it.
#[derive(Debug)]
pub(crate) struct Link {
    tcp: TcpStream,
    over: Over,
    /// How long the bytes read last had waited, where the system notes it.
    waited: Option<Duration>,
}

#[derive(Debug)]
enum Over {
    Nothing,
    Tls(Box<rustls::Connection>),
    Ws(Box<Frames>),
    Wss(Box<(rustls::Connection, Frames)>),
}

/// What a client puts over TCP.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkPlan {
    /// TLS with this server.
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// WebSocket, which begins with this request.
    pub(crate) upgrade: Option<Arc<[u8]>>,
}

impl LinkPlan {
    fn of(transport: Transport) -> Result<Self, BenchError> {
        let mut plan = Self::default();
        match transport {
            Transport::Tcp => {}
            Transport::Tls => {
                let name = ServerName::try_from("localhost").map_err(|_| tls_error("its name"))?;
                plan.tls = Some((client_config()?, name));
            }
            Transport::Ws => plan.upgrade = Some(UPGRADE.into()),
        }
        Ok(plan)
    }
}

/// Frames of a WebSocket, at the client.
#[derive(Debug, Default)]
struct Frames {
    /// How much of the end of the server's answer has come.
    head_seen: usize,
    /// The beginning of a frame that is not whole yet.
    header: Vec<u8>,
    /// Bytes of the payload under way that are still to come.
    payload_left: usize,
    /// What still has to be written: the request, and the rest of a frame.
    pending: Vec<u8>,
}

impl Link {
    /// A client's, over a connection that may still be under way.
    pub(crate) fn client(tcp: TcpStream, transport: Transport) -> Result<Self, BenchError> {
        Self::planned(tcp, &LinkPlan::of(transport)?)
    }

    /// The same with what is over it.
    pub(crate) fn planned(tcp: TcpStream, plan: &LinkPlan) -> Result<Self, BenchError> {
        let frames = plan.upgrade.as_deref().map(|upgrade| Frames {
            pending: upgrade.to_vec(),
            ..Frames::default()
        });
        let tls = match &plan.tls {
            None => None,
            Some((config, name)) => {
                let tls = ClientConnection::new(Arc::clone(config), name.clone());
                let mut tls = tls.map_err(tls_error)?;
                tls.set_buffer_limit(None);
                Some(rustls::Connection::from(tls))
            }
        };
        let over = match (tls, frames) {
            (None, None) => Over::Nothing,
            (Some(tls), None) => Over::Tls(Box::new(tls)),
            (None, Some(frames)) => Over::Ws(Box::new(frames)),
            (Some(tls), Some(frames)) => Over::Wss(Box::new((tls, frames))),
        };
        Ok(Self {
            tcp,
            over,
            waited: None,
        })
    }

    /// Whether bytes that were taken over still have to be written.
    pub(crate) fn has_pending(&self) -> bool {
        match &self.over {
            Over::Nothing => false,
            Over::Tls(tls) => tls.wants_write(),
            Over::Ws(frames) => !frames.pending.is_empty(),
            Over::Wss(both) => both.0.wants_write() || !both.1.pending.is_empty(),
        }
    }

    /// A server's; with `tls` it speaks that.
    pub(crate) fn server(
        tcp: TcpStream,
        tls: Option<&Arc<ServerConfig>>,
    ) -> Result<Self, BenchError> {
        let over = match tls {
            None => Over::Nothing,
            Some(config) => {
                let mut tls = ServerConnection::new(Arc::clone(config)).map_err(tls_error)?;
                tls.set_buffer_limit(None);
                Over::Tls(Box::new(tls.into()))
            }
        };
        Ok(Self {
            tcp,
            over,
            waited: None,
        })
    }

    /// Has the system note when bytes come, if there is nothing over TCP.
    pub(crate) fn note_arrival(&mut self) {
        if matches!(self.over, Over::Nothing) {
            arrival::note(&self.tcp);
            self.waited = Some(Duration::ZERO);
        }
    }

    /// How long the bytes read last had waited for it; zero where nobody notes that.
    pub(crate) fn waited(&self) -> Duration {
        self.waited.unwrap_or_default()
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.tcp
            .register(registry, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Reads what there is; less than fits only if there is no more.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.over {
            Over::Nothing => match &mut self.waited {
                None => self.tcp.read(buffer),
                Some(waited) => {
                    let (len, before) = arrival::read(&mut self.tcp, buffer)?;
                    *waited = before;
                    Ok(len)
                }
            },
            Over::Tls(tls) => read_tls(tls, &mut self.tcp, buffer),
            Over::Ws(frames) => loop {
                let len = self.tcp.read(buffer)?;
                let kept = frames.strip(buffer.get_mut(..len).unwrap_or_default())?;
                if kept > 0 || len == 0 {
                    return Ok(kept);
                }
            },
            Over::Wss(both) => loop {
                let (tls, frames) = &mut **both;
                let len = read_tls(tls, &mut self.tcp, buffer)?;
                // The request waits until TLS is there.
                push_wss(tls, frames, &mut self.tcp)?;
                let kept = frames.strip(buffer.get_mut(..len).unwrap_or_default())?;
                if kept > 0 || len == 0 {
                    return Ok(kept);
                }
            },
        }
    }

    /// Writes all of it, or takes it over to be written with [`Link::push_pending`]; less only where nothing is over TCP.
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.over {
            Over::Nothing => self.tcp.write_vectored(slices),
            Over::Tls(tls) => {
                push_tls(tls, &mut self.tcp)?;
                if tls.wants_write() && !tls.is_handshaking() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let mut written = 0;
                for slice in slices {
                    let room = TLS_WRITE_MAX - written;
                    let part = slice.get(..room).unwrap_or(slice);
                    written += tls.writer().write(part)?;
                }
                push_tls(tls, &mut self.tcp)?;
                Ok(written)
            }
            Over::Ws(frames) => {
                push_bytes(&mut frames.pending, &mut self.tcp)?;
                if !frames.pending.is_empty() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let len = frames.take(slices);
                push_bytes(&mut frames.pending, &mut self.tcp)?;
                Ok(len)
            }
            Over::Wss(both) => {
                let (tls, frames) = &mut **both;
                push_wss(tls, frames, &mut self.tcp)?;
                if tls.wants_write() || !frames.pending.is_empty() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let len = frames.take(slices);
                push_wss(tls, frames, &mut self.tcp)?;
                Ok(len)
            }
        }
    }

    /// Writes what was taken over, as far as the system takes it.
    pub(crate) fn push_pending(&mut self) -> io::Result<()> {
        match &mut self.over {
            Over::Nothing => Ok(()),
            Over::Tls(tls) => push_tls(tls, &mut self.tcp),
            Over::Ws(frames) => push_bytes(&mut frames.pending, &mut self.tcp),
            Over::Wss(both) => push_wss(&mut both.0, &mut both.1, &mut self.tcp),
        }
    }
}

/// Frames into TLS, as soon as it can take them, and on.
fn push_wss(
    tls: &mut rustls::Connection,
    frames: &mut Frames,
    tcp: &mut TcpStream,
) -> io::Result<()> {
    push_tls(tls, tcp)?;
    if tls.is_handshaking() || tls.wants_write() || frames.pending.is_empty() {
        return Ok(());
    }
    tls.writer().write_all(&frames.pending)?;
    frames.pending.clear();
    push_tls(tls, tcp)
}

fn read_tls(
    tls: &mut rustls::Connection,
    tcp: &mut TcpStream,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        let space = buffer.get_mut(filled..).unwrap_or_default();
        if space.is_empty() {
            return Ok(filled);
        }
        match tls.reader().read(space) {
            Ok(0) => return Ok(filled),
            Ok(len) => {
                filled += len;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(filled),
            Err(error) => return Err(error),
        }
        match tls.read_tls(tcp) {
            Ok(0) if filled > 0 => return Ok(filled),
            Ok(_) => {
                tls.process_new_packets().map_err(io::Error::other)?;
                push_tls(tls, tcp)?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && filled > 0 => {
                return Ok(filled);
            }
            Err(error) => return Err(error),
        }
    }
}

fn push_tls(tls: &mut rustls::Connection, tcp: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(tcp) {
            Ok(_) => {}
            Err(error) if is_later(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn push_bytes(pending: &mut Vec<u8>, tcp: &mut TcpStream) -> io::Result<()> {
    while !pending.is_empty() {
        match tcp.write(pending) {
            Ok(len) => drop(pending.drain(..len)),
            Err(error) if is_later(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the same may be tried when the system says so.
fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}

impl Frames {
    /// Puts one frame of all this behind what waits. How many bytes that were.
    fn take(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let len = slices.iter().map(|slice| slice.len()).sum();
        self.begin(len);
        for slice in slices {
            self.pending.extend_from_slice(slice);
        }
        len
    }

    /// Puts down the head of a frame with so many bytes.
    fn begin(&mut self, len: usize) {
        self.pending.push(0x82);
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(short @ 0..126), _) => self.pending.push(0x80 | short),
            (_, Ok(len)) => {
                self.pending.push(0x80 | 126);
                self.pending.extend(len.to_be_bytes());
            }
            _ => {
                self.pending.push(0x80 | 127);
                let len = u64::try_from(len).unwrap_or(u64::MAX);
                self.pending.extend(len.to_be_bytes());
            }
        }
        self.pending.extend(MASK);
    }

    /// Leaves in `bytes` the payloads alone, in front: how many bytes they are.
    fn strip(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let (mut at, mut kept) = (0, 0);
        while self.head_seen < HEAD_END.len() {
            let Some(byte) = bytes.get(at) else {
                return Ok(0);
            };
            self.head_seen = match HEAD_END.get(self.head_seen) == Some(byte) {
                true => self.head_seen + 1,
                false => usize::from(*byte == b'\r'),
            };
            at += 1;
        }
        while at < bytes.len() {
            if self.payload_left > 0 {
                let len = self.payload_left.min(bytes.len() - at);
                bytes.copy_within(at..at + len, kept);
                self.payload_left -= len;
                at += len;
                kept += len;
                continue;
            }
            self.header.extend(bytes.get(at).copied());
            at += 1;
            if let Some(len) = payload_len(&self.header)? {
                self.payload_left = len;
                self.header.clear();
            }
        }
        Ok(kept)
    }
}

/// What the head of a server's frame announces, when it is whole.
fn payload_len(header: &[u8]) -> io::Result<Option<usize>> {
    let (len, rest) = match header {
        [first, ..] if first & 0x0F > 2 => {
            return Err(io::Error::other("a control frame of WebSocket"));
        }
        [_, len, rest @ ..] => (*len, rest),
        _ => return Ok(None),
    };
    Ok(match len {
        126 => rest
            .first_chunk()
            .map(|bytes| u16::from_be_bytes(*bytes).into()),
        127 => {
            let len = rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
            len.map(|len| usize::try_from(len).unwrap_or(usize::MAX))
        }
        len => Some(len.into()),
    })
}

/// What a TLS server shows, from files in PEM.
pub(crate) fn server_config(
    certificate: &Path,
    key: &Path,
) -> Result<Arc<ServerConfig>, BenchError> {
    let chain = CertificateDer::pem_file_iter(certificate).map_err(tls_error)?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(tls_error)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(tls_error)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(tls_error)?;
    Ok(Arc::new(config))
}

fn client_config() -> Result<Arc<ClientConfig>, BenchError> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

pub(crate) fn tls_error(error: impl ToString) -> BenchError {
    BenchError::io("setting up TLS")(io::Error::other(error.to_string()))
}

/// Takes what a broker on the loopback interface shows.
#[derive(Debug)]
pub(crate) struct AnyCertificate(pub(crate) Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_found_wherever_a_read_ends() {
        let mut stream = b"HTTP/1.1 101 Switching Protocols\r\nx: y\r\n\r\n".to_vec();
        let mut expected = Vec::new();
        for len in [0, 5, 125, 126, 70_000] {
            let payload = vec![7; len];
            stream.push(0x82);
            match len {
                0..126 => stream.push(u8::try_from(len).unwrap()),
                126..65_536 => {
                    stream.push(126);
                    stream.extend(u16::try_from(len).unwrap().to_be_bytes());
                }
                _ => {
                    stream.push(127);
                    stream.extend(u64::try_from(len).unwrap().to_be_bytes());
                }
            }
            stream.extend(&payload);
            expected.extend(payload);
        }
        for step in [1, 2, 3, 1000, stream.len()] {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for part in stream.chunks(step) {
                let mut part = part.to_vec();
                let kept = frames.strip(&mut part).unwrap();
                found.extend_from_slice(&part[..kept]);
            }
            assert_eq!(found, expected, "{step}");
        }
    }
}
