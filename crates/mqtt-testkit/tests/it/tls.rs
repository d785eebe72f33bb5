//! TLS in front of a broker, with certificates of the test's own.

use crate::broker::TestBroker;
use crate::examples::tls_client_certificate;
use mqtt_client::{Client, QoS, TlsConfig, TlsOptions};
use mqtt_io::{Listener, TlsAcceptor};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

#[path = "../../../mqtt-io/tests/it/certificates.rs"]
#[expect(dead_code, reason = "other tests need other certificates")]
mod certificates;

use certificates::{Authority, Signed};

/// Takes the TLS off connections to a broker, and lets in only who has a certificate; ends with its value.
pub(crate) struct Terminator {
    pub(crate) addr: SocketAddr,
    authority: Authority,
    client: Signed,
    task: JoinHandle<()>,
}

impl Terminator {
    pub(crate) fn start(to: SocketAddr) -> Self {
        let authority = Authority::new("Test CA");
        let server = authority.server("localhost");
        let acceptor = TlsAcceptor::from(Arc::new(server.server_config(Some(&authority))));
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Whoever is refused or cut off just goes.
                    if let Ok(mut near) = acceptor.accept(stream).await
                        && let Ok(mut far) = TcpStream::connect(to).await
                    {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self {
            addr,
            client: authority.client("device"),
            authority,
            task,
        }
    }

    /// What a client needs to get in.
    pub(crate) fn client_config(&self) -> TlsConfig {
        let options = TlsOptions::new().ca_pem(self.authority.pem()).unwrap();
        let options = options.identity_pem(self.client.pem(), self.client.key_pem());
        options.unwrap().build().unwrap()
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Complaint 20: which roots, how to show a certificate, and where `mqtts://` is understood (rumqtt#214, #331, #937).
/// Here an address and three files do.
#[tokio::test]
async fn a_client_certificate_is_all_it_needs() {
    let broker = TestBroker::start().await;
    let terminator = Terminator::start(broker.addr);
    let listener = Client::builder(broker.address()).connect().await.unwrap();
    let heard = listener.subscribe("devices/#").qos(QoS::AtLeastOnce).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let authority = file("ca.pem", terminator.authority.pem());
    let certificate = file("device.pem", terminator.client.pem());
    let key = file("device.key", terminator.client.key_pem());
    let address = format!("mqtts://localhost:{}", terminator.addr.port());
    tls_client_certificate::run(&address, &authority, (&certificate, &key))
        .await
        .unwrap();
    let message = heard.unwrap().next().await.unwrap();
    assert_eq!(message.text().unwrap(), "online");
}
