//! `mqtt pub` and `mqtt sub` by the addresses of several transports.

use std::{net::TcpListener, sync::Arc, thread};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types::PrivatePkcs8KeyDer,
};
use tempfile::TempDir;

use crate::{
    process::{Ended, run},
    server::{ScriptedServer, Talk, V5_ACCEPTED},
};

#[test]
fn the_topic_and_the_credentials_may_stand_in_the_address() {
    let server = ScriptedServer::run(|accept| {
        let mut talk = accept.next();
        let connect = String::from_utf8_lossy(&talk.hear().body).into_owned();
        assert!(connect.ends_with("\0\u{5}alice\0\u{4}p@ss"), "{connect:?}");
        talk.say(V5_ACCEPTED);
        assert_eq!(talk.hear().body, b"\0\x0Fsensors/kitchen\x0021.5");
        assert_eq!(talk.hear().first, 0xE0);
    });
    let address = format!(
        "mqtt://alice:p%40ss@127.0.0.1:{}/sensors/kitchen",
        server.port()
    );
    let ended = run(["pub", "-L", &address, "-m", "21.5"]);
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    server.join();
}

#[test]
fn flags_are_stronger_than_the_credentials_of_the_address() {
    let server = ScriptedServer::run(|accept| {
        let mut talk = accept.next();
        let connect = String::from_utf8_lossy(&talk.hear().body).into_owned();
        assert!(connect.ends_with("\0\u{3}bob\0\u{2}pw"), "{connect:?}");
        talk.say(V5_ACCEPTED);
        assert_eq!(talk.hear().first, 0x30);
        assert_eq!(talk.hear().first, 0xE0);
    });
    let address = format!("mqtt://alice:secret@127.0.0.1:{}/t", server.port());
    let ended = run(["pub", "-L", &address, "-u", "bob", "-P", "pw", "-n"]);
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    server.join();
}

#[test]
fn a_topic_is_said_once_and_somewhere() {
    for (args, said) in [
        (
            &["pub", "-n", "-L", "mqtt://h"][..],
            "say a topic: with -t, or at the end of the address",
        ),
        (
            &["pub", "-n", "-t", "a", "-L", "mqtt://h/a"],
            "the topic is in the address, leave out -t",
        ),
        (
            &["sub", "-L", "mqtt://h"],
            "say a topic: with -t, or at the end of the address",
        ),
        (
            &["pub", "-n", "-t", "a", "-L", "http://h"],
            "server address: scheme \"http\" is none of mqtt, tcp, mqtts, ssl, tls, ws, wss, unix, quic",
        ),
    ] {
        let ended = run(args);
        assert_eq!(
            (ended.stderr, ended.code),
            (format!("mqtt: {said}\n"), Some(2))
        );
    }
}

/// A server that shows a certificate for `name` and takes one PUBLISH, if the client goes on.
struct TlsServer {
    port: String,
    /// The authority's certificate, and the folder it is in.
    ca_file: String,
    _folder: TempDir,
}

impl TlsServer {
    fn new(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let mut authority = CertificateParams::default();
        // Two with one name would be taken for each other.
        let unique = format!("Test CA of port {port}");
        authority
            .distinguished_name
            .push(DnType::CommonName, unique);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let ca = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        thread::spawn(move || {
            let (tcp, _) = listener.accept().unwrap();
            let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
            let mut tcp = tcp;
            if tls.complete_io(&mut tcp).is_err() {
                return;
            }
            let mut talk = Talk(StreamOwned::new(tls, tcp));
            assert_eq!(talk.hear().first, 0x10);
            talk.say(V5_ACCEPTED);
            assert_eq!(talk.hear().first, 0x32);
            talk.say(&[0x40, 2, 0, 1]);
            assert_eq!(talk.hear().first, 0xE0);
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, ca).unwrap();
        Self {
            port,
            ca_file: path.to_str().unwrap().to_owned(),
            _folder: folder,
        }
    }

    fn publish(&self, flags: &[&str]) -> Ended {
        let address = format!("mqtts://localhost:{}/t", self.port);
        let args = ["pub", "-L", &address, "-q", "1", "-n"];
        run(args.iter().chain(flags))
    }
}

#[test]
fn tls_by_an_authority_of_ones_own() {
    let server = TlsServer::new("localhost");
    let ended = server.publish(&["--cafile", &server.ca_file]);
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    // The flag alone says that TLS is meant.
    let server = TlsServer::new("localhost");
    let ended = run([
        "pub",
        "-p",
        &server.port,
        "--cafile",
        &server.ca_file,
        "-t",
        "t",
        "-q",
        "1",
        "-n",
    ]);
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
}

#[test]
fn a_certificate_nobody_vouches_for_is_refused() {
    let server = TlsServer::new("localhost");
    let other = TlsServer::new("localhost");
    let ended = server.publish(&["--cafile", &other.ca_file]);
    let said = "mqtt: TLS with localhost: the certificate is signed by no authority that is trusted here\n";
    assert_eq!((ended.stderr.as_str(), ended.code), (said, Some(1)));
}

#[test]
fn another_name_is_accepted_only_insecurely_and_with_a_warning() {
    let server = TlsServer::new("elsewhere.example");
    let ended = server.publish(&["--cafile", &server.ca_file]);
    assert!(
        ended
            .stderr
            .contains("not for localhost, only for elsewhere.example"),
        "{}",
        ended.stderr
    );
    for is_trusted in [true, false] {
        let server = TlsServer::new("elsewhere.example");
        let mut flags = vec!["--insecure"];
        if is_trusted {
            flags.extend(["--cafile", &server.ca_file]);
        }
        let ended = server.publish(&flags);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(
            ended.stderr.starts_with("mqtt: --insecure: "),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr.lines().count(), 1);
    }
}

#[test]
fn files_that_are_not_there_are_named() {
    let ended = run(["pub", "-t", "t", "-n", "--cafile", "nowhere/ca.pem"]);
    let start = "mqtt: cannot read nowhere/ca.pem: ";
    assert!(ended.stderr.starts_with(start), "{}", ended.stderr);
    assert_eq!(ended.code, Some(2));
}
