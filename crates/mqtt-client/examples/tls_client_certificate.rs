//! Connects over TLS with a certificate of its own, as devices do, to a server whose authority is a file.
#![expect(clippy::print_stdout, reason = "a program that talks to people")]

use mqtt_client::{Client, QoS, TlsOptions};
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, authority, certificate, key] = arguments.as_slice() else {
        return Err(
            "usage: tls_client_certificate ADDRESS CA-FILE CERTIFICATE-FILE KEY-FILE".into(),
        );
    };
    run(address, authority, (certificate, key)).await
}

/// Publishes one message over TLS.
pub(crate) async fn run(
    address: &str,
    authority: &str,
    (certificate, key): (&str, &str),
) -> Result<(), Box<dyn Error>> {
    let tls = TlsOptions::new()
        .ca_file(authority)?
        .identity_files(certificate, key)?
        .build()?;
    let client = Client::builder(address).tls(tls).connect().await?;
    client
        .publish("devices/7/state", "online")
        .qos(QoS::AtLeastOnce)
        .await?;
    println!("published over TLS");
    client.disconnect().await?;
    Ok(())
}
