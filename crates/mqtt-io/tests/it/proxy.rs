//! Proxies: scripted ones that let through, and ones that do not.

use mqtt_io::{Connector, DialError, Endpoint, Listener, Proxy, ProxyError, Scheme, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Where the tunnel is to lead: a server that sends a greeting, then what it gets.
fn target() -> u16 {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut got = [0; 5];
            stream.write_all(b"greeting").await.unwrap();
            stream.read_exact(&mut got).await.unwrap();
            stream.write_all(&got).await.unwrap();
        }
    });
    port
}

/// A proxy for one connection: `serve` speaks with the client.
async fn proxy<F, T>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> (u16, JoinHandle<T>)
where
    F: Future<Output = T> + Send,
    T: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        serve(tcp).await
    });
    (port, served)
}

async fn connect(proxy: &str, host: &str, port: u16) -> Result<Stream, DialError> {
    let endpoint = Endpoint::new(Scheme::Mqtt, host, Some(port)).unwrap();
    let connector = Connector::new().proxy(Proxy::parse(proxy).unwrap());
    connector.connect(&endpoint).await
}

async fn refused(proxy: &str) -> (ProxyError, String) {
    let error = connect(proxy, "broker.example", 1883).await.unwrap_err();
    let said = error.to_string();
    match error {
        DialError::Proxy { source, .. } => (source, said),
        _ => (ProxyError::Ended, said),
    }
}

async fn assert_tunnelled(mut stream: Stream) {
    let mut greeting = [0; 8];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"greeting");
    stream.write_all(b"there").await.unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"there");
}

async fn read_head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn relay(mut tcp: TcpStream, to: u16, answer: &[u8]) {
    let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
    // The first bytes of the server come in one piece with the answer.
    let mut greeting = [0; 8];
    server.read_exact(&mut greeting).await.unwrap();
    let answer = [answer, &greeting].concat();
    tcp.write_all(&answer).await.unwrap();
    let _ = copy_bidirectional(&mut tcp, &mut server).await;
}

#[tokio::test]
async fn http_connect_leads_to_the_server() {
    let to = target();
    let (port, served) = proxy(move |mut tcp| async move {
        let request = read_head(&mut tcp).await;
        relay(
            tcp,
            to,
            b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n",
        )
        .await;
        request
    })
    .await;
    let proxy = format!("http://us%40er:p%3Ass@127.0.0.1:{port}");
    let stream = connect(&proxy, "broker.example", 1884).await;
    assert_tunnelled(stream.unwrap()).await;
    let request = served.await.unwrap();
    // "us@er:p:ss".
    let expected = "CONNECT broker.example:1884 HTTP/1.1\r\nHost: broker.example:1884\r\nProxy-Authorization: Basic dXNAZXI6cDpzcw==\r\n\r\n";
    assert_eq!(request, expected);
}

#[tokio::test]
async fn http_answers_may_come_in_pieces() {
    let to = target();
    let (port, served) = proxy(move |mut tcp| async move {
        read_head(&mut tcp).await;
        tcp.set_nodelay(true).unwrap();
        for byte in b"HTTP/1.0 200 OK\r\n\r" {
            tcp.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        relay(tcp, to, b"\n").await;
    })
    .await;
    let stream = connect(&format!("http://127.0.0.1:{port}"), "::1", 1884).await;
    assert_tunnelled(stream.unwrap()).await;
    served.await.unwrap();
}

#[tokio::test]
async fn http_refusals_are_explained() {
    for (answer, expected, is_retryable) in [
        (
            &b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..],
            "user name and password are wrong or missing",
            false,
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\n\r\n",
            "broker.example:1883 is refused: 403 Forbidden",
            false,
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "broker.example:1883 is refused: 502 Bad Gateway",
            true,
        ),
        (
            b"SSH-2.0-x\r\n\r\n",
            "it does not speak HTTP: invalid HTTP version",
            false,
        ),
        (b"", "the connection ended before an answer", true),
    ] {
        let (port, _served) = proxy(move |mut tcp| async move {
            read_head(&mut tcp).await;
            tcp.write_all(answer).await.unwrap();
        })
        .await;
        let (error, said) = refused(&format!("http://u:hush@127.0.0.1:{port}")).await;
        assert_eq!(said, format!("proxy http://127.0.0.1:{port}: {expected}"));
        assert_eq!(error.is_retryable(), is_retryable, "{said}");
    }
}

#[tokio::test]
async fn an_http_answer_without_end_is_given_up() {
    let (port, _served) = proxy(|mut tcp| async move {
        read_head(&mut tcp).await;
        while tcp.write_all(&[b'x'; 1000]).await.is_ok() {}
    })
    .await;
    let (_, said) = refused(&format!("http://127.0.0.1:{port}")).await;
    assert!(said.contains("has no end"), "{said}");
}

/// The client's greeting: the methods it offers.
async fn socks_methods(tcp: &mut TcpStream) -> Vec<u8> {
    assert_eq!(tcp.read_u8().await.unwrap(), 5);
    let mut methods = vec![0; usize::from(tcp.read_u8().await.unwrap())];
    tcp.read_exact(&mut methods).await.unwrap();
    methods
}

async fn socks_text(tcp: &mut TcpStream) -> String {
    let mut text = vec![0; usize::from(tcp.read_u8().await.unwrap())];
    tcp.read_exact(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

/// The client's request: where it wants to go.
async fn socks_request(tcp: &mut TcpStream) -> String {
    let mut head = [0; 4];
    tcp.read_exact(&mut head).await.unwrap();
    assert_eq!(&head[..3], [5, 1, 0]);
    let host = match head[3] {
        1 => std::net::Ipv4Addr::from(tcp.read_u32().await.unwrap()).to_string(),
        3 => socks_text(tcp).await,
        _ => std::net::Ipv6Addr::from(tcp.read_u128().await.unwrap()).to_string(),
    };
    format!("{host} {}", tcp.read_u16().await.unwrap())
}

const SOCKS_GRANTED: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

#[tokio::test]
async fn socks5h_leads_to_the_server_by_its_name() {
    let to = target();
    let (port, served) = proxy(move |mut tcp| async move {
        assert!(socks_methods(&mut tcp).await.contains(&2));
        tcp.write_all(&[5, 2]).await.unwrap();
        assert_eq!(tcp.read_u8().await.unwrap(), 1);
        let credentials = (socks_text(&mut tcp).await, socks_text(&mut tcp).await);
        tcp.write_all(&[1, 0]).await.unwrap();
        let request = socks_request(&mut tcp).await;
        relay(tcp, to, SOCKS_GRANTED).await;
        (credentials, request)
    })
    .await;
    let proxy = format!("socks5h://user:p%3Ass@127.0.0.1:{port}");
    let stream = connect(&proxy, "broker.example", 1884).await;
    assert_tunnelled(stream.unwrap()).await;
    let (credentials, request) = served.await.unwrap();
    assert_eq!(credentials, ("user".into(), "p:ss".into()));
    assert_eq!(request, "broker.example 1884");
}

#[tokio::test]
async fn socks5_leads_to_the_server_by_its_address() {
    let to = target();
    let (port, served) = proxy(move |mut tcp| async move {
        assert_eq!(socks_methods(&mut tcp).await, [0]);
        tcp.write_all(&[5, 0]).await.unwrap();
        let request = socks_request(&mut tcp).await;
        relay(tcp, to, SOCKS_GRANTED).await;
        request
    })
    .await;
    let stream = connect(&format!("socks5://127.0.0.1:{port}"), "localhost", 1884).await;
    assert_tunnelled(stream.unwrap()).await;
    let request = served.await.unwrap();
    assert!(
        ["127.0.0.1 1884", "::1 1884"].contains(&request.as_str()),
        "{request}"
    );
}

#[tokio::test]
async fn socks5_refusals_are_explained() {
    for (code, expected, is_retryable) in [
        (
            2,
            "broker.example:1883 is refused: Connection not allowed by ruleset",
            false,
        ),
        (4, "broker.example:1883 is refused: Host unreachable", true),
        (
            5,
            "broker.example:1883 is refused: Connection refused",
            true,
        ),
    ] {
        let (port, _served) = proxy(move |mut tcp| async move {
            socks_methods(&mut tcp).await;
            tcp.write_all(&[5, 0]).await.unwrap();
            socks_request(&mut tcp).await;
            tcp.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0])
                .await
                .unwrap();
        })
        .await;
        let (error, said) = refused(&format!("socks5h://127.0.0.1:{port}")).await;
        assert_eq!(
            said,
            format!("proxy socks5h://127.0.0.1:{port}: {expected}")
        );
        assert_eq!(error.is_retryable(), is_retryable, "{said}");
    }
}

#[tokio::test]
async fn socks5_wants_other_credentials() {
    for answer in [&[5, 2, 1, 1][..], &[5, 0xFF]] {
        let (port, _served) = proxy(move |mut tcp| async move {
            socks_methods(&mut tcp).await;
            tcp.write_all(answer).await.unwrap();
            let mut rest = Vec::new();
            let _ = tcp.read_to_end(&mut rest).await;
        })
        .await;
        let (error, said) = refused(&format!("socks5h://user:hush@127.0.0.1:{port}")).await;
        assert!(matches!(error, ProxyError::Credentials), "{said}");
    }
}

#[tokio::test]
async fn what_is_no_socks_proxy_is_named() {
    let (port, _served) = proxy(|mut tcp| async move {
        socks_methods(&mut tcp).await;
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    let (_, said) = refused(&format!("socks5h://127.0.0.1:{port}")).await;
    assert!(said.contains("it does not speak SOCKS5"), "{said}");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (_, said) = refused(&format!("http://127.0.0.1:{port}")).await;
    assert!(
        said.starts_with(&format!("cannot connect to 127.0.0.1:{port}: ")),
        "{said}"
    );
}
