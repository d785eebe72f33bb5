//! TLS against a server with certificates of the test's own.

use crate::certificates::{Authority, Signed};
use mqtt_io::rustls::ServerConfig;
use mqtt_io::rustls::pki_types::pem::PemObject;
use mqtt_io::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use mqtt_io::{
    Connector, DialError, Endpoint, Listener, Scheme, Stream, TlsAcceptor, TlsError, TlsOptions,
};
use std::error::Error;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::task::JoinHandle;

/// A server that answers one client with what it sends, and tells what it saw of it.
struct Server {
    endpoint: Endpoint,
    seen: JoinHandle<Result<Seen, TlsError>>,
}

#[derive(Debug)]
struct Seen {
    alpn: Option<Vec<u8>>,
    name: Option<String>,
    certificates: usize,
}

impl Server {
    fn new(config: ServerConfig) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let seen = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = acceptor.accept(stream).await?;
            let Stream::Tls(tls) = &stream else {
                return Err(TlsError::NotTls);
            };
            let seen = Seen {
                alpn: tls.alpn_protocol().map(<[u8]>::to_vec),
                name: tls.server_name().map(str::to_owned),
                certificates: tls.peer_certificates().map_or(0, <[_]>::len),
            };
            let (mut read, mut write) = split(stream);
            let _ = copy(&mut read, &mut write).await;
            let _ = write.shutdown().await;
            Ok(seen)
        });
        Self {
            endpoint: Endpoint::new(Scheme::Mqtts, "localhost", Some(port)).unwrap(),
            seen,
        }
    }

    fn showing(certificate: &Signed) -> Self {
        Self::new(certificate.server_config(None))
    }

    async fn connect(&self, options: TlsOptions) -> Result<Stream, DialError> {
        let connector = Connector::new().tls(options.build().unwrap());
        connector.connect(&self.endpoint).await
    }

    /// The error of TLS, and the whole text.
    async fn refused(&self, options: TlsOptions) -> (TlsError, String) {
        let error = self.connect(options).await.unwrap_err();
        let said = error.to_string();
        let DialError::Tls { source, .. } = error else {
            return (TlsError::Ended, said);
        };
        (source, said)
    }
}

fn trusting(authority: &Authority) -> TlsOptions {
    TlsOptions::new().ca_pem(authority.pem()).unwrap()
}

/// Sends and gets back more than any buffer on the way holds.
async fn assert_echoes(stream: Stream) {
    let sent: Vec<u8> = (0..300_000u32).map(|at| (at % 251) as u8).collect();
    let (mut read, mut write) = split(stream);
    let expected = sent.clone();
    let writer = tokio::spawn(async move {
        for part in sent.chunks(7_001) {
            write.write_all(part).await.unwrap();
        }
        write.flush().await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut got = Vec::new();
    read.read_to_end(&mut got).await.unwrap();
    writer.await.unwrap();
    assert!(got == expected, "{} bytes came back", got.len());
}

#[tokio::test]
async fn bytes_go_both_ways_to_a_server_that_is_trusted() {
    let authority = Authority::new("Test CA");
    let server = Server::showing(&authority.server("localhost"));
    let stream = server.connect(trusting(&authority)).await.unwrap();
    assert!(stream.peer_addr().is_ok());
    assert_echoes(stream).await;
    let seen = server.seen.await.unwrap().unwrap();
    assert_eq!(
        (seen.name.as_deref(), seen.alpn, seen.certificates),
        (Some("localhost"), None, 0)
    );
}

#[tokio::test]
async fn an_authority_is_read_from_der_and_from_a_file_with_several() {
    let authority = Authority::new("Test CA");
    let other = Authority::new("Other CA");
    let folder = tempfile::tempdir().unwrap();
    let several = folder.path().join("several.pem");
    std::fs::write(&several, format!("{}\n{}", other.pem(), authority.pem())).unwrap();
    let der = folder.path().join("ca.der");
    std::fs::write(&der, authority.der()).unwrap();
    for path in [several, der] {
        let server = Server::showing(&authority.server("localhost"));
        let options = TlsOptions::new().ca_file(&path).unwrap();
        assert!(server.connect(options).await.is_ok(), "{}", path.display());
    }
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let server = Server::showing(&Authority::new("Their CA").server("localhost"));
    let (error, said) = server.refused(trusting(&Authority::new("Our CA"))).await;
    assert!(matches!(error, TlsError::UnknownIssuer), "{error:?}");
    assert!(
        said.contains("localhost") && said.contains("no authority that is trusted"),
        "{said}"
    );
    assert!(!error.is_retryable());
    // The server learns why.
    let theirs = server.seen.await.unwrap().unwrap_err();
    assert!(matches!(theirs, TlsError::Refused { .. }), "{theirs:?}");
}

#[tokio::test]
async fn an_authority_made_anew_is_not_the_one_that_is_trusted() {
    let server = Server::showing(&Authority::new("Our CA").server("localhost"));
    let (error, said) = server.refused(trusting(&Authority::new("Our CA"))).await;
    assert!(matches!(error, TlsError::BadSignature), "{error:?}");
    assert!(said.contains("another key"), "{said}");
}

#[tokio::test]
async fn without_options_the_systems_authorities_decide() {
    let server = Server::showing(&Authority::new("Their CA").server("localhost"));
    let error = Connector::new()
        .connect(&server.endpoint)
        .await
        .unwrap_err();
    let DialError::Tls { source, .. } = error else {
        panic!("{error}")
    };
    // A machine without any root certificate says so instead.
    let expected = matches!(
        source,
        TlsError::UnknownIssuer | TlsError::NoPlatformRoots { .. }
    );
    assert!(expected, "{source:?}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_says_so() {
    let authority = Authority::new("Test CA");
    let server = Server::showing(&authority.expired_server("localhost"));
    let (error, said) = server.refused(trusting(&authority)).await;
    assert!(matches!(error, TlsError::Expired { .. }), "{error:?}");
    assert!(
        said.starts_with("TLS with localhost: the certificate expired "),
        "{said}"
    );
    assert!(said.ends_with(" days ago"), "{said}");
}

#[tokio::test]
async fn a_certificate_of_the_future_is_refused_and_says_so() {
    let authority = Authority::new("Test CA");
    let server = Server::showing(&authority.future_server("localhost"));
    let (_, said) = server.refused(trusting(&authority)).await;
    assert!(said.contains("clock"), "{said}");
}

#[tokio::test]
async fn an_authority_that_shows_itself_is_refused_and_can_be_pinned() {
    let authority = Authority::new("Test CA");
    let server = Server::showing(&authority.itself());
    let (error, said) = server.refused(trusting(&authority)).await;
    assert!(matches!(error, TlsError::AuthorityItself), "{said}");
    let server = Server::showing(&authority.itself());
    let options = TlsOptions::new().pin_certificate(authority.pem()).unwrap();
    assert_echoes(server.connect(options).await.unwrap()).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_and_both_are_named() {
    let authority = Authority::new("Test CA");
    let server = Server::showing(&authority.server("broker.example"));
    let (_, said) = server.refused(trusting(&authority)).await;
    let expected = "the certificate is not for localhost, only for broker.example";
    assert!(said.ends_with(expected), "{said}");
}

#[tokio::test]
async fn another_name_can_be_asked_for() {
    let authority = Authority::new("Test CA");
    let server = Server::showing(&authority.server("broker.example"));
    let options = trusting(&authority).server_name("broker.example").unwrap();
    assert!(server.connect(options).await.is_ok());
    drop(server.endpoint);
    let seen = server.seen.await.unwrap().unwrap();
    assert_eq!(seen.name.as_deref(), Some("broker.example"));
}

#[tokio::test]
async fn a_client_certificate_lets_in_from_pem_and_files() {
    let authority = Authority::new("Test CA");
    let client = authority.client("device-7");
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate, client.pem()).unwrap();
    std::fs::write(&key, client.key_pem()).unwrap();
    for options in [
        trusting(&authority).identity_pem(client.pem(), client.key_pem()),
        trusting(&authority).identity_files(&certificate, &key),
    ] {
        let certificate = authority.server("localhost");
        let server = Server::new(certificate.server_config(Some(&authority)));
        assert_echoes(server.connect(options.unwrap()).await.unwrap()).await;
        assert_eq!(server.seen.await.unwrap().unwrap().certificates, 1);
    }
}

/// TLS 1.3 lets the client finish before the server has looked at its certificate.
async fn refusal_after_handshake(server: &Server, options: TlsOptions) -> String {
    match server.connect(options).await {
        Err(error) => error.to_string(),
        Ok(mut stream) => stream.read_u8().await.unwrap_err().to_string(),
    }
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_is_understood() {
    let authority = Authority::new("Test CA");
    let certificate = authority.server("localhost");
    let server = Server::new(certificate.server_config(Some(&authority)));
    let said = refusal_after_handshake(&server, trusting(&authority)).await;
    assert!(said.contains("it wants a client certificate"), "{said}");
}

#[tokio::test]
async fn a_server_that_does_not_trust_the_client_certificate_is_understood() {
    let authority = Authority::new("Test CA");
    let client = Authority::new("Stranger's CA").client("device-7");
    let certificate = authority.server("localhost");
    let server = Server::new(certificate.server_config(Some(&authority)));
    let options = trusting(&authority).identity_pem(client.pem(), client.key_pem());
    let said = refusal_after_handshake(&server, options.unwrap()).await;
    assert!(
        said.contains("authority of our certificate")
            || said.contains("not accept our certificate"),
        "{said}"
    );
}

#[tokio::test]
async fn a_key_of_another_certificate_is_noticed() {
    let authority = Authority::new("Test CA");
    let (one, other) = (authority.client("a"), authority.client("b"));
    let options = trusting(&authority).identity_pem(one.pem(), other.key_pem());
    let error = options.unwrap().build().unwrap_err();
    assert!(matches!(error, TlsError::KeyMismatch), "{error:?}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let error = TlsOptions::new().ca_file("nowhere/ca.pem").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot read nowhere/ca.pem: "),
        "{error}"
    );
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_pinned_certificate_is_accepted_whatever_is_in_it() {
    let expired = Authority::new("Unknown CA").expired_server("elsewhere.example");
    let server = Server::showing(&expired);
    let options = TlsOptions::new().pin_certificate(expired.pem()).unwrap();
    assert_echoes(server.connect(options).await.unwrap()).await;
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_refused() {
    let authority = Authority::new("Test CA");
    let (shown, pinned) = (authority.server("localhost"), authority.server("localhost"));
    let server = Server::showing(&shown);
    let options = TlsOptions::new().pin_certificate(pinned.pem()).unwrap();
    let (error, said) = server.refused(options).await;
    assert!(matches!(error, TlsError::NotPinned { .. }), "{error:?}");
    // The digest that is shown can be pinned as it stands.
    let TlsError::NotPinned { presented } = error else {
        return;
    };
    let server = Server::showing(&shown);
    assert!(
        server
            .connect(TlsOptions::new().pin_sha256(presented))
            .await
            .is_ok(),
        "{said}"
    );
}

#[tokio::test]
async fn a_pinned_certificate_in_another_hand_is_refused() {
    let authority = Authority::new("Test CA");
    let pinned = authority.server("localhost");
    let thief = authority.server("localhost");
    let mut config = pinned.server_config(None);
    let signer = rustls::crypto::ring::sign::any_supported_type(&thief.private_key());
    let stolen = rustls::sign::CertifiedKey::new(pinned.chain(), signer.unwrap());
    config.cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(stolen));
    let server = Server::new(config);
    let options = TlsOptions::new().pin_certificate(pinned.pem()).unwrap();
    let (error, _) = server.refused(options).await;
    assert!(matches!(error, TlsError::BadSignature), "{error:?}");
}

#[tokio::test]
async fn any_certificate_is_accepted_when_told_so() {
    let expired = Authority::new("Unknown CA").expired_server("elsewhere.example");
    let server = Server::showing(&expired);
    let options = TlsOptions::new().danger_accept_any_certificate();
    assert_echoes(server.connect(options).await.unwrap()).await;
}

#[tokio::test]
async fn any_name_is_accepted_when_told_so_from_a_trusted_authority_only() {
    let authority = Authority::new("Test CA");
    for (shown, is_accepted) in [
        (authority.server("elsewhere.example"), true),
        (authority.expired_server("elsewhere.example"), false),
        (
            Authority::new("Their CA").server("elsewhere.example"),
            false,
        ),
    ] {
        let server = Server::showing(&shown);
        let options = trusting(&authority).danger_accept_any_name();
        assert_eq!(server.connect(options).await.is_ok(), is_accepted);
    }
}

#[tokio::test]
async fn the_server_sees_the_protocol_offered() {
    let authority = Authority::new("Test CA");
    let mut config = authority.server("localhost").server_config(None);
    config.alpn_protocols = vec![b"mqtt".to_vec(), b"x-amzn-mqtt-ca".to_vec()];
    let server = Server::new(config);
    let options = trusting(&authority).alpn(["x-amzn-mqtt-ca"]);
    let stream = server.connect(options).await.unwrap();
    let Stream::Tls(tls) = &stream else {
        panic!("TLS was asked for")
    };
    assert_eq!(tls.alpn_protocol(), Some(&b"x-amzn-mqtt-ca"[..]));
    drop(stream);
    let seen = server.seen.await.unwrap().unwrap();
    assert_eq!(seen.alpn.as_deref(), Some(&b"x-amzn-mqtt-ca"[..]));
}

#[tokio::test]
async fn a_server_without_the_protocol_is_understood() {
    let authority = Authority::new("Test CA");
    let mut config = authority.server("localhost").server_config(None);
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    let server = Server::new(config);
    let (_, said) = server
        .refused(trusting(&authority).alpn(["x-amzn-mqtt-ca"]))
        .await;
    assert!(
        said.contains("none of the protocols offered by ALPN"),
        "{said}"
    );
}

#[tokio::test]
async fn tls_1_2_can_be_refused() {
    use mqtt_io::rustls::{crypto, version};
    let authority = Authority::new("Test CA");
    let certificate = authority.server("localhost");
    let config = || {
        ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_protocol_versions(&[&version::TLS12])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificate.chain(), certificate.private_key())
            .unwrap()
    };
    let server = Server::new(config());
    assert_echoes(server.connect(trusting(&authority)).await.unwrap()).await;
    let server = Server::new(config());
    let (_, said) = server.refused(trusting(&authority).only_tls13()).await;
    assert!(said.contains("no version of TLS that we do"), "{said}");
}

#[tokio::test]
async fn a_port_without_tls_is_understood() {
    for (answer, expected) in [
        // CONNACK of a broker that took the handshake for a packet, and one that just closed.
        (&b"\x20\x02\x00\x01"[..], "does not speak TLS on this port"),
        (&b""[..], "the connection ended in the handshake"),
    ] {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 4096];
            let _ = stream.read(&mut hello).await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        });
        let endpoint = Endpoint::new(Scheme::Mqtts, "127.0.0.1", Some(port)).unwrap();
        let options = TlsOptions::new().danger_accept_any_certificate();
        let connector = Connector::new().tls(options.build().unwrap());
        let error = connector.connect(&endpoint).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        server.await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_stays_silent_in_the_handshake_is_given_up() {
    use mqtt_io::Step;
    use std::time::Duration;
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = Endpoint::new(Scheme::Mqtts, "127.0.0.1", Some(port)).unwrap();
    let options = TlsOptions::new().danger_accept_any_certificate();
    let connector = Connector::new().tls(options.build().unwrap());
    let dial = connector.connect_within(&endpoint, Duration::from_millis(100));
    let (dialled, accepted) = tokio::join!(dial, listener.accept());
    let error = dialled.unwrap_err();
    assert!(
        matches!(
            error,
            DialError::TimedOut {
                step: Step::Tls,
                ..
            }
        ),
        "{error:?}"
    );
    drop(accepted);
}

/// An end without the notice of TLS is an end, as a broker that is killed leaves it.
#[tokio::test]
async fn a_connection_that_is_cut_just_ends() {
    let authority = Authority::new("Test CA");
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server("localhost").server_config(None)));
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        stream.write_all(b"last").await.unwrap();
        stream.flush().await.unwrap();
    });
    let endpoint = Endpoint::new(Scheme::Mqtts, "localhost", Some(port)).unwrap();
    let connector = Connector::new().tls(trusting(&authority).build().unwrap());
    let mut stream = connector.connect(&endpoint).await.unwrap();
    server.await.unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"last");
}

/// What `openssl x509 -req` makes without an extension file: X.509 version 1.
const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBIjCByQIUbWUeRIIL16ygLWDy8SE0efxr3cYwCgYIKoZIzj0EAwIwEzERMA8G
A1UEAwwIZGV2aWNlLTcwIBcNMjYxMTIyMTAxMTE3WhgPMjEyNjEwMjkxMDExMTda
MBMxETAPBgNVBAMMCGRldmljZS03MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
+bNv3ZA7cCiYz8/QpGYnprqZERk9ZvMeCPkrEDxqWNUEnOIA2WQxmdvSJavfgw+v
9wRmfrk0SStAiRr5zTy6EzAKBggqhkjOPQQDAgNIADBFAiAw9flxVGi8Ct1uo4rq
QmfNUf3SFLjEmHVBP4c1KqS+xwIhAJ2uAEvgko5umANE0+xOyT7K+SiaE7idN2Us
rOI3/7A1
-----END CERTIFICATE-----
";

/// Its key, which opens nothing.
const VERSION_1_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgHNBe6GGA/ZE1ikNW
8JJfKrL1AOLvx49FwWEUAH7mcrGhRANCAAT5s2/dkDtwKJjPz9CkZiemupkRGT1m
8x4I+SsQPGpY1QSc4gDZZDGZ29Ilq9+DD6/3BGZ+uTRJK0CJGvnNPLoT
-----END PRIVATE KEY-----
";

#[test]
fn a_certificate_of_version_1_can_be_shown_to_a_server() {
    let options = TlsOptions::new()
        .danger_accept_any_certificate()
        .identity_pem(VERSION_1, VERSION_1_KEY);
    assert!(options.unwrap().build().is_ok());
}

#[tokio::test]
async fn a_server_with_a_certificate_of_version_1_is_refused_and_says_why() {
    let authority = Authority::new("Test CA");
    let mut config = authority.server("localhost").server_config(None);
    let pem = |text: &str| PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap();
    let signer = rustls::crypto::ring::sign::any_supported_type(&pem(VERSION_1_KEY)).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(VERSION_1.as_bytes()).unwrap()];
    let shown = rustls::sign::CertifiedKey::new(chain, signer);
    config.cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(shown));
    let server = Server::new(config);
    let (error, said) = server.refused(trusting(&authority)).await;
    assert!(matches!(error, TlsError::Version1), "{error:?}");
    assert!(said.contains("X.509 version 1"), "{said}");
}

#[cfg(feature = "pkcs12")]
mod pkcs12 {
    use super::*;
    use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};

    fn archive(client: &Signed, authority: &Authority, password: &str) -> Vec<u8> {
        let chain = [client.certificate.der().to_vec(), authority.der()];
        let certificates = chain.iter().map(|der| Certificate::from_der(der).unwrap());
        let key = PrivateKey::from_der(&client.key.serialize_der()).unwrap();
        let entry = PrivateKeyChain::new("1", key, certificates.collect::<Vec<_>>());
        let mut store = KeyStore::new();
        store.add_entry("device", KeyStoreEntry::PrivateKeyChain(entry));
        store.writer(password).write().unwrap()
    }

    #[tokio::test]
    async fn a_client_certificate_lets_in() {
        let authority = Authority::new("Test CA");
        let client = authority.client("device-7");
        let archive = archive(&client, &authority, "secret");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.p12");
        std::fs::write(&path, &archive).unwrap();
        for options in [
            trusting(&authority).identity_pkcs12(&archive, "secret"),
            trusting(&authority).identity_pkcs12_file(&path, "secret"),
        ] {
            let certificate = authority.server("localhost");
            let server = Server::new(certificate.server_config(Some(&authority)));
            assert_echoes(server.connect(options.unwrap()).await.unwrap()).await;
        }
    }

    #[test]
    fn a_wrong_password_and_a_file_that_is_none_are_told_apart() {
        let authority = Authority::new("Test CA");
        let archive = archive(&authority.client("device-7"), &authority, "secret");
        let wrong = TlsOptions::new()
            .identity_pkcs12(&archive, "guess")
            .unwrap_err();
        assert_eq!(wrong.to_string(), "PKCS#12 archive: the password is wrong");
        let none = TlsOptions::new()
            .identity_pkcs12("hello", "secret")
            .unwrap_err();
        assert!(
            none.to_string().contains("cannot be read as PKCS#12"),
            "{none}"
        );
    }
}
