//! Writes captures: TCP segments on any link, as pcap or pcapng.

use std::net::SocketAddr;

use etherparse::PacketBuilder;

/// What a frame is wrapped in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Link {
    Ethernet,
    Vlan,
    LinuxSll,
    LinuxSll2,
    Null,
    Raw,
}

impl Link {
    pub(crate) const ALL: [Self; 6] = [
        Self::Ethernet,
        Self::Vlan,
        Self::LinuxSll,
        Self::LinuxSll2,
        Self::Null,
        Self::Raw,
    ];

    const fn number(self) -> u16 {
        match self {
            Self::Null => 0,
            Self::Ethernet | Self::Vlan => 1,
            Self::Raw => 101,
            Self::LinuxSll => 113,
            Self::LinuxSll2 => 276,
        }
    }

    fn wrap(self, ip: &[u8]) -> Vec<u8> {
        let ether_type: [u8; 2] = if ip[0] >> 4 == 4 {
            [0x08, 0x00]
        } else {
            [0x86, 0xDD]
        };
        let mut frame = match self {
            Self::Ethernet => [&[2; 12][..], &ether_type].concat(),
            Self::Vlan => [&[2; 12][..], &[0x81, 0x00, 0, 7], &ether_type].concat(),
            Self::LinuxSll => [&[0; 14][..], &ether_type].concat(),
            Self::LinuxSll2 => [&ether_type[..], &[0; 18]].concat(),
            Self::Null => vec![2, 0, 0, 0],
            Self::Raw => Vec::new(),
        };
        frame.extend(ip);
        frame
    }
}

/// The flags of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) syn: bool,
    pub(crate) ack: bool,
    pub(crate) fin: bool,
}

/// A capture that grows.
#[derive(Clone, Debug)]
pub(crate) struct File {
    link: Link,
    frames: Vec<(u64, Vec<u8>, usize)>,
    now_us: u64,
}

/// A frame in the file is cut to this. Unit: bytes.
const SNAP_LEN: usize = 65_535;

impl File {
    pub(crate) const fn new(link: Link) -> Self {
        Self {
            link,
            frames: Vec::new(),
            now_us: 1_700_000_000_000_000,
        }
    }

    /// A segment, a millisecond after the one before.
    pub(crate) fn segment(
        &mut self,
        (from, to): (SocketAddr, SocketAddr),
        seq: u32,
        flags: Flags,
        payload: &[u8],
    ) {
        self.cut_segment((from, to), seq, flags, payload, SNAP_LEN);
    }

    /// A segment of which the file has no more than `snap_len` bytes.
    pub(crate) fn cut_segment(
        &mut self,
        (from, to): (SocketAddr, SocketAddr),
        seq: u32,
        flags: Flags,
        payload: &[u8],
        snap_len: usize,
    ) {
        let ip = match (from, to) {
            (SocketAddr::V4(from), SocketAddr::V4(to)) => {
                PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64)
            }
            (SocketAddr::V6(from), SocketAddr::V6(to)) => {
                PacketBuilder::ipv6(from.ip().octets(), to.ip().octets(), 64)
            }
            _ => panic!("both ends are of one family"),
        };
        let mut tcp = ip.tcp(from.port(), to.port(), seq, 1024);
        if flags.syn {
            tcp = tcp.syn();
        }
        if flags.ack {
            tcp = tcp.ack(0);
        }
        if flags.fin {
            tcp = tcp.fin();
        }
        let mut bytes = Vec::new();
        tcp.write(&mut bytes, payload).unwrap();
        let mut frame = self.link.wrap(&bytes);
        let len = frame.len();
        frame.truncate(snap_len);
        self.now_us += 1000;
        self.frames.push((self.now_us, frame, len));
    }

    pub(crate) fn pcap(&self) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend(0xA1B2_C3D4_u32.to_le_bytes());
        file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0]);
        file.extend(u32::from(self.link.number()).to_le_bytes());
        for (time, frame, len) in &self.frames {
            file.extend(u32::try_from(time / 1_000_000).unwrap().to_le_bytes());
            file.extend(u32::try_from(time % 1_000_000).unwrap().to_le_bytes());
            file.extend(u32::try_from(frame.len()).unwrap().to_le_bytes());
            file.extend(u32::try_from(*len).unwrap().to_le_bytes());
            file.extend(frame);
        }
        file
    }

    /// Big-endian and with nanoseconds, unlike the pcap.
    pub(crate) fn pcapng(&self) -> Vec<u8> {
        let mut file = Vec::new();
        block(&mut file, 0x0A0D_0D0A, &{
            let mut body = 0x1A2B_3C4D_u32.to_be_bytes().to_vec();
            body.extend([0, 1, 0, 0]);
            body.extend([0xFF; 8]);
            body
        });
        block(&mut file, 1, &{
            let mut body = self.link.number().to_be_bytes().to_vec();
            body.extend([0, 0, 0, 0, 0xFF, 0xFF]);
            // if_tsresol: units of 10^-9 s.
            body.extend([0, 9, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0]);
            body
        });
        for (time, frame, len) in &self.frames {
            let time = time * 1000;
            let mut body = 0_u32.to_be_bytes().to_vec();
            body.extend(time.to_be_bytes());
            body.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
            body.extend(u32::try_from(*len).unwrap().to_be_bytes());
            body.extend(frame);
            body.resize(body.len().next_multiple_of(4), 0);
            block(&mut file, 6, &body);
        }
        file
    }
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let len = u32::try_from(body.len() + 12).unwrap();
    file.extend(kind.to_be_bytes());
    file.extend(len.to_be_bytes());
    file.extend(body);
    file.extend(len.to_be_bytes());
}
