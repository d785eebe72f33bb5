//! Connecting by TCP and unix sockets: which address is taken, and what is said when none is.

use mqtt_io::{Connector, DialError, Endpoint, Listener, Scheme, Step, Stream, TcpOptions};
use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

/// A port nobody listens on.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_name_leads_to_the_address_that_answers() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    // Where localhost is ::1 as well, that one refuses and the other is taken.
    let endpoint = Endpoint::new(Scheme::Mqtt, "localhost", Some(addr.port())).unwrap();
    let connector = Connector::new();
    let (near, far) = tokio::join!(connector.connect(&endpoint), listener.accept());
    let Stream::Tcp(tcp) = near.unwrap() else {
        panic!("plain TCP was asked for")
    };
    assert!(tcp.nodelay().unwrap());
    assert_eq!(tcp.local_addr().unwrap(), far.unwrap().1);
}

#[tokio::test]
async fn a_refusal_names_every_address() {
    let port = closed_port();
    let endpoint = Endpoint::new(Scheme::Mqtt, "localhost", Some(port)).unwrap();
    let error = Connector::new().connect(&endpoint).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains(&format!("localhost port {port}: ")), "{said}");
    assert!(said.contains(&format!("127.0.0.1:{port}: ")), "{said}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_refusal_by_the_only_address_names_it_once() {
    let port = closed_port();
    let endpoint = endpoint(&format!("127.0.0.1:{port}"));
    let said = Connector::new()
        .connect(&endpoint)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(said.matches("127.0.0.1").count(), 1, "{said}");
}

#[tokio::test]
async fn a_name_without_address_is_named() {
    let endpoint = endpoint("mqtt://no-such-host.invalid");
    let error = Connector::new().connect(&endpoint).await.unwrap_err();
    assert!(
        error.to_string().contains("no-such-host.invalid"),
        "{error}"
    );
    assert!(matches!(error, DialError::Resolve { .. }), "{error:?}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn the_connection_comes_from_the_address_asked_for() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = endpoint(&listener.local_addr().unwrap().to_string());
    let options = TcpOptions::new()
        .bind("127.0.0.1".parse().unwrap())
        .nodelay(false)
        .keepalive(Duration::from_secs(30), Duration::from_secs(5), 2)
        .send_buffer_len(64 * 1024)
        .receive_buffer_len(64 * 1024);
    let connector = Connector::new().tcp(options);
    let (near, far) = tokio::join!(connector.connect(&endpoint), listener.accept());
    let Stream::Tcp(tcp) = near.unwrap() else {
        panic!("plain TCP was asked for")
    };
    assert!(!tcp.nodelay().unwrap());
    assert!(socket2::SockRef::from(&tcp).keepalive().unwrap());
    assert_eq!(far.unwrap().1, tcp.local_addr().unwrap());
}

#[tokio::test]
async fn an_address_of_the_other_family_is_not_connected_to() {
    let options = TcpOptions::new().bind("::1".parse().unwrap());
    let error = Connector::new()
        .tcp(options)
        .connect(&endpoint("127.0.0.1:1"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("of the other family"), "{error}");
}

/// A listener whose queue is full answers nothing, as a host behind a firewall.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_time_out_names_what_did_not_answer() {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(
            &"127.0.0.1:0"
                .parse::<std::net::SocketAddr>()
                .unwrap()
                .into(),
        )
        .unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let mut fillers = Vec::new();
    let limit = Duration::from_millis(200);
    let said = loop {
        // The system takes a few more than it was told to.
        assert!(fillers.len() < 16, "the queue never fills");
        match Connector::new()
            .connect_within(&endpoint(&addr.to_string()), limit)
            .await
        {
            Ok(filler) => fillers.push(filler),
            Err(DialError::TimedOut { step, attempts, .. }) => {
                assert_eq!(step, Step::Tcp);
                break attempts[0].to_string();
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(said, format!("{addr}: no answer"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_carries_bytes_both_ways() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mqtt.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let endpoint = endpoint(&format!("unix://{}", path.display()));
    let connector = Connector::new();
    let (near, far) = tokio::join!(connector.connect(&endpoint), listener.accept());
    let (mut near, mut far) = (near.unwrap(), far.unwrap().0);
    near.write_all(b"there").await.unwrap();
    far.write_all(b"back").await.unwrap();
    let (mut there, mut back) = ([0; 5], [0; 4]);
    far.read_exact(&mut there).await.unwrap();
    near.read_exact(&mut back).await.unwrap();
    assert_eq!((&there, &back), (b"there", b"back"));
    near.shutdown().await.unwrap();
    assert_eq!(far.read(&mut there).await.unwrap(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_that_is_not_there_is_named() {
    let error = Connector::new()
        .connect(&endpoint("unix:///nowhere/mqtt.sock"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot connect to the unix socket /nowhere/mqtt.sock: "),
        "{error}"
    );
}
