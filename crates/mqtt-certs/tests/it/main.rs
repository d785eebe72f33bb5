//! What is made is verified by others: rustls, and openssl where there is one.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use mqtt_certs::{CertificateFile, CertificateMaker, CertsError, Pair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::{TempDir, tempdir};

fn roots(files: &Pair) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(&files.certificate).unwrap();
    roots.add(authority).unwrap();
    roots
}

fn identity(files: &Pair) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let certificate = CertificateDer::from_pem_file(&files.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    (vec![certificate], key)
}

/// A handshake in memory in which both show certificates.
fn handshake(authority: &Pair, server: &Pair, client: &Pair, host: &str) -> Result<(), String> {
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots(authority))).build();
    let (chain, key) = identity(server);
    let server = ServerConfig::builder()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    let (chain, key) = identity(client);
    let client = ClientConfig::builder()
        .with_root_certificates(roots(authority))
        .with_client_auth_cert(chain, key)
        .unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server
            .process_new_packets()
            .map_err(|error| error.to_string())?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client
            .process_new_packets()
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn files(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn both_ends_believe_what_was_made() {
    let folder = tempdir().unwrap();
    let made = CertificateMaker::new(folder.path())
        .host("broker.lan")
        .and_then(|maker| maker.host("192.0.2.7"))
        .and_then(|maker| maker.client("meter-7"))
        .unwrap();
    let made = made.make().unwrap();
    let server = made.server.unwrap();
    assert_eq!(server.name, "broker.lan");
    let client = &made.clients.first().unwrap().files;
    for host in ["broker.lan", "192.0.2.7", "localhost", "127.0.0.1", "::1"] {
        assert_eq!(
            handshake(&made.authority, &server.files, client, host),
            Ok(()),
            "{host}"
        );
    }
    let error = handshake(&made.authority, &server.files, client, "other.lan").unwrap_err();
    assert!(error.contains("not valid for name"), "{error}");
    // Neither may stand in for the other.
    let error = handshake(&made.authority, client, &server.files, "localhost").unwrap_err();
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn more_clients_come_later_from_the_same_authority() {
    let folder = tempdir().unwrap();
    let first = CertificateMaker::new(folder.path()).make().unwrap();
    let later = CertificateMaker::new(folder.path())
        .client("b")
        .unwrap()
        .make()
        .unwrap();
    assert!(first.is_authority_new && !later.is_authority_new && later.server.is_none());
    let server = first.server.unwrap().files;
    let client = &later.clients.first().unwrap().files;
    assert_eq!(
        handshake(&first.authority, &server, client, "localhost"),
        Ok(())
    );
    assert_eq!(
        files(&folder),
        [
            "ca.key",
            "ca.pem",
            "client-b.key",
            "client-b.pem",
            "server.key",
            "server.pem"
        ]
    );
}

#[test]
fn nothing_is_replaced_unless_asked_for_and_the_authority_never() {
    let folder = tempdir().unwrap();
    let maker = CertificateMaker::new(folder.path()).client("a").unwrap();
    maker.make().unwrap();
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let before: Vec<_> = files(&folder).iter().map(|name| read(name)).collect();
    let again = |maker: CertificateMaker, file: &str| {
        let error = maker.make().unwrap_err();
        let expected = folder.path().join(file);
        assert!(matches!(error, CertsError::AlreadyThere { path } if path == expected));
    };
    again(maker.clone(), "client-a.pem");
    again(CertificateMaker::new(folder.path()), "server.pem");
    again(
        maker.clone().host("h").unwrap().client("new").unwrap(),
        "server.pem",
    );
    let after: Vec<_> = files(&folder).iter().map(|name| read(name)).collect();
    assert!(
        before == after,
        "a refused order has left or changed a file"
    );
    maker.host("h").unwrap().replacing().make().unwrap();
    let after: Vec<_> = files(&folder).iter().map(|name| read(name)).collect();
    let same: Vec<bool> = before
        .iter()
        .zip(&after)
        .map(|(old, new)| old == new)
        .collect();
    assert_eq!(same, [true, true, false, false, false, false]);
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempdir().unwrap();
    let maker = CertificateMaker::new(folder.path()).client("a").unwrap();
    maker.make().unwrap();
    for name in files(&folder) {
        let mode = fs::metadata(folder.path().join(&name))
            .unwrap()
            .permissions()
            .mode();
        let expected = if name.ends_with(".key") { 0o600 } else { 0o644 };
        assert_eq!(mode & 0o777, expected, "{name}");
    }
}

#[test]
fn an_authority_that_is_none_is_named() {
    let folder = tempdir().unwrap();
    let made = CertificateMaker::new(folder.path()).make().unwrap();
    let again = || {
        let maker = CertificateMaker::new(folder.path()).client("x").unwrap();
        maker.make().unwrap_err().to_string()
    };
    let of = |name: &str| folder.path().join(name).display().to_string();
    let server = made.server.unwrap().files;
    let certificate = fs::read(&made.authority.certificate).unwrap();
    fs::copy(&server.certificate, &made.authority.certificate).unwrap();
    assert_eq!(
        again(),
        format!("{} is no certificate of an authority", of("ca.pem"))
    );
    fs::write(&made.authority.certificate, certificate).unwrap();
    fs::copy(&server.key, &made.authority.key).unwrap();
    assert_eq!(
        again(),
        format!("{} is not the key of {}", of("ca.key"), of("ca.pem"))
    );
    fs::remove_file(&made.authority.key).unwrap();
    assert_eq!(
        again(),
        format!(
            "{} is there and {} is not; both or neither",
            of("ca.pem"),
            of("ca.key")
        )
    );
    fs::write(&made.authority.key, "").unwrap();
    fs::write(&made.authority.certificate, "").unwrap();
    assert_eq!(again(), format!("{}: no certificate in it", of("ca.pem")));
}

#[test]
fn names_that_cannot_be_are_refused() {
    let maker = || CertificateMaker::new("never");
    for host in [
        "",
        "a b",
        "-a",
        "a..b",
        "*",
        "a.*",
        "mqtts://a",
        "a:1883",
        "ü.example",
    ] {
        assert!(maker().host(host).is_err(), "{host:?}");
    }
    for host in [
        "a",
        "*.example.com",
        "xn--bcher-kva.example",
        "::1",
        "my_pi.local",
    ] {
        assert!(maker().host(host).is_ok(), "{host:?}");
    }
    for client in ["", "../x", "a/b", ".a", "a b", &"x".repeat(65)] {
        assert!(maker().client(client).is_err(), "{client:?}");
    }
    let twice = maker().client("a").unwrap().client("A").unwrap_err();
    assert_eq!(twice.to_string(), "client A is named twice");
}

#[test]
fn a_certificate_says_what_it_is_for_and_until_when() {
    let folder = tempdir().unwrap();
    let maker = CertificateMaker::new(folder.path())
        .host("h.lan")
        .unwrap()
        .days(9);
    let made = maker.make().unwrap();
    let server = CertificateFile::read(&made.server.unwrap().files.certificate).unwrap();
    assert_eq!(server.subject(), "CN=h.lan");
    assert!(
        server
            .issuer()
            .starts_with("CN=MQTT development authority ")
    );
    assert_eq!(server.names(), ["h.lan", "localhost", "127.0.0.1", "::1"]);
    assert_eq!(
        (server.uses(), server.is_authority()),
        (&["server"][..], false)
    );
    let left = server
        .not_after()
        .duration_since(SystemTime::now())
        .unwrap();
    let day = Duration::from_secs(86_400);
    assert!(left > day * 8 && left <= day * 9, "{left:?}");
    let authority = CertificateFile::read(&made.authority.certificate).unwrap();
    assert!(authority.is_authority() && authority.not_after() > server.not_after());
    // A certificate that outlives its authority would be worth nothing after that.
    let folder = tempdir().unwrap();
    let made = CertificateMaker::new(folder.path())
        .days(100_000)
        .make()
        .unwrap();
    let server = CertificateFile::read(&made.server.unwrap().files.certificate).unwrap();
    let authority = CertificateFile::read(&made.authority.certificate).unwrap();
    assert_eq!(server.not_after(), authority.not_after());
}

/// Where there is no openssl, rustls has said it.
#[test]
fn openssl_finds_it_good() {
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(arguments).stdin(Stdio::null()).output().ok()
    };
    if openssl(&["version"]).is_none() {
        return;
    }
    let folder = tempdir().unwrap();
    let made = CertificateMaker::new(folder.path())
        .client("a")
        .unwrap()
        .make()
        .unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let authority = text(&made.authority.certificate);
    let server = text(&made.server.unwrap().files.certificate);
    let client = text(&made.clients.first().unwrap().files.certificate);
    let verify = ["verify", "-x509_strict", "-CAfile", &authority, "-purpose"];
    for (purpose, file) in [("sslserver", &server), ("sslclient", &client)] {
        let output = openssl(&[&verify[..], &[purpose, file]].concat()).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.ends_with(": OK\n"),
            "{said}"
        );
    }
}
