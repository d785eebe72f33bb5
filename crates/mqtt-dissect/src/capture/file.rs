//! The blocks of pcap and pcapng files, and the times in them.

use std::io::Read;
use std::ops::ControlFlow;
use std::time::Duration;

use pcap_parser::pcapng::Block;
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Linktype, PcapBlockOwned, PcapError, create_reader};

use super::CaptureError;
use crate::dissector::as_u64;

/// The longest block that is read. Unit: bytes.
const BLOCK_LEN_MAX: usize = 16 << 20;

/// What is read at a time to begin with. Unit: bytes.
const BUFFER_LEN: usize = 1 << 18;

/// What is read before anything else: more than the first block of any file. Unit: bytes.
const START_LEN: u64 = 4096;

/// How many interfaces of a section are known; packets of others are not read.
const INTERFACES_MAX: usize = 1024;

/// A packet of the network as it was captured.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// The kind of link it was on; `None` when the file does not say.
    pub(super) link: Option<Linktype>,
    pub(super) time: Duration,
    pub(super) bytes: &'a [u8],
    /// What the capture left out at its end. Unit: bytes.
    pub(super) missing: u64,
}

/// An interface of a pcapng file.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Linktype,
    /// Units of a second.
    resolution: u64,
    /// What is added to each time. Unit: seconds.
    offset: i64,
}

/// What the blocks so far have said about those to come.
struct Reading {
    interfaces: Vec<Interface>,
    /// That of a pcap file.
    link: Linktype,
    nanoseconds: bool,
    frames: u64,
}

pub(super) fn has_magic(bytes: &[u8]) -> bool {
    matches!(
        bytes.first_chunk::<4>(),
        Some(
            [0xA1, 0xB2, 0xC3, 0xD4]
                | [0xD4, 0xC3, 0xB2, 0xA1]
                | [0xA1, 0xB2, 0x3C, 0x4D]
                | [0x4D, 0x3C, 0xB2, 0xA1]
                | [0x0A, 0x0D, 0x0D, 0x0A]
        )
    )
}

/// Gives every packet to `each` until it breaks; returns whether the file ends inside a block.
pub(super) fn each_frame(
    mut reader: impl Read + Send,
    mut each: impl FnMut(Frame<'_>) -> ControlFlow<()>,
) -> Result<bool, CaptureError> {
    // The kind of file has to be seen in what is read first, which of a pipe may be little.
    let mut start = Vec::new();
    let first = (&mut reader).take(START_LEN).read_to_end(&mut start);
    first.map_err(|_| CaptureError::Read)?;
    let reader = start.as_slice().chain(reader);
    let mut reader = create_reader(BUFFER_LEN, reader).map_err(|error| match error {
        PcapError::ReadError => CaptureError::Read,
        _ => CaptureError::NotACapture,
    })?;
    let mut reading = Reading {
        interfaces: Vec::new(),
        link: Linktype::NULL,
        nanoseconds: false,
        frames: 0,
    };
    let mut buffer_len = BUFFER_LEN;
    loop {
        let missing = match reader.next() {
            Ok((len, block)) => {
                let flow = reading.take(&block, &mut each);
                reader.consume(len);
                if flow.is_break() {
                    return Ok(false);
                }
                continue;
            }
            Err(PcapError::Eof) => return Ok(false),
            Err(PcapError::UnexpectedEof) => return Ok(true),
            Err(PcapError::Incomplete(_)) => true,
            Err(PcapError::BufferTooSmall) => false,
            Err(PcapError::ReadError) => return Err(CaptureError::Read),
            Err(_) => return Err(reading.damaged()),
        };
        if missing && reader.reader_exhausted() {
            return Ok(true);
        }
        match reader.refill() {
            Ok(()) => {}
            Err(PcapError::BufferTooSmall) if buffer_len < BLOCK_LEN_MAX => {
                buffer_len *= 4;
                if !reader.grow(buffer_len) {
                    return Err(reading.damaged());
                }
            }
            Err(PcapError::ReadError) => return Err(CaptureError::Read),
            Err(_) => return Err(reading.damaged()),
        }
    }
}

impl Reading {
    const fn damaged(&self) -> CaptureError {
        CaptureError::Damaged {
            frames: self.frames,
        }
    }

    fn take(
        &mut self,
        block: &PcapBlockOwned<'_>,
        each: &mut impl FnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let frame = match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.link = header.network;
                self.nanoseconds = header.is_nanosecond_precision();
                return ControlFlow::Continue(());
            }
            PcapBlockOwned::Legacy(packet) => Frame {
                link: Some(self.link),
                time: match self.nanoseconds {
                    true => Duration::new(packet.ts_sec.into(), packet.ts_usec.min(999_999_999)),
                    false => {
                        Duration::from_secs(packet.ts_sec.into())
                            + Duration::from_micros(packet.ts_usec.into())
                    }
                },
                bytes: packet.data,
                missing: u64::from(packet.origlen.saturating_sub(packet.caplen)),
            },
            PcapBlockOwned::NG(block) => match self.pcapng(block) {
                Some(frame) => frame,
                None => return ControlFlow::Continue(()),
            },
        };
        self.frames += 1;
        each(frame)
    }

    /// A packet in a block of pcapng; any other block only changes what is known.
    fn pcapng<'b>(&mut self, block: &'b Block<'b>) -> Option<Frame<'b>> {
        match block {
            Block::SectionHeader(_) => {
                self.interfaces.clear();
                None
            }
            Block::InterfaceDescription(description) => {
                if self.interfaces.len() < INTERFACES_MAX {
                    self.interfaces.push(Interface {
                        link: description.linktype,
                        resolution: description.ts_resolution().unwrap_or(1_000_000).max(1),
                        offset: description.ts_offset(),
                    });
                }
                None
            }
            Block::EnhancedPacket(packet) => {
                let index = usize::try_from(packet.if_id).ok()?;
                let interface = self.interfaces.get(index);
                let stamp = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let bytes = packet.packet_data();
                Some(Frame {
                    link: interface.map(|interface| interface.link),
                    time: interface.map_or(Duration::ZERO, |interface| interface.time(stamp)),
                    bytes,
                    missing: u64::from(packet.origlen).saturating_sub(as_u64(bytes.len())),
                })
            }
            Block::SimplePacket(packet) => {
                let bytes = packet.packet_data();
                let len = usize::try_from(packet.origlen).unwrap_or(usize::MAX);
                let bytes = bytes.get(..len).unwrap_or(bytes);
                Some(Frame {
                    link: self.interfaces.first().map(|interface| interface.link),
                    time: Duration::ZERO,
                    bytes,
                    missing: u64::from(packet.origlen).saturating_sub(as_u64(bytes.len())),
                })
            }
            _ => None,
        }
    }
}

impl Interface {
    fn time(self, stamp: u64) -> Duration {
        let seconds = stamp / self.resolution;
        let part = u128::from(stamp % self.resolution) * 1_000_000_000;
        let nanoseconds = part / u128::from(self.resolution);
        Duration::new(
            seconds.saturating_add_signed(self.offset),
            u32::try_from(nanoseconds).unwrap_or(0),
        )
    }
}
