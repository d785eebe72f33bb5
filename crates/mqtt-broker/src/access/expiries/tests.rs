//! Who goes when, and a client that goes with its certificate.

use super::*;
use crate::config::{Bind, Config, Listener, ListenerKind, Verify};
use crate::{AllowAll, Broker};
use mqtt_io::{Connector, Endpoint, Stream, TlsOptions};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn each_is_due_once_unless_it_left() {
    let expiries = Expiries::default();
    expiries.add(5, "a");
    expiries.add(6, "b");
    expiries.add(6, "b");
    expiries.add(7, "c");
    expiries.remove(6, "b");
    expiries.remove(5, "x");
    assert!(expiries.take_due(4).is_empty());
    assert_eq!(expiries.take_due(6), ["a", "b"].map(Box::<str>::from));
    assert!(expiries.take_due(6).is_empty());
    expiries.remove(7, "c");
    assert!(expiries.take_due(u64::MAX).is_empty());
}

/// An authority with the certificates it signs, in files.
struct Signer {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Signer {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { dir, issuer }
    }

    /// Certificate and key in one file; good until the end of that year's first day.
    fn sign(&self, name: &str, until: i32, purpose: ExtendedKeyUsagePurpose) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let both = certificate.pem() + &key.serialize_pem();
        std::fs::write(self.path(name), both).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }
}

/// A broker that asks for certificates at one listener, by TLS.
async fn broker(signer: &Signer) -> Broker {
    let mut listener = Listener::new(ListenerKind::Ssl);
    listener.bind = Bind::Address("127.0.0.1:0".parse().unwrap());
    listener.tls.certfile = Some(signer.path("localhost"));
    listener.tls.keyfile = Some(signer.path("localhost"));
    listener.tls.verify = Verify::Peer;
    listener.tls.cacertfile = Some(signer.path("ca.pem"));
    let config = Config {
        listeners: [("ssl:door".to_owned(), listener)].into(),
        ..Config::default()
    };
    let builder = Broker::builder().config(config).access(AllowAll);
    builder.start().await.unwrap()
}

/// A v5 client that is in, with the certificate of a file or without one.
async fn client(broker: &Broker, authority: &Path, shown: Option<&Path>, id: u8) -> Stream {
    let mut tls = TlsOptions::new().ca_file(authority).unwrap();
    if let Some(path) = shown {
        tls = tls.identity_files(path, path).unwrap();
    }
    let connector = Connector::new().tls(tls.build().unwrap());
    let port = broker.local_addrs().first().unwrap().port();
    let endpoint = Endpoint::parse(&format!("mqtts://localhost:{port}")).unwrap();
    let mut stream = connector.connect_within(&endpoint, PATIENCE).await.unwrap();
    let hello = [&b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01"[..], &[id]];
    stream.write_all(&hello.concat()).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(packet(&mut stream).await.first(), Some(&0x20));
    stream
}

async fn packet(stream: &mut Stream) -> Vec<u8> {
    let read = async {
        let first = stream.read_u8().await.unwrap();
        let len = stream.read_u8().await.unwrap();
        assert!(len < 0x80);
        let mut packet = vec![0; usize::from(len)];
        stream.read_exact(&mut packet).await.unwrap();
        packet.insert(0, first);
        packet
    };
    timeout(PATIENCE, read).await.unwrap()
}

async fn is_there(stream: &mut Stream) -> bool {
    stream.write_all(&[0xC0, 0]).await.unwrap();
    stream.flush().await.unwrap();
    packet(stream).await == [0xD0]
}

/// Time is given: nobody waits for it.
#[tokio::test]
async fn a_client_goes_with_its_certificate() {
    let signer = Signer::new();
    signer.sign("localhost", 2060, ExtendedKeyUsagePurpose::ServerAuth);
    for (name, year) in [("short", 2050), ("long", 2055)] {
        signer.sign(name, year, ExtendedKeyUsagePurpose::ClientAuth);
    }
    let broker = broker(&signer).await;
    let authority = signer.path("ca.pem");
    let (short_path, long_path) = (signer.path("short"), signer.path("long"));
    let mut short = client(&broker, &authority, Some(&short_path), b's').await;
    let mut long = client(&broker, &authority, Some(&long_path), b'l').await;
    let mut without = client(&broker, &authority, None, b'w').await;
    let end = |name: &str| {
        let shown = mqtt_io::PeerCertificate::from_file(signer.path(name)).unwrap();
        shown.not_after.unwrap()
    };
    let sweep = |now| {
        let expiries = broker.expiries();
        expiries.end_due(broker.guard(), broker.manager(), now);
    };
    // In its last second it is good.
    sweep(end("short"));
    assert!(is_there(&mut short).await);
    sweep(end("short") + Duration::from_secs(1));
    // DISCONNECT, Not authorized.
    assert_eq!(packet(&mut short).await.get(..2), Some(&[0xE0, 0x87][..]));
    assert!(is_there(&mut long).await);
    // One that left by itself is not looked for.
    drop(long);
    sweep(end("long") + Duration::from_secs(1));
    assert!(is_there(&mut without).await);
    broker.shutdown().await;
}
