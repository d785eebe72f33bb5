//! A broker's QUIC listener under our client, with certificates as `mqtt certs make` makes them.

use mqtt_broker::{Broker, Config};
use mqtt_certs::{CertificateMaker, Made, Pair};
use mqtt_client::{Client, CloseReason, QoS, Reconnect, TlsOptions};
use mqtt_codec::ProtocolVersion;
use std::path::Path;
use std::time::Duration;
use tempfile::{TempDir, tempdir};
use tokio::time::timeout;

/// How long anything may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(30);

/// A broker that listens by QUIC, and what is needed to get in.
struct Quic {
    broker: Broker,
    config: Config,
    address: String,
    made: Made,
    folder: TempDir,
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn make(folder: &Path) -> Made {
    let maker = CertificateMaker::new(folder).client("meter-7").unwrap();
    maker.make().unwrap()
}

impl Quic {
    /// `options` are lines of `ssl_options`; certificate and key are there.
    async fn start(more: &str, options: impl FnOnce(&Made) -> String) -> Self {
        let folder = tempdir().unwrap();
        let made = make(folder.path());
        let server = &made.server.as_ref().unwrap().files;
        let file = format!(
            "[listeners.quic.default]\nbind = \"127.0.0.1:0\"\n{more}\n\
             [listeners.quic.default.ssl_options]\ncertfile = '{}'\nkeyfile = '{}'\n{}",
            text(&server.certificate),
            text(&server.key),
            options(&made),
        );
        let config = Config::from_toml(&file, "test").unwrap();
        let broker = Broker::builder()
            .config(config.clone())
            .start()
            .await
            .unwrap();
        let port = broker.local_addrs().first().unwrap().port();
        Self {
            broker,
            config,
            address: format!("quic://localhost:{port}"),
            made,
            folder,
        }
    }

    fn tls(&self, authority: &Pair, identity: Option<&Pair>) -> mqtt_client::TlsConfig {
        let options = TlsOptions::new().ca_file(&authority.certificate).unwrap();
        let options = match identity {
            None => options,
            Some(files) => options
                .identity_files(&files.certificate, &files.key)
                .unwrap(),
        };
        options.build().unwrap()
    }

    async fn client(&self, client_id: &str, version: ProtocolVersion, certificate: bool) -> Client {
        let shown = certificate.then(|| &self.made.clients.first().unwrap().files);
        let tls = self.tls(&self.made.authority, shown);
        let client = Client::builder(&self.address).client_id(client_id);
        let client = client.version(version).tls(tls).connect();
        timeout(PATIENCE, client).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn every_qos_and_version_goes_by_quic() {
    let quic = Quic::start("", |_| String::new()).await;
    for version in ProtocolVersion::ALL {
        let client = quic.client("c", version, false).await;
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut heard = client.subscribe("a").qos(qos).await.unwrap();
            let payload = vec![7; 100_000];
            client.publish("a", payload.clone()).qos(qos).await.unwrap();
            let message = timeout(PATIENCE, heard.next()).await.unwrap().unwrap();
            assert_eq!((message.qos(), message.payload()), (qos, &payload.into()));
        }
        client.disconnect().await.unwrap();
    }
    let state = quic.broker.listeners().remove(0);
    assert_eq!((state.handshakes, state.handshakes_failed), (3, 0));
}

#[tokio::test]
async fn a_certificate_names_its_client() {
    let quic = Quic::start("peer_cert_as_username = \"cn\"", |made| {
        format!(
            "cacertfile = '{}'\nverify = \"verify_peer\"\nfail_if_no_peer_cert = true\n",
            text(&made.authority.certificate)
        )
    })
    .await;
    let _client = quic.client("c", ProtocolVersion::V5, true).await;
    let seen = quic.broker.manager().client("c").unwrap();
    let seen = seen.client.unwrap();
    assert_eq!(seen.username.as_deref(), Some("meter-7"));
    assert!(seen.peer.ip().is_loopback());

    let tls = quic.tls(&quic.made.authority, None);
    let refused = Client::builder(&quic.address).tls(tls).connect();
    let error = timeout(PATIENCE, refused).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("ertificate"), "{error}");
    // The client is through with its handshake before the broker has seen that there is no certificate.
    while quic.broker.listeners().remove(0).handshakes_failed == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn certificates_change_under_a_client() {
    let quic = Quic::start("", |_| String::new()).await;
    let before = quic.client("before", ProtocolVersion::V5, false).await;
    let other = tempdir().unwrap();
    let made = make(other.path());
    let server = &made.server.as_ref().unwrap().files;
    for (from, name) in [
        (&server.certificate, "server.pem"),
        (&server.key, "server.key"),
    ] {
        std::fs::copy(from, quic.folder.path().join(name)).unwrap();
    }
    let report = quic.broker.reload(quic.config.clone()).await.unwrap();
    assert_eq!(report.failed, Vec::<String>::new());
    let after = Client::builder(&quic.address).client_id("after");
    let after = after.tls(quic.tls(&made.authority, None)).connect();
    let after = timeout(PATIENCE, after).await.unwrap().unwrap();
    let mut heard = after.subscribe("a").await.unwrap();
    before.publish("a", "still here").await.unwrap();
    let message = timeout(PATIENCE, heard.next()).await.unwrap().unwrap();
    assert_eq!(message.text().unwrap(), "still here");
}

#[tokio::test]
async fn a_stopping_broker_says_so() {
    let quic = Quic::start("", |_| String::new()).await;
    let tls = quic.tls(&quic.made.authority, None);
    let builder = Client::builder(&quic.address)
        .tls(tls)
        .reconnect(Reconnect::never());
    let client = timeout(PATIENCE, builder.connect()).await.unwrap().unwrap();
    quic.broker.shutdown().await;
    let ended = timeout(PATIENCE, client.closed()).await.unwrap();
    let CloseReason::ServerDisconnected(said) = ended else {
        panic!("{ended}");
    };
    assert_eq!(said.reason.get(), 0x8B);
}

#[tokio::test]
async fn who_may_not_come_is_refused_before_any_handshake() {
    let quic = Quic::start("access_rules = [\"deny all\"]", |_| String::new()).await;
    let tls = quic.tls(&quic.made.authority, None);
    let refused = Client::builder(&quic.address).tls(tls).connect();
    assert!(timeout(PATIENCE, refused).await.unwrap().is_err());
    let state = quic.broker.listeners().remove(0);
    assert_eq!((state.refused_by_rules >= 1, state.handshakes), (true, 0));
}
