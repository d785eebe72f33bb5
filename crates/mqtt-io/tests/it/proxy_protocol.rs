//! PROXY headers on sockets: what is read is the header and nothing of what follows.

use mqtt_io::{Listener, ProxyHeader, ProxyHeaderError, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Both ends of a TCP connection, ours second.
async fn pair() -> (TcpStream, Stream) {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let proxy = TcpStream::connect(listener.local_addr().unwrap());
    let (proxy, accepted) = tokio::join!(proxy, listener.accept());
    (proxy.unwrap(), accepted.unwrap().0)
}

fn binary() -> Vec<u8> {
    let address = proxy_header::ProxiedAddress::stream(
        "192.0.2.7:40312".parse().unwrap(),
        "198.51.100.1:1883".parse().unwrap(),
    );
    let mut bytes = Vec::new();
    let header = proxy_header::ProxyHeader::with_address(address);
    header.encode_v2(&mut bytes).unwrap();
    bytes
}

const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 40312 1883\r\n";

#[tokio::test]
async fn what_follows_the_header_stays_in_the_connection() {
    for header in [LINE.to_vec(), binary()] {
        let (mut proxy, mut stream) = pair().await;
        // With line feeds, which end nothing any more.
        proxy.write_all(&header).await.unwrap();
        proxy.write_all(b"\x10\n\n\x0c").await.unwrap();
        let read = ProxyHeader::read(&mut stream).await.unwrap();
        assert_eq!(read.source(), Some("192.0.2.7:40312".parse().unwrap()));
        drop(proxy);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"\x10\n\n\x0c");
    }
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    for header in [LINE.to_vec(), binary()] {
        let (mut proxy, mut stream) = pair().await;
        proxy.set_nodelay(true).unwrap();
        let written = tokio::spawn(async move {
            for byte in header {
                proxy.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            proxy
        });
        let read = ProxyHeader::read(&mut stream).await.unwrap();
        assert_eq!(read.source(), Some("192.0.2.7:40312".parse().unwrap()));
        drop(written.await.unwrap());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_may_be_a_proxys_too() {
    for header in [LINE.to_vec(), binary()] {
        let (mut proxy, stream) = tokio::net::UnixStream::pair().unwrap();
        proxy.write_all(&header).await.unwrap();
        proxy.write_all(b"\x10").await.unwrap();
        let mut stream = Stream::Unix(stream);
        ProxyHeader::read(&mut stream).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 0x10);
    }
}

#[tokio::test]
async fn a_client_without_a_proxy_is_refused_by_its_first_byte() {
    let (mut client, mut stream) = pair().await;
    client.write_all(&[0x10]).await.unwrap();
    let error = ProxyHeader::read(&mut stream).await.unwrap_err();
    assert!(matches!(error, ProxyHeaderError::Missing));
    // A line that never ends does not fill memory.
    let (mut client, mut stream) = pair().await;
    client.write_all(b"PROXY UNKNOWN ").await.unwrap();
    client.write_all(&[b'x'; 1000]).await.unwrap();
    let error = ProxyHeader::read(&mut stream).await.unwrap_err();
    assert!(matches!(error, ProxyHeaderError::LineLen));
}

#[tokio::test]
async fn an_end_within_the_header_says_how_far_it_came() {
    for (sent, expected) in [(&b""[..], 0), (&LINE[..20], 20), (&binary()[..17], 17)] {
        let (mut client, mut stream) = pair().await;
        client.write_all(sent).await.unwrap();
        drop(client);
        let error = ProxyHeader::read(&mut stream).await.unwrap_err();
        assert!(matches!(error, ProxyHeaderError::Ended { read } if read == expected));
    }
}
