//! Ways to a server that need somebody else: TLS with a client's certificate, a name server, a proxy.

use crate::server::{Server, ack};
use mqtt_client::{Client, ProtocolVersion, Proxy, SrvResolver, Stream};
use mqtt_codec::Packet;
use mqtt_io::{Listener, TlsAcceptor};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

#[expect(dead_code, reason = "made for the tests of mqtt-io")]
#[path = "../../../mqtt-io/tests/it/certificates.rs"]
mod certificates;

#[expect(dead_code, reason = "it is a program elsewhere")]
#[path = "../../examples/tls_client_certificate.rs"]
mod tls_client_certificate;

/// Takes one message of QoS 1 and the DISCONNECT behind it.
async fn serve<S: AsyncReadExt + AsyncWriteExt + Unpin>(stream: S) -> String {
    let mut server = Server::new(stream, ProtocolVersion::V5);
    server.accept().await;
    let received = server.recv().await;
    let topic_name = received.publish().topic_name.unwrap().as_str().to_owned();
    let packet_id = received.packet_id();
    server.send(Packet::PubAck(ack(packet_id))).await;
    server.disconnected().await;
    topic_name
}

async fn publish_one(client: Client) {
    let publish = client.publish("t", "x").qos(mqtt_client::QoS::AtLeastOnce);
    publish.await.unwrap();
    client.disconnect().await.unwrap();
}

/// The example with a certificate of its own, and a server that asks for one and trusts its authority alone.
#[tokio::test]
async fn a_certificate_is_shown_to_a_server_that_asks_for_one() {
    let authority = certificates::Authority::new("test authority");
    let config = authority
        .server("localhost")
        .server_config(Some(&authority));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        let Stream::Tls(tls) = &stream else {
            panic!("TLS expected");
        };
        let shown = tls.peer_certificates().map_or(0, <[_]>::len);
        (shown, serve(stream).await)
    });
    let directory = tempfile::tempdir().unwrap();
    let device = authority.client("device-7");
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca = file("ca.pem", authority.pem());
    let certificate = file("device.pem", device.certificate.pem());
    let key = file("device.key", device.key.serialize_pem());
    let address = format!("mqtts://localhost:{port}");
    tls_client_certificate::run(&address, &ca, (&certificate, &key))
        .await
        .unwrap();
    let (shown, topic_name) = serving.await.unwrap();
    assert_eq!((shown, topic_name.as_str()), (1, "devices/7/state"));
}

/// A name server that knows one service of every domain: port `port` of this machine.
async fn name_server(port: u16) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 1500];
        loop {
            let (len, from) = socket.recv_from(&mut query).await.unwrap();
            // The question ends with its name, a zero, the type and the class.
            let name_len = query[12..len].iter().position(|byte| *byte == 0).unwrap();
            let question_end = 12 + name_len + 5;
            let is_srv = query[question_end - 4..question_end - 2] == [0, 33];
            let mut answer = query[..question_end].to_vec();
            // An answer, without errors, to one question with one record or none.
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_srv), 0, 0, 0, 0]);
            if is_srv {
                // The name of the question, SRV, IN, 60 s, 17 bytes: priority 1, weight 1, the port, the target.
                answer.extend(b"\xC0\x0C\x00\x21\x00\x01\x00\x00\x00\x3C\x00\x11");
                answer.extend(b"\x00\x01\x00\x01");
                answer.extend(port.to_be_bytes());
                answer.extend(b"\x09localhost\x00");
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    addr
}

#[tokio::test]
async fn the_servers_of_a_domain_are_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    let resolver = SrvResolver::with_name_servers([name_server(port).await]).unwrap();
    let builder = Client::builder("mqtt://example.com").client_id("client");
    publish_one(builder.srv(resolver).connect().await.unwrap()).await;
    assert_eq!(serving.await.unwrap(), "t");
}

/// An HTTP proxy that leads everything to `to`; what it was asked for.
async fn http_proxy(listener: TcpListener, to: SocketAddr) -> String {
    let (mut near, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.unwrap());
    }
    near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let mut far = TcpStream::connect(to).await.unwrap();
    let _ = copy_bidirectional(&mut near, &mut far).await;
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_server_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let proxying = tokio::spawn(http_proxy(listener, to));
    let builder = Client::builder("mqtt://broker.example").client_id("client");
    let builder = builder.proxy(Proxy::parse(&address).unwrap());
    publish_one(builder.connect().await.unwrap()).await;
    assert_eq!(serving.await.unwrap(), "t");
    let head = proxying.await.unwrap();
    assert!(
        head.starts_with("CONNECT broker.example:1883 HTTP/1.1\r\n"),
        "{head}"
    );
}
