//! Large packets, read straight to where they belong.

use super::*;
use crate::{READ_CHUNK_LEN, poll_read_chunk_of};
use mqtt_codec::PACKET_LEN_MAX;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Waker;
use tokio::io::ReadBuf;

/// Gives what a socket has got between two reads: at most one piece each time.
struct Pieces(VecDeque<Vec<u8>>);

impl Pieces {
    /// `bytes`, cut at these places.
    fn cut(bytes: &[u8], cuts: &[usize]) -> Self {
        let mut from = 0;
        let ends = cuts.iter().copied().chain([bytes.len()]);
        let pieces = ends.map(|to| bytes[mem::replace(&mut from, to)..to].to_vec());
        Self(pieces.filter(|piece| !piece.is_empty()).collect())
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let behind = piece.split_off(piece.len().min(read.remaining()));
            read.put_slice(&piece);
            if !behind.is_empty() {
                self.0.push_front(behind);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What `read_all` has seen.
#[derive(Debug, Default, Eq, PartialEq)]
struct Seen {
    packets: Vec<(u8, Vec<u8>)>,
    /// Packets that came with a handle.
    handles: usize,
    /// Bytes that went through the read buffer of the thread.
    chunked: usize,
    reads: usize,
}

/// Reads to the end as a connection does; `verdict` is asked before each packet.
fn read_all(
    reader: &mut PacketReader,
    stream: &mut Pieces,
    mut verdict: impl FnMut() -> Verdict,
) -> (Seen, Result<Fed, DecodeError>) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut seen = Seen::default();
    let mut fed = Ok(Fed::All);
    loop {
        let mut handle = |frame: Frame<'_>, packet: Option<&Bytes>| {
            let verdict = verdict();
            if verdict != Verdict::Pause {
                seen.packets.push((frame.first, frame.body.to_vec()));
                seen.handles += usize::from(packet.is_some());
            }
            verdict
        };
        let len;
        if fed == Ok(Fed::Paused) {
            fed = reader.feed_shared(&[], &mut handle);
            continue;
        } else if reader.is_filling() {
            let Poll::Ready(Ok(filled)) = reader.poll_fill(stream, &mut cx) else {
                panic!("pieces are always ready")
            };
            len = filled;
            fed = reader.feed_shared(&[], &mut handle);
        } else {
            let len_max = reader.read_len();
            let read = poll_read_chunk_of(stream, &mut cx, len_max, |bytes| {
                (bytes.len(), reader.feed_shared(bytes, &mut handle))
            });
            let Poll::Ready(Ok(read)) = read else {
                panic!("pieces are always ready")
            };
            (len, fed) = read;
            seen.chunked += len;
        }
        seen.reads += 1;
        if len == 0 || matches!(fed, Err(_) | Ok(Fed::Stopped)) {
            return (seen, fed);
        }
    }
}

/// PUBLISH to `t`.
fn publish(payload_len: usize) -> Vec<u8> {
    let mut bytes = vec![0x30];
    let mut remaining = payload_len + 3;
    while remaining >= 0x80 {
        bytes.push(u8::try_from(remaining & 0x7F).unwrap() | 0x80);
        remaining >>= 7;
    }
    bytes.push(u8::try_from(remaining).unwrap());
    bytes.extend([0, 1, b't']);
    let payload = (0..payload_len).map(|at| u8::try_from(at % 251).unwrap());
    bytes.extend(payload);
    bytes
}

/// Small packets around large ones of three sizes, and all packets in it.
fn mixed() -> (Vec<u8>, Vec<usize>) {
    let packets = [
        vec![0xC0, 0],
        publish(40_000),
        publish(70_000),
        publish(70_000),
        vec![0xC0, 0],
        publish(DIRECT - 8),
        publish(DIRECT - 7),
        vec![0xC0, 0],
        publish(10),
    ];
    let mut ends = Vec::new();
    let mut bytes = Vec::new();
    for packet in packets {
        bytes.extend(packet);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

#[test]
fn a_cut_anywhere_near_a_boundary_gives_the_same_packets() {
    let (bytes, ends) = mixed();
    let mut whole = Vec::new();
    let mut plain = PacketReader::new(PACKET_LEN_MAX);
    let fed = plain.feed(&bytes, |frame| {
        whole.push((frame.first, frame.body.to_vec()));
        Verdict::Continue
    });
    assert_eq!((fed, whole.len()), (Ok(Fed::All), ends.len()));
    let near = |at: usize| at.saturating_sub(7)..=at + 7;
    let steps = [0, HEAD_LEN, DIRECT, READ_CHUNK_LEN];
    let cuts = ends
        .iter()
        .flat_map(|end| steps.iter().flat_map(move |step| near(end + step)));
    let mut count = 0;
    for cut in cuts.filter(|cut| *cut < bytes.len()) {
        for second in [0, 1, 5_000, 50_000] {
            let cuts = [cut, (cut + second).min(bytes.len())];
            let mut reader = PacketReader::new(PACKET_LEN_MAX);
            let mut stream = Pieces::cut(&bytes, &cuts);
            let (seen, fed) = read_all(&mut reader, &mut stream, || Verdict::Continue);
            assert_eq!(fed, Ok(Fed::All), "cut at {cuts:?}");
            assert!(seen.packets == whole, "cut at {cuts:?}");
            assert_eq!((reader.buffered(), reader.kept.capacity()), (0, 0));
            count += 1;
        }
    }
    assert!(count > 1_000);
}

#[test]
fn large_packets_in_a_row_are_not_copied() {
    let bytes = publish(65_536).repeat(20);
    let mut reader = PacketReader::new(PACKET_LEN_MAX);
    let (seen, fed) = read_all(&mut reader, &mut Pieces::cut(&bytes, &[]), || {
        Verdict::Continue
    });
    assert_eq!(
        (fed, seen.packets.len(), seen.handles),
        (Ok(Fed::All), 20, 20)
    );
    // The first one came in the read buffer, and of the others each beginning at most.
    let chunked_max = READ_CHUNK_LEN + HEAD_LEN;
    assert!(seen.chunked <= chunked_max, "{} bytes", seen.chunked);
    assert!(seen.reads <= 20 + 4, "{} reads", seen.reads);
}

#[test]
fn their_memory_is_used_again_only_when_nobody_has_them() {
    let bytes = publish(65_536).repeat(10);
    let mut reader = PacketReader::new(PACKET_LEN_MAX);
    let mut stream = Pieces::cut(&bytes, &[]);
    let mut cx = Context::from_waker(Waker::noop());
    let mut held: VecDeque<Bytes> = VecDeque::new();
    let mut places = std::collections::BTreeSet::new();
    loop {
        let mut handle = |frame: Frame<'_>, packet: Option<&Bytes>| {
            let packet = packet.unwrap();
            assert!(held.iter().all(|held| held.as_ptr() != packet.as_ptr()));
            places.insert(packet.as_ptr() as usize);
            assert!(packet.ends_with(frame.body));
            held.push_back(packet.clone());
            if held.len() > 3 {
                assert_eq!(held.pop_front().unwrap(), bytes[..65_536 + 7]);
            }
            Verdict::Continue
        };
        let read = if reader.is_filling() {
            let read = reader.poll_fill(&mut stream, &mut cx);
            reader.feed_shared(&[], &mut handle).unwrap();
            read
        } else {
            let len_max = reader.read_len();
            poll_read_chunk_of(&mut stream, &mut cx, len_max, |chunk| {
                reader.feed_shared(chunk, &mut handle).unwrap();
                chunk.len()
            })
        };
        let Poll::Ready(Ok(len)) = read else {
            panic!("pieces are always ready")
        };
        if len == 0 {
            break;
        }
    }
    // Three are held, and one each is being read and has just been handed over.
    assert!(places.len() <= 6, "{} places", places.len());
}

#[test]
fn pauses_lose_nothing_of_large_packets() {
    let (bytes, ends) = mixed();
    for pauses in 1..4 {
        let mut reader = PacketReader::new(PACKET_LEN_MAX);
        let mut turn = 0;
        let (seen, fed) = read_all(&mut reader, &mut Pieces::cut(&bytes, &[9, 41_000]), || {
            turn += 1;
            match turn % (pauses + 1) {
                0 => Verdict::Continue,
                _ => Verdict::Pause,
            }
        });
        assert_eq!((fed, seen.packets.len()), (Ok(Fed::All), ends.len()));
        let bodies: usize = seen.packets.iter().map(|(_, body)| body.len()).sum();
        assert_eq!(bodies, 40_000 + 2 * 70_000 + 2 * DIRECT - 15 + 10 + 6 * 3);
        assert_eq!(reader.buffered(), 0);
    }
}

#[test]
fn whoever_announces_much_and_sends_little_gets_little_memory() {
    let mut cx = Context::from_waker(Waker::noop());
    let announced = [0x30, 0x80, 0x80, 0x80, 0x64];
    let mut reader = PacketReader::new(PACKET_LEN_MAX);
    reader.feed(&announced, |_| Verdict::Continue).unwrap();
    let mut sent = announced.len();
    for piece_len in [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000] {
        assert!(reader.is_filling());
        let mut stream = Pieces::cut(&vec![b'x'; piece_len], &[]);
        while !stream.0.is_empty() {
            let read = reader.poll_fill(&mut stream, &mut cx);
            assert!(matches!(read, Poll::Ready(Ok(1..))));
            let fed = reader.feed(&[], |_| panic!("it is not whole"));
            assert_eq!(fed, Ok(Fed::All));
        }
        sent += piece_len;
        assert_eq!(reader.buffered(), sent);
        let capacity = reader.kept.capacity();
        assert!(capacity <= sent * GROWTH, "{capacity} bytes for {sent}");
    }
    // Who has sent a packet of 3 MiB gets 1 MiB at once, and no more.
    let mut reader = PacketReader::new(PACKET_LEN_MAX);
    let mut bytes = publish(3 << 20);
    bytes.extend(announced);
    let (seen, fed) = read_all(&mut reader, &mut Pieces::cut(&bytes, &[]), || {
        Verdict::Continue
    });
    assert_eq!((fed, seen.packets.len()), (Ok(Fed::All), 1));
    assert_eq!(reader.buffered(), announced.len());
    let capacity = reader.kept.capacity();
    let proven = usize::from(PROVEN_MAX) * DIRECT + HEAD_LEN;
    assert!(capacity <= proven, "{capacity} bytes");
}

#[test]
fn what_is_no_packet_behind_a_large_one_ends_the_stream() {
    for behind in [&[0x00, 0][..], &[0x30, 0x80, 0x80, 0x80, 0x01]] {
        for cut in [0, 1] {
            let mut bytes = publish(70_000).repeat(2);
            let cut = bytes.len() + cut;
            bytes.extend(behind);
            bytes.extend(publish(70_000));
            let mut reader = PacketReader::new(100_000);
            let (seen, fed) = read_all(&mut reader, &mut Pieces::cut(&bytes, &[cut]), || {
                Verdict::Continue
            });
            assert!(fed.is_err());
            assert_eq!((seen.packets.len(), reader.kept.capacity()), (2, 0));
            assert!(!reader.is_filling());
            assert_eq!(
                reader.feed(&bytes, |_| panic!("it has ended")),
                Ok(Fed::Stopped)
            );
        }
    }
}
