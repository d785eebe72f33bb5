//! From a packet of the network to a segment of TCP.

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::Linktype;

use super::file::Frame;

/// The raw IP of some systems' own numbering.
const RAW_ELSEWHERE: [Linktype; 2] = [Linktype(12), Linktype(14)];

/// A segment of TCP.
#[derive(Debug)]
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) seq: u32,
    pub(super) syn: bool,
    pub(super) ack: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) payload: &'a [u8],
    /// What the capture left out behind it. Unit: bytes.
    pub(super) missing: u64,
}

/// What a frame is to us.
#[derive(Debug)]
pub(super) enum Carried<'a> {
    Tcp(Segment<'a>),
    /// Something else that is no concern of ours.
    Other,
    /// Something that nobody here can read.
    Unread,
}

pub(super) fn carried<'a>(frame: &Frame<'a>) -> Carried<'a> {
    let Some(packet) = frame.link.and_then(|link| sliced(link, frame.bytes)) else {
        return Carried::Unread;
    };
    let is_fragment = packet
        .ip_payload()
        .is_some_and(|payload| payload.fragmented);
    let is_cut = packet
        .ip_payload()
        .is_some_and(|payload| payload.incomplete);
    let (from, to): (IpAddr, IpAddr) = match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        Some(LaxNetSlice::Ipv6(ip)) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        _ => return Carried::Other,
    };
    match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) if !is_fragment => Carried::Tcp(Segment {
            from: SocketAddr::new(from, tcp.source_port()),
            to: SocketAddr::new(to, tcp.destination_port()),
            seq: tcp.sequence_number(),
            syn: tcp.syn(),
            ack: tcp.ack(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            payload: payload(&packet).unwrap_or_default(),
            missing: if is_cut { frame.missing } else { 0 },
        }),
        Some(_) if !is_fragment => Carried::Other,
        _ if is_fragment || packet.stop_err.is_some() => Carried::Unread,
        _ => Carried::Other,
    }
}

/// What is behind the TCP header.
fn payload<'a>(packet: &LaxSlicedPacket<'a>) -> Option<&'a [u8]> {
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else {
        return None;
    };
    let header_len = tcp.header_slice().len();
    packet.ip_payload()?.payload.get(header_len..)
}

fn sliced(link: Linktype, bytes: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(bytes).ok(),
        // The kind of what follows is at the end of the header, or at its start.
        Linktype::LINUX_SLL => ethertyped(bytes, 14, 16),
        Linktype::LINUX_SLL2 => ethertyped(bytes, 0, 20),
        // Four bytes with a number that differs between systems; IP says its version itself.
        Linktype::NULL | Linktype::LOOP => LaxSlicedPacket::from_ip(bytes.get(4..)?).ok(),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => LaxSlicedPacket::from_ip(bytes).ok(),
        link if RAW_ELSEWHERE.contains(&link) => LaxSlicedPacket::from_ip(bytes).ok(),
        _ => None,
    }
}

fn ethertyped(bytes: &[u8], at: usize, header_len: usize) -> Option<LaxSlicedPacket<'_>> {
    let ether_type = bytes.get(at..)?.first_chunk::<2>()?;
    let ether_type = EtherType(u16::from_be_bytes(*ether_type));
    Some(LaxSlicedPacket::from_ether_type(
        ether_type,
        bytes.get(header_len..)?,
    ))
}
