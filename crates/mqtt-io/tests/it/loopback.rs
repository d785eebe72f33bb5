//! Connect, accept, framing and the write queue over loopback TCP.

use mqtt_codec::PACKET_LEN_MAX;
use mqtt_io::{Fed, Listener, PacketReader, Stream, Verdict, WriteQueue, poll_read_chunk};
use std::future::poll_fn;

async fn pair() -> (Stream, Stream) {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    let connect = Stream::connect_tcp("127.0.0.1", addr.port());
    let (near, far) = tokio::join!(connect, listener.accept());
    (near.unwrap(), far.unwrap().0)
}

#[tokio::test]
async fn addresses_match_and_nagle_is_off() {
    let (near, far) = pair().await;
    assert_eq!(near.local_addr().unwrap(), far.peer_addr().unwrap());
    for stream in [near, far] {
        let Stream::Tcp(tcp) = stream else {
            panic!("plain TCP was asked for")
        };
        assert!(tcp.nodelay().unwrap());
    }
}

#[tokio::test]
async fn packets_arrive_whole_through_a_full_socket() {
    let (mut near, mut far) = pair().await;
    let body_len = 2 * 1024 * 1024;
    let mut packet = vec![0x30, 0x80, 0x80, 0x80, 0x01, 0, 1, b't'];
    packet.resize(body_len + 5, b'x');

    let writer = tokio::spawn(async move {
        let mut queue = WriteQueue::new();
        for _ in 0..4 {
            queue.push(vec![0xC0, 0]);
            queue.push_shared(packet.clone().into());
        }
        poll_fn(|cx| queue.poll_flush(&mut near, cx)).await.unwrap();
        queue.is_empty()
    });

    let mut reader = PacketReader::new(PACKET_LEN_MAX);
    let mut lens = Vec::new();
    loop {
        let fed = poll_fn(|cx| {
            poll_read_chunk(&mut far, cx, |bytes| {
                (
                    bytes.len(),
                    reader.feed(bytes, |frame| {
                        lens.push(frame.len);
                        Verdict::Continue
                    }),
                )
            })
        });
        match fed.await.unwrap() {
            (0, _) => break,
            (_, fed) => assert_eq!(fed, Ok(Fed::All)),
        }
    }
    assert_eq!(lens, [2, body_len + 5].repeat(4));
    assert!(writer.await.unwrap());
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let first = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let second = Listener::bind(first.local_addr().unwrap());
    assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn any_transport_will_do() {
    let (near, far) = tokio::io::duplex(16);
    let (mut near, mut far) = (Stream::other(near), Stream::other(far));
    assert!(near.peer_addr().is_err());
    let mut queue = WriteQueue::new();
    queue.push(vec![0xC0, 0]);
    poll_fn(|cx| queue.poll_flush(&mut near, cx)).await.unwrap();
    let bytes = poll_fn(|cx| poll_read_chunk(&mut far, cx, <[u8]>::to_vec))
        .await
        .unwrap();
    assert_eq!(bytes, [0xC0, 0]);
}
