//! TLS: which certificates get in, which versions are spoken, and certificates that change.

use super::{Authority, Files, Guest, Guests, dial, port, tls_listener, trusting, with_door};
use crate::kit::Server;
use mqtt_broker::config::{
    CertificateField, CertificateFiles, Listener, ListenerKind, Secret, Verify,
};
use mqtt_broker::{AllowAll, Broker, Config};
use mqtt_io::rustls::pki_types::pem::PemObject;
use mqtt_io::rustls::{ClientConfig, RootCertStore, crypto, version};
use mqtt_io::{Connector, TlsConfig, TlsOptions, TlsVersion};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A broker that wants certificates of `devices`, and the address of its TLS listener.
fn wanting(
    files: &Files,
    authority: &Authority,
    devices: &Authority,
    change: impl FnOnce(&mut Listener),
) -> (Server, Guests, String) {
    let mut listener = tls_listener(ListenerKind::Ssl, files, authority);
    listener.tls.verify = Verify::Peer;
    listener.tls.fail_if_no_peer_cert = true;
    listener.tls.cacertfile = Some(files.write("devices.pem", &devices.pem()));
    change(&mut listener);
    let (server, guests) = with_door(listener);
    let url = format!("mqtts://localhost:{}", port(server.broker(), "ssl:door"));
    (server, guests, url)
}

/// Whether a client with these options is let in.
async fn is_let_in(url: &str, options: TlsOptions) -> bool {
    let connector = Connector::new().tls(options.build().unwrap());
    let Ok(mut guest) = dial(url, &connector).await else {
        return false;
    };
    // With TLS 1.3 the client is through before its certificate is looked at.
    if tokio::io::AsyncWriteExt::write_all(&mut guest.stream, &super::hello("device"))
        .await
        .is_err()
    {
        return false;
    }
    guest.receive().await == Some(vec![0x20, 2, 0, 0])
}

#[test]
fn only_good_client_certificates_get_in() {
    let (files, authority, devices) = (
        Files::new(),
        Authority::new("servers"),
        Authority::new("devices"),
    );
    let others = Authority::new("devices");
    let crl = files.write("devices.crl", &devices.revoke(&[8, 9]));
    let (server, guests, url) = wanting(&files, &authority, &devices, |listener| {
        listener.tls.crlfile = vec![crl];
        listener.peer_cert_as_username = Some(CertificateField::Cn);
    });
    let good = devices.client("meter-7", 7);
    let show = |signed: &super::authority::Signed| {
        trusting(&authority)
            .identity_pem(signed.pem(), signed.key_pem())
            .unwrap()
    };
    server.block_on(async {
        assert!(!is_let_in(&url, trusting(&authority)).await, "none");
        for (what, bad) in [
            ("revoked", devices.client("meter-8", 8)),
            ("expired", devices.expired_client("meter-7")),
            (
                "another authority of that name",
                others.client("meter-7", 7),
            ),
            ("a server's", devices.server("meter-7")),
        ] {
            assert!(!is_let_in(&url, show(&bad)).await, "{what}");
        }
        assert!(is_let_in(&url, show(&good)).await);
        let connector = Connector::new().tls(show(&good).build().unwrap());
        let mut guest = Guest::connect(&url, &connector, "x").await;
        guest.subscribe("t").await;
    });
    let known = guests.last();
    assert_eq!(known.username.as_deref(), Some("meter-7"));
    let certificate = known.certificate.unwrap();
    assert_eq!(certificate.common_name.as_deref(), Some("meter-7"));
    assert_eq!(certificate.fingerprint_sha256.len(), 64);
    server.wait_until("failed handshakes", |broker| {
        let listeners = broker.listeners();
        listeners.iter().any(|one| one.handshakes_failed == 5)
    });
}

#[test]
fn an_optional_certificate_may_be_missing_but_not_bad() {
    let (files, authority, devices) = (
        Files::new(),
        Authority::new("servers"),
        Authority::new("devices"),
    );
    let (server, _, url) = wanting(&files, &authority, &devices, |listener| {
        listener.tls.fail_if_no_peer_cert = false;
    });
    let bad = Authority::new("others").client("meter-7", 7);
    let bad = trusting(&authority)
        .identity_pem(bad.pem(), bad.key_pem())
        .unwrap();
    server.block_on(async {
        assert!(is_let_in(&url, trusting(&authority)).await);
        assert!(!is_let_in(&url, bad).await);
    });
}

#[test]
fn a_name_that_a_certificate_has_to_give_is_not_made_up() {
    let (files, authority, devices) = (
        Files::new(),
        Authority::new("servers"),
        Authority::new("devices"),
    );
    let (server, _, url) = wanting(&files, &authority, &devices, |listener| {
        listener.tls.fail_if_no_peer_cert = false;
        listener.peer_cert_as_clientid = Some(CertificateField::San);
    });
    let device = devices.client("meter-7", 7);
    let shown = trusting(&authority)
        .identity_pem(device.pem(), device.key_pem())
        .unwrap();
    server.block_on(async {
        assert!(!is_let_in(&url, trusting(&authority)).await);
        let connector = Connector::new().tls(shown.build().unwrap());
        let _guest = Guest::connect(&url, &connector, "somebody-else").await;
        assert!(server.broker().manager().kick("meter-7"));
    });
}

#[test]
fn only_the_versions_that_are_set_are_spoken() {
    let (files, authority) = (Files::new(), Authority::new("servers"));
    let of = |versions: &[TlsVersion]| {
        let mut listener = tls_listener(ListenerKind::Ssl, &files, &authority);
        listener.tls.versions = versions.to_vec();
        let (server, _) = with_door(listener);
        let url = format!("mqtts://localhost:{}", port(server.broker(), "ssl:door"));
        (server, url)
    };
    let client = |version| {
        let mut roots = RootCertStore::empty();
        let pem = authority.pem();
        let der = PemObject::from_pem_slice(pem.as_bytes());
        roots.add(der.unwrap()).unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Connector::new().tls(TlsConfig::from(Arc::new(config)))
    };
    for (served, taken, refused) in [
        (TlsVersion::Tls13, &version::TLS13, &version::TLS12),
        (TlsVersion::Tls12, &version::TLS12, &version::TLS13),
    ] {
        let (server, url) = of(&[served]);
        server.block_on(async {
            let error = dial(&url, &client(refused)).await.map(drop).unwrap_err();
            assert!(error.to_string().contains("no version of TLS"), "{error}");
            let mut guest = Guest::connect(&url, &client(taken), "x").await;
            assert!(guest.is_alive().await);
        });
    }
}

#[test]
fn tls_1_1_is_refused_with_its_own_alert() {
    use std::io::{Read as _, Write as _};
    let (files, authority) = (Files::new(), Authority::new("servers"));
    let (server, _) = with_door(tls_listener(ListenerKind::Ssl, &files, &authority));
    let at = ("127.0.0.1", port(server.broker(), "ssl:door"));
    let mut tcp = std::net::TcpStream::connect(at).unwrap();
    // A ClientHello of version 3.2 with one cipher suite and one extension, the kinds of signatures.
    let mut hello = vec![1, 0, 0, 51, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xC0, 0x13, 1, 0]);
    hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let mut record = vec![0x16, 3, 1, 0, u8::try_from(hello.len()).unwrap()];
    record.extend(hello);
    tcp.write_all(&record).unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).unwrap();
    // An alert, fatal, protocol_version; RFC 8446 section 6.
    assert_eq!(answer[0], 0x15);
    assert_eq!(answer[5..], [2, 70]);
}

#[test]
fn the_certificate_fits_the_name_asked_for() {
    let (files, authority) = (Files::new(), Authority::new("servers"));
    let other = authority.server("other.example");
    let mut listener = tls_listener(ListenerKind::Ssl, &files, &authority);
    listener.tls.certificates = vec![CertificateFiles {
        certfile: files.write("other.pem", &other.pem()),
        keyfile: files.write("other.key", &other.key_pem()),
    }];
    let (server, _) = with_door(listener);
    let url = format!("mqtts://localhost:{}", port(server.broker(), "ssl:door"));
    server.block_on(async {
        for name in ["localhost", "other.example"] {
            let options = trusting(&authority).server_name(name).unwrap();
            assert!(is_let_in(&url, options).await, "{name}");
        }
        let unknown = trusting(&authority).server_name("no.example").unwrap();
        assert!(!is_let_in(&url, unknown).await, "a name nobody has");
    });
    let names: Vec<_> = server.broker().certificates();
    let names: Vec<_> = names
        .iter()
        .map(|state| state.certificate.common_name.as_deref().unwrap())
        .collect();
    assert_eq!(names, ["localhost", "other.example"]);
}

/// Waits until a client that trusts `options` gets in, or does not any more.
async fn until_let_in(url: &str, expected: bool, options: impl Fn() -> TlsOptions) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_let_in(url, options()).await != expected {
        assert!(Instant::now() < deadline, "not in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn changed_files_are_read_again_and_live_clients_stay() {
    let (files, before, after) = (
        Files::new(),
        Authority::new("before"),
        Authority::new("after"),
    );
    let (server, _) = with_door(tls_listener(ListenerKind::Ssl, &files, &before));
    let url = format!("mqtts://localhost:{}", port(server.broker(), "ssl:door"));
    server.block_on(async {
        let connector = Connector::new().tls(trusting(&before).build().unwrap());
        let mut live = Guest::connect(&url, &connector, "live").await;
        // A file that is broken leaves in force what was.
        files.write("server.pem", "no certificate");
        let settled = server.broker().certificates();
        let failed = |broker: &Broker| {
            let listeners = broker.listeners();
            let door = listeners.iter().find(|one| &*one.name == "ssl:door");
            door.unwrap().certificates_failed
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while failed(server.broker()) == 0 {
            assert!(Instant::now() < deadline, "nobody has looked");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(is_let_in(&url, trusting(&before)).await);
        let new = after.server("localhost");
        files.write("server.key", &new.key_pem());
        assert!(is_let_in(&url, trusting(&before)).await);
        files.write("server.pem", &new.pem());
        until_let_in(&url, true, || trusting(&after)).await;
        assert!(!is_let_in(&url, trusting(&before)).await);
        assert_ne!(server.broker().certificates(), settled);
        assert!(live.is_alive().await);
    });
}

#[test]
fn who_is_revoked_while_the_broker_runs_does_not_come_back() {
    let (files, authority, devices) = (
        Files::new(),
        Authority::new("servers"),
        Authority::new("devices"),
    );
    let crl = files.write("devices.crl", &devices.revoke(&[1]));
    let (server, _, url) = wanting(&files, &authority, &devices, |listener| {
        listener.tls.crlfile = vec![crl];
    });
    let device = devices.client("meter-7", 7);
    let options = || {
        trusting(&authority)
            .identity_pem(device.pem(), device.key_pem())
            .unwrap()
    };
    server.block_on(async {
        // One that could resume its session, too.
        let connector = Connector::new().tls(options().build().unwrap());
        let mut live = Guest::connect(&url, &connector, "live").await;
        assert!(live.is_alive().await);
        files.write("devices.crl", &devices.revoke(&[1, 7]));
        until_let_in(&url, false, options).await;
        let again = dial(&url, &connector).await;
        if let Ok(mut again) = again {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut again.stream, &super::hello("a")).await;
            assert_eq!(again.receive().await, None);
        }
    });
}

/// The line that tells why a broker with this listener does not start.
fn refusal(change: impl FnOnce(&Files, &mut Listener)) -> String {
    let (files, authority) = (Files::new(), Authority::new("servers"));
    let mut listener = tls_listener(ListenerKind::Ssl, &files, &authority);
    change(&files, &mut listener);
    let config = Config {
        listeners: [("ssl:door".to_owned(), listener)].into(),
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let started = runtime.block_on(Broker::builder().config(config).access(AllowAll).start());
    let dir = files.path("");
    let line = started.map(drop).unwrap_err().to_string();
    line.replace(&dir.display().to_string(), "")
}

/// A key that is of no use anywhere, as `openssl genpkey` writes it.
const PLAIN_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCwbQtrN+BrX8hVHn
k3m7dVKL+nprElN27iLQpZZYREahRANCAAR7Ft4PMjmceOgGLYkWDLuANbAGmRs/
XYi++fJoFPaDYTasV8+Cx7Uc6vZQfONbQQKIK01mQusU4ge6zSL3nR4w
-----END PRIVATE KEY-----
";

/// The same by `openssl pkcs8 -topk8` with the password `open-sesame`.
const ENCRYPTED_KEY: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgao0ai/beDcAICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEECHusRmbmwbUn3LlLRR1jroEgZA/
jvyxBEC+bNASV2Jupt+dkf60sG6Ess7y7K+/UQ1n+K2kMcpKLS6dadSqfNCsVLp5
KZ46PnFBseybtbKA8jaOpz368mvQKFYUTWZnlLoqj06jCKkfPNz1/j8w1BJeQiLe
npSIsgC8bu2589XOQ7nl7nik4MXfmWEcdhIYHFPnqao9N/0f4yhchCuI/XUJnAg=
-----END ENCRYPTED PRIVATE KEY-----
";

#[test]
fn an_encrypted_key_takes_its_password() {
    let (files, authority) = (Files::new(), Authority::new("servers"));
    let certificate = authority.server_with("localhost", PLAIN_KEY);
    let mut listener = tls_listener(ListenerKind::Ssl, &files, &authority);
    listener.tls.certfile = Some(files.write("own.pem", &certificate));
    listener.tls.keyfile = Some(files.write("own.key", ENCRYPTED_KEY));
    listener.tls.password = Some(Secret::new("open-sesame"));
    // One that is not encrypted does without.
    let other = authority.server("other.example");
    listener.tls.certificates = vec![CertificateFiles {
        certfile: files.write("other.pem", &other.pem()),
        keyfile: files.write("other.key", &other.key_pem()),
    }];
    let (server, _) = with_door(listener);
    let url = format!("mqtts://localhost:{}", port(server.broker(), "ssl:door"));
    server.block_on(async {
        assert!(is_let_in(&url, trusting(&authority)).await);
    });
    let encrypted = |files: &Files, listener: &mut Listener| {
        let certificate = Authority::new("x").server_with("localhost", PLAIN_KEY);
        listener.tls.certfile = Some(files.write("own.pem", &certificate));
        listener.tls.keyfile = Some(files.write("own.key", ENCRYPTED_KEY));
    };
    assert_eq!(
        refusal(encrypted),
        "listener `ssl:door`: `ssl_options.keyfile`: own.key, line 1: the private key is encrypted and no password is given for it; decrypt it (openssl pkey -in FILE -out NEW) where none can be"
    );
    assert_eq!(
        refusal(|files, listener| {
            encrypted(files, listener);
            listener.tls.password = Some(Secret::new("sesame"));
        }),
        "listener `ssl:door`: `ssl_options.keyfile`: own.key, line 1: the password is wrong"
    );
}

#[test]
fn a_bad_file_of_a_list_is_named_with_its_place() {
    let line = refusal(|files, listener| {
        let other = Authority::new("others").server("other.example");
        let good = CertificateFiles {
            certfile: files.write("other.pem", &other.pem()),
            keyfile: files.write("other.key", &other.key_pem()),
        };
        let bad = CertificateFiles {
            certfile: files.write("bad.pem", "hello"),
            ..good.clone()
        };
        listener.tls.certificates = vec![good, bad];
    });
    assert_eq!(
        line,
        "listener `ssl:door`: `ssl_options.certificates[1].certfile`: bad.pem: no certificate in it"
    );
}

#[test]
fn bad_files_are_named_with_listener_and_key() {
    assert_eq!(
        refusal(|files, listener| {
            listener.tls.certfile = Some(files.write("server.pem", "\nhello"));
        }),
        "listener `ssl:door`: `ssl_options.certfile`: server.pem: no certificate in it"
    );
    let line = refusal(|_, listener| listener.tls.keyfile = Some(PathBuf::from("no/such.key")));
    assert!(
        line.starts_with("listener `ssl:door`: `ssl_options.keyfile`: cannot read no/such.key: "),
        "{line}"
    );
    assert_eq!(
        refusal(|files, listener| {
            let other = Authority::new("others").server("localhost");
            listener.tls.keyfile = Some(files.write("other.key", &other.key_pem()));
        }),
        "listener `ssl:door`: `ssl_options.keyfile`: the private key does not belong to the certificate"
    );
    assert_eq!(
        refusal(|files, listener| {
            let authority = Authority::new("devices").pem();
            listener.tls.verify = Verify::Peer;
            listener.tls.cacertfile = Some(files.write("ca.pem", &authority));
            listener.tls.crlfile = vec![files.write("ca.crl", &authority)];
        }),
        "listener `ssl:door`: `ssl_options.crlfile`: ca.crl: no list of revoked certificates (X509 CRL) in it, only CERTIFICATE"
    );
}
