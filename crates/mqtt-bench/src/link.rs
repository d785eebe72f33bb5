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
use crate::websocket::Frames;

/// Bytes of plaintext that one call hands to TLS, at most.
const TLS_WRITE_MAX: usize = 256 * 1024;
/// What a client of WebSocket begins with; the first frames follow at once.
const UPGRADE: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

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

impl Link {
    /// A client's, over a connection that may still be under way.
    pub(crate) fn client(tcp: TcpStream, transport: Transport) -> Result<Self, BenchError> {
        Self::planned(tcp, &LinkPlan::of(transport)?)
    }

    /// The same with what is over it.
    pub(crate) fn planned(tcp: TcpStream, plan: &LinkPlan) -> Result<Self, BenchError> {
        let frames = plan.upgrade.as_deref().map(Frames::beginning_with);
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
            Over::Ws(frames) => frames.has_pending(),
            Over::Wss(both) => both.0.wants_write() || both.1.has_pending(),
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
            Over::Ws(frames) => {
                let tcp = &mut self.tcp;
                let read = read_frames(frames, buffer, |_, space| tcp.read(space));
                // A PING is answered where nothing else came, too.
                push_frames(frames, tcp)?;
                read
            }
            Over::Wss(both) => {
                let (tls, frames) = &mut **both;
                let tcp = &mut self.tcp;
                let read = read_frames(frames, buffer, |frames, space| {
                    let len = read_tls(tls, tcp, space)?;
                    // The request waits until TLS is there.
                    push_wss(tls, frames, tcp)?;
                    Ok(len)
                });
                push_wss(tls, frames, tcp)?;
                read
            }
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
                push_frames(frames, &mut self.tcp)?;
                if frames.has_pending() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let len = frames.take(slices);
                push_frames(frames, &mut self.tcp)?;
                Ok(len)
            }
            Over::Wss(both) => {
                let (tls, frames) = &mut **both;
                push_wss(tls, frames, &mut self.tcp)?;
                if tls.wants_write() || frames.has_pending() {
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
            Over::Ws(frames) => push_frames(frames, &mut self.tcp),
            Over::Wss(both) => push_wss(&mut both.0, &mut both.1, &mut self.tcp),
        }
    }

    /// Ends what is over TCP, as far as the system takes that; nothing may be written behind it.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match &mut self.over {
            Over::Nothing => {}
            Over::Tls(tls) => tls.send_close_notify(),
            Over::Ws(frames) => frames.close(),
            Over::Wss(both) => {
                both.1.close();
                push_wss(&mut both.0, &mut both.1, &mut self.tcp)?;
                both.0.send_close_notify();
            }
        }
        self.push_pending()
    }
}

/// The payloads of what `read` gives; less than fits only if there is no more.
fn read_frames(
    frames: &mut Frames,
    buffer: &mut [u8],
    mut read: impl FnMut(&mut Frames, &mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        let space = buffer.get_mut(filled..).unwrap_or_default();
        if space.is_empty() || frames.is_closed() {
            return Ok(filled);
        }
        let len = match read(frames, space) {
            Ok(0) => return Ok(filled),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && filled > 0 => {
                return Ok(filled);
            }
            Err(error) => return Err(error),
        };
        // On Linux a short read means that there is no more.
        let is_short = cfg!(target_os = "linux") && len < space.len();
        filled += frames.strip(space.get_mut(..len).unwrap_or_default())?;
        if is_short && filled > 0 {
            return Ok(filled);
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
    while !tls.is_handshaking() && !tls.wants_write() && frames.has_pending() {
        let pending = frames.pending();
        tls.writer().write_all(pending)?;
        pending.clear();
        push_tls(tls, tcp)?;
    }
    Ok(())
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

fn push_frames(frames: &mut Frames, tcp: &mut TcpStream) -> io::Result<()> {
    while frames.has_pending() {
        let pending = frames.pending();
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
