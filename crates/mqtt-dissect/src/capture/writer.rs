//! Writes what was heard as a capture: pcapng with the connections as TCP over IP.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};

use crate::{Side, Stream};

/// The most that goes into one segment, so that it fits an IP packet with its headers. Unit: bytes.
const SEGMENT_LEN_MAX: usize = 60_000;

/// The window that both ends say they have, scaled by nothing. Unit: bytes.
const WINDOW: u16 = u16::MAX;

/// The link of the frames: IP and nothing below it.
const LINK_RAW: u16 = 101;

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// Options of an interface: its description, and the resolution of its times.
const IF_DESCRIPTION: u16 = 3;
const IF_RESOLUTION: u16 = 9;
const OPTION_END: [u8; 4] = [0; 4];

/// The longest description. Unit: bytes.
const DESCRIPTION_LEN_MAX: usize = 1024;

/// A pcapng file that grows: connections that somebody relayed or read elsewhere, as if they had
/// been captured below TCP.
///
/// Each end's segments are numbered from 0 and acknowledged by the next of the other end. It holds
/// a few numbers for each connection that is open.
#[derive(Debug)]
pub struct CaptureWriter<W> {
    out: W,
    streams: HashMap<u64, Ends>,
}

/// What is next to be sent by both ends of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    client: u32,
    server: u32,
}

/// What a segment is besides its payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Syn,
    SynAck,
    Data,
    Fin,
}

impl<W: Write> CaptureWriter<W> {
    /// Begins a file; `description` is for people who look at its interface, and cut at 1 KiB.
    ///
    /// # Errors
    /// What `out` says.
    pub fn begin(mut out: W, description: &str) -> io::Result<Self> {
        let mut section = 0x1A2B_3C4D_u32.to_le_bytes().to_vec();
        // Version 1.0, and a section of unknown length.
        section.extend([1, 0, 0, 0]);
        section.extend([0xFF; 8]);
        block(&mut out, SECTION_HEADER, &section)?;
        let mut interface = LINK_RAW.to_le_bytes().to_vec();
        // Two reserved bytes, and no limit of the length.
        interface.extend([0; 6]);
        let mut len = description.len().min(DESCRIPTION_LEN_MAX);
        while !description.is_char_boundary(len) {
            len -= 1;
        }
        let description = description.get(..len).unwrap_or_default();
        option(&mut interface, IF_DESCRIPTION, description.as_bytes());
        // Units of 10^-9 s.
        option(&mut interface, IF_RESOLUTION, &[9]);
        interface.extend(OPTION_END);
        block(&mut out, INTERFACE_DESCRIPTION, &interface)?;
        Ok(Self {
            out,
            streams: HashMap::new(),
        })
    }

    /// Writes how a connection was opened.
    ///
    /// # Errors
    /// What the file says.
    pub fn open(&mut self, stream: &Stream, time: Duration) -> io::Result<()> {
        self.streams.insert(stream.number, Ends::default());
        self.segment(stream, Side::Client, time, Kind::Syn, b"")?;
        self.segment(stream, Side::Server, time, Kind::SynAck, b"")?;
        self.segment(stream, Side::Client, time, Kind::Data, b"")
    }

    /// Writes what one side has sent; a connection that was not opened begins in the middle.
    ///
    /// # Errors
    /// What the file says.
    pub fn write(
        &mut self,
        stream: &Stream,
        side: Side,
        time: Duration,
        bytes: &[u8],
    ) -> io::Result<()> {
        for piece in bytes.chunks(SEGMENT_LEN_MAX) {
            self.segment(stream, side, time, Kind::Data, piece)?;
        }
        Ok(())
    }

    /// Writes that one side sends nothing more.
    ///
    /// # Errors
    /// What the file says.
    pub fn end(&mut self, stream: &Stream, side: Side, time: Duration) -> io::Result<()> {
        self.segment(stream, side, time, Kind::Fin, b"")
    }

    /// Forgets a connection: nothing more comes of it.
    pub fn close(&mut self, stream: &Stream) {
        self.streams.remove(&stream.number);
    }

    /// How many connections are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// The file, for whoever goes on with it.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Has what was written reach the file.
    ///
    /// # Errors
    /// What the file says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn segment(
        &mut self,
        stream: &Stream,
        side: Side,
        time: Duration,
        kind: Kind,
        payload: &[u8],
    ) -> io::Result<()> {
        let ends = self.streams.entry(stream.number).or_default();
        let (from, to, own, other) = match side {
            Side::Client => (stream.client, stream.server, &mut ends.client, ends.server),
            Side::Server => (stream.server, stream.client, &mut ends.server, ends.client),
        };
        let tcp = of_one_family(from, to).tcp(from.port(), to.port(), *own, WINDOW);
        let tcp = match kind {
            Kind::Syn => tcp.syn(),
            Kind::SynAck => tcp.syn().ack(other),
            Kind::Data if payload.is_empty() => tcp.ack(other),
            Kind::Data => tcp.psh().ack(other),
            Kind::Fin => tcp.fin().ack(other),
        };
        let takes = payload.len() + usize::from(kind != Kind::Data);
        *own = own.wrapping_add(u32::try_from(takes).unwrap_or(0));
        enhanced_packet(&mut self.out, time, tcp, payload)
    }
}

/// The IP header of a segment; an IPv4 address beside an IPv6 one is written as such.
fn of_one_family(from: SocketAddr, to: SocketAddr) -> PacketBuilderStep<etherparse::IpHeaders> {
    const TTL: u8 = 64;
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), TTL),
        (from, to) => PacketBuilder::ipv6(as_v6(from).octets(), as_v6(to).octets(), TTL),
    }
}

const fn as_v6(addr: IpAddr) -> Ipv6Addr {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped(),
        IpAddr::V6(addr) => addr,
    }
}

fn enhanced_packet(
    out: &mut impl Write,
    time: Duration,
    tcp: PacketBuilderStep<TcpHeader>,
    payload: &[u8],
) -> io::Result<()> {
    let mut frame = Vec::with_capacity(tcp.size(payload.len()));
    tcp.write(&mut frame, payload).map_err(io::Error::other)?;
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let [high, low] = [nanoseconds >> 32, nanoseconds & 0xFFFF_FFFF]
        .map(|half| u32::try_from(half).unwrap_or(0).to_le_bytes());
    let len = u32::try_from(frame.len()).map_err(io::Error::other)?;
    // The interface, the time, and the length as captured and as it was.
    let mut body = 0_u32.to_le_bytes().to_vec();
    body.extend([high, low, len.to_le_bytes(), len.to_le_bytes()].concat());
    body.extend(frame);
    body.resize(body.len().next_multiple_of(4), 0);
    block(out, ENHANCED_PACKET, &body)
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let len = u32::try_from(body.len() + 12).map_err(io::Error::other)?;
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&len.to_le_bytes())?;
    out.write_all(body)?;
    out.write_all(&len.to_le_bytes())
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend(code.to_le_bytes());
    body.extend(len.to_le_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}
